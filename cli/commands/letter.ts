/** `carequorum letter`: an operator vouches for a key whose holder stood before them. */
import { type Command, Option } from 'commander';
import { type Role, roleRow, roleSchema } from '../../lib/membership/roles.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Operator } from '../../sdk/operator.ts';
import { writeTextFile } from '../../sdk/platform/node.ts';
import { letterOfInvitation, letterOfReenrolment } from '../../sdk/reenrolment.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { type CommonOptions, examples, keystoreOptions, parseId, yesOption } from '../options.ts';
import type { CommandResult } from '../output.ts';
import { personQuery } from '../people.ts';
import type { Runner } from '../runner.ts';

interface LetterOptions extends CommonOptions {
  readonly role?: Role;
  readonly for?: string;
  readonly out: string;
}

const invitable = roleSchema.options.filter((role) => {
  const { way } = roleRow(role);
  return way === 'cosigned' || way === 'person';
});

export function addLetter(program: Command, run: Runner): void {
  const command = program
    .command('letter')
    .summary('operators: vouch for the new key of somebody whom you saw')
    .description(
      'Writes a letter, signed by you, that lets one key enrol. Give it only to somebody who stands before you, ' +
        'whose papers you saw, and who reads you the thumbprint of the key.\n' +
        'With --role: for staff whom no register lists, and for patients whose old keys are lost.\n' +
        'With --for: for a clinician of your hospital who lost the keys; see `carequorum reenrol --help`.\n' +
        'The letter is good for two weeks. It makes nothing count by itself.',
    )
    .argument('<thumbprint>', 'of the new key', parseId)
    .addOption(new Option('--role <role>', 'invite this key as').choices(invitable))
    .option('--for <name or npi>', 'the clinician whose key it takes over')
    .requiredOption('--out <file>', 'where the letter is written');
  examples(yesOption(keystoreOptions(command)), [
    'carequorum letter THUMBPRINT --role nurse --out farah.letter --keystore hospital-a.keystore',
    'carequorum letter THUMBPRINT --for 1000000012 --out ada.letter --keystore hospital-a.keystore',
  ]).action((kid: string, options: LetterOptions) =>
    run(options, (context) => write(context, kid, options)),
  );
}

async function write(
  context: CommandContext,
  kid: string,
  { role, for: person, out }: LetterOptions,
): Promise<CommandResult> {
  if ((role === undefined) === (person === undefined)) {
    throw new UsageError('Give either --role or --for.', 'See `carequorum letter --help`.');
  }
  const operator = await context.operator();
  const about = person === undefined ? `as ${role ?? ''}` : `as the new key of ${person}`;
  await context.confirm(
    [`You vouch for the key ${kid}, ${about}.`],
    'Did its holder stand before you, with papers, and read you this thumbprint?',
  );
  const letter =
    person === undefined
      ? await letterOfInvitation(operator, { role: role as Role, kid })
      : await letterOfReenrolment(operator, { subject: await subjectOf(operator, person), kid });
  await writeTextFile(out, `${letter}\n`);
  return {
    json: { letter: out, thumbprint: kid, ...(role ? { role } : { for: person }) },
    lines: [
      `The letter is in ${out}. Give it to the holder of the key, who runs`,
      person === undefined
        ? `  carequorum enrol --role ${role ?? ''} --letter ${out} …`
        : `  carequorum reenrol enrol --letter ${out} …`,
    ],
  };
}

/** Whom the membership service knows by this name or number. Throws `not_found`, `bad_input`. */
async function subjectOf({ session }: Operator, person: string): Promise<string> {
  const entries = await session.membership.directory(personQuery(person));
  const subjects = [...new Set(entries.map(({ subject }) => subject))];
  const [first, ...others] = subjects;
  if (first !== undefined && others.length === 0) return first;
  throw new SdkError(
    first === undefined ? 'not_found' : 'bad_input',
    first === undefined ? `Nobody called «${person}» is enrolled.` : 'Several have this name.',
    { nextStep: 'Give the NPI of ten digits with --for, or the full name as enrolled.' },
  );
}
