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
  const { permission, who, uses } = await context.look('Looking what was read', (signal) =>
    lookUp(patient, wanted, signal),
  );
  const names = patient.categoryNames();
  const categories = permission.categories.map((tag) => names.get(tag) ?? shortId(tag));
  await context.confirm(
    [
      `You are about to take this from ${who}: ${listText(permission.rights)} ${listText(categories)}.`,
      ...useLines(uses),
    ],
    'Take it back?',
  );
  const done = await context.work('Asking the hospitals', () => revoke(patient, permission.id));
  await context.keepReceipts([done.result, ...done.renewed.map((one) => one.result)]);
  // Asked again: something may have been read until the very block.
  const last = await context.look('Looking what was read', (signal) =>
    usesOf(patient, permission.id, signal),
  );
  return {
    json: {
      permissionId: permission.id,
      from: who,
      usedBefore: last.map(({ fn, recordId, time, height }) => ({ fn, recordId, time, height })),
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
      ...(permission.rights.includes('read') ? afterReading(last, done.receiptsUsableUntil) : []),
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
  const uses = await usesOf(patient, permission.id, signal);
  const people = await identitiesOf(patient.session, patient.signer, [permission.grantee]);
  const person = people.get(permission.grantee);
  return { permission, uses, who: person ? personText(person) : shortId(permission.grantee) };
}

/** Accesses that this permission allowed, oldest first. */
async function usesOf(
  patient: Patient,
  permissionId: string,
  signal: AbortSignal,
): Promise<HistoryEntry[]> {
  const history = await patient.history({ signal });
  return history.filter((one) => one.permissionId === permissionId && one.decision === 'permit');
}

function useLines(uses: readonly HistoryEntry[]): string[] {
  if (uses.length === 0) return ['Nothing was read with it so far.'];
  return [`It was used ${plural(uses.length, 'time')}:`, ...uses.map(useLine)];
}

function afterReading(uses: readonly HistoryEntry[], usableUntil: number): string[] {
  return [
    ...(uses.length === 0
      ? ['Nothing was read with it.']
      : ['It cannot undo what was read before:', ...uses.map(useLine)]),
    `An access that was allowed just before can still be used until ${timeText(usableUntil)}; none after.`,
  ];
}

function useLine({ time, recordId }: HistoryEntry): string {
  const what = recordId === null ? 'names of records' : `record ${recordId}`;
  return `  ${timeText(time)}  ${what}`;
}
