/** Sets that change, forgotten votes and blame: lines L7, L18, L21 and L22 of docs/pbft.md. */
import { describe, expect, it } from 'vitest';
import { apply } from '../../lib/pbft/apply.ts';
import type { Input } from '../../lib/pbft/input.ts';
import { mayVote, peersOf, seatsAt, withSession } from '../../lib/pbft/seats.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import type { Governed } from '../../lib/wire/governed.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { parametersHash } from '../../lib/wire/parameters.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { certificateFrom, type Vote } from '../../lib/wire/vote.ts';
import { headerAfter, message, now, parameters, prePrepare, replica } from './fixture.ts';
import { run, set, vote } from './fixture.ts';

const suspended = set.map((seat) => (seat.id === 'vd' ? { ...seat, suspended: true } : seat));
const governed = (change: Partial<Governed>): Governed => ({
  ...{ validators: set, sessions: [], parameters },
  ...change,
});

/** A block that all commit; `after` is what its state makes govern the height after the next. */
function commit(state: ReplicaState, header: BlockHeader, after: Governed | null): ReplicaState {
  const hash = headerHash(header);
  const others = set.filter(({ id }) => id !== state.self);
  const votes = others.map(({ id }) => vote(id, 'commit', header));
  const wanted = { phase: 'commit' as const, height: header.height, view: header.view, hash };
  const certificate = certificateFrom(votes, wanted, state.validators);
  if (!certificate) throw new Error('no quorum');
  return run(state, [
    message('va', { type: 'decided', header, certificate, transactions: null }),
    { type: 'executed', hash, outcome: 'ok', after },
  ]).state;
}

/** The next block on a head under what governs it there. */
function next(state: ReplicaState): BlockHeader {
  const upcoming = state.upcoming ?? state;
  return headerAfter(state, {
    validatorsHash: validatorsHash(state.validators),
    nextValidatorsHash: validatorsHash(upcoming.validators),
    paramsHash: parametersHash(state.parameters),
    time: state.head.header.time + 1,
  });
}

const view = (state: ReplicaState): string[] =>
  state.validators.filter((one) => one.suspended).map((one) => one.id);

describe('what governs', () => {
  it('L7: what is committed at h acts at h + 2, not earlier', () => {
    const first = commit(replica('vd'), next(replica('vd')), governed({ validators: suspended }));
    expect(first.head.header.height).toBe(1);
    expect(view(first)).toEqual([]);
    expect(seatsAt(first, 3).validators).toEqual(suspended);
    const second = commit(first, next(first), null);
    expect(view(second)).toEqual(['vd']);
    expect(seatsAt(second, 2).validators).toEqual(set);
    const third = commit(second, next(second), null);
    expect(view(third)).toEqual(['vd']);
    expect(third.previous).toBeNull();
  });

  it('L4: a proposal that names another next set or other parameters is not voted for', () => {
    const first = commit(replica('vb'), next(replica('vb')), governed({ validators: suspended }));
    const lying = { ...next(first), nextValidatorsHash: validatorsHash(set) };
    expect(run(first, [prePrepare(lying)]).said).toContain('alarm');
    const other = { ...next(first), paramsHash: new Uint8Array(32) };
    expect(run(first, [prePrepare(other)]).said).toContain('alarm');
    expect(run(first, [prePrepare(next(first))]).said).toContain('execute');
  });

  it('L3: a leader lets the interval pass, and the timer does not count it', () => {
    const slow = { ...parameters, blockIntervalMs: 30_000 };
    const state = { ...replica('va'), parameters: slow };
    const pending: Input = { type: 'pending', oldest: 'x' };
    const { time } = state.head.header;
    expect(run(state, [pending], time + 29_999).said).not.toContain('build');
    expect(run(state, [pending], time + 30_000).said).toContain('build');
    const follower = run({ ...replica('vb'), parameters: slow }, [pending], time + 1).state;
    const tick: Input = { type: 'tick', due: null };
    expect(apply(follower, tick, time + 33_999).state.view).toBe(0);
    expect(apply(follower, tick, time + 34_000).state.view).toBe(1);
  });

  it('L1: blocks for others do not reset the timer of the oldest', () => {
    const since = replica('vb').head.header.time + 1;
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }], since).state;
    const { header } = waiting.head;
    const head = { ...waiting.head, header: { ...header, time: since + waiting.timeoutMs - 1 } };
    const tick: Input = { type: 'tick', due: null };
    expect(apply({ ...waiting, head }, tick, since + waiting.timeoutMs).state.view).toBe(1);
  });

  it('L7: a commit halves a time-out that view changes had doubled', () => {
    const state = { ...replica('vb'), timeoutMs: 32_000 };
    const after = commit(state, next(state), null);
    expect(after.timeoutMs).toBe(16_000);
  });

  it('a joiner hears what is said before it votes', () => {
    const joiner = { ...suspended[0], id: 've', suspended: false } as (typeof set)[number];
    const state = commit(
      replica('vb'),
      next(replica('vb')),
      governed({ validators: [...set, joiner] }),
    );
    expect(peersOf(state)).toEqual(['va', 'vc', 'vd', 've']);
  });
});

