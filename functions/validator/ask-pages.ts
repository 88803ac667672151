/** Pages of the main ledger's state by their ids, from one peer; nothing of them is checked here. */

import { z } from 'zod';
import { limits } from '../../lib/limits.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { PAGES_QUERY } from './block-request.ts';
import { askPeer, decodePart, type Peer, type PeerDeps, PeerRefusedError } from './peer-client.ts';

/** A chunk of pages in base64url inside JSON. */
const CHUNK_BYTES_MAX = 6 * 1024 * 1024;

const pagesAnswerSchema = z.object({ pages: z.string() });
const pagesSchema = z.array(z.instanceof(Uint8Array).nullable()).max(limits.snapshotPagesMax);

export async function askPages(
  deps: PeerDeps,
  peer: Peer,
  ids: readonly string[],
): Promise<{ id: string; bytes: Uint8Array }[]> {
  const got: { id: string; bytes: Uint8Array }[] = [];
  for (let at = 0; at < ids.length;) {
    const wanted = ids.slice(at, at + limits.snapshotPagesMax);
    const answer = await askPeer(deps, peer, pagesAnswerSchema, {
      path: '/v1/snapshot/pages',
      query: { ledger: MAIN_LEDGER, fn: PAGES_QUERY, height: 0 },
      body: { ids: wanted },
      bytesMax: CHUNK_BYTES_MAX,
    });
    const pages = decodePart(pagesSchema, answer.pages, CHUNK_BYTES_MAX);
    if (pages.length === 0) throw new PeerRefusedError('no pages');
    for (const [i, bytes] of pages.slice(0, wanted.length).entries()) {
      const id = wanted[i];
      if (bytes && id !== undefined) got.push({ id, bytes });
    }
    at += pages.length;
  }
  return got;
}
