/** `carequorum doctor`: checks a set-up, and says what is wrong and what to do. */
import type { Command } from 'commander';
import { toHex } from '../../lib/crypto/bytes.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Network } from '../../sdk/network-file.ts';
import type { CommandContext } from '../context.ts';
import { type Finding, findings, type Verdict } from '../doctor/finding.ts';
import { checkKeystore } from '../doctor/keystore.ts';
import { checkParties } from '../doctor/parties.ts';
import { exitCodes } from '../exit-codes.ts';
import { type CommonOptions, examples, keystoreOptions } from '../options.ts';
import { type CommandResult, plural, table } from '../output.ts';
import type { Runner } from '../runner.ts';

export function addDoctor(program: Command, run: Runner): void {
  const command = program
    .command('doctor')
    .summary('check a set-up: what is wrong, and what to do about it')
    .description(
      'Checks the network file and the signatures of genesis, a keystore if one is given, and every party: ' +
        'whether it answers, has the same genesis document, votes, keeps up, and has the right time; and whether ' +
        'the membership service holds the key that the operators put into force last, which is followed from genesis. ' +
        'For each thing that it finds it says what to do. Nothing is changed and nobody is asked for a passphrase. ' +
        'Exit code: 0 if nothing is wrong (there may be warnings), 1 if something is.',
    );
  examples(keystoreOptions(command), [
    'carequorum doctor',
    'carequorum doctor --network network.json --keystore north.keystore',
    'carequorum doctor --keystore anna.keystore --passphrase-file anna.passphrase --json',
  ]).action((options: CommonOptions) => run(options, (context) => doctor(context, options)));
}

async function doctor(context: CommandContext, options: CommonOptions): Promise<CommandResult> {
  const read = await networkOrFault(context);
  const network = 'fault' in read ? null : read.network;
  const found = [
    'fault' in read ? read.fault : networkFile(context, read.network),
    ...(await keystoreFindings(context, options, network)),
    ...(network === null ? [] : await partyFindings(context)),
  ];
  const count = (verdict: Verdict): number => found.filter((one) => one.verdict === verdict).length;
  const counts = { wrong: count('wrong'), warnings: count('warning'), ok: count('ok') };
  return {
    json: { healthy: counts.wrong === 0, ...counts, findings: found },
    lines: linesOf(found, counts),
    exitCode: counts.wrong === 0 ? exitCodes.ok : exitCodes.failed,
  };
}

async function networkOrFault(
  context: CommandContext,
): Promise<{ network: Network } | { fault: Finding }> {
  const file = findings('network_file', context.networkPath);
  try {
    return { network: await context.network() };
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    return { fault: file.wrong(error.message, error.nextStep) };
  }
}

function networkFile(context: CommandContext, { genesis }: Network): Finding {
  const { document, hash } = genesis;
  const signed = `is of ${document.network}, signed by all ${document.validators.length} operators`;
  return findings('network_file', context.networkPath).ok(`${signed}: genesis ${toHex(hash)}`);
}

async function keystoreFindings(
  context: CommandContext,
  { keystore }: CommonOptions,
  network: Network | null,
): Promise<Finding[]> {
  const { environment } = context;
  const path = keystore ?? environment.env['CAREQUORUM_KEYSTORE'] ?? '';
  if (path === '') {
    const step = 'Give one with --keystore FILE to have it checked.';
    return [findings('keystore', 'none').skipped('no keystore was given', step)];
  }
  const passphrase = await context.givenPassphrase();
  const genesis = network?.genesis ?? null;
  const open = passphrase === null ? null : () => environment.openKeystore(path, passphrase);
  return checkKeystore({ path, open, genesis, now: context.now() });
}

async function partyFindings(context: CommandContext): Promise<Finding[]> {
  const session = await context.session();
  return context.look('Asking every party', (signal) =>
    checkParties({ session, signal, now: () => context.now() }),
  );
}

const marks: Readonly<Record<Verdict, string>> = {
  ok: 'ok',
  skipped: '–',
  warning: 'warning',
  wrong: 'WRONG',
};

function linesOf(
  found: readonly Finding[],
  { wrong, warnings }: { wrong: number; warnings: number },
): string[] {
  const rows = found.map(({ verdict, about, says }) => [marks[verdict], about, says]);
  const steps = found.filter(({ verdict, nextStep }) => verdict !== 'ok' && nextStep !== '');
  return [
    ...table(['', 'about', 'finding'], rows),
    '',
    ...steps.flatMap(({ about, says, nextStep }) => [`${about}: ${says}`, `  → ${nextStep}`]),
    ...(steps.length === 0 ? [] : ['']),
    wrong === 0 && warnings === 0
      ? 'Nothing is wrong.'
      : `${plural(wrong, 'thing is', 'things are')} wrong, ${plural(warnings, 'warning')}.`,
  ];
}
