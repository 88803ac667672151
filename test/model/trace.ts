/** Turns what the simulator's replicas did (test/sim/events.ts) into a run for conform.pml. */
import type { SimEvent } from '../sim/events.ts';
import { quorumSize } from '../../lib/wire/validators.ts';
import { ModelError } from './errors.ts';

/** Keys fit the sets of the model: one for each validator and incarnation. */
const keysMax = 15;
const valuesMax = 200;

/** One step of a replica, as `play` of conform.pml takes it, and where it was in the file. */
export interface Play {
  readonly what: 'PREPARE' | 'COMMIT' | 'ASK' | 'ENTER' | 'DECIDE';
  readonly replica: string;
  readonly height: number;
  readonly view: number;
  readonly hash: string | null;
  /** 2 + view of the prepared certificate that a view-change shows, or 1. */
  readonly shown: number;
  /** Line of the events file, from 1 on. */
  readonly line: number;
}

interface Seat {
  readonly id: string;
  incarnation: number;
  suspended: boolean;
}

/** Who votes from a height on. */
interface Era {
  readonly from: number;
  readonly seats: readonly Seat[];
}

export interface Trace {
  readonly plays: readonly Play[];
  readonly eras: readonly Era[];
  /** Honest replicas, in the order in which the model numbers them. */
  readonly replicas: readonly string[];
  /** Validators that may say anything. */
  readonly bad: ReadonlySet<string>;
}

const keyOf = (id: string, incarnation: number): string => `${id}/${incarnation}`;

/** The events of one run, the first of which is its `start`. */
export function traceOf(events: readonly SimEvent[]): Trace {
  const start = events[0];
  if (start?.type !== 'start') throw new ModelError('bad_trace', 'the first event is no start');
  const told = events.filter(({ type, replica }) => type !== 'fault' && replica !== '');
  const replicas = [...new Set(told.map((one) => one.replica))].sort();
  const eras = erasOf(start.validators, events);
  const ids = eras.flatMap(({ seats }) => seats.map(({ id }) => id));
  const bad = new Set(ids.filter((id) => !replicas.includes(id)));
  for (const one of events) {
    // Who was wiped, restored or cloned counts among the faulty.
    if (one.type === 'fault' && /^(wipe|restore|clone)/.test(one.id)) bad.add(one.replica);
  }
  return { plays: playsOf(events), eras, replicas, bad };
}

/** The sets, from what replicas show of them when their heads move. */
function erasOf(validators: readonly string[], events: readonly SimEvent[]): Era[] {
  const changes = new Map<number, Map<string, (seats: Seat[]) => Seat[]>>();
  const heads = new Map<string, number>();
  const note = (one: SimEvent, name: string, change: (seats: Seat[]) => Seat[]): void => {
    const height = (heads.get(one.replica) ?? 0) + 1;
    const there = changes.get(height) ?? new Map<string, (seats: Seat[]) => Seat[]>();
    changes.set(height, there.set(name, change));
  };
  for (const one of events) {
    if (one.type === 'commit') heads.set(one.replica, one.height);
    if (one.type === 'suspended') note(one, `s ${one.validator}`, suspend(one.validator));
    if (one.type === 'rejoin') {
      note(one, `r ${one.validator}`, renew(one.validator, one.incarnation));
    }
    if (one.type === 'set') note(one, 'm', members(one.validators));
  }
  let seats = validators.map((id): Seat => ({ id, incarnation: 0, suspended: false }));
  const eras: Era[] = [{ from: 1, seats }];
  for (const height of [...changes.keys()].sort((a, b) => a - b)) {
    for (const [, change] of [...(changes.get(height) ?? [])].sort()) seats = change(seats);
    eras.push({ from: height, seats });
  }
  return eras;
}

const suspend = (id: string) => (seats: Seat[]) =>
  seats.map((one) => (one.id === id ? { ...one, suspended: true } : one));
const renew = (id: string, incarnation: number) => (seats: Seat[]) =>
  seats.map((one) => (one.id === id ? { id, incarnation, suspended: false } : one));
const members = (ids: readonly string[]) => (seats: Seat[]) =>
  ids.map((id) => seats.find((one) => one.id === id) ?? { id, incarnation: 0, suspended: false });

function playsOf(events: readonly SimEvent[]): Play[] {
  const plays: Play[] = [];
  let group: Play[] = [];
  for (const [index, one] of events.entries()) {
    const before = events[index - 1];
    if (before && (before.replica !== one.replica || before.at !== one.at)) {
      plays.push(...inOrder(group));
      group = [];
    }
    const play = playOf(events, index);
    if (play) group.push(play);
  }
  return [...plays, ...inOrder(group)];
}

const ranks = { ASK: 1, ENTER: 2, PREPARE: 3, COMMIT: 4, DECIDE: 5 } as const;

/**
 * What one step did is told when it is over, votes before and after the head and the view in which
 * they were cast: height, view and phase give the order in which they must have come.
 */
function inOrder(group: readonly Play[]): Play[] {
  const placed = group.map((play) => {
    const { what, view, height } = play;
    const inView = group.filter(
      (one) => one.what !== 'DECIDE' && one.view === view && one.height > 0,
    );
    if (what === 'DECIDE') return { play, height, view: Infinity };
    if (what !== 'ENTER') return { play, height, view };
    return { play, height: Math.min(Infinity, ...inView.map((one) => one.height)), view };
  });
  const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
  return placed
    .sort(
      (a, b) =>
        compare(a.height, b.height) ||
        compare(a.view, b.view) ||
        ranks[a.play.what] - ranks[b.play.what],
    )
    .map(({ play }) => play);
}

