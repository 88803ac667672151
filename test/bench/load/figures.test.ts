/** What is made of the requests of a load: counts, percentiles, rates, what limits. */
import { describe, expect, it } from 'vitest';
import { failureOf, refusalIn, refusalOf } from '../../../bench/load/answer.ts';
import {
  type Attempt,
  certified,
  errorFigures,
  kindFigures,
  newAttempt,
  stepFigures,
} from '../../../bench/load/attempt.ts';
import { type CpuShares, sharesOf, verdict } from '../../../bench/load/limit.ts';
import { busyTicks, parseStat, timesOf } from '../../../bench/load/processes.ts';
import { stepsOf } from '../../../bench/load/schedule.ts';
import { pointsOf } from '../../../bench/load/series.ts';
import type { CpuTimes } from '../../../bench/load/processes.ts';
import { SdkError } from '../../../sdk/errors.ts';

const START = 1_000_000;
const attempt = (due: number, change: Partial<Attempt> = {}): Attempt => ({
  ...newAttempt('grant', START + due, 'hospital-a'),
  ...change,
});
const committed = (due: number, after: number, height = 7): Attempt =>
  attempt(due, {
    ...{ id: `tx-${due}`, state: 'done', height },
    ...{
      answeredMs: START + due + 10,
      doneMs: START + due + after,
      blockMs: START + due + after / 2,
    },
  });

describe('figures of requests', () => {
  it('count from when each was due', () => {
    const waits = Array.from({ length: 100 }, (_, index) => committed(index * 10, 100 + index));
    const [figures] = kindFigures(waits);
    expect(figures).toMatchObject({ kind: 'grant', sent: 100, done: 100, open: 0 });
    expect(figures?.verified).toEqual({ p50: 149, p90: 189, p99: 198, max: 199 });
    expect(figures?.answered?.p50).toBe(10);
  });

  it('name errors by code, and what was committed although its answer was lost', () => {
    const tooMany = { state: 'refused', code: 'submitter_quota', status: 429 } as const;
    const errors = errorFigures([
      attempt(0, { ...tooMany, retryAfterMs: 1_000 }),
      attempt(1, { ...tooMany, retryAfterMs: null }),
      attempt(2, { state: 'failed', code: 'timeout' }),
      { ...committed(3, 50), code: 'timeout' },
      committed(4, 50),
    ]);
    expect(errors).toEqual([
      { code: 'submitter_quota', status: 429, count: 2, withRetryAfter: 1, committed: 0 },
      { code: 'timeout', status: null, count: 2, withRetryAfter: 0, committed: 1 },
    ]);
  });

  it('have rates by step: due by their time, committed by that of their block', () => {
    const steps = stepsOf({ ratePerSecond: 10, seconds: 20, isRamp: true });
    const attempts = [
      committed(100, 200),
      committed(1_900, 400),
      attempt(2_500, { state: 'held' }),
      attempt(2_600, { state: 'refused', status: 429, code: 'mempool_full' }),
      { ...newAttempt('history', START + 2_700, 'hospital-a'), status: 429 },
    ];
    const [first, second] = stepFigures(attempts, steps, START);
    expect(first).toMatchObject({ ratePerSecond: 1, due: 1, taken: 1, committed: 0.5, tooMany: 0 });
    expect(second).toMatchObject({
      ratePerSecond: 2,
      due: 1,
      taken: 0.5,
      committed: 0.5,
      tooMany: 2,
    });
  });

  it('take what the ledger refused for certified, too', () => {
    const refused = { ...committed(5, 50, 9), state: 'refused', code: 'ledger: already_revoked' };
    expect(certified([committed(1, 50), refused as Attempt, attempt(9)])).toEqual([
      { id: 'tx-1', height: 7 },
      { id: 'tx-5', height: 9 },
    ]);
  });
});

describe('why something was not done', () => {
  it('is said by a function, by the gateway, or by nobody', () => {
    const answer = { status: 429, json: { code: 'mempool_full' }, retryAfterMs: 2_000 };
    expect(refusalOf(answer)).toEqual({ code: 'mempool_full', status: 429, retryAfterMs: 2_000 });
    const gateway = { __type: 'TooManyRequestsException', message: 'Rate Exceeded' };
    expect(refusalIn(gateway, 429).code).toBe('TooManyRequestsException');
    expect(refusalIn(null, 502)).toEqual({ code: 'http_502', status: 502, retryAfterMs: null });
    const one = { code: 'submitter_quota', status: 429, retryAfterMs: 1_500 };
    expect(refusalIn(one, 200)).toEqual(one);
  });

  it('tells a time-out from other failures', () => {
    const cause = new DOMException('late', 'TimeoutError');
    const late = new SdkError('unreachable', 'late', { nextStep: 'wait', cause });
    expect(failureOf(late)).toBe('timeout');
    expect(failureOf(new SdkError('not_proven', 'false', { nextStep: 'tell' }))).toBe('not_proven');
    expect(failureOf(new Error('x'))).toBe('failed');
  });
});

