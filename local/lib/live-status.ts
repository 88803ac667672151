// A network as it is watched: views, heights, how far each lags, and rates over what was seen.
import type { MemberStatus, NetworkStatus } from './status.ts';

/** One look at a network. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly status: NetworkStatus;
}

export interface LiveValidator {
  readonly id: string;
  readonly health: string;
  readonly height: number | null;
  /** Blocks that the highest one has and this one has not; null where it does not say. */
  readonly lag: number | null;
  readonly view: number | null;
  readonly leader: string;
  readonly isLeader: boolean;
  readonly learner: boolean;
  readonly halted: string;
  readonly pending: boolean;
  /** Committed in a second, over what was seen. */
  readonly blocksPerSecond: number | null;
}

export interface LiveNetwork {
  readonly network: string;
  readonly at: string;
  /** Seconds over which rates are taken. */
  readonly overSeconds: number;
  readonly height: number | null;
  readonly blocksPerSecond: number | null;
  /** View changes in a minute, over what was seen. */
  readonly viewChangesPerMinute: number | null;
  readonly validators: readonly LiveValidator[];
  /** Accounts that are no validators, and what they say. */
  readonly others: readonly { readonly id: string; readonly health: string }[];
}

/** Rates are taken over so many looks. */
const SAMPLES_MAX = 10;

/** The latest looks, oldest first. */
export function withSample(samples: readonly Sample[], next: Sample): readonly Sample[] {
  return [...samples, next].slice(-SAMPLES_MAX);
}

/** What the looks say together; there is at least one. */
export function liveNetwork(samples: readonly Sample[]): LiveNetwork {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) throw new RangeError('nothing was looked at');
  const seconds = (last.at - first.at) / 1000;
  const validators = last.status.members.filter(isValidator);
  const before = first.status.members.filter(isValidator);
  const height = highest(validators, 'height');
  const perSecond = (now: number | null, then: number | null): number | null =>
    now === null || then === null || seconds <= 0 ? null : Math.max(0, now - then) / seconds;
  const views = perSecond(highest(validators, 'view'), highest(before, 'view'));
  return {
    network: last.status.network,
    at: new Date(last.at).toISOString(),
    overSeconds: seconds,
    height,
    blocksPerSecond: perSecond(height, highest(before, 'height')),
    viewChangesPerMinute: views === null ? null : views * 60,
    validators: validators.map((one) => ({
      id: one.id,
      health: one.life === 'running' ? one.health : one.life,
      height: one.height,
      lag: one.height === null || height === null ? null : height - one.height,
      view: one.view,
      leader: one.leader,
      isLeader: one.leader === one.id,
      learner: one.learner,
      halted: one.halted,
      pending: one.pending,
      blocksPerSecond: perSecond(
        one.height,
        before.find(({ id }) => id === one.id)?.height ?? null,
      ),
    })),
    others: last.status.members
      .filter((one) => !isValidator(one))
      .map(({ id, life, health }) => ({ id, health: life === 'running' ? health : life })),
  };
}

/** The looks as lines for a terminal. */
export function liveLines(live: LiveNetwork): readonly string[] {
  const { overSeconds, blocksPerSecond, viewChangesPerMinute, height } = live;
  const rows = [
    ['validator', 'says', 'height', 'lag', 'view', 'leader', 'blocks/s', ''],
    ...live.validators.map((one) => [
      one.id,
      one.health,
      text(one.height),
      text(one.lag),
      text(one.view),
      one.isLeader ? 'itself' : one.leader,
      rate(one.blocksPerSecond),
      noteOf(one),
    ]),
    ...live.others.map(({ id, health }) => [id, health]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const per = `over ${overSeconds.toFixed(0)} s`;
  return [
    `${live.network}  ${live.at.slice(11, 19)}  height ${text(height)}  ` +
      `${rate(blocksPerSecond)} blocks/s, ${rate(viewChangesPerMinute)} view changes/min ${per}`,
    '',
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
  ];
}

function noteOf({ halted, learner, pending }: LiveValidator): string {
  if (halted !== '') return `HALTED: ${halted}`;
  if (learner) return 'learner: follows, does not vote';
  return pending ? 'requests wait' : '';
}

function isValidator({ kind }: MemberStatus): boolean {
  return kind === 'validator';
}

function highest(members: readonly MemberStatus[], field: 'height' | 'view'): number | null {
  const known = members.flatMap((one) => one[field] ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

function text(value: number | null): string {
  return value === null ? '–' : String(value);
}

function rate(value: number | null): string {
  return value === null ? '–' : value.toFixed(1);
}
