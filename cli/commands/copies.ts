/** `carequorum copies`: which hospitals hold copies of a patient's records, and who shall. */
import type { Command } from 'commander';
import { chooseHospitals, listCopies, type ListedCopies } from '../../sdk/copies.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural, shortId } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { listText } from '../words.ts';

interface CopiesOptions extends CommonOptions {
  readonly choose?: readonly string[];
}

export function addCopies(program: Command, run: Runner): void {
  const command = program
    .command('copies')
    .summary('patients: which hospitals hold copies of your records')
    .description(
      'Your records lie encrypted at a cloud service. So that care goes on when it is away, each hospital ' +
        'where somebody may read them holds a copy too, just as encrypted, and deletes it when the ' +
        'permission ends. This lists who holds what, as the ledger proves it.\n' +
        'With --choose you name hospitals, two at least, that hold copies of everything, whether or not ' +
        'somebody there may read it; `--choose none` ends that.',
    )
    .option('--choose <hospitals>', 'hospitals that shall hold everything, with commas', (text) =>
      text === 'none' ? [] : text.split(',').map((one) => one.trim()),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum copies --keystore anna.keystore',
    'carequorum copies --keystore anna.keystore --choose north,east',
    'carequorum copies --keystore anna.keystore --choose none',
  ]).action((options: CopiesOptions) =>
    run(options, (context) =>
      options.choose === undefined ? list(context) : choose(context, options.choose),
    ),
  );
}

async function list(context: CommandContext): Promise<CommandResult> {
  const patient = await context.patient();
  const found = await context.look('Asking the hospitals', (signal) =>
    listCopies(patient, { signal }),
  );
  return { json: { ...found }, lines: linesOf(found) };
}

function linesOf({ records, chosen, copiers }: ListedCopies): string[] {
  const held = new Map<string, number>();
  for (const { copies } of records) {
    for (const { hospital } of copies) held.set(hospital, (held.get(hospital) ?? 0) + 1);
  }
  const hospitals = [
    ...new Set([...copiers.map(({ hospital }) => hospital), ...held.keys()]),
  ].sort();
  return [
    ...(hospitals.length === 0 ? ['No hospital holds copies of your records.'] : []),
    ...hospitals.map((one) => {
      const why = chosen.includes(one) ? ' (chosen by you)' : '';
      return `${one} holds ${plural(held.get(one) ?? 0, 'copy', 'copies')}${why}`;
    }),
    ...records
      .filter(({ copies }) => copies.length > 0)
      .map(({ recordId, copies }) => {
        return `  ${shortId(recordId)}  ${listText(copies.map(({ hospital }) => hospital))}`;
      }),
    ...(chosen.length === 0 ? ['You chose no hospitals to hold everything: --choose.'] : []),
  ];
}

async function choose(
  context: CommandContext,
  hospitals: readonly string[],
): Promise<CommandResult> {
  const patient = await context.patient();
  await context.confirm(
    hospitals.length === 0
      ? [
          'No hospital shall hold everything any more; those where somebody may read keep their part.',
        ]
      : [
          `These hospitals shall hold encrypted copies of everything: ${listText(hospitals)}.`,
          'They cannot open them: nobody can without your permission.',
        ],
    'Is that right?',
  );
  const result = await context.work('Asking the hospitals', () =>
    chooseHospitals(patient, hospitals),
  );
  await context.keepReceipts([result]);
  return {
    json: { hospitals: [...hospitals], ...certifiedJson(result) },
    lines: [
      hospitals.length === 0
        ? 'No hospital holds everything any more.'
        : `${listText(hospitals)} will hold copies of everything.`,
      certifiedLine(result),
    ],
  };
}
