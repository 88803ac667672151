/** A load against a whole network in one process: who is told what, and what counts as done. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Attempt, certified, errorFigures } from '../../../bench/load/attempt.ts';
import { Driver, nowMs } from '../../../bench/load/driver.ts';
import { Follower } from '../../../bench/load/follower.ts';
import { kinds, mix } from '../../../bench/load/mix.ts';
import { type People, preparePeople } from '../../../bench/load/people.ts';
import { stepsOf } from '../../../bench/load/schedule.ts';
import { Ward } from '../../../bench/load/ward.ts';
import { npiOf } from '../../../local/lib/registry-answers.ts';
import { Proofs } from '../../../sdk/proofs.ts';
import { type FakeHandler, problem } from '../../sdk/fake-fetch.ts';
import { makeWorld, type World } from '../../sdk/world.ts';

const SETTLE_MS = 20_000;
/** Longer than the SDK waits. */
const HANGS_MS = 4_000;

let world: World;
let people: People;
let honest: FakeHandler;
const VALIDATOR = 'hospital-b';
const ORIGIN = `http://${VALIDATOR}.test`;

beforeAll(async () => {
  world = await makeWorld();
  const { network, transport } = world;
  people = await preparePeople({
    ...{ network, transport, doctors: 2, patients: 4, certificates: 90 },
    nextDoctors: [0, 1, 2].map((index) => async () => {
      // The first number of the register is somebody else's by now.
      if (index === 0) return null;
      const npi = npiOf(String(123_456_000 + index));
      return { clinician: await world.doctor(`Doctor ${index}`, index, npi), approved: null };
    }),
    step: { update: () => undefined, result: () => undefined },
    signal: new AbortController().signal,
  });
  const handler = world.handlers[ORIGIN];
  if (!handler) throw new Error(`no handler of ${ORIGIN}`);
  honest = handler;
}, 120_000);
afterAll(() => world.close());

interface Run {
  readonly attempts: readonly Attempt[];
  readonly untilDoneMs: number;
}

/** Lets requests fall due, and waits until what was taken is certified. */
async function drive(shape: { rate: number; seconds: number; bulk?: number }): Promise<Run> {
  const { network, transport, ledger } = world;
  const proofs = new Proofs(network.genesis);
  const reader = {
    block: async (height: number) => {
      const results = await ledger.feed.results(height);
      return results && { transactionIds: results.map(({ id }) => id) };
    },
  };
  const { validators } = network;
  const fromHeight = ledger.height + 1;
  const parts = { proofs, transport };
  const follower = new Follower({ ...parts, readers: [reader], validators, fromHeight });
  const ward = new Ward(people);
  const driver = new Driver({ ...parts, network, ward, follower, bulk: shape.bulk ?? 1 });
  const steps = stepsOf({ ratePerSecond: shape.rate, seconds: shape.seconds, isRamp: false });
  const started = performance.now();
  try {
    await driver.run(steps, nowMs() + 20, new AbortController().signal);
    while (driver.attempts.some(({ state }) => state === 'held') || follower.receiptsDue > 0) {
      if (performance.now() - started > SETTLE_MS) break;
      await sleep(20);
    }
    return { attempts: driver.attempts, untilDoneMs: performance.now() - started };
  } finally {
    await follower.stop();
  }
}

describe('a load of patients and doctors', { timeout: 60_000 }, () => {
  it('prepares people, each step of it committed', () => {
    expect(people.doctors).toHaveLength(2);
    expect(people.patients).toHaveLength(4);
    expect(people.records).toHaveLength(2);
    // Registrations, grants, and what each upload commits.
    expect(people.committed).toHaveLength(4 + 4 + 2 * 2);
  });

  it('does each kind, to a certified receipt or a proven answer', async () => {
    const { attempts } = await drive({ rate: 10, seconds: 5 });
    expect(attempts).toHaveLength(50);
    expect(errorFigures(attempts)).toEqual([]);
    expect(attempts.filter(({ state }) => state !== 'done')).toEqual([]);
    expect(new Set(attempts.map(({ kind }) => kind))).toEqual(new Set(kinds));
    const transactions = attempts.filter(({ kind }) => mix[kind].isTransaction);
    expect(transactions).toHaveLength(34);
    expect(certified(attempts)).toHaveLength(34);
    expect(new Set(certified(attempts).map(({ id }) => id)).size).toBe(34);
    for (const { dueMs, answeredMs, doneMs } of attempts) {
      expect(answeredMs).toBeGreaterThanOrEqual(dueMs);
      expect(doneMs).toBeGreaterThanOrEqual(answeredMs ?? Infinity);
    }
  });

  it('puts many transactions into one request', async () => {
    const before = world.ledger.height;
    const { attempts } = await drive({ rate: 15, seconds: 2, bulk: 5 });
    const transactions = attempts.filter(({ kind }) => mix[kind].isTransaction);
    // 20.4 transactions are due, in requests of five.
    expect(transactions).toHaveLength(20);
    expect(new Set(transactions.map(({ dueMs }) => dueMs)).size).toBe(4);
    expect(certified(attempts)).toHaveLength(20);
    expect(world.ledger.height).toBe(before + 20);
  });

  it('takes a 429 for an answer, and does not ask again', async () => {
    world.handlers[ORIGIN] = (request) =>
      request.method === 'POST' && request.url.pathname === '/v1/transactions'
        ? { ...problem(429, 'submitter_quota'), headers: { 'retry-after': '2' } }
        : honest(request);
    try {
      const { attempts } = await drive({ rate: 10, seconds: 2 });
      const refused = attempts.filter(({ state }) => state === 'refused');
      expect(refused.length).toBeGreaterThan(1);
      expect(new Set(refused.map(({ validator }) => validator))).toEqual(new Set([VALIDATOR]));
      const [error] = errorFigures(attempts);
      expect(error).toEqual({
        ...{ code: 'submitter_quota', status: 429, committed: 0 },
        ...{ count: refused.length, withRetryAfter: refused.length },
      });
    } finally {
      world.handlers[ORIGIN] = honest;
    }
  });

  it('finds what was committed although its answer was lost', async () => {
    world.handlers[ORIGIN] = async (request) => {
      const answer = await honest(request);
      const isLost = request.method === 'POST' && request.url.pathname === '/v1/transactions';
      return isLost ? problem(502, 'unavailable') : answer;
    };
    try {
      const { attempts } = await drive({ rate: 10, seconds: 2 });
      await sleep(1_000);
      const [lost] = errorFigures(attempts);
      expect(lost?.code).toBe('unavailable');
      expect(lost?.committed).toBe(lost?.count);
      expect(attempts.every(({ state }) => state === 'done')).toBe(true);
    } finally {
      world.handlers[ORIGIN] = honest;
    }
  });

  it('delays nobody by a validator that hangs', async () => {
    const late: number[] = [];
    world.handlers[ORIGIN] = async (request) => {
      if (request.method === 'POST') late.push(performance.now());
      await sleep(HANGS_MS);
      return honest(request);
    };
    try {
      const { attempts } = await drive({ rate: 20, seconds: 1 });
      expect(late.length).toBeGreaterThan(3);
      const others = attempts.filter(({ validator }) => validator !== VALIDATOR);
      // All were sent by the time that the slow one had answered the first.
      expect((late.at(-1) ?? 0) - (late[0] ?? 0)).toBeLessThan(HANGS_MS);
      expect(others.every(({ state }) => state === 'done')).toBe(true);
    } finally {
      world.handlers[ORIGIN] = honest;
    }
  });
});
