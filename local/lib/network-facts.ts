// What is asked of a running network, or read from its file.
import { readFileSync } from 'node:fs';
import type { Network } from '../../sdk/network-file.ts';
import { openSession } from '../../sdk/session.ts';
import { LocalError } from './errors.ts';

/** Whom most validators take for the leader. */
export async function leaderNow(network: Network): Promise<string> {
  const said = await openSession(network).client.health();
  const votes = new Map<string, number>();
  for (const { health } of said) {
    const leader = health?.['leader'];
    if (typeof leader === 'string') votes.set(leader, (votes.get(leader) ?? 0) + 1);
  }
  const [best] = [...votes].sort(([, a], [, b]) => b - a);
  if (!best) throw new LocalError('not_running', 'No validator says who leads.');
  return best[0];
}

/** The genesis document's exact text. */
export async function genesisText(networkFile: string): Promise<string> {
  const file = JSON.parse(readFileSync(networkFile, 'utf8')) as { genesis: { document: string } };
  return file.genesis.document;
}