describe('rates over time', () => {
  it('hold every request and every block once', () => {
    const attempts = [committed(0, 100), committed(900, 1_000), committed(2_000, 3_000)];
    const options = { startMs: START, untilMs: START + 3_900, samplesFromMs: START, cores: 2 };
    const { points, secondsPerPoint } = pointsOf(attempts, [], options);
    expect(secondsPerPoint).toBe(1);
    expect(points.map(({ due }) => due)).toEqual([2, 0, 1, 0]);
    expect(points.map(({ committed: count }) => count)).toEqual([1, 1, 0, 1]);
    expect(points.every(({ cpu }) => cpu === null)).toBe(true);
  });

  it('of a long run are means over longer stretches', () => {
    const attempts = Array.from({ length: 600 }, (_, index) => committed(index * 1_000, 10));
    const options = { startMs: START, untilMs: START + 599_500, samplesFromMs: START, cores: 2 };
    const { points, secondsPerPoint } = pointsOf(attempts, [], options);
    expect(secondsPerPoint).toBe(5);
    expect(points).toHaveLength(120);
    expect(points.every(({ due }) => Math.abs(due - 1) < 1e-9)).toBe(true);
  });
});

describe('processor time', () => {
  const times = (at: number, part: Partial<CpuTimes>): CpuTimes => ({
    ...{ at, functions: 0, emulators: 0, load: 0, busy: 0, byEmulator: new Map() },
    ...part,
  });

  it('is read from what the kernel says', () => {
    const line =
      '4711 (Main) Thread) S 12 4711 4711 0 -1 4194304 2177 0 0 0 150 50 30 20 20 0 7 0 1 2';
    expect(parseStat(line)).toEqual({
      pid: 4711,
      parent: 12,
      name: 'Main) Thread',
      own: 200,
      ended: 50,
    });
    expect(busyTicks('cpu  100 10 50 1000 20 3 4 5 0 0\ncpu0 1 2')).toBe(172);
  });

  it('is that of functions below an emulator, ended ones included', () => {
    const stat = (pid: number, parent: number, name: string, own: number, ended = 0) => ({
      ...{ pid, parent, name, own, ended },
    });
    const stats = [
      stat(10, 1, 'python3.11', 40, 7),
      stat(11, 10, 'MainThread', 100),
      stat(12, 10, 'node', 50, 3),
      stat(13, 12, 'sh', 1),
      stat(14, 10, 'python3.11', 5),
      stat(99, 1, 'node', 1_000),
    ];
    const found = timesOf(stats, [{ id: 'hospital-a', pid: 10 }]);
    expect(found.functions).toBe(1_610);
    expect(found.emulators).toBe(450);
    expect(found.byEmulator.get('hospital-a')).toBe(450);
  });

  it('is shared out between two readings', () => {
    const from = times(0, { byEmulator: new Map([['a', 100]]) });
    const to = times(10_000, {
      ...{ functions: 12_000, emulators: 4_000, load: 1_000, busy: 19_000 },
      byEmulator: new Map([['a', 4_100]]),
    });
    const shares = sharesOf(from, to, 2);
    expect(shares).toEqual({
      ...{ functions: 60, emulators: 20, load: 5, others: 10, idle: 5 },
      busiest: { id: 'a', ofOneCore: 40 },
    });
  });

  const shares = (part: Partial<CpuShares>): CpuShares => ({
    ...{ functions: 61, emulators: 28, load: 5, others: 2, idle: 4 },
    busiest: { id: 'hospital-b', ofOneCore: 20 },
    ...part,
  });
  const behind = { due: 100, committed: 40 };

  it.each([
    [
      'nothing, where all was committed',
      shares({}),
      { due: 10, committed: 9.9 },
      /^Nothing limits/,
    ],
    [
      'the processor, and who uses most of it',
      shares({}),
      behind,
      /^The processor limits: the 2 cores are 96 % busy, .*\(61 %\) is the functions\.$/,
    ],
    [
      'one emulator, which has one core',
      shares({
        functions: 20,
        emulators: 30,
        others: 0,
        idle: 45,
        busiest: { id: 'b', ofOneCore: 97 },
      }),
      behind,
      /^One emulator limits: that of b fills 97 %/,
    ],
    [
      'the protocol',
      shares({ functions: 20, idle: 50 }),
      behind,
      /^Not the processor, which is 50 %/,
    ],
    ['what cannot be seen', null, behind, /no \/proc/],
  ])('names what limits: %s', (_name, found, rates, expected) => {
    expect(verdict(found, 2, rates)).toMatch(expected);
  });
});
