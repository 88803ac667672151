/** `carequorum pharmacy`: what patients gave, and handing it out. */
import type { Command } from 'commander';
import { fillableNow, fillPrescription, receivedPrescriptions } from '../../sdk/pharmacy.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, shortId } from '../output.ts';
import { byId } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';
import { wholeNumber } from './connected-options.ts';
import { contentLines } from './prescription.ts';

export function addPharmacy(program: Command, run: Runner): void {
  const command = program
    .command('pharmacy')
    .summary('pharmacists: see the prescriptions you were given, and hand out')
    .description(
      'Opens what patients gave to you, compares it with what the doctor signed, and records each fill with ' +
        'the hospitals, which count over all pharmacies.',
    );
  examples(command, [
    'carequorum pharmacy list --keystore goran.keystore',
    'carequorum pharmacy fill PRESCRIPTION --keystore goran.keystore',
  ]);
  const list = command
    .command('list')
    .summary('see what you were given, and what may be handed out now')
    .description(
      'Shows each prescription as it opens, or why it does not, and how much may be handed out now.',
    );
  examples(keystoreOptions(list), [
    'carequorum pharmacy list --keystore goran.keystore',
    'carequorum pharmacy list --json --keystore goran.keystore',
  ]).action((options: CommonOptions) => run(options, listAll));
  const fill = command
    .command('fill')
    .summary('hand out, whole or a part')
    .description(
      'Hands out only once the hospitals have counted it: where another pharmacy was first, this is refused. ' +
        'Give the medicine after this command succeeded, never before.',
    )
    .argument('<prescription>', 'its id, or the start', parseId)
    .option(
      '--quantity <number>',
      'how many units (default: what is left of this fill)',
      wholeNumber,
    );
  examples(yesOption(receiptsOption(keystoreOptions(fill))), [
    'carequorum pharmacy fill PRESCRIPTION --keystore goran.keystore',
    'carequorum pharmacy fill PRESCRIPTION --quantity 10 --yes --json --keystore goran.keystore',
  ]).action((id: string, options: CommonOptions & { quantity?: number }) =>
    run(options, (context) => fillOne(context, id, options.quantity)),
  );
}

async function listAll(context: CommandContext): Promise<CommandResult> {
  const pharmacist = await context.clinician();
  const all = await context.look('Asking', () => receivedPrescriptions(pharmacist));
  const lines = all.flatMap(({ prescription, opened, problem }) => {
    const { units, reason, nextAt } = fillableNow(prescription, context.now());
    const why = nextAt === null ? reason?.replaceAll('_', ' ') : `next from ${timeText(nextAt)}`;
    return [
      `${shortId(prescription.id)}  ${why ?? `${units} may be handed out now`}`,
      ...(opened ? contentLines(opened) : [`HAND NOTHING OUT: ${problem ?? ''}`]).map(
        (line) => `  ${line}`,
      ),
    ];
  });
  return {
    json: {
      prescriptions: all.map(({ prescription, dispensing, opened, problem }) => ({
        ...{ prescription, dispensing, content: opened?.content ?? null, problem },
        now: fillableNow(prescription, context.now()),
      })),
    },
    lines: lines.length === 0 ? ['No patient gave you a prescription.'] : lines,
  };
}

async function fillOne(
  context: CommandContext,
  wanted: string,
  quantity: number | undefined,
): Promise<CommandResult> {
  const pharmacist = await context.clinician();
  const all = await context.look('Asking', () => receivedPrescriptions(pharmacist));
  const received = byId(
    all.map((one) => ({ ...one, id: one.prescription.id })),
    wanted,
    { what: 'prescription', listedBy: 'carequorum pharmacy list' },
  );
  const { units } = fillableNow(received.prescription, context.now());
  const wholeFill = received.prescription.quantity;
  const wantedUnits = quantity ?? (units === 0 ? wholeFill : units);
  await context.confirm(
    received.opened ? contentLines(received.opened) : [],
    `Record that you hand out ${wantedUnits}?`,
  );
  const { fillId, result } = await context.work('Asking the hospitals', () =>
    fillPrescription(pharmacist, received, wantedUnits),
  );
  await context.keepReceipts([result]);
  return {
    json: { fillId, quantity: wantedUnits, ...certifiedJson(result) },
    lines: [`Hand out ${wantedUnits} now. Fill ${fillId}.`, certifiedLine(result)],
  };
}
