/** `carequorum dispute`: a patient says that a record is wrong. */
import type { Command } from 'commander';
import type { DisputeReason } from '../../sdk/patient.ts';
import type { CommandContext } from '../context.ts';
import {
  type CommonOptions,
  disputeReasonOption,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  yesOption,
} from '../options.ts';
import type { CommandResult } from '../output.ts';
import { byId } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';

interface DisputeOptions extends CommonOptions {
  readonly reason: DisputeReason;
}

export function addDispute(program: Command, run: Runner): void {
  const command = program
    .command('dispute')
    .summary('patients: say that a record is wrong')
    .description(
      'Says on the ledger, under your signature, that a record is wrong. It is not deleted: whoever may ' +
        'read it sees that you dispute it, and who wrote it is told and can correct it.',
    )
    .argument('<record>', 'id of the record, or its start', parseId)
    .addOption(disputeReasonOption());
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum dispute RECORD --reason wrong-content --keystore anna.keystore',
    'carequorum dispute RECORD --reason wrong-patient --keystore anna.keystore --yes',
  ]).action((id: string, options: DisputeOptions) =>
    run(options, (context) => dispute(context, id, options.reason)),
  );
}

async function dispute(
  context: CommandContext,
  wanted: string,
  reason: DisputeReason,
): Promise<CommandResult> {
  const patient = await context.patient();
  const records = await context.look('Asking the hospitals', (signal) =>
    patient.records({ signal }),
  );
  const { id } = byId(records, wanted, {
    what: 'record of yours',
    listedBy: 'carequorum records',
  });
  await context.confirm(
    [`You are about to dispute record ${id}: ${reason}. Everybody who may read it will see that.`],
    'Dispute it?',
  );
  const result = await context.work('Asking the hospitals', () => patient.dispute(id, reason));
  await context.keepReceipts([result]);
  return {
    json: { recordId: id, reason, ...certifiedJson(result) },
    lines: [`Record ${id} is disputed: ${reason}. Its writer is told.`, certifiedLine(result)],
  };
}
