// What a chaos command measures: the load that was held, the time to recover, and the verdict.
import type { LedgerCheck } from '../lib/ledger-check.ts';
import type { LoadCounts, Receipt } from '../lib/load.ts';

/** Times by `performance.now`, milliseconds. */
export interface Marks {
  /** From here on the load is at its rate. */
  readonly start: number;
  readonly fault: number;
  /** The fault is taken back, and whom it happened to is at work again. */
  readonly healed: number;
  readonly end: number;
}

export interface Held {
  readonly seconds: number;
  readonly committed: number;
  readonly perSecond: number;
}

/** Receipts that clients got before the fault, until it was healed, and after. */
export interface HeldLoad {
  readonly before: Held;
  readonly during: Held;
  readonly after: Held;
}

export function heldLoad(receipts: readonly Receipt[], marks: Marks): HeldLoad {
  const held = (from: number, to: number): Held => {
    const committed = receipts.filter(
      ({ receivedAt }) => receivedAt >= from && receivedAt < to,
    ).length;
    const seconds = (to - from) / 1000;
    return { seconds, committed, perSecond: seconds > 0 ? committed / seconds : 0 };
  };
  return {
    before: held(marks.start, marks.fault),
    during: held(marks.fault, marks.healed),
    after: held(marks.healed, marks.end),
  };
}

/**
 * Milliseconds from the fault to the first receipt of what was submitted after it; null where there
 * is none. What was under way at the fault may have been certified already.
 */
export function recoveryMs(receipts: readonly Receipt[], fault: number): number | null {
  const times = receipts
    .filter(({ submittedAt }) => submittedAt >= fault)
    .map(({ receivedAt }) => receivedAt - fault);
  return times.length === 0 ? null : Math.round(Math.min(...times));
}

export interface Judged {
  readonly load: LoadCounts;
  readonly ledger: Pick<LedgerCheck, 'lost' | 'faults'>;
  readonly recoveryMs: number | null;
  /** Codes with which a client's transaction may fail in this story. */
  readonly allowed: readonly string[];
}

/** Tries that no fault excuses: an answer that does not verify. */
const NEVER = 'lied';

/** What is wrong, for people; empty where all is as it must be. */
export function verdictOf({ load, ledger, recoveryMs: recovered, allowed }: Judged): string[] {
  const { submitted, committed, errors, tries } = load;
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const wrong = Object.entries(errors)
    .filter(([code]) => !allowed.includes(code))
    .map(([code, count]) => `${count} transactions failed with ${code}`);
  const open = submitted - committed - failed;
  if (open !== 0) wrong.push(`${open} transactions have no outcome`);
  if (committed === 0) wrong.push('nothing was committed');
  const lies = tries[NEVER] ?? 0;
  if (lies > 0) wrong.push(`${lies} answers of validators did not verify`);
  if (recovered === null) wrong.push('nothing that was submitted after the fault was committed');
  if (ledger.lost > 0) wrong.push(`${ledger.lost} transactions that a validator took are lost`);
  return [...wrong, ...ledger.faults];
}

/** One of a hospital's probes, as its result counts them. */
interface CountedProbe {
  readonly hospital: string;
  readonly count: number;
}

/**
 * Each probe raises its hospital's count by one, so that the counts of all probes in a row show
 * whether one was executed twice, or left out. Answers what is wrong.
 */
export function miscounted(probes: readonly CountedProbe[]): string[] {
  const byHospital = Map.groupBy(probes, ({ hospital }) => hospital);
  return [...byHospital].flatMap(([hospital, own]) => {
    const counts = own.map(({ count }) => count).sort((a, b) => a - b);
    const [first = 0] = counts;
    const isInRow = counts.every((count, index) => count === first + index);
    if (isInRow) return [];
    const last = counts.at(-1) ?? 0;
    return [`${own.length} probes of ${hospital} raised its count from ${first} to ${last}`];
  });
}

/** Counts by code as people read them. */
export function codesText(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([code, count]) => `${count} ${code}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

export function heldText({ before, during, after }: HeldLoad, asked: number): string {
  const rate = ({ perSecond }: Held): string => perSecond.toFixed(1);
  return (
    `${rate(before)}/s before, ${rate(during)}/s during ${during.seconds.toFixed(0)} s, ` +
    `${rate(after)}/s after (asked for ${asked}/s)`
  );
}

export function secondsText(ms: number | null): string {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`;
}
