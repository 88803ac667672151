/**
 * Fetches a snapshot outside of the serial inbox, in chunks that are checked before they are kept,
 * over as many runs as it takes. Whoever gives wrong pages is passed over.
 */

import { z } from 'zod';
import { governedKeys } from '../../lib/chaincode/governed.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { LedgerError } from '../../lib/ledger/errors.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import {
  checkManifest,
  SNAPSHOT_PARTS,
  type SnapshotManifest,
  snapshotManifestSchema,
  walkPart,
} from '../../lib/ledger/snapshot.ts';
import type { PageReader } from '../../lib/ledger/state-tree.ts';
import type { BlockStore, PageStore } from '../../lib/ports.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { SNAPSHOT_QUERY } from './block-request.ts';
import type { CatchUpDeps } from './catch-up.ts';
import { askPages } from './ask-pages.ts';
import { askPeer, decodePart, type Peer, PeerRefusedError, reasonOf } from './peer-client.ts';
import { decodeJob, isComplete, SNAPSHOT_WORK, type SnapshotJob } from './snapshot-job.ts';
import { governedAfter } from './snapshot-manifest.ts';

/** A manifest in base64url inside JSON. */
const MANIFEST_BYTES_MAX = 512 * 1024;
const CACHE_BYTES_MAX = 128 * 1024 * 1024;
const HEIGHT_DIGITS = 15;

export interface SnapshotDeps extends CatchUpDeps {
  readonly ledger: string;
  readonly blocks: BlockStore;
  readonly pages: PageStore;
  /** A head is taken only so far above the own one. */
  readonly behindMin: number;
  /** Height of the committed head here. */
  readonly ownHeight: number;
}

/**
 * `complete`: to be installed; `again`: go on in another run; `busy`: another run is on it, and will;
 * `none`: nobody is far enough ahead.
 */
export type SnapshotOutcome = 'complete' | 'again' | 'busy' | 'none';

const manifestAnswerSchema = z.object({ manifest: z.string() });

/** Works on the snapshot of a ledger until `deadline`, milliseconds since the epoch. */
export async function fetchSnapshot(
  deps: SnapshotDeps,
  deadline: number,
): Promise<SnapshotOutcome> {
  const { fetched, ledger, clock } = deps;
  const stored = await fetched.work(ledger, SNAPSHOT_WORK);
  const known = stored && decodeJob(stored.bytes);
  if (known && known.leaseUntil > clock()) return 'busy';
  let job = known && isOfUse(deps, known) ? known : await newJob(deps);
  if (job === null) return 'none';
  if (isComplete(job)) return 'complete';
  const version = stored?.version ?? null;
  job = { ...job, leaseUntil: deadline };
  if (!(await fetched.saveWork(ledger, SNAPSHOT_WORK, version, encodeCbor(job)))) return 'busy';
  const after = { ...(await goOn(deps, job, deadline)), leaseUntil: 0 };
  await fetched.saveWork(ledger, SNAPSHOT_WORK, (version ?? 0) + 1, encodeCbor(after));
  return isComplete(after) ? 'complete' : 'again';
}

/** One that is passed by, or from which every peer was refused, makes room for a newer one. */
function isOfUse({ ownHeight, peers }: SnapshotDeps, job: SnapshotJob): boolean {
  if (job.manifest.header.height <= ownHeight) return false;
  return isComplete(job) || peers.some(({ id }) => !job.refused.includes(id));
}

/** The highest head that a peer proves, if it is far enough above the own one. */
async function newJob(deps: SnapshotDeps): Promise<SnapshotJob | null> {
  const { peers, ownHeight, ledger, log } = deps;
  let best: SnapshotManifest | null = null;
  for (const peer of peers) {
    try {
      const manifest = await checkedManifest(deps, peer);
      if (manifest.header.height > (best?.header.height ?? 0)) best = manifest;
    } catch (error) {
      log({ peer: peer.id, height: ownHeight, reason: reasonOf(error) });
    }
  }
  if (best === null || best.header.height < ownHeight + deps.behindMin) return null;
  for (const link of deps.sets.links) await deps.blocks.putLink(ledger, link);
  const start = { parts: 0, peer: 0, strict: false, refused: [], leaseUntil: 0 };
  return { manifest: best, ownHeight, ...start };
}

async function checkedManifest(deps: SnapshotDeps, peer: Peer): Promise<SnapshotManifest> {
  const { ledger, genesis, sets } = deps;
  const answer = await askPeer(deps, peer, manifestAnswerSchema, {
    path: '/v1/snapshot',
    query: { ledger, fn: SNAPSHOT_QUERY, height: 0 },
    bytesMax: MANIFEST_BYTES_MAX,
  });
  const manifest = decodePart(snapshotManifestSchema, answer.manifest, MANIFEST_BYTES_MAX);
  const { header } = manifest;
  if (header.ledger !== ledger) throw new PeerRefusedError('another ledger');
  const isKnown = (): boolean =>
    equalBytes(sets.setAt(header.height).hash, header.validatorsHash) &&
    equalBytes(sets.setAt(header.height + 1).hash, header.nextValidatorsHash);
  if (!isKnown()) await sets.learnFrom(deps, peer);
  if (!isKnown()) throw new PeerRefusedError('another set');
  await checkManifest(genesis, manifest, sets.setAt(header.height), governedKeys);
  governedAfter(manifest);
  return manifest;
}

