// `npm run restore`: the enrolment table of a membership service, from an encrypted backup.
import { readFile } from 'node:fs/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Command } from 'commander';
import { LocalError } from '../local/lib/errors.ts';
import { progressFor } from '../local/lib/progress.ts';
import { runInterruptible } from './interrupt.ts';
import { restoreMembership } from './membership-backup.ts';

interface MembershipOptions {
  readonly table: string;
  readonly key: string;
  readonly in: string;
  readonly json?: true;
}

const program = new Command('npm run restore --')
  .description(
    'Brings the membership service back. Other accounts are restored by their peers: docs/operations.md.',
  )
  .addHelpText(
    'after',
    `
Examples:
  npm run restore -- membership --table TABLE --key backup.key --in enrolments.age
  npm run --silent restore -- membership --table TABLE --key backup.key --in enrolments.age --json
What the table holds already stays as it is, so the same again is harmless.
Credentials, region and endpoint are found as the AWS CLI finds them; AWS_ENDPOINT_URL names an emulator.
exit code: 0 done, 1 not, 130 interrupted`,
  )
  .showHelpAfterError('(--help shows examples)');

program
  .command('membership')
  .description(
    'writes what a backup holds into the enrolment table of the same network, or an empty one',
  )
  .requiredOption(
    '--table <name>',
    'output MembershipTable of the stack; its service must be stopped',
  )
  .requiredOption('--key <file>', 'what `npm run backup -- key` wrote')
  .requiredOption('--in <file>', 'the backup')
  .option('--json', 'print what was done as JSON; progress goes to the other stream')
  .action((options: MembershipOptions) =>
    runInterruptible('run it again, and it goes on.', (signal) => restore(options, signal)),
  );

async function restore(
  { table, key, in: path, json }: MembershipOptions,
  signal: AbortSignal,
): Promise<void> {
  const progress = progressFor(json === true ? process.stderr : process.stdout);
  const identities = await identitiesIn(key);
  const target = { client: new DynamoDBClient({}), name: table };
  const { header, written, kept } = await progress.step(`${table} restored`, async (step) => {
    const onItems = (count: number, of: number): void => step.update(`${count} of ${of} items`);
    const done = await restoreMembership(target, { path, identities, onItems, signal });
    step.result(`${done.written} items written, ${done.kept} were there`);
    return done;
  });
  if (json === true) {
    return console.log(JSON.stringify({ table, written, kept, ...header }, null, 2));
  }
  progress.note(`\nAs of ${header.takenAt}, ${header.network}. Now let its service run again.`);
}

/** The secrets in a key file of age: a line each; lines that begin with # say something to people. */
async function identitiesIn(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new LocalError('bad_option', `The key file ${path} cannot be read.`, { cause });
  });
  const lines = text.split('\n').map((line) => line.trim());
  const found = lines.filter((line) => line.startsWith('AGE-SECRET-KEY-'));
  if (found.length > 0) return found;
  throw new LocalError('bad_option', `${path} holds no key.`, {
    cure: 'Give the file that `npm run backup -- key` wrote.',
  });
}

await program.parseAsync();
