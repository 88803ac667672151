/** `carequorum renew`: new keys for a clinician, which other commands do by themselves in time. */
import type { Command } from 'commander';
import { certificateEnd, renewKeys } from '../../sdk/renewal.ts';
import { type CommonOptions, examples, keystoreOptions, receiptsOption } from '../options.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

export function addRenew(program: Command, run: Runner): void {
  const command = program
    .command('renew')
    .summary('clinicians: renew your keys and certificate')
    .description(
      'Makes new keys in your keystore, has them certified, and hands your identity over to them; all that patients ' +
        'granted stays. Every command does this by itself in the last month of a certificate. If it is interrupted, ' +
        'run it again.',
    );
  examples(receiptsOption(keystoreOptions(command)), [
    'carequorum renew --keystore ada.keystore',
    'carequorum renew --keystore ada.keystore --receipts receipts.txt --json',
  ]).action((options: CommonOptions) =>
    run(options, async (context) => {
      const before = await context.clinician({ renews: false });
      const { clinician, result } = await context.work('Renewing your keys', () =>
        renewKeys(before, context.files),
      );
      if (result) await context.keepReceipts([result]);
      const end = certificateEnd(clinician) ?? 0;
      const { kid, path } = clinician.keystore;
      return {
        json: {
          keystore: path,
          thumbprint: kid,
          validUntil: end,
          renewed: result && certifiedJson(result),
        },
        lines: [
          `Your keys are renewed, until ${timeText(end)}. Thumbprint: ${kid}`,
          ...(result ? [certifiedLine(result)] : []),
        ],
      };
    }),
  );
}
