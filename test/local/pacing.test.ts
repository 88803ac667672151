// The local emulator's pace: requests that come at once wait for a function in their order.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EMULATOR_SCRIPT } from '../../local/lib/layout.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;

/** Twelve requests to one function and one to another, all at once. */
const PROGRAM = `
import asyncio, json, pacing

running, most, order = {}, {}, []

async def call(function, event, **scope):
    assert scope == {"region": "r"}
    running[function] = running.get(function, 0) + 1
    most[function] = max(most.get(function, 0), running[function])
    order.append(event)
    await asyncio.sleep(0.01)
    running[function] -= 1
    if event == 2:
        raise ValueError("a failed run")
    return event

async def main():
    paced = pacing.in_turn(call)
    calls = [paced("api", number, region="r") for number in range(12)]
    calls.append(paced("copies", "other", region="r"))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return [answer if not isinstance(answer, Exception) else "failed" for answer in answers]

async def crowd():
    async def slow(function, event):
        await asyncio.sleep(0.2)
        return event, None
    paced = pacing.in_turn(slow, wait_seconds_max=0.05)
    first = await asyncio.gather(*[paced("api", number) for number in range(6)])
    return [first, await paced("api", "later")]

answers = asyncio.run(main())
first, later = asyncio.run(crowd())
print(json.dumps({"answers": answers, "most": most, "order": order, "limit": pacing.REQUESTS_AT_ONCE,
    "first": first, "later": later}))
`;

interface Outcome {
  readonly answers: readonly (number | string)[];
  readonly most: Readonly<Record<string, number>>;
  readonly order: readonly (number | string)[];
  readonly limit: number;
  readonly first: readonly (readonly [unknown, null])[];
  readonly later: readonly [unknown, null];
}

describe.skipIf(!hasPython)('requests to functions of the local emulator', () => {
  const { stdout, stderr } = spawnSync('python3', ['-c', PROGRAM], {
    cwd: join(EMULATOR_SCRIPT, '..'),
    env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' },
    encoding: 'utf8',
  });
  const outcome = (): Outcome => {
    if (stderr !== '') throw new Error(stderr);
    return JSON.parse(stdout) as Outcome;
  };

  test('run so many at a time as fit, and all are answered', () => {
    const { answers, most, limit } = outcome();
    expect(most['api']).toBe(limit);
    const numbers = Array.from({ length: 12 }, (_, number) => (number === 2 ? 'failed' : number));
    expect(answers).toEqual([...numbers, 'other']);
  });

  test('that waited too long are told so, and leave room for those that come later', () => {
    const { first, later, limit } = outcome();
    const busy = first.filter(([answer]) => typeof answer === 'object');
    expect(first.slice(0, limit).map(([answer]) => answer)).toEqual([0, 1, 2, 3]);
    expect(busy).toHaveLength(6 - limit);
    expect(busy[0]?.[0]).toMatchObject({ throttle: true });
    expect(later[0]).toBe('later');
  });

  test('wait in the order of their coming, for their own function alone', () => {
    const { order, most, limit } = outcome();
    expect(order.filter((event) => event !== 'other')).toEqual([...Array(12).keys()]);
    expect(order.indexOf('other')).toBe(limit);
    expect(most['copies']).toBe(1);
  });
});