describe('L18: who may vote', () => {
  it('only who has a session key of the incarnation of its seat, and is not suspended', () => {
    const state = replica('vd');
    expect(mayVote(state)).toBe(true);
    expect(mayVote({ ...state, session: null })).toBe(false);
    expect(mayVote({ ...state, session: 1 })).toBe(false);
    expect(mayVote({ ...state, validators: suspended })).toBe(false);
    expect(mayVote({ ...state, forgot: 0 })).toBe(false);
  });

  const unknown: [string, (header: BlockHeader) => Vote, boolean][] = [
    ['a commit at head + 1 that is not stored', (header) => vote('vb', 'commit', header), true],
    ['a vote at head + 2', (header) => ({ ...vote('vb', 'prepare', header), height: 2 }), true],
    ['the vote that is stored', (header) => vote('vb', 'prepare', header), false],
    ['a later view than the stored one', (header) => vote('vb', 'prepare', header, 4), true],
    ['a vote of another validator', (header) => vote('vc', 'commit', header), false],
  ];
  it.each(unknown)('%s', (_name, make, forgotten) => {
    const header = next(replica('vb'));
    const hash = headerHash(header);
    const prepared = run(replica('vb'), [
      prePrepare(header),
      { type: 'executed', hash, outcome: 'ok', after: null },
    ]).state;
    const shown = run(prepared, [message('vc', { type: 'vote', vote: make(header) })]);
    expect(shown.state.learner).toBe(forgotten);
    expect(shown.state.forgot).toBe(forgotten ? 0 : null);
    expect(shown.said.includes('alarm')).toBe(forgotten);
  });

  it('a learner signs nothing, and votes again with a key of a new incarnation', () => {
    const header = next(replica('vb'));
    const shown = message('vc', { type: 'vote', vote: vote('vb', 'commit', header) });
    const learner = run(replica('vb'), [shown]).state;
    const ok: Input = { type: 'executed', hash: headerHash(header), outcome: 'ok', after: null };
    expect(run(learner, [prePrepare(header), ok]).said.join()).not.toContain('sign');
    const back = set.map((seat) => (seat.id === 'vb' ? { ...seat, incarnation: 1 } : seat));
    const first = commit(learner, header, governed({ validators: back }));
    const keyed = withSession(first, 1);
    expect(keyed.learner).toBe(true);
    expect(commit(keyed, next(keyed), null).learner).toBe(false);
  });
});

