/** Installs the snapshot that the timer function has fetched whole and checked. */
import { governedKeys, governedOf } from '../../../lib/chaincode/governed.ts';
import { equalBytes } from '../../../lib/crypto/bytes.ts';
import { checkManifest } from '../../../lib/ledger/snapshot.ts';
import type { FollowedSet } from '../../../lib/ledger/set-chain.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import { limits } from '../../../lib/limits.ts';
import type { Input } from '../../../lib/pbft/input.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import type { Governed } from '../../../lib/wire/governed.ts';
import { planBackfill } from '../backfill-job.ts';
import { SetBook } from '../set-book.ts';
import { governedAfter } from '../snapshot-manifest.ts';
import { decodeJob, isComplete, SNAPSHOT_WORK } from '../snapshot-job.ts';
import { keepFrontier } from './history.ts';
import { feed } from './perform.ts';
import type { Run } from './run.ts';

export async function installSnapshot(run: Run): Promise<void> {
  const { runtime, ledger, state } = run;
  const { ports, genesis, verify } = runtime;
  const stored = await ports.fetched.work(ledger, SNAPSHOT_WORK);
  const job = stored && decodeJob(stored.bytes);
  if (!job || !isComplete(job)) return;
  const { manifest } = job;
  const { header, certificate, parent } = manifest;
  const ahead = header.height - state.head.header.height;
  const isFar = ahead >= limits.snapshotBehindMin || (state.learner && ahead > 0);
  if (!isFar || header.ledger !== ledger) return;
  const sets = await SetBook.open({
    genesis,
    links: await ports.blocks.links(ledger),
    verify,
  });
  const set = sets.setAt(header.height);
  const { hash, frontier } = await checkManifest(genesis, manifest, set, governedKeys, verify);
  const reader = { pages: (ids: readonly string[]) => ports.pages.getPages(ledger, ids) };
  const base = { height: header.height, root: header.stateRoot };
  const upcoming = await governedOf(new TreeView(base, reader, { cache: runtime.cache }));
  await planBackfill(ports.fetched, ledger, state.head, header.height);
  await ports.blocks.putCertified(ledger, header, hash, certificate);
  await keepFrontier(ports.blocks, ledger, header.height, manifest.frontier);
  await keepFrontier(ports.blocks, ledger, header.height + 1, frontier);
  const present = governedAfter(manifest);
  const previous = previousOf(set, present);
  const input: Input = {
    type: 'snapshot',
    head: { header, hash, certificate },
    frontier,
    ...present,
    sessions: votesOf(present.sessions),
    upcoming: equalBytes(encodeCbor(upcoming), encodeCbor(present)) ? null : upcoming,
    previous,
    // L22: at genesis the set votes from height 1 on.
    setFromHeight: previous ? header.height + 1 : Math.max(1, set.fromHeight),
  };
  runtime.log({ event: 'snapshot', ledger, height: header.height, parent: parent.height });
  run.pendingStale = true;
  return feed(run, input);
}

function votesOf(sessions: Governed['sessions']): Governed['sessions'] {
  return sessions.filter(({ body }) => body.purpose === 'vote');
}

/** Who certified the snapshot, where another set votes after it. */
function previousOf({ validators, sessions }: FollowedSet, present: Governed) {
  if (equalBytes(encodeCbor(validators), encodeCbor(present.validators))) return null;
  return { validators, sessions: votesOf(sessions) };
}
