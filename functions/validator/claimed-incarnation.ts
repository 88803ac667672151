/**
 * Which incarnation peers say that a seat has. A validator whose KMS key is lost cannot read the
 * ledger until its operators have put a new one in; its new sessions must be above that number.
 */

import { z } from 'zod';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { faultyMax } from '../../lib/wire/validators.ts';
import { askPeer, type PeerDeps } from './peer-client.ts';

/** The document of genesis stands in the answer as well. */
const ANSWER_BYTES_MAX = 1_000_000;

const networkSchema = z.object({
  validators: z.array(z.object({ id: z.string(), incarnation: z.int().min(0) })),
});

/**
 * The highest that some honest peer may have said: faulty ones alone cannot push it up, and the
 * operators refuse one that is far off. 0 where too few answer.
 */
export async function claimedIncarnation(
  { document }: Pick<Genesis, 'document'>,
  self: string,
  { fetch, clock }: Pick<PeerDeps, 'fetch' | 'clock'>,
): Promise<number> {
  const deps = { network: document.network, readKey: null, fetch, clock };
  const peers = document.validators.filter(({ id }) => id !== self);
  const request = { path: '/v1/network', query: null, bytesMax: ANSWER_BYTES_MAX };
  const answers = await Promise.all(
    peers.map((peer) =>
      askPeer(deps, peer, networkSchema, request).then(
        ({ validators }) => validators.find(({ id }) => id === self)?.incarnation ?? 0,
        () => null,
      ),
    ),
  );
  const said = answers.filter((one) => one !== null).sort((a, b) => b - a);
  return said[faultyMax(document.validators.length)] ?? 0;
}
