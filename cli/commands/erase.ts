/** `carequorum erase`: a patient has a record, or everything, destroyed for good. */
import type { Command } from 'commander';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import {
  eraseEverything,
  eraseRecords,
  type ErasureStatus,
  erasureStatus,
  type Ordered,
} from '../../sdk/erasure.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import type { CommandResult } from '../output.ts';
import { byId } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import { rotationKeyOf } from '../rotation-key.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface EraseOptions extends CommonOptions {
  readonly everything?: boolean;
  readonly rotationKey?: string;
  readonly status?: boolean;
}

export function addErase(program: Command, run: Runner): void {
  const command = program
    .command('erase')
    .summary('patients: have a record, or everything, destroyed for good')
    .description(
      'Has the keys, the names and the bytes of a record destroyed, at the cloud service and at every ' +
        'hospital that holds a copy. Each of them says so on the ledger, under its signature; you see who ' +
        'has not yet. This cannot be undone, by you or by anybody else.\n' +
        'It cannot reach what somebody has read and kept before, and it does not remove that the record ' +
        'existed: when, by whom and for whom stays in your history, so that the history stays provable.\n' +
        'With --everything, all your records, permissions, shared keys and published keys go the same way.',
    )
    .argument('[record]', 'id of the record, or its start', parseId)
    .option('--everything', 'all that is kept of you, instead of one record')
    .option('--rotation-key <file>', 'your rotation key, if you made one')
    .option('--status', 'only show who has erased and who has not');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum erase RECORD --keystore anna.keystore',
    'carequorum erase RECORD --keystore anna.keystore --status',
    'carequorum erase --everything --keystore anna.keystore',
  ]).action((id: string | undefined, options: EraseOptions) =>
    run(options, (context) => erase(context, id, options)),
  );
}

async function erase(
  context: CommandContext,
  wanted: string | undefined,
  options: EraseOptions,
): Promise<CommandResult> {
  const { everything = false, status = false } = options;
  if ((wanted === undefined) === !everything) {
    throw new UsageError(
      'Say what is to be erased: one record, or everything.',
      'Give the id of a record (`carequorum records` lists them), or --everything.',
    );
  }
  const patient = await context.patient();
  const recordId = wanted === undefined ? undefined : await recordNamed(context, patient, wanted);
  if (!status) return order(context, patient, { recordId, key: await rotationKeyOf(options) });
  const found = await context.look('Asking the hospitals', (signal) =>
    erasureStatus(patient, recordId, { signal }),
  );
  return { json: jsonOf(recordId, found), lines: statusLines(found) };
}

async function recordNamed(
  context: CommandContext,
  patient: Patient,
  wanted: string,
): Promise<string> {
  const records = await context.look('Asking the hospitals', (signal) =>
    patient.records({ signal }),
  );
  return byId(records, wanted, { what: 'record of yours', listedBy: 'carequorum records' }).id;
}

async function order(
  context: CommandContext,
  patient: Patient,
  { recordId, key }: { recordId: string | undefined; key: SigningKey | undefined },
): Promise<CommandResult> {
  const what = recordId === undefined ? 'EVERYTHING that is kept of you' : `record ${recordId}`;
  await context.confirm(
    [
      `You are about to erase ${what}.`,
      'Nobody will be able to open it again: not you, not your doctors, not in an emergency.',
      'What somebody has read and kept before cannot be taken back.',
      'That it existed, and who did what with it, stays in your history.',
      ...(recordId === undefined
        ? ['Your pseudonym ends: to be treated here again, enrol anew with a new keystore.']
        : []),
    ],
    'Erase it for good?',
  );
  const done = await context.work('Having it erased', () =>
    recordId === undefined ? eraseEverything(patient, key) : eraseRecords(patient, [recordId], key),
  );
  await context.keepReceipts(done.results);
  const found = await context.look('Asking who has erased it', (signal) =>
    erasureStatus(patient, recordId, { signal }),
  );
  return {
    json: { ...jsonOf(recordId, found), ...certifiedJson(first(done)) },
    lines: [
      `Erased for good: ${what}. Nobody is given it any more.`,
      certifiedLine(first(done)),
      ...(done.isBrought
        ? []
        : ['The cloud service does not answer now; hospitals bring it the order when it does.']),
      ...statusLines(found),
    ],
  };
}

function first({ results }: Ordered): Ordered['results'][number] {
  const [one] = results;
  if (!one) throw new Error('an order has a result');
  return one;
}

function jsonOf(recordId: string | undefined, { erasure, missing }: ErasureStatus) {
  const what = recordId === undefined ? { everything: true } : { recordId };
  return { ...what, acknowledged: erasure?.acknowledged ?? [], missing, ordered: erasure?.ordered };
}

function statusLines({ erasure, missing }: ErasureStatus): string[] {
  if (!erasure) return ['Nobody ordered that this be erased.'];
  return [
    `Ordered ${timeText(erasure.ordered.time)}, block ${erasure.ordered.height}.`,
    ...erasure.acknowledged.map(
      ({ party, at }) =>
        `  ${partyText(party)} erased it: ${timeText(at.time)}, block ${at.height}`,
    ),
    ...missing.map((party) => `  ${partyText(party)} has NOT said yet that it is erased`),
    missing.length === 0
      ? 'Everybody who held it has erased it.'
      : 'Ask again later with --status: who is away erases it on coming back.',
  ];
}

function partyText(party: string): string {
  return party === 'records' ? 'the cloud service' : party;
}
