/** Catching up: fetches committed blocks from peers' HTTPS, checks them, and leaves them for the replica. */

import { z } from 'zod';
import { equalBytes, fromBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { limits } from '../../lib/limits.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { headerHash, headerSchema } from '../../lib/wire/header.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { verifyCertificate } from '../../lib/wire/verify-certificate.ts';
import { certificateSchema } from '../../lib/wire/vote.ts';
import { mapParallel } from '../aws/parallel.ts';
import { blockAuthorization } from './block-request.ts';
import type { FetchedBlock, FetchedStore } from './ports.ts';

const REQUEST_TIMEOUT_MS = 2_000;
const PARALLEL_MAX = 4;
/** A block of 512 KiB, its body twice in base64url, and its ids. */
const ANSWER_BYTES_MAX = 3 * 1024 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;

export interface CatchUpDeps {
  readonly genesis: Genesis;
  /** The validator that catches up. */
  readonly validator: string;
  readonly readKey: SigningKey;
  readonly fetched: FetchedStore;
  readonly fetch: typeof fetch;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Why a peer's answer was passed over: never its content. */
  readonly log: (line: { peer: string; height: number; reason: string }) => void;
}

/** Blocks of a ledger, first and last included. */
export interface BlockRange {
  readonly ledger: string;
  readonly fromHeight: number;
  readonly toHeight: number;
}

interface Peer {
  readonly id: string;
  readonly apiUrl: string;
}

const blockAnswerSchema = z.object({
  header: z.string(),
  certificate: z.string(),
  body: z.string(),
});
const bodySchema = z.array(z.string().max(limits.transactionBytesMax));

/**
 * Fetches up to `limits.catchUpBlocksMax` blocks until `deadline` (milliseconds since the epoch)
 * and answers the unbroken range from `fromHeight` that is now in the fetched store, or null.
 */
export async function catchUp(
  deps: CatchUpDeps,
  wanted: BlockRange,
  deadline: number,
): Promise<BlockRange | null> {
  const { ledger, fromHeight } = wanted;
  const last = Math.min(wanted.toHeight, fromHeight + limits.catchUpBlocksMax - 1);
  const heights = Array.from(
    { length: Math.max(0, last - fromHeight + 1) },
    (_, i) => fromHeight + i,
  );
  const peers = deps.genesis.document.validators.filter(({ id }) => id !== deps.validator);
  let isOver = false;
  const done = await mapParallel(heights, PARALLEL_MAX, async (height) => {
    if (isOver || deps.clock() >= deadline) return false;
    const block = await fetchFromAny(deps, peers, { ledger, height });
    if (block === null) {
      isOver = true;
      return false;
    }
    await deps.fetched.put(ledger, height, block);
    return true;
  });
  const firstMissing = done.indexOf(false);
  const count = firstMissing < 0 ? done.length : firstMissing;
  return count === 0 ? null : { ledger, fromHeight, toHeight: fromHeight + count - 1 };
}

/** One peer after the other, each height starting with another; the one that worked comes first. */
async function fetchFromAny(
  deps: CatchUpDeps,
  peers: Peer[],
  wanted: { ledger: string; height: number },
): Promise<FetchedBlock | null> {
  for (const peer of [...peers]) {
    try {
      const block = await fetchBlock(deps, peer, wanted);
      await checkBlock(deps.genesis, wanted, block);
      moveToFront(peers, peer);
      return block;
    } catch (error) {
      const reason = error instanceof BlockRefusedError ? error.message : nameOf(error);
      deps.log({ peer: peer.id, height: wanted.height, reason });
    }
  }
  return null;
}

function moveToFront(peers: Peer[], peer: Peer): void {
  const at = peers.indexOf(peer);
  if (at > 0) peers.unshift(...peers.splice(at, 1));
}

/** A peer's answer that is no certified block. */
class BlockRefusedError extends Error {
  override readonly name = 'BlockRefusedError';
}

async function fetchBlock(
  deps: CatchUpDeps,
  peer: Peer,
  { ledger, height }: { ledger: string; height: number },
): Promise<FetchedBlock> {
  const now = deps.clock();
  const { network } = deps.genesis.document;
  const authorization = await blockAuthorization({ network, ledger, height, now }, deps.readKey);
  const response = await deps.fetch(`${peer.apiUrl}/v1/blocks/${height}`, {
    headers: { authorization, accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (response.status !== 200) throw new BlockRefusedError(`status ${response.status}`);
  const answer = blockAnswerSchema.parse(JSON.parse(await boundedText(response)));
  const part = <T>(schema: z.ZodType<T>, text: string, bytesMax: number): T =>
    decodeWith(schema, fromBase64url(text), bytesMax);
  return {
    header: part(headerSchema, answer.header, HEADER_BYTES_MAX),
    certificate: part(certificateSchema, answer.certificate, HEADER_BYTES_MAX),
    transactions: part(bodySchema, answer.body, ANSWER_BYTES_MAX),
  };
}

/** Step: the block of this height, its certificate of a quorum of its set, its body under its root. */
async function checkBlock(
  genesis: Genesis,
  { ledger, height }: { ledger: string; height: number },
  { header, certificate, transactions }: FetchedBlock,
): Promise<void> {
  const isWanted = header.ledger === ledger && header.height === height;
  if (!isWanted) throw new BlockRefusedError('another block');
  const set = genesis.validators;
  const setHash = validatorsHash(set);
  if (!equalBytes(header.validatorsHash, setHash)) throw new BlockRefusedError('another set');
  const isOfHeader =
    certificate.phase === 'commit' &&
    certificate.height === height &&
    equalBytes(certificate.hash, headerHash(header));
  if (!isOfHeader) throw new BlockRefusedError('a certificate of something else');
  const context = { genesisHash: genesis.hash, ledger, validatorsHash: setHash };
  if (!(await verifyCertificate(certificate, context, set, genesis.sessions))) {
    throw new BlockRefusedError('not certified');
  }
  if (!equalBytes(merkleRoot(transactions.map(utf8)), header.transactionsRoot)) {
    throw new BlockRefusedError('another body');
  }
}

/** A peer may send anything: what is too long is not read to its end. */
async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new BlockRefusedError('the answer is too large');
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
