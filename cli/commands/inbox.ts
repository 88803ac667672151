/** `carequorum inbox`: notices of the ledger for the holder of a keystore. */
import type { Command } from 'commander';
import type { UnmaskNotice } from '../../sdk/membership-client.ts';
import { allEntries, itemSchemas } from '../../sdk/pages.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CommandContext } from '../context.ts';
import { followChanges } from '../follow.ts';
import { type CommonOptions, examples, keystoreOptions, parseLimit } from '../options.ts';
import { type CommandResult, shortId, table } from '../output.ts';
import { holderOf } from '../people.ts';
import { noteUndecided } from '../permissions.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { noticeText } from '../words.ts';

interface InboxOptions extends CommonOptions {
  readonly limit?: number;
}

export function addInbox(program: Command, run: Runner): void {
  const command = program
    .command('inbox')
    .summary('see what you were told: permissions, records, refusals')
    .description(
      'Shows what the hospitals tell you: permissions that you were given or that were taken back, ' +
        'records that await your confirmation, refusals. Newest last; the list is proven to be complete.',
    )
    .option('--limit <count>', 'the newest notices only', parseLimit);
  examples(keystoreOptions(command), [
    'carequorum inbox --keystore anna.keystore',
    'carequorum inbox --keystore bruno.keystore --limit 10 --json',
  ]).action((options: InboxOptions) => run(options, (context) => inbox(context, options)));
}

async function inbox(context: CommandContext, { limit }: InboxOptions): Promise<CommandResult> {
  const person = await context.person();
  const told = person.kind === 'patient' ? await follow(context, person.patient) : [];
  const { session, signer } = holderOf(person);
  const query = { fn: 'inbox.list', item: itemSchemas.inbox, signer };
  const all = await context.look('Asking the hospitals', (signal) =>
    allEntries(session.client, query, { fresh: true, signal }),
  );
  const entries = limit === undefined ? all : all.slice(-limit);
  const rows = entries.map((one) => [
    timeText(one.time),
    noticeText(one.topic),
    shortId(one.recordId),
    shortId(one.permissionId),
  ]);
  return {
    json: { count: all.length, entries, unmasked: told },
    lines: [
      ...(rows.length === 0
        ? ['There is nothing for you.']
        : table(['when', 'what', 'record', 'permission'], rows)),
      ...told.map(unmaskedText),
    ],
  };
}

/** What the notices call for is done at once; and who had this person named is asked for. */
async function follow(context: CommandContext, patient: Patient): Promise<UnmaskNotice[]> {
  noteUndecided(context, await followChanges(context, patient));
  const { enrolment } = patient.data;
  if (!enrolment) return [];
  const { membership } = patient.session;
  return membership.notices(enrolment.enrolmentId, patient.keystore.signingKey).catch(() => []);
}

function unmaskedText({ at, reasonCode, requesterHospital, approverHospital }: UnmaskNotice) {
  return (
    `${timeText(at)}: somebody of ${requesterHospital}, with somebody of ${approverHospital}, ` +
    `was told who you are (${reasonCode}). Ask those hospitals why.`
  );
}
