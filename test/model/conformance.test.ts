/** Runs of the simulator are allowed by the model, and runs that break a rule are refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { SimEvent } from '../sim/events.ts';
import { simulate } from '../sim/simulate.ts';
import { conforms } from './conformance.ts';
import { findTools } from './model.setup.ts';

const validators = ['a', 'b', 'c', 'd'];
const start: SimEvent = { at: 0, replica: '', type: 'start', validators, f: 1, quorum: 3 };
const set = '00';
type Told = Omit<SimEvent, 'at' | 'replica'> extends infer T ? T & Record<string, unknown> : never;
let clock = 0;
const told = (replica: string, event: Told): SimEvent =>
  ({ at: (clock += 1), replica, ...event }) as SimEvent;

const prepare = (replica: string, view: number, hash: string, height = 1): SimEvent =>
  told(replica, { type: 'vote', phase: 'prepare', height, view, hash, validatorsHash: set });
const commit = (replica: string, view: number, hash: string, height = 1): SimEvent =>
  told(replica, { type: 'vote', phase: 'commit', height, view, hash, validatorsHash: set });
const decide = (replica: string, view: number, hash: string, height = 1): SimEvent =>
  told(replica, { type: 'commit', height, view, hash, validatorsHash: set });
const enter = (replica: string, view: number): SimEvent =>
  told(replica, { type: 'view', view, changing: false });
/** Asks for a view, showing what is prepared. */
function ask(replica: string, view: number, shown: [number, string] | null): SimEvent[] {
  const one = told(replica, {
    ...{ type: 'vote', phase: 'view-change', height: 1, view },
    ...{ hash: 'digest', validatorsHash: set },
  });
  const { at } = one;
  const none = { type: 'prepared', height: null, view: null, hash: null } as const;
  const some = shown && { type: 'prepared' as const, height: 1, view: shown[0], hash: shown[1] };
  return [one, { at, replica, ...(some ?? none) }];
}

/** Everybody is there: who tells nothing at all counts among the faulty. */
const begin = [start, ...validators.map((id) => enter(id, 0))];

/** X is prepared in view 0, committed by one; view 1 is bound to it. All four are honest. */
const bound = [
  ...begin,
  ...['a', 'b', 'c'].map((id) => prepare(id, 0, 'x')),
  commit('a', 0, 'x'),
  ...ask('b', 1, null),
  ...ask('a', 1, [0, 'x']),
  ...ask('c', 1, null),
  ...['a', 'b', 'c'].map((id) => enter(id, 1)),
];
const rest = [
  ...['a', 'b', 'c'].map((id) => prepare(id, 1, 'x')),
  ...['a', 'b', 'c'].map((id) => commit(id, 1, 'x')),
  decide('c', 1, 'x'),
];

const broken: readonly [string, readonly SimEvent[]][] = [
  [
    'a commit vote without a prepared quorum',
    [...begin, prepare('a', 0, 'x'), commit('a', 0, 'x')],
  ],
  ['two prepares in one view', [...begin, prepare('a', 0, 'x'), prepare('a', 0, 'y')]],
  [
    'a vote in an older view after asking for another',
    [...bound, prepare('d', 0, 'x'), commit('b', 0, 'x')],
  ],
  ['another value in a bound view', [...bound, prepare('b', 1, 'y')]],
  ['a view that nobody asked for', [...begin, enter('a', 1)]],
  [
    'a view entered by two view-changes',
    [...begin, ...ask('a', 1, null), ...ask('b', 1, null), enter('a', 1)],
  ],
  ['a view-change that hides what is prepared', [...bound.slice(0, 9), ...ask('a', 1, null)]],
  ['a view-change that shows what is not', [...bound.slice(0, 6), ...ask('a', 1, [0, 'x'])]],
  ['a vote two heights above the head', [...begin, prepare('a', 0, 'x', 2)]],
  ['a block without a commit quorum', [...bound, ...rest.slice(0, 5), decide('c', 1, 'x')]],
  ['another block than the certified one', [...bound, ...rest.slice(0, 6), decide('c', 1, 'y')]],
];

describe.skipIf(!(await findTools()))('the model', () => {
  it('allows a view that re-proposes what was prepared', async () => {
    expect(await conforms('bound', [...bound, ...rest])).toMatchObject({ isAllowed: true });
  });

  it.each(broken)('refuses %s', async (name, events) => {
    const verdict = await conforms(name, events);
    expect(verdict.isAllowed).toBe(false);
    expect(verdict.taken).toBeLessThan(verdict.steps);
  });

  describe.each(['crashes', 'partitions', 'mixed', 'byzantine-equivocate'])(
    'profile %s',
    (profile) => {
      const events: SimEvent[] = [];
      beforeAll(async () => {
        const spec = { profile, seed: 11, replicas: 4, suppressed: [] };
        const { failure } = await simulate(spec, (one) => events.push(one));
        expect(failure).toBeNull();
      });

      it('allows what its replicas did', async () => {
        const verdict = await conforms(profile, events);
        expect(verdict).toMatchObject({ isAllowed: true, refused: null });
        expect(verdict.steps).toBeGreaterThan(20);
      });

      it('refuses it with one hash changed', async () => {
        const index = events.findLastIndex((one) => one.type === 'commit');
        const changed = events.map((one, at) => (at === index ? { ...one, hash: 'ff' } : one));
        const verdict = await conforms(`${profile} changed`, changed);
        expect(verdict).toMatchObject({ isAllowed: false });
        expect(verdict.refused).toContain(`line ${index + 1}`);
      });
    },
  );
});