describe('L21: blame', () => {
  const header = next(replica('vb'));
  const other = { ...header, time: header.time + 1 };

  it('two votes of one slot are kept and brought to the ledger, once', () => {
    const votes = [vote('vc', 'prepare', header), vote('vc', 'prepare', other)];
    const inputs = votes.map((one) => message('vc', { type: 'vote', vote: one }));
    const { state, said } = run(replica('vb'), [...inputs, ...inputs]);
    expect(said.filter((one) => one === 'accuse')).toHaveLength(1);
    expect(state.contradictions.map((one) => one.first.validator)).toEqual(['vc']);
  });

  it('votes of another phase, view or height do not contradict', () => {
    const votes = [
      vote('vc', 'prepare', header),
      vote('vc', 'commit', other),
      vote('vc', 'prepare', other, 1),
      { ...vote('vc', 'prepare', other), height: 2 },
    ];
    const { said } = run(
      replica('vb'),
      votes.map((one) => message('vc', { type: 'vote', vote: one })),
    );
    expect(said).not.toContain('accuse');
  });

  it('who prepared another header is shown what the leader said here', () => {
    const { said } = run(replica('vb'), [
      prePrepare(header),
      message('vc', { type: 'vote', vote: vote('vc', 'prepare', other) }),
    ]);
    expect(said).toContain('send vote to vc');
    const late = run(replica('vb'), [
      message('vc', { type: 'vote', vote: vote('vc', 'prepare', other) }),
      prePrepare(header),
    ]);
    expect(late.said).toContain('send vote to vc');
  });

  it('is dropped once the accused is suspended, and when it comes back as another', () => {
    const votes = [vote('vd', 'prepare', header), vote('vd', 'prepare', other)];
    const inputs = votes.map((one) => message('vd', { type: 'vote', vote: one }));
    const accused = run(replica('vb'), inputs).state;
    const first = commit(accused, header, governed({ validators: suspended }));
    expect(first.contradictions).toHaveLength(1);
    expect(commit(first, next(first), null).contradictions).toEqual([]);
  });
});

describe('L22: another set begins anew', () => {
  const tick: Input = { type: 'tick', due: null };
  const first = commit(replica('vb'), next(replica('vb')), governed({ validators: suspended }));
  const waiting = run(first, [{ type: 'pending', oldest: 'x' }]).state;
  const asked = run(waiting, [tick], now + 5_000);

  it('in view 0, without the view-changes of the old set', () => {
    expect(asked.said).toContain('sign view-change v1');
    expect(asked.state.viewChanges.map((one) => one.vote.height)).toEqual([2]);
    const second = commit(asked.state, next(first), null);
    expect(second).toMatchObject({ view: 0, changing: false, newView: null, viewChanges: [] });
  });

  it('a view-change of a set that stays is kept over a commit', () => {
    const same = commit(replica('vb'), next(replica('vb')), null);
    const stays = run(run(same, [{ type: 'pending', oldest: 'x' }]).state, [tick], now + 5_000);
    expect(commit(stays.state, next(same), null)).toMatchObject({ view: 1, changing: true });
  });

  const newViewAt = ({ head }: ReplicaState, view: number): Input => {
    const { header, certificate } = head;
    const viewChanges = ['va', 'vc', 'vd'].map((id) => ({
      ...{ view, head: { header, certificate }, prepared: null },
      vote: { ...vote(id, 'view-change', header, view), height: header.height + 1 },
    }));
    const leader = `v${'abcd'[view] ?? ''}`;
    const signed = { ...vote(leader, 'new-view', header, view), height: header.height + 1 };
    return message(leader, { type: 'new-view', newView: { view, viewChanges, vote: signed } });
  };

  it('L13: a new-view of the old set is not entered, one of the new set is', () => {
    const second = commit(first, next(first), null);
    expect(run(second, [newViewAt(first, 2)]).state.view).toBe(0);
    expect(run(second, [newViewAt(second, 2)]).state.view).toBe(2);
  });

  it('L13: below the height at which the view starts nothing is voted for', () => {
    const start = replica('vb');
    const one = commit(start, next(start), null);
    const two = commit(one, next(one), null);
    const entered = run(start, [newViewAt(two, 2)]).state;
    expect(entered.view).toBe(2);
    const fresh = { ...next(start), view: 2, proposer: 'vc' };
    expect(run(entered, [prePrepare(fresh, 2)]).said).toContain('alarm');
  });
});
