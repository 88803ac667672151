/** `carequorum approve`: an operator makes a clinician's certificate count, or ends one. */
import type { Command } from 'commander';
import { findIdentity } from '../../sdk/directory.ts';
import { SdkError } from '../../sdk/errors.ts';
import { lapseReasons, type RevocationReason } from '../../sdk/operator.ts';
import { readCertificateFile } from '../certificate-file.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  parseId,
  receiptsOption,
  revocationReasonOption,
  yesOption,
} from '../options.ts';
import type { CommandResult } from '../output.ts';
import { personText } from '../people.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface ApproveOptions extends CommonOptions {
  readonly revoke?: string;
  readonly reason?: RevocationReason;
}

export function addApprove(program: Command, run: Runner): void {
  const command = program
    .command('approve')
    .summary("operators: make a clinician's certificate count, or end it")
    .description(
      "Makes a clinician's certificate count at every hospital, signed by you as the operator of the " +
        'hospital that the certificate names. It shows who and what is in the certificate, and asks: ' +
        'compare the thumbprint with the one that the clinician reads to you.\n' +
        'With --revoke it ends an identity: that key may do nothing from this block on.\n' +
        'Each operator signs with a keystore of its own; no one signs for two.',
    )
    .argument('[certificate]', 'file that `carequorum enrol` wrote for the clinician')
    .option('--revoke <thumbprint>', 'end the identity with this key', parseId)
    .addOption(revocationReasonOption());
  examples(yesOption(receiptsOption(keystoreOptions(command))), [
    'carequorum approve ada.certificate --keystore hospital-a.keystore',
    'carequorum approve --revoke THUMBPRINT --reason left-hospital --keystore hospital-a.keystore',
  ]).action((certificate: string | undefined, options: ApproveOptions) =>
    run(options, (context) => {
      if (options.revoke !== undefined) {
        if (certificate !== undefined) throw oneOfTwo();
        return end(context, options.revoke, options.reason);
      }
      if (certificate === undefined) throw oneOfTwo();
      return approve(context, certificate);
    }),
  );
}

async function approve(context: CommandContext, path: string): Promise<CommandResult> {
  const der = await readCertificateFile(path);
  const operator = await context.operator();
  const { claims, kid, notAfter } = await operator.inspect(der);
  const { name, role, hospital } = claims;
  if (hospital !== undefined && hospital !== operator.hospital) {
    throw new SdkError(
      'mismatch',
      `This certificate is for ${hospital}; you are the operator of ${operator.hospital}.`,
      {
        nextStep: `Give it to the operator of ${hospital}: nobody signs for another hospital.`,
        details: { hospital },
      },
    );
  }
  await context.confirm(
    [
      'The membership service certified:',
      `  name        ${name ?? ''}`,
      `  role        ${role}`,
      `  hospital    ${hospital ?? ''}`,
      `  thumbprint  ${kid}`,
      `  valid until ${timeText(notAfter)}`,
      'From then on this key may act under that name at every hospital.',
    ],
    'Does the clinician read you the same thumbprint, and do you approve?',
  );
  const result = await context.work('Asking the hospitals', () => operator.approve(der));
  await context.keepReceipts([result]);
  return {
    json: { approved: { name, role, hospital, thumbprint: kid }, ...certifiedJson(result) },
    lines: [`${name ?? kid} is approved as ${role} of ${hospital ?? ''}.`, certifiedLine(result)],
  };
}

async function end(
  context: CommandContext,
  kid: string,
  reason: RevocationReason | undefined,
): Promise<CommandResult> {
  if (reason === undefined) {
    throw new UsageError('--revoke needs a --reason.', 'See `carequorum approve --help`.');
  }
  const operator = await context.operator();
  const identity = await findIdentity(operator.session, operator.signer, { kid });
  await context.confirm(
    [`You are about to end ${personText(identity)}, for the reason ${reason}.`],
    'This cannot be undone. End it?',
  );
  const lapse = lapseReasons.find((one) => one === reason);
  // Whoever leaves or may not practise ends for good, with every grant; a lost key does not.
  const result = await context.work('Asking the hospitals', () =>
    lapse === undefined ? operator.revoke(kid, reason) : operator.lapse(identity.subject, lapse),
  );
  await context.keepReceipts([result]);
  return {
    json: { revoked: { thumbprint: kid, name: identity.name, reason }, ...certifiedJson(result) },
    lines: [`${personText(identity)} is ended: ${reason}.`, certifiedLine(result)],
  };
}

function oneOfTwo(): UsageError {
  return new UsageError(
    'Give either a certificate to approve or --revoke.',
    'See `carequorum approve --help`.',
  );
}
