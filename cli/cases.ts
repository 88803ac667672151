/** Cases on the command line: who acts, whom a name means, and how a case looks. */
import {
  type CasePerson,
  type CaseView,
  clinicianInCases,
  listCases,
  PATIENT,
  patientInCases,
} from '../sdk/case-data.ts';
import type { CaseContents } from '../sdk/case-reading.ts';
import { findIdentity, type LedgerIdentity } from '../sdk/directory.ts';
import { SdkError } from '../sdk/errors.ts';
import type { CommandContext } from './context.ts';
import { byId, identitiesOf, personText } from './people.ts';
import { shortId } from './output.ts';
import { timeText } from './times.ts';

/** The patient or clinician of the keystore. */
export async function casePerson(context: CommandContext): Promise<CasePerson> {
  const person = await context.person();
  if (person.kind === 'patient') return patientInCases(person.patient);
  if (person.kind === 'clinician') return clinicianInCases(person.clinician);
  throw new SdkError('wrong_keystore', 'An operator takes part in no case, and reads none.', {
    nextStep: 'Give the keystore of a patient or a clinician with --keystore.',
  });
}

/** The id of a case by its start; a whole id is taken as it is. */
export async function caseIdOf(person: CasePerson, wanted: string): Promise<string> {
  if (/^[0-9a-f]{64}$/.test(wanted)) return wanted;
  const listed = { what: 'case', listedBy: 'carequorum case list' };
  return byId(await listCases(person), wanted, listed).id;
}

/** A member by name; somebody whose identity ended is in no directory, and is found all the same. */
export async function memberNamed(
  { session, signer }: CasePerson,
  { members }: CaseView,
  wanted: string,
): Promise<LedgerIdentity> {
  const folded = wanted.normalize('NFKC').toLowerCase();
  for (const { who } of members) {
    if (who === PATIENT) continue;
    const found = await findIdentity(session, signer, { subject: who });
    if (who === wanted || found.name.normalize('NFKC').toLowerCase() === folded) return found;
  }
  throw new SdkError('not_found', `«${wanted}» is not in the case.`, {
    nextStep: 'Give the full name, as `carequorum case show` has it.',
  });
}

/** Names of members for people to read. */
export type Names = (who: string) => string;

export async function namesOf(
  { session, signer, who: self }: CasePerson,
  members: readonly string[],
): Promise<Names> {
  const people = await identitiesOf(
    session,
    signer,
    members.filter((who) => who !== PATIENT),
  );
  return (who) => {
    const person = people.get(who);
    const name = who === PATIENT ? 'the patient' : person ? personText(person) : shortId(who);
    return who === self ? `${name} (you)` : name;
  };
}

/** What was written and asked, oldest first. */
export function contentLines({ notes, questions }: CaseContents, names: Names): string[] {
  const said = notes.map((note) => {
    const kind = note.corrects === null ? (note.said?.kind ?? 'note') : 'correction';
    const head = `${timeText(note.time)}  ${names(note.author)}, ${kind} ${note.noteId}:`;
    return { time: note.time, lines: [head, ...textLines(note.said?.text ?? null, note.reason)] };
  });
  const asked = questions.map((question) => {
    const { id, opener, said: text, reason, opened, votes, outcome } = question;
    const options = text?.options ?? [];
    const optionText = (at: number): string => `${at} (${options[at] ?? '?'})`;
    const ended =
      outcome === null
        ? `open until ${timeText(question.deadline)}, or settled by the attending clinician`
        : outcome.option === null
          ? 'not settled'
          : `settled: ${optionText(outcome.option)}, by ${outcome.by}`;
    return {
      time: opened.time,
      lines: [
        `${timeText(opened.time)}  ${names(opener)}, question ${id}:`,
        ...textLines(text?.text ?? null, reason),
        ...options.map((option, at) => `    ${at}: ${option}`),
        ...votes.map((vote) => `    ${names(vote.who)} votes ${optionText(vote.option)}`),
        `    ${ended}`,
      ],
    };
  });
  return [...said, ...asked].sort((a, b) => a.time - b.time).flatMap(({ lines }) => lines);
}

function textLines(text: string | null, reason: string | null): string[] {
  if (text === null) return [`    (not readable: ${reason ?? 'unknown'})`];
  return text.split('\n').map((line) => `    ${line}`);
}
