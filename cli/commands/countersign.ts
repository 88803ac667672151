/** `carequorum countersign`: a patient confirms records. */
import type { Command } from 'commander';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  collectIds,
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, ProgressBar, shortId, table } from '../output.ts';
import { byId } from '../people.ts';
import { certifiedJson } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface CountersignOptions extends CommonOptions {
  readonly all?: boolean;
}

export function addCountersign(program: Command, run: Runner): void {
  const command = program
    .command('countersign')
    .summary('patients: confirm that records are yours and right')
    .description(
      'Says on the ledger, under your signature, that records are about you and right. Whoever reads them ' +
        'later sees that you confirmed them. A record is readable before, marked "awaits you"; one that is ' +
        'wrong is disputed instead (`carequorum dispute`).',
    )
    .argument('[record...]', 'ids of records, or their starts', collectIds)
    .option('--all', 'all that await you');
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum countersign RECORD --keystore anna.keystore',
    'carequorum countersign --all --yes --keystore anna.keystore',
  ]).action((ids: readonly string[], options: CountersignOptions) =>
    run(options, (context) => countersign(context, ids, options)),
  );
}

async function countersign(
  context: CommandContext,
  ids: readonly string[],
  { all }: CountersignOptions,
): Promise<CommandResult> {
  if (ids.length > 0 === (all === true)) {
    throw new UsageError(
      'Give the records to confirm, or --all.',
      'See which await you: `carequorum records`.',
    );
  }
  const patient = await context.patient();
  const known = await context.look('Asking the hospitals', (signal) => patient.records({ signal }));
  const records =
    all === true ? known.filter(isConfirmable) : ids.map((id) => byId(known, id, record));
  if (records.length === 0) {
    return { json: { countersigned: [] }, lines: ['No record awaits you.'] };
  }
  const names = patient.categoryNames();
  await context.confirm(
    [
      'You are about to confirm that these records are about you and right:',
      ...table(
        ['record', 'stored', 'month', 'category'],
        records.map((one) => [
          one.id,
          one.stored ? timeText(one.stored.time) : 'not yet',
          one.dataMonth,
          names.get(one.categoryTag) ?? '',
        ]),
      ).map((line) => `  ${line}`),
    ],
    `Confirm ${plural(records.length, 'record')}?`,
  );
  const bar = new ProgressBar(context.environment, 'confirming');
  const outcomes = await context.environment.interrupt.protect(() =>
    patient
      .countersign(records, { onSettled: (done, of) => bar.update(done, of) })
      .finally(() => bar.clear()),
  );
  const good = outcomes.filter((one): one is CertifiedResult => !(one instanceof SdkError));
  await context.keepReceipts(good);
  const failed = outcomes.find((one) => one instanceof SdkError);
  if (failed) {
    const done = `${good.length} of ${records.length} records are confirmed`;
    throw new SdkError(failed.code, `${done}; then: ${failed.message}`, {
      nextStep: failed.nextStep,
      details: failed.details,
      cause: failed,
    });
  }
  return {
    json: {
      countersigned: good.map((one, index) => ({
        recordId: records[index]?.id,
        ...certifiedJson(one),
      })),
    },
    lines: [
      `${plural(records.length, 'record is', 'records are')} confirmed: ${records
        .map(({ id }) => shortId(id))
        .join(', ')}.`,
      `Certified by a quorum of hospitals up to block ${Math.max(...good.map((one) => one.height))}.`,
    ],
  };
}

const record = { what: 'record of yours', listedBy: 'carequorum records' } as const;

function isConfirmable({ stored, review, supersededBy }: MedicalRecord): boolean {
  return stored !== null && review === 'awaiting' && supersededBy === null;
}
