/** Catching up: fetches committed blocks from peers' HTTPS, checks them, and leaves them for the replica. */

import { z } from 'zod';
import { equalBytes, utf8 } from '../../lib/crypto/bytes.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import type { FollowedSet } from '../../lib/ledger/set-chain.ts';
import { limits } from '../../lib/limits.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { type BlockHeader, headerHash, headerSchema } from '../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { quorumSize } from '../../lib/wire/validators.ts';
import { verifyCertificate } from '../../lib/wire/verify-certificate.ts';
import { certificateSchema } from '../../lib/wire/vote.ts';
import { mapParallel } from '../aws/parallel.ts';
import { BLOCK_QUERY } from './block-request.ts';
import { askPeer, decodePart, type Peer, type PeerDeps } from './peer-client.ts';
import { PeerRefusedError, reasonOf } from './peer-client.ts';
import type { FetchedBlock, FetchedStore } from './ports.ts';
import type { SetBook } from './set-book.ts';

const PARALLEL_MAX = 4;
/** A block of 512 KiB, its body twice in base64url, and its ids. */
const ANSWER_BYTES_MAX = 3 * 1024 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;

export interface CatchUpDeps extends PeerDeps {
  readonly genesis: Genesis;
  readonly peers: readonly Peer[];
  readonly sets: SetBook;
  readonly fetched: FetchedStore;
  /** Which peer is asked first, from 0: another in each run, so that none can hold up all. @default 0 */
  readonly firstPeer?: (count: number) => number;
  /** Why a peer's answer was passed over: never its content. */
  readonly log: (line: { peer: string; height: number; reason: string }) => void;
}

/** Blocks of a ledger, first and last included. */
export interface BlockRange {
  readonly ledger: string;
  readonly fromHeight: number;
  readonly toHeight: number;
}

export const blockAnswerSchema = z.object({
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
  const first = deps.firstPeer?.(deps.peers.length) ?? 0;
  const peers = [...deps.peers.slice(first), ...deps.peers.slice(0, first)];
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
      await checkBlock(deps, peer, wanted, block);
      moveToFront(peers, peer);
      return block;
    } catch (error) {
      deps.log({ peer: peer.id, height: wanted.height, reason: reasonOf(error) });
    }
  }
  return null;
}

function moveToFront(peers: Peer[], peer: Peer): void {
  const at = peers.indexOf(peer);
  if (at > 0) peers.unshift(...peers.splice(at, 1));
}

async function fetchBlock(
  deps: CatchUpDeps,
  peer: Peer,
  { ledger, height }: { ledger: string; height: number },
): Promise<FetchedBlock> {
  const answer = await askPeer(deps, peer, blockAnswerSchema, {
    path: `/v1/blocks/${height}${ledger === MAIN_LEDGER ? '' : `?ledger=${ledger}`}`,
    query: { ledger, fn: BLOCK_QUERY, height },
    bytesMax: ANSWER_BYTES_MAX,
  });
  return blockOf(answer);
}

/** The parts of an answer, unchecked. */
export function blockOf(answer: z.infer<typeof blockAnswerSchema>): FetchedBlock {
  return {
    header: decodePart(headerSchema, answer.header, HEADER_BYTES_MAX),
    certificate: decodePart(certificateSchema, answer.certificate, HEADER_BYTES_MAX),
    transactions: decodePart(bodySchema, answer.body, ANSWER_BYTES_MAX),
  };
}

/** Step: the block of this height, its certificate of a quorum of its set, its body under its root. */
export async function checkBlock(
  deps: CatchUpDeps,
  peer: Peer,
  { ledger, height }: { ledger: string; height: number },
  { header, certificate, transactions }: FetchedBlock,
): Promise<void> {
  const isWanted = header.ledger === ledger && header.height === height;
  if (!isWanted) throw new PeerRefusedError('another block');
  const set = await setOf(deps, peer, header);
  const isOfHeader =
    certificate.phase === 'commit' &&
    certificate.height === height &&
    equalBytes(certificate.hash, headerHash(header));
  if (!isOfHeader) throw new PeerRefusedError('a certificate of something else');
  // A replica takes exactly a quorum: a vote more would have the block dropped there, each time.
  if (certificate.votes.length !== quorumSize(set.validators.length)) {
    throw new PeerRefusedError('not a quorum of votes');
  }
  const context = { genesisHash: deps.genesis.hash, ledger, validatorsHash: set.hash };
  if (!(await verifyCertificate(certificate, context, set.validators, set.sessions))) {
    throw new PeerRefusedError('not certified');
  }
  if (!equalBytes(merkleRoot(transactions.map(utf8)), header.transactionsRoot)) {
    throw new PeerRefusedError('another body');
  }
}

/** The set in force at a header; where it is not known here, whoever gave the block shows it. */
async function setOf(deps: CatchUpDeps, peer: Peer, header: BlockHeader): Promise<FollowedSet> {
  const { ledger, height, validatorsHash } = header;
  // On a case ledger the replica knows which of them votes: here any that the header names will do.
  const found = (): FollowedSet | undefined => {
    const named = deps.sets.named(validatorsHash);
    if (ledger !== MAIN_LEDGER) return named;
    const set = deps.sets.setAt(height);
    return equalBytes(validatorsHash, set.hash) ? set : undefined;
  };
  const known = found();
  if (known) return known;
  await deps.sets.learnFrom(deps, peer);
  const learned = found();
  if (!learned) throw new PeerRefusedError('another set');
  return learned;
}
