/** `carequorum retract`: a clinician takes back a record that was written in error. */
import { type Command, Option } from 'commander';
import { retractReasonField } from '../../lib/chaincode/values.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { type CommandResult, plural } from '../output.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';

type Reason = (typeof retractReasonField.options)[number];

const alertText = (alerted: number): string =>
  alerted === 1 ? '1 reader was told' : `${alerted} readers were told`;

export function addRetract(program: Command, run: Runner): void {
  const command = program
    .command('retract')
    .summary('clinicians: take back a record that you put under a wrong patient, or wrote in error')
    .description(
      'From then on no clinician opens the record, nothing is handed out on it, and everybody who read it is ' +
        'told not to rely on it. The patient is told too: what is about somebody else the patient has erased ' +
        '(`carequorum erase`). Put the record under the right patient with `carequorum upload`. For a record ' +
        'of the right patient that needs another content, upload the new one with --supersedes instead.',
    )
    .argument('<record>', 'its whole id', parseId)
    .addOption(
      new Option('--reason <reason>', 'why')
        .choices(retractReasonField.options)
        .makeOptionMandatory(),
    );
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum retract RECORD --reason wrong-patient --keystore ada.keystore',
    'carequorum retract RECORD --reason written-in-error --yes --json --keystore ada.keystore',
  ]).action((id: string, options: CommonOptions & { reason: Reason }) =>
    run(options, (context) => retract(context, id, options.reason)),
  );
}

async function retract(
  context: CommandContext,
  recordId: string,
  reason: Reason,
): Promise<CommandResult> {
  const clinician = await context.clinician();
  await context.confirm([`You take back ${recordId} (${reason}), for good.`], 'Sign this?');
  const result = await context.work('Asking the hospitals', () =>
    clinician.retract(recordId, reason),
  );
  await context.keepReceipts([result]);
  const { alerted, unlisted } = result.value as { alerted: number; unlisted: number };
  const more =
    unlisted === 0
      ? []
      : [
          `${plural(unlisted, 'reader')} beyond those cannot be told here: ask the patient for the history.`,
        ];
  return {
    json: { recordId, reason, alerted, unlisted, ...certifiedJson(result) },
    lines: [
      `Taken back; ${alertText(alerted)}.`,
      ...more,
      ...(reason === 'wrong-patient'
        ? ['The patient is asked to have it erased. Now upload it for the right patient.']
        : []),
      certifiedLine(result),
    ],
  };
}
