// `npm run backup`: the enrolment table of a membership service, encrypted to a key that is kept elsewhere.
import { open, readFile } from 'node:fs/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import { Command } from 'commander';
import { runMain } from '../local/lib/console.ts';
import { LocalError } from '../local/lib/errors.ts';
import { progressFor } from '../local/lib/progress.ts';
import { runInterruptible } from './interrupt.ts';
import { backUpMembership } from './membership-backup.ts';

const program = new Command('npm run backup --')
  .description('Backs up the membership service, which nobody else has the data of.')
  .addHelpText(
    'after',
    `
Examples:
  npm run backup -- key --out backup.key
  npm run backup -- membership --table TABLE --recipient age1pq1… --out enrolments.age
  AWS_PROFILE=consortium AWS_REGION=eu-central-1 npm run backup -- membership --table TABLE --recipient "$(cat backup.recipient)" --out enrolments.age
Credentials, region and endpoint are found as the AWS CLI finds them; AWS_ENDPOINT_URL names an emulator.
The way back: npm run restore -- --help
exit code: 0 done, 1 not, 130 interrupted`,
  )
  .showHelpAfterError('(--help shows examples)');

program
  .command('key')
  .description(
    'makes the key that opens backups, and prints its recipient: what backups are made for',
  )
  .requiredOption(
    '--out <file>',
    'where the secret is written: keep it offline, with a copy elsewhere',
  )
  .action(({ out }: { out: string }) => runMain(() => makeKey(out)));

program
  .command('membership')
  .description('writes all items of the enrolment table, as they were at one moment')
  .requiredOption(
    '--table <name>',
    'output MembershipTable of the stack, or a table restored from it',
  )
  .requiredOption(
    '--recipient <key>',
    'whose secret opens the file, age1…; several for several keys',
    (key: string, others: readonly string[] = []) => [...others, key],
  )
  .requiredOption('--out <file>', 'where the backup is written')
  .option('--json', 'print what was written as JSON; progress goes to the other stream')
  .action((options: MembershipOptions) =>
    runInterruptible('no backup was written.', (signal) => backUp(options, signal)),
  );

interface MembershipOptions {
  readonly table: string;
  readonly recipient: readonly string[];
  readonly out: string;
  readonly json?: true;
}

async function backUp(
  { table, recipient, out, json }: MembershipOptions,
  signal: AbortSignal,
): Promise<void> {
  const progress = progressFor(json === true ? process.stderr : process.stdout);
  const target = { client: new DynamoDBClient({}), name: table };
  const header = await progress.step(`${table} backed up`, async (step) => {
    const done = await backUpMembership(target, {
      path: out,
      recipients: recipient,
      onItems: (count, of) => step.update(`${count} of ${of} items`),
      signal,
    });
    step.result(`${done.items} items of ${done.network}`);
    return done;
  });
  if (json === true) return console.log(JSON.stringify({ file: out, ...header }, null, 2));
  progress.note(`\nWritten to ${out}. Nothing opens it but the key that --recipient names.`);
}

/** Never overwrites: backups that exist would open no more. */
async function makeKey(path: string): Promise<void> {
  const identity = await generateHybridIdentity();
  const recipient = await identityToRecipient(identity);
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`# recipient: ${recipient}\n${identity}\n`);
    await file.close();
  } catch (cause) {
    const isThere = await readFile(path).then(
      () => true,
      () => false,
    );
    throw new LocalError('bad_option', `The key cannot be written to ${path}.`, {
      cure: isThere ? 'There is a file of that name: give another.' : 'Does the folder exist?',
      cause,
    });
  }
  console.error(
    `The secret is in ${path}: whoever has it opens every backup made for it. Its recipient:`,
  );
  console.log(recipient);
}

await program.parseAsync();
