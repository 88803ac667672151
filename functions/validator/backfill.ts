/**
 * After a snapshot: fetches the blocks before it from peers in the background, so that this validator
 * serves old blocks, receipts, events and history again. At rest when all are there.
 */

import { z } from 'zod';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { limits } from '../../lib/limits.ts';
import type { BlockStore } from '../../lib/ports.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { headerHash } from '../../lib/wire/header.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import { faultyMax } from '../../lib/wire/validators.ts';
import { BACKFILL_WORK, type BackfillJob, decodeBackfill } from './backfill-job.ts';
import { BLOCK_QUERY } from './block-request.ts';
import { blockAnswerSchema, blockOf, type CatchUpDeps, checkBlock } from './catch-up.ts';
import { askPeer, decodePart, type Peer, PeerRefusedError, reasonOf } from './peer-client.ts';
import { type BlockEvent, blockEventsSchema, type EventStore, type FetchedBlock } from './ports.ts';
import { keepHistory } from './replica/history.ts';

/** A block with its results and events: a Lambda answer. */
const ANSWER_BYTES_MAX = 6 * 1024 * 1024;

export interface BackfillDeps extends CatchUpDeps {
  readonly ledger: string;
  readonly blocks: BlockStore & EventStore;
}

/** `again`: there is more to do now; `none`: nothing lacks, nobody has it, or another run is on it. */
export type BackfillOutcome = 'again' | 'none';

interface WholeBlock extends FetchedBlock {
  results: Uint8Array[];
  events: BlockEvent[];
}

const resultsSchema = z.array(z.instanceof(Uint8Array)).max(limits.blockTransactionsMax);
const answerSchema = blockAnswerSchema.extend({
  results: z.string(),
  events: blockEventsSchema,
});

/** Fetches up to `limits.catchUpBlocksMax` blocks, the oldest first, until `deadline`. */
export async function backfill(deps: BackfillDeps, deadline: number): Promise<BackfillOutcome> {
  const { fetched, ledger, clock } = deps;
  const stored = await fetched.work(ledger, BACKFILL_WORK);
  const job = stored && decodeBackfill(stored.bytes);
  if (!job || job.next > job.until || job.leaseUntil > clock()) return 'none';
  const leased = { ...job, leaseUntil: deadline };
  const { version } = stored;
  if (!(await fetched.saveWork(ledger, BACKFILL_WORK, version, encodeCbor(leased)))) return 'none';
  let after: BackfillJob = { ...job, leaseUntil: 0 };
  for (let count = 0; count < limits.catchUpBlocksMax; count += 1) {
    if (after.next > after.until || clock() >= deadline) break;
    const hash = (await heldHere(deps, after.next)) ?? (await fillFrom(deps, after));
    if (hash === null) break;
    after = { ...after, next: after.next + 1, hash };
  }
  await fetched.saveWork(ledger, BACKFILL_WORK, version + 1, encodeCbor(after));
  return after.next > job.next && after.next <= after.until ? 'again' : 'none';
}

/** The header's hash of a block that is whole here already. */
async function heldHere({ blocks, ledger }: BackfillDeps, height: number) {
  const known = await blocks.certified(ledger, height);
  if (known === null) return null;
  const hash = headerHash(known.header);
  return (await blocks.body(ledger, hash)) && hash;
}

/**
 * A block that any peer proves. Its events are under no hash: those count that one more than may
 * lie agree on.
 */
async function fillFrom(deps: BackfillDeps, job: BackfillJob): Promise<Uint8Array | null> {
  const height = job.next;
  const needed = faultyMax(deps.sets.setAt(height).validators.length) + 1;
  const said = new Map<string, number>();
  for (const peer of deps.peers) {
    try {
      const block = await fetchWhole(deps, peer, job);
      const text = JSON.stringify(block.events);
      const count = (said.get(text) ?? 0) + 1;
      said.set(text, count);
      if (count >= needed) return await keepBlock(deps, block);
    } catch (error) {
      deps.log({ peer: peer.id, height, reason: reasonOf(error) });
    }
  }
  return null;
}

async function fetchWhole(deps: BackfillDeps, peer: Peer, job: BackfillJob): Promise<WholeBlock> {
  const wanted = { ledger: deps.ledger, height: job.next };
  const answer = await askPeer(deps, peer, answerSchema, {
    path: `/v1/blocks/${job.next}?results=1`,
    query: { ...wanted, fn: BLOCK_QUERY },
    bytesMax: ANSWER_BYTES_MAX,
  });
  const block = blockOf(answer);
  await checkBlock(deps, peer, wanted, block);
  if (!equalBytes(block.header.previousHash, job.hash)) {
    throw new PeerRefusedError('another history');
  }
  const results = decodePart(resultsSchema, answer.results, ANSWER_BYTES_MAX);
  const areItsOwn =
    results.length === block.transactions.length &&
    equalBytes(merkleRoot(results), block.header.resultsRoot);
  if (!areItsOwn) throw new PeerRefusedError('other results');
  return { ...block, results, events: answer.events };
}

/** Staged like a block that is executed here; the certified header last. */
async function keepBlock(
  { blocks, ledger }: BackfillDeps,
  { header, certificate, transactions, results, events }: WholeBlock,
): Promise<Uint8Array> {
  const hash = headerHash(header);
  const ids = transactions.map((compact) => parseTransaction(compact).id);
  await blocks.stageBody(ledger, header.height, hash, { transactions, results }, ids);
  await blocks.stageEvents(ledger, hash, events);
  await keepHistory(blocks, header, hash);
  await blocks.putCertified(ledger, header, hash, certificate);
  return hash;
}
