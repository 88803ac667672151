// What every chaos command shows at the end: the validator votes again, and nothing was lost.
import { setTimeout as sleep } from 'node:timers/promises';
import { quorumOf } from '../lib/members.ts';
import { restartMember, stopMember } from '../lib/account-actions.ts';
import { LocalError } from '../lib/errors.ts';
import { checkLedgers, type LedgerCheck } from '../lib/ledger-check.ts';
import type { LoadCounts } from '../lib/load.ts';
import { codesText, secondsText } from './measure.ts';
import { seatsNow } from './seats.ts';
import { type Stage, type Undo } from './stage.ts';

/** Receipts that must come while nobody can be spared. */
const COMMITS_WITHOUT_SPARE = 10;
const PATIENCE_MS = 120_000;
/** A block that was under way may still hold the vote of one that stopped. */
const BLOCKS_UNDER_WAY = 1;
/** What a validator says of its height may be a second old. */
const HEALTH_AGE_MS = 1_200;

/** Throws where the network could not lose one more validator and go on. */
export async function requireSpare(stage: Stage): Promise<void> {
  const suspended = new Set(
    (await seatsNow(stage)).filter((seat) => seat.suspended).map(({ id }) => id),
  );
  const voting: string[] = [];
  for (const { id } of stage.others) {
    const { status, learner } = await stage.reader(id).health();
    if (status === 200 && !learner && !suspended.has(id)) voting.push(id);
  }
  const quorum = quorumOf(stage.validators.length);
  if (voting.length >= quorum) return;
  throw new LocalError(
    'no_quorum',
    `Besides ${stage.victim.id} only ${voting.join(', ') || 'nobody'} votes; a quorum is ${quorum}.`,
    { cure: 'Bring the others back first (npm run status), or use another --folder.' },
  );
}

/**
 * Stops so many of the others, in order, that no block can be certified without the victim's vote;
 * the load goes on, and the certificates name it. Then they come back.
 */
export async function proveVote(stage: Stage): Promise<void> {
  const { victim, load } = stage;
  const spare = await spareValidators(stage);
  const names = spare.join(' and ');
  const backAgain: Undo[] = [];
  await stage.phase(`${names} stopped in order: no block without ${victim.id}`, async (step) => {
    for (const id of spare) {
      backAgain.push(stage.undoLater(() => restartMember(stage.layout, id)));
      await stopMember(stage.layout, id);
    }
    const witness = stage.others.find(({ id }) => !spare.includes(id));
    const reader = stage.reader(witness?.id ?? '');
    await sleep(HEALTH_AGE_MS, undefined, { signal: stage.signal });
    const before = (await reader.health()).height;
    load.takeGapMs();
    if (!(await load.advance(COMMITS_WITHOUT_SPARE, PATIENCE_MS, stage.signal))) {
      throw new LocalError('no_recovery', `Nothing was committed without ${names}.`);
    }
    await sleep(HEALTH_AGE_MS, undefined, { signal: stage.signal });
    const { height } = await reader.health();
    let named = 0;
    let blocks = 0;
    for (let at = before + 1 + BLOCKS_UNDER_WAY; at <= height; at += 1) {
      const votes = (await reader.block(at))?.certificate?.votes ?? [];
      blocks += 1;
      if (votes.some((vote) => vote.validator === victim.id)) named += 1;
    }
    if (blocks === 0 || named < blocks) {
      throw new LocalError('not_proven', `${victim.id} signed ${named} of ${blocks} certificates.`);
    }
    step.result(`it signed the certificates of all ${blocks} blocks up to ${height}`);
  });
  await stage.phase(`${names} back with its state`, async () => {
    for (const bringBack of backAgain) await bringBack();
  });
}

/** As many as are above the quorum: not the leader, whose loss would only add a view change. */
async function spareValidators(stage: Stage): Promise<readonly string[]> {
  const seats = await seatsNow(stage);
  const voting = seats.filter((seat) => !seat.suspended).length;
  const count = voting - quorumOf(seats.length);
  const { leader } = await stage.reader(stage.victim.id).health();
  const candidates = stage.others.map(({ id }) => id).filter((id) => id !== leader);
  return candidates.slice(-count);
}

/** Ends the load and compares all ledgers. */
export async function conclude(
  stage: Stage,
  ids: readonly string[] = stage.validators.map(({ id }) => id),
): Promise<{ counts: LoadCounts; ledger: LedgerCheck }> {
  const counts = await stage.phase('Load ended', async (step) => {
    const ended = await stage.load.stop();
    step.result(countsText(ended));
    return ended;
  });
  const ledger = await stage.phase('Ledgers compared, block by block', async (step) => {
    const checked = await checkLedgers(
      ids.map((id) => stage.reader(id)),
      stage.load,
      stage.signal,
    );
    const { transactions, validators, height, stateRoot, faults } = checked;
    step.result(
      faults[0] ??
        `${transactions} transactions, each once, in ${validators.length} ledgers at ${height}, ` +
          `state root ${stateRoot.slice(0, 12)}…`,
    );
    return checked;
  });
  return { counts, ledger };
}

export function countsText(counts: LoadCounts): string {
  const { submitted, committed, errors, longestGapMs } = counts;
  const tail = Object.keys(errors).length === 0 ? 'no error' : codesText(errors);
  return `${committed} of ${submitted} committed, ${tail}, longest gap ${secondsText(longestGapMs)}`;
}

/**
 * The load before a fault, and again after it is healed. Answers when it was at its rate, by
 * `performance.now`.
 */
export async function loadFor(stage: Stage, seconds: number, title: string): Promise<number> {
  const { load, signal } = stage;
  return stage.phase(title, async (step) => {
    if (!(await load.warm(PATIENCE_MS, signal))) {
      throw new LocalError('no_recovery', 'Nothing is committed: the load has not begun.', {
        cure: 'npm run status   (a machine that is busy with other work may be too slow)',
      });
    }
    const before = load.committed.length;
    const warm = performance.now();
    await sleep(seconds * 1000, undefined, { signal });
    if (!(await load.advance(1, PATIENCE_MS, signal))) {
      throw new LocalError('no_recovery', 'Nothing is committed any more.');
    }
    step.result(`${load.committed.length - before} committed`);
    return warm;
  });
}