function playOf(events: readonly SimEvent[], index: number): Play | null {
  const one = events[index];
  if (!one) return null;
  const at = { replica: one.replica, height: 0, view: 0, hash: null, shown: 0, line: index + 1 };
  switch (one.type) {
    case 'vote': {
      const { height, view, hash } = one;
      if (one.phase === 'prepare') return { ...at, what: 'PREPARE', height, view, hash };
      if (one.phase === 'commit') return { ...at, what: 'COMMIT', height, view, hash };
      if (one.phase !== 'view-change') return null;
      const next = events[index + 1];
      const shown = next?.type === 'prepared' && next.view !== null ? next : null;
      return {
        ...{ ...at, what: 'ASK', height, view },
        ...{ hash: shown?.hash ?? null, shown: shown ? 2 + (shown.view ?? 0) : 1 },
      };
    }
    case 'view':
      return one.changing ? null : { ...at, what: 'ENTER', view: one.view };
    case 'commit': {
      const { height, view, hash } = one;
      return { ...at, what: 'DECIDE', height, view, hash };
    }
    case 'start':
    case 'prepared':
    case 'suspended':
    case 'learner':
    case 'rejoin':
    case 'set':
    case 'fault':
    default:
      return null;
  }
}

/** The steps that the model is asked about: all but those taken with a key that may lie. */
export function playsFor(trace: Trace): readonly Play[] {
  return trace.plays.filter((one) => one.what === 'DECIDE' || !trace.bad.has(one.replica));
}

/** The text of trace.pml. */
export function toPromela(trace: Trace): string {
  const { eras, replicas, bad } = trace;
  const keys = [
    ...new Set(eras.flatMap(({ seats }) => seats.map((one) => keyOf(one.id, one.incarnation)))),
  ];
  const plays = playsFor(trace);
  const heights = Math.max(1, ...plays.map((one) => one.height));
  const values = numbered(plays);
  const sizes = {
    KEYS: keys.length,
    REPLICAS: replicas.length,
    HEIGHTS: heights,
    VIEWS: 2 + Math.max(0, ...plays.map((one) => one.view)),
    VALUES: Math.max(2, ...values.values()),
  };
  if (keys.length > keysMax || heights > valuesMax || sizes.VIEWS > valuesMax) {
    throw new ModelError('bad_trace', `too large for the model: ${JSON.stringify(sizes)}`);
  }
  const setOf = (chosen: readonly string[]): number =>
    chosen.reduce((sum, key) => sum + 2 ** keys.indexOf(key), 0);
  const inEra = (text: (era: Era, index: number) => string): string =>
    eras.reduce(
      (rest, era, index) =>
        index === 0 ? text(era, 0) : `((h) >= ${era.from} -> ${text(era, index)} : ${rest})`,
      '',
    );
  const voting = (era: Era): string[] =>
    era.seats.filter((one) => !one.suspended).map((one) => keyOf(one.id, one.incarnation));
  const keyIn = (era: Era, id: string): number => {
    const seat = era.seats.find((one) => one.id === id);
    return seat ? keys.indexOf(keyOf(id, seat.incarnation)) : keys.length;
  };
  const keyTable = (era: Era): string =>
    replicas.reduce(
      (rest, id, index) => `((p) == ${index} -> ${keyIn(era, id)} : ${rest})`,
      `${keys.length}`,
    );
  const line = (one: Play): string => {
    const value = one.hash === null ? 0 : (values.get(`${one.height} ${one.hash}`) ?? 0);
    const place = [replicas.indexOf(one.replica), one.height, one.view, value, one.shown];
    return `  play ! ${one.what}, ${place.join(', ')}; \\`;
  };
  return [
    ...Object.entries(sizes).map(([name, size]) => `#define ${name} ${size}`),
    '#define set_t int',
    `#define ones(set) (${keys.map((_, index) => `has(set, ${index})`).join(' + ')})`,
    `#define quorum(h) ${inEra(({ seats }) => String(quorumSize(seats.length)))}`,
    `#define seats(h, x) ${inEra((era) => String(setOf(voting(era))))}`,
    `#define bad(h) ${setOf(keys.filter((key) => bad.has(key.replace(/\/\d+$/, ''))))}`,
    `#define era(h) ${inEra((_, index) => String(index))}`,
    '#define same_set(a, b) (era(a) == era(b))',
    `#define key_at(p, h) ${inEra(keyTable)}`,
    '#define key(p) key_at(p, next(p))',
    '#define entitled(p) has(seats(next(p), 1), key(p))',
    '#define EVENTS \\',
    ...plays.map(line),
    '  skip;',
    '',
  ].join('\n');
}

/** Hashes of one height are numbered as they come; the model knows them by number. */
function numbered(plays: readonly Play[]): Map<string, number> {
  const numbers = new Map<string, number>();
  const counts = new Map<number, number>();
  for (const { height, hash } of plays) {
    if (hash === null || numbers.has(`${height} ${hash}`)) continue;
    const count = (counts.get(height) ?? 0) + 1;
    counts.set(height, count);
    numbers.set(`${height} ${hash}`, count);
  }
  return numbers;
}
