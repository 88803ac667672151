/** `carequorum revoke`: a patient takes a permission back, and is told what was read before. */
import type { Command } from 'commander';
import type { HistoryEntry, Permission } from '../../lib/chaincode/values.ts';
import { revoke } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId } from '../output.ts';
import { byId, identitiesOf, personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { listText } from '../words.ts';

export function addRevoke(program: Command, run: Runner): void {
  const command = program
    .command('revoke')
    .summary('patients: take a permission back')
    .description(
      'Takes a permission back: from its block on, nothing new is opened by it, and new records get new ' +
        'keys. It cannot undo what was read: you see each record that was, and when. An access that was ' +
        'allowed just before stays usable for a few minutes; the exact time is shown.\n' +
        'Others who may still read the same categories get the new keys; their permissions get new ids.',
    )
    .argument('<permission>', 'id of the permission, or its start', parseId);
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum revoke PERMISSION --keystore anna.keystore',
    'carequorum revoke PERMISSION --keystore anna.keystore --yes --json',
    'carequorum grant --keystore anna.keystore --list      # the ids',
  ]).action((id: string, options: CommonOptions) =>
    run(options, (context) => takeBack(context, id)),
  );
}

async function takeBack(context: CommandContext, wanted: string): Promise<CommandResult> {
  const patient = await context.patient();
  const found = await context.look('Looking what was read', (signal) =>
    lookUp(patient, wanted, signal),
  );
  const { permission, who, reads } = found;
  const names = patient.categoryNames();
  const categories = permission.categories.map((tag) => names.get(tag) ?? shortId(tag));
  await context.confirm(
    [
      `You are about to take this from ${who}: ${listText(permission.rights)} ${listText(categories)}.`,
      ...readLines(reads),
    ],
    'Take it back?',
  );
  const done = await context.work('Asking the hospitals', () => revoke(patient, permission.id));
  const results = [done.result, ...done.renewed.map((one) => one.result)];
  await context.keepReceipts(results);
  const usable = timeText(done.receiptsUsableUntil);
  return {
    json: {
      permissionId: permission.id,
      from: who,
      readBefore: reads.map(({ recordId, time, height }) => ({ recordId, time, height })),
      receiptsUsableUntil: done.receiptsUsableUntil,
      renewed: done.renewed.map((one) => ({
        permissionId: one.permissionId,
        to: one.grantee.name,
        ...certifiedJson(one.result),
      })),
      ...certifiedJson(done.result),
    },
    lines: [
      `The permission of ${who} is taken back.`,
      certifiedLine(done.result),
      ...(permission.rights.includes('read')
        ? [
            reads.length === 0
              ? 'Nothing was read with it.'
              : 'What was read before stays known to the one who read it:',
            ...(reads.length === 0 ? [] : readLines(reads).slice(1)),
            `An access that was allowed before this can still be used until ${usable}; none after that.`,
          ]
        : []),
      ...done.renewed.map(
        (one) =>
          `${personText(one.grantee)} goes on with new keys: permission ${one.permissionId}.`,
      ),
    ],
  };
}

async function lookUp(patient: Patient, wanted: string, signal: AbortSignal) {
  const all = await patient.permissions({ signal });
  const permission: Permission = byId(all, wanted, {
    what: 'permission of yours',
    listedBy: 'carequorum grant --list',
  });
  const history = await patient.history({ signal });
  const reads = history.filter(
    (one): one is HistoryEntry & { recordId: string } =>
      one.permissionId === permission.id &&
      one.fn === 'access.request' &&
      one.decision === 'permit' &&
      one.recordId !== null,
  );
  const people = await identitiesOf(patient.session, patient.signer, [permission.grantee]);
  const person = people.get(permission.grantee);
  return { permission, reads, who: person ? personText(person) : shortId(permission.grantee) };
}

function readLines(reads: readonly (HistoryEntry & { recordId: string })[]): string[] {
  if (reads.length === 0) return ['Nothing was read with it so far.'];
  return [
    `Read with it so far: ${plural(reads.length, 'access', 'accesses')}`,
    ...reads.map(({ time, recordId }) => `  ${timeText(time)}  record ${recordId}`),
  ];
}
