/** `carequorum case`: a hospital stay with a ledger of its own, for the patient and the team. */
import type { Command } from 'commander';
import { examples } from '../options.ts';
import type { Runner } from '../runner.ts';
import { addCourse } from './case-course.ts';
import { key } from './case-deed.ts';
import { addLooks } from './case-looks.ts';
import { addMembers } from './case-members.ts';
import { addNotes, addQuestions } from './case-notes.ts';
import { addConsent, addOpen } from './case-opening.ts';

export function addCase(program: Command, run: Runner): void {
  const command = program
    .command('case')
    .summary('a hospital stay with a ledger of its own, for the patient and the team')
    .description(
      'A case is a ledger for one hospital stay. The patient and the clinicians whom it names write notes and ' +
        'opinions there; where they disagree they vote, by a rule that is fixed when it is opened. Nobody else ' +
        'reads anything, the hospitals’ operators included. When somebody joins or leaves, the key changes. ' +
        'At the end its last block is anchored in the main ledger, so that nothing can be changed unseen.',
    );
  examples(command, [
    '# the patient lets a doctor open it:',
    'carequorum case consent "Ada Okonjo" --keystore anna.keystore',
    '# the doctor:',
    `carequorum case open --consent CONSENT ${key}`,
    `carequorum case add CASE 1000000020 --with-history ${key}`,
    `carequorum case note CASE --text "Afebrile since noon." ${key}`,
    `carequorum case close CASE ${key}`,
  ]);
  for (const add of [
    addConsent,
    addOpen,
    addMembers,
    addNotes,
    addQuestions,
    addCourse,
    addLooks,
  ]) {
    add(command, run);
  }
}
