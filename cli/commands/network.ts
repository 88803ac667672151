/** `carequorum network`: what each hospital says of itself. */
import type { Command } from 'commander';
import { toHex } from '../../lib/crypto/bytes.ts';
import { quorumSize } from '../../lib/wire/validators.ts';
import type { CommandContext } from '../context.ts';
import { type CommonOptions, examples, networkOptions } from '../options.ts';
import { type CommandResult, table } from '../output.ts';
import type { Runner } from '../runner.ts';

interface NetworkOptions extends CommonOptions {
  readonly consistency?: boolean;
  readonly watch?: boolean;
}

const WATCH_MS = 2_000;

export function addNetwork(program: Command, run: Runner): void {
  const command = program
    .command('network')
    .summary('see which hospitals work, and how far each is')
    .description(
      'Shows what each hospital says of itself: whether it answers, the height of its ledger, the view of ' +
        'the consensus and who leads it; and the hash of the genesis document, to compare with an operator. ' +
        'It needs no keystore. What matters is never believed from here: answers are proven one by one.',
    )
    .option('--consistency', "check that each hospital's history extends what was seen before")
    .option('--watch', 'look again every two seconds, until Ctrl-C');
  examples(networkOptions(command), [
    'carequorum network',
    'carequorum network --network hospitals.json --json',
    'carequorum network --consistency',
    'carequorum network --watch',
  ]).action((options: NetworkOptions) => run(options, (context) => network(context, options)));
}

async function network(
  context: CommandContext,
  { watch, consistency }: NetworkOptions,
): Promise<CommandResult> {
  const { environment } = context;
  const { interrupt, clock } = environment;
  const session = await context.session();
  if (consistency === true) return histories(context, session.client);
  for (;;) {
    const seen = await look(context, session.client);
    if (watch !== true) return seen;
    environment.out(`${seen.lines.join('\n')}\n\n`);
    await clock.sleep(WATCH_MS, interrupt.signal);
    interrupt.throwIfRequested('Stopped watching.');
  }
}

async function look(
  context: CommandContext,
  client: Awaited<ReturnType<CommandContext['session']>>['client'],
): Promise<CommandResult> {
  const { document, hash } = client.network.genesis;
  const said = await context.look('Asking each hospital', (signal) => client.health({ signal }));
  const validators = said.map(({ id, url, status, health }) => ({
    id,
    name: document.validators.find((one) => one.id === id)?.name ?? id,
    url,
    status: health?.status ?? (status === 0 ? 'no answer' : `HTTP ${status}`),
    height: health?.height ?? null,
    view: health?.view ?? null,
    leader: typeof health?.['leader'] === 'string' ? health['leader'] : null,
  }));
  const working = validators.filter((one) => one.status === 'ok').length;
  const quorum = quorumSize(validators.length);
  const rows = validators.map(({ id, name, status, height, view, leader }) => [
    id,
    name,
    status,
    String(height ?? ''),
    String(view ?? ''),
    leader ?? '',
  ]);
  return {
    json: {
      network: document.network,
      genesisHash: toHex(hash),
      quorum,
      working,
      hasQuorum: working >= quorum,
      validators,
    },
    lines: [
      `Network ${document.network}, genesis ${toHex(hash)}`,
      '',
      ...table(['id', 'hospital', 'says', 'height', 'view', 'leader'], rows),
      '',
      `${working} of ${validators.length} work; ${quorum} decide: ` +
        (working >= quorum ? 'the network works.' : 'NOTHING can be decided now.'),
    ],
  };
}

/** Each hospital's history since the block that was seen last, proven (RFC 9162). */
async function histories(
  context: CommandContext,
  client: Awaited<ReturnType<CommandContext['session']>>['client'],
): Promise<CommandResult> {
  const { from, validators } = await context.look('Asking each hospital', (signal) =>
    client.histories({ signal }),
  );
  const says = { extends: 'extends it to block', 'nothing newer': 'has nothing newer than block' };
  const rows = validators.map(({ id, state, to, reason }) => [
    id,
    state === 'not proven' ? 'NOT PROVEN' : `${says[state]} ${to}`,
    reason,
  ]);
  const proven = validators.filter(({ state }) => state === 'extends').length;
  return {
    json: { from, proven, validators },
    lines: [
      `Block ${from} is where this starts: ${from === 0 ? 'genesis' : 'the newest that was seen before'}.`,
      '',
      ...table(['id', 'history', 'why not'], rows),
      '',
      `${proven} of ${validators.length} prove that nothing was rewritten since block ${from}.`,
    ],
  };
}
