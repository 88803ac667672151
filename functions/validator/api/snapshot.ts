/**
 * Snapshots for peers: the manifest of the committed head, and pages of the state by their ids. Pages
 * are never changed or deleted, so a snapshot of any earlier head can be fetched to its end.
 */

import { governedKeys } from '../../../lib/chaincode/governed.ts';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { frontierNodes } from '../../../lib/ledger/history-tree.ts';
import type { SnapshotManifest } from '../../../lib/ledger/snapshot.ts';
import { proveKeys } from '../../../lib/ledger/state-tree.ts';
import { limits } from '../../../lib/limits.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { HttpError } from '../../aws/problems.ts';
import { PAGES_QUERY, type PeerQuery, SNAPSHOT_QUERY } from '../block-request.ts';
import { snapshotPagesSchema } from '../routes.ts';
import { committedBlock } from './committed.ts';
import { isOfPeer, parsePeerQuery } from './peer-query.ts';
import { parseRequestBody } from './request.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

const BODY_CHARS_MAX = 32 * 1024;

export function getSnapshot(runtime: ApiRuntime): Operation {
  return {
    async run({ headers }): Promise<HttpAnswer> {
      const network = await authorisedNetwork(runtime, headers, SNAPSHOT_QUERY);
      const manifest = await manifestOf(runtime, network);
      return { status: 200, body: { manifest: toBase64url(encodeCbor(manifest)) } };
    },
  };
}

export function postSnapshotPages(runtime: ApiRuntime): Operation {
  return {
    bodyCharsMax: BODY_CHARS_MAX,
    async run({ headers, body }): Promise<HttpAnswer> {
      await authorisedNetwork(runtime, headers, PAGES_QUERY);
      const { ids } = parseRequestBody(snapshotPagesSchema, body);
      const found = await runtime.deps.ports.pages.getPages(MAIN_LEDGER, ids);
      const pages: (Uint8Array | null)[] = [];
      let bytes = 0;
      for (const page of found) {
        bytes += page?.length ?? 0;
        if (bytes > limits.snapshotChunkBytesMax) break;
        pages.push(page ?? null);
      }
      return { status: 200, body: { pages: toBase64url(encodeCbor(pages)) } };
    },
  };
}

async function authorisedNetwork(
  runtime: ApiRuntime,
  { authorization }: Readonly<Record<string, string>>,
  fn: PeerQuery['fn'],
): Promise<RunningNetwork> {
  const network = await runtime.network();
  const query = parsePeerQuery(authorization ?? '', { ledger: MAIN_LEDGER, fn, height: 0 });
  if (await isOfPeer(runtime, network, query)) return network;
  throw new HttpError('not_authorised', 'Only validators read the whole state');
}

async function manifestOf(runtime: ApiRuntime, network: RunningNetwork): Promise<SnapshotManifest> {
  const { header, certificate, height } = network.head;
  if (certificate === null) throw new HttpError('unknown_block', 'There is genesis alone');
  const { header: parent } = await committedBlock(runtime, network, height - 1);
  const nodes = await runtime.deps.ports.blocks.history(MAIN_LEDGER, frontierNodes(height));
  const frontier = nodes.filter((node) => node !== undefined);
  if (frontier.length !== nodes.length) {
    throw new HttpError('unknown_block', 'Its history is not kept here');
  }
  const base = { height: parent.height, root: parent.stateRoot };
  const { cache } = runtime;
  const proven = await proveKeys(base, governedKeys, runtime.reader(), { cache });
  const governed = proven.map(({ value, proof }) => ({ value: value ?? new Uint8Array(), proof }));
  return { header, certificate, parent, frontier, governed };
}
