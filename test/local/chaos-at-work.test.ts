// A validator that does not come back to work is told with what it says, not only with a time-out.
import { expect, test } from 'vitest';
import { awaitWork } from '../../local/chaos/at-work.ts';
import { type Stage, until } from '../../local/chaos/stage.ts';
import { layoutOf } from '../../local/lib/layout.ts';
import type { Health } from '../../local/lib/validator-reader.ts';

const good: Health = {
  status: 200,
  code: '',
  height: 40,
  view: 0,
  leader: 'a',
  learner: false,
  halted: '',
};

/** Two validators, of which the second says these things in turn, and the last for ever. */
function stageOf(...answers: readonly Partial<Health>[]): { stage: Stage; asked: () => number } {
  let asked = 0;
  const health = (id: string): Promise<Health> => {
    if (id === 'a') return Promise.resolve(good);
    asked += 1;
    return Promise.resolve({ ...good, ...answers[Math.min(asked, answers.length) - 1] });
  };
  const stage = {
    layout: layoutOf('net'),
    signal: new AbortController().signal,
    validators: [{ id: 'a' }, { id: 'b' }],
    reader: (id: string) => ({ id, health: () => health(id) }),
  };
  return { stage: stage as unknown as Stage, asked: () => asked };
}

test('it works once it answers, votes and is near the head', async () => {
  const behind = { height: 20 };
  const { stage, asked } = stageOf({ status: 0 }, { learner: true }, { halted: 'x' }, behind, {});
  await awaitWork(stage, 'b');
  expect(asked()).toBe(5);
});

test('a bundle that cannot read what is stored ends the wait at once', async () => {
  const unknown = { status: 400, code: 'unsupported_version' };
  const { stage, asked } = stageOf({ status: 503, code: 'unavailable' }, unknown);
  await expect(awaitWork(stage, 'b')).rejects.toMatchObject({
    code: 'no_recovery',
    message: expect.stringContaining('a format that this bundle does not know') as string,
    cure: expect.stringContaining('logs') as string,
  });
  expect(asked()).toBe(2);
});

test('what did not come about is told as it is at the end', async () => {
  let last = 'nothing';
  const wait = { withinMs: 0, what: () => `b does not work, it says ${last}` };
  const never = until(stageOf({}).stage, wait, () => {
    last = 'height 3';
    return Promise.resolve(null);
  });
  await expect(never).rejects.toThrow('b does not work, it says height 3: not within 0 s.');
});