/** Goes through the parts with one peer after the other, until time is up. */
async function goOn(
  deps: SnapshotDeps,
  start: SnapshotJob,
  deadline: number,
): Promise<SnapshotJob> {
  let job = start;
  // Each round ends with the walk, with time, or with one peer fewer.
  for (let round = 0; round <= 2 * deps.peers.length; round += 1) {
    const candidates = deps.peers.filter(({ id }) => !job.refused.includes(id));
    const peer = candidates[job.peer % Math.max(1, candidates.length)];
    if (!peer || deps.clock() >= deadline) return job;
    try {
      const walked = await walkWith(deps, job, peer, deadline);
      return walked;
    } catch (error) {
      deps.log({ peer: peer.id, height: job.manifest.header.height, reason: reasonOf(error) });
      job = afterFault(error instanceof WalkError ? error.job : job, peer, error);
    }
  }
  return job;
}

/** How far the walk came before a peer failed. */
class WalkError extends Error {
  override readonly name: string = 'WalkError';
  readonly job: SnapshotJob;
  constructor(job: SnapshotJob, cause: unknown) {
    super(reasonOf(cause), { cause });
    this.job = job;
  }
}

/**
 * A peer that does not answer is passed over. References between pages are under no hash, so a page
 * that does not fit may be the fault of the page before it: all starts again then, from one peer
 * alone, and only a fault after that is surely its own.
 */
function afterFault(job: SnapshotJob, peer: Peer, error: unknown): SnapshotJob {
  const cause = error instanceof WalkError ? error.cause : error;
  const isWrong = cause instanceof LedgerError;
  const refused = isWrong && job.strict ? [...job.refused, peer.id] : job.refused;
  const strict = job.strict || isWrong;
  return { ...job, strict, refused, parts: strict ? 0 : job.parts, peer: job.peer + 1 };
}

async function walkWith(
  deps: SnapshotDeps,
  start: SnapshotJob,
  peer: Peer,
  deadline: number,
): Promise<SnapshotJob> {
  const { header } = start.manifest;
  const base = { height: header.height, root: header.stateRoot };
  const pages = new FetchedPages(deps, start, peer);
  const isOver = (): boolean => deps.clock() >= deadline;
  const cache = new PageCache(CACHE_BYTES_MAX);
  let job = start;
  try {
    while (job.parts < SNAPSHOT_PARTS) {
      const onChecked = (): Promise<void> => pages.keep();
      const isDone = await walkPart(base, job.parts, { reader: pages, cache, onChecked, isOver });
      if (!isDone) return job;
      job = { ...job, parts: job.parts + 1 };
    }
    return job;
  } catch (error) {
    throw new WalkError(job, error);
  }
}

/** Pages that are held here, else of a peer; those are kept once what they hold was checked. */
class FetchedPages implements PageReader {
  readonly #deps: SnapshotDeps;
  readonly #job: SnapshotJob;
  readonly #peer: Peer;
  readonly #trusted = new Set<string>();
  #fresh: { id: string; bytes: Uint8Array }[] = [];

  constructor(deps: SnapshotDeps, job: SnapshotJob, peer: Peer) {
    this.#deps = deps;
    this.#job = job;
    this.#peer = peer;
  }

  async pages(ids: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const { pages, ledger } = this.#deps;
    const held = await pages.getPages(ledger, ids);
    const found = new Map<string, Uint8Array>();
    ids.forEach((id, at) => {
      const bytes = held[at];
      if (bytes && this.#isTrusted(id)) found.set(id, bytes);
    });
    const missing = ids.filter((id) => !found.has(id));
    for (const page of await askPages(this.#deps, this.#peer, missing)) {
      found.set(page.id, page.bytes);
      this.#fresh.push(page);
    }
    return ids.map((id) => found.get(id));
  }

  /** What was fetched since the last call. */
  async keep(): Promise<void> {
    if (this.#fresh.length === 0) return;
    await this.#deps.pages.putPages(this.#deps.ledger, this.#fresh);
    for (const { id } of this.#fresh) this.#trusted.add(id);
    this.#fresh = [];
  }

  /** Own pages are; those of other peers, unless all are to come from this one. */
  #isTrusted(id: string): boolean {
    const ownHeight = Math.max(this.#job.ownHeight, this.#deps.ownHeight);
    const isOwn = Number(id.slice(0, HEIGHT_DIGITS)) <= ownHeight;
    return isOwn || !this.#job.strict || this.#trusted.has(id);
  }
}
