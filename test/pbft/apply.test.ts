/** Step tables: what one input does to a replica, by the lines of docs/pbft.md. */
import { describe, expect, it } from 'vitest';
import { apply } from '../../lib/pbft/apply.ts';
import type { Input } from '../../lib/pbft/input.ts';
import { selection } from '../../lib/pbft/selection.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import type { ViewChange } from '../../lib/wire/messages.ts';

import {
  zero,
  now,
  genesis,
  replica,
  headerAfter,
  vote,
  message,
  run,
  prePrepare,
  executed,
} from './fixture.ts';

describe('the leader', () => {
  it('L3: builds when something waits and nothing is in flight', () => {
    expect(run(replica('va'), [{ type: 'pending', oldest: 'x' }]).said).toContain('build');
    expect(run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).said).not.toContain('build');
  });

  it('L3: proposes what it built with its own prepare vote', () => {
    const state = replica('va');
    const header = headerAfter(state);
    const built: Input = {
      type: 'built',
      built: { header, hash: headerHash(header), after: null },
    };
    const { said } = run(state, [{ type: 'pending', oldest: 'x' }, built]);
    expect(said).toEqual(['build', 'tick-at', 'sign prepare v0', 'send pre-prepare to all']);
  });
});

describe('a replica', () => {
  const faults: [string, Partial<BlockHeader>][] = [
    ['another parent', { previousHash: new Uint8Array(32).fill(1) }],
    ['another history', { historyRoot: zero }],
    ['another validator set', { validatorsHash: zero }],
    ['a time not after its parent', { time: now - 1000 }],
    ['a time far ahead', { time: now + 60_000 }],
    ['another proposer', { proposer: 'vc' }],
    ['another ledger', { ledger: 'case-1' }],
    ['a view of its own', { view: 4 }],
  ];
  it.each(faults)('L4: does not execute a proposal with %s', (_name, overrides) => {
    const state = replica('vb');
    const header = headerAfter(state, overrides);
    const leaders = vote('va', 'prepare', header, 0);
    const input = message('va', { type: 'pre-prepare', header, transactions: null, vote: leaders });
    const { said } = run(state, [input]);
    expect(said).toContain('alarm');
    expect(said).not.toContain('execute');
  });

  it('L5: executes, then prepares; L6: prepared by a quorum, commits; L7: decides', () => {
    const state = replica('vb');
    const header = headerAfter(state);
    const first = run(state, [prePrepare(header)]);
    expect(first.said).toEqual(['execute', 'tick-at']);
    const second = run(first.state, [executed(header)]);
    expect(second.said).toEqual(['sign prepare v0', 'send vote to all']);
    const third = run(second.state, [
      message('vc', { type: 'vote', vote: vote('vc', 'prepare', header) }),
    ]);
    expect(third.said).toEqual(['sign commit v0', 'send vote to all']);
    expect(third.state.votedHeight).toBe(1);
    const commits = ['va', 'vd'].map((id) =>
      message(id, { type: 'vote', vote: vote(id, 'commit', header) }),
    );
    const last = run(third.state, commits);
    expect(last.said).toEqual(['commit']);
    expect(last.state.head.header.height).toBe(1);
  });

  it('L5: never prepares two proposals in one view', () => {
    const state = replica('vb');
    const one = headerAfter(state);
    const two = headerAfter(state, { time: now + 1 });
    const { said } = run(state, [prePrepare(one), executed(one), prePrepare(two), executed(two)]);
    expect(said.filter((entry) => entry === 'sign prepare v0')).toHaveLength(1);
  });

  it('L6: two prepare votes are not a quorum, nor is one voter twice', () => {
    const state = replica('vb');
    const header = headerAfter(state);
    const again = message('va', { type: 'vote', vote: vote('va', 'prepare', header) });
    const { said } = run(state, [prePrepare(header), executed(header), again, again]);
    expect(said).not.toContain('sign commit v0');
  });

  it('L7: does not commit before it has executed, and halts on a certified lie', () => {
    const state = replica('vb');
    const header = headerAfter(state);
    const commits = ['va', 'vc', 'vd'].map((id) =>
      message(id, { type: 'vote', vote: vote(id, 'commit', header) }),
    );
    const waiting = run(state, [prePrepare(header), ...commits]);
    expect(waiting.said).not.toContain('commit');
    const mismatch: Input = { type: 'executed', hash: headerHash(header), outcome: 'mismatch' };
    const halted = run(waiting.state, [mismatch]);
    expect(halted.state.halted).toMatch(/execution_contradicts_certificate/);
    expect(run(halted.state, [prePrepare(header)]).said).toEqual([]);
  });

  it('L18: a learner follows, and neither votes nor leads', () => {
    const state = { ...replica('va'), learner: true };
    const header = headerAfter(state);
    const commits = ['vb', 'vc', 'vd'].map((id) =>
      message(id, { type: 'vote', vote: vote(id, 'commit', header) }),
    );
    const { said, state: after } = run(state, [
      { type: 'pending', oldest: 'x' },
      prePrepare(header),
      executed(header),
      ...commits,
    ]);
    expect(said.filter((entry) => entry.startsWith('sign') || entry === 'build')).toEqual([]);
    expect(after.head.header.height).toBe(1);
  });
});

describe('time', () => {
  it.each([-60_000, -4_500, -1_000, -1, 900, 60_000])(
    'section 6: takes the tick that it armed, also where the clock moved by %i ms',
    (moved) => {
      const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
      const tick: Input = { type: 'tick', due: now + 1_000 };
      const { state } = run(waiting, [tick], now + moved);
      expect(state.tickDueAt).toBe(now + moved + 1_000);
    },
  );

  it('section 6: takes none that it did not arm, and none twice', () => {
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    const tick: Input = { type: 'tick', due: now + 1_000 };
    expect(run(waiting, [{ ...tick, due: now + 900 }], now + 1_000).said).toEqual([]);
    const taken = run(waiting, [tick], now + 1_000);
    expect(taken.said).toContain('tick-at');
    expect(run(taken.state, [tick], now + 1_000).said).toEqual([]);
  });

  it.each([-6_000, 7_000])('section 6: arms anew when the clock is %i ms on', (moved) => {
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    expect(run(waiting, [], now + 500).said).toEqual([]);
    const other: Input = { type: 'tick', due: now - 1 };
    expect(run(waiting, [other], now + moved).said).toEqual(['tick-at']);
  });

  it('L8, L9: the oldest request is told to all, then a view change starts', () => {
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    const tick: Input = { type: 'tick', due: null };
    expect(run(waiting, [tick], now + 1000).said).not.toContain('forward');
    const told = run(waiting, [tick], now + 2000);
    expect(told.said).toContain('forward');
    const changed = run(told.state, [tick], now + 4000);
    expect(changed.said).toContain('sign view-change v1');
    expect(changed.state.changing).toBe(true);
    expect(changed.state.timeoutMs).toBe(8000);
  });

  it('L9: a learner, which cannot replace the leader, tells all again after each time-out', () => {
    const learner = { ...replica('vb'), session: null, learner: true };
    const tick: Input = { type: 'tick', due: null };
    let state = run(learner, [{ type: 'pending', oldest: 'x' }]).state;
    for (const round of [0, 1, 2]) {
      const from = now + round * 4000;
      const told = run(state, [tick], from + 2000);
      expect(told.said).toContain('forward');
      expect(run(told.state, [tick], from + 3000).said).not.toContain('forward');
      const anew = run(told.state, [tick], from + 4000);
      expect(anew.said.filter((entry) => entry.startsWith('sign'))).toEqual([]);
      state = anew.state;
    }
  });

  it('L1: progress for others does not reset the timer of the oldest', () => {
    let state = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    state = run(state, [{ type: 'pending', oldest: 'x' }], now + 3900).state;
    expect(state.oldest?.since).toBe(now);
  });

  it('L9: nothing is voted for between views', () => {
    const tick: Input = { type: 'tick', due: null };
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    const changing = run(waiting, [tick], now + 4000).state;
    const header = headerAfter(replica('vb'));
    const { said } = run(changing, [prePrepare(header), executed(header)]);
    expect(said.filter((entry) => entry.startsWith('sign'))).toEqual([]);
  });
});

describe('view change', () => {
  const viewChange = (
    from: string,
    view: number,
    prepared: ViewChange['prepared'] = null,
  ): ViewChange => {
    const header = genesis();
    const head = { header, certificate: null };
    return { view, head, prepared, vote: { ...vote(from, 'view-change', header), view } };
  };

  it('L9: a quorum that asks for this view or later ones starts the timer of the next', () => {
    const tick: Input = { type: 'tick', due: null };
    const waiting = run(replica('va'), [{ type: 'pending', oldest: 'x' }]).state;
    const asked = run(waiting, [tick], now + 4000).state;
    const others = [viewChange('vb', 1), viewChange('vc', 2)].map((one) =>
      message(one.vote.validator, { type: 'view-change', viewChange: one }),
    );
    const quorum = run(asked, others, now + 4100).state;
    expect([quorum.view, quorum.quorumSince]).toEqual([1, now + 4100]);
    expect(run(quorum, [tick], now + 4100 + quorum.timeoutMs).state.view).toBe(2);
  });

  it('L10: joins the smallest view that f+1 others ask for', () => {
    const inputs = [viewChange('vc', 3), viewChange('vd', 2)].map((one) =>
      message(one.vote.validator, { type: 'view-change', viewChange: one }),
    );
    expect(run(replica('vb'), inputs.slice(0, 1)).said).toEqual([]);
    expect(run(replica('vb'), inputs).said).toContain('sign view-change v2');
  });

  it('L11: the leader of the view enters it with a quorum', () => {
    const inputs = ['vc', 'vd'].map((id) =>
      message(id, { type: 'view-change', viewChange: viewChange(id, 1) }),
    );
    const { said, state } = run(replica('vb'), inputs);
    expect(said).toContain('send new-view to all');
    expect(state.view).toBe(1);
    expect(state.changing).toBe(false);
  });

  it('L12: binds the view to the prepared certificate of the highest view', () => {
    const certificate = (header: BlockHeader, view: number) => ({
      phase: 'prepare' as const,
      height: 1,
      view,
      hash: headerHash(header),
      votes: [],
    });
    const low = headerAfter(replica('vb'), { time: now + 1 });
    const high = headerAfter(replica('vb'), { time: now + 2 });
    const chosen = selection([
      viewChange('va', 3, { header: low, certificate: certificate(low, 0) }),
      viewChange('vc', 3, { header: high, certificate: certificate(high, 2) }),
      viewChange('vd', 3),
    ]);
    expect(chosen.prepared?.header.time).toBe(now + 2);
    const stale = { ...high, height: 5 };
    const other = selection([
      viewChange('va', 3, { header: stale, certificate: certificate(stale, 2) }),
    ]);
    expect(other.prepared).toBeNull();
  });

  it('L13: in the new view nothing but the bound header is voted for', () => {
    const bound = headerAfter(replica('vc'), { time: now + 5 });
    const certificate = {
      phase: 'prepare' as const,
      height: 1,
      view: 0,
      hash: headerHash(bound),
      votes: [],
    };
    const viewChanges = ['va', 'vb', 'vd'].map((id) =>
      viewChange(id, 1, id === 'va' ? { header: bound, certificate } : null),
    );
    const newView = {
      view: 1,
      viewChanges,
      vote: { ...vote('vb', 'new-view', genesis()), view: 1 },
    };
    const entered = run(replica('vc'), [message('vb', { type: 'new-view', newView })]);
    expect(entered.state.view).toBe(1);
    const other = headerAfter(entered.state);
    expect(run(entered.state, [prePrepare(other)]).said).toContain('alarm');
    const again = run(entered.state, [prePrepare(bound, 1), executed(bound)]);
    expect(again.said).toContain('sign prepare v1');
  });

  it('L4: not even a header that was executed in an earlier view is voted for against L12', () => {
    const seen = headerAfter(replica('vb'));
    const before = run(replica('vb'), [prePrepare(seen), executed(seen)]).state;
    const bound = headerAfter(replica('vb'), { view: 1, proposer: 'vb', time: now + 5 });
    const hash = headerHash(bound);
    const certificate = { phase: 'prepare' as const, height: 1, view: 1, hash, votes: [] };
    for (const prepared of [{ header: bound, certificate }, null]) {
      const viewChanges = ['va', 'vc', 'vd'].map((id) => viewChange(id, 2, prepared));
      const signed = { ...vote('vc', 'new-view', genesis()), view: 2 };
      const newView = { view: 2, viewChanges, vote: signed };
      const entered = run(before, [message('vc', { type: 'new-view', newView })]).state;
      const { said } = run(entered, [prePrepare(seen, 2)]);
      expect(said).toEqual(['alarm']);
    }
  });

  it('L15: gives the body of the bound header to a leader that lacks it, if it was executed', () => {
    const bound = headerAfter(replica('vc'));
    const hash = headerHash(bound);
    const certificate = { phase: 'prepare' as const, height: 1, view: 0, hash, votes: [] };
    const viewChanges = ['va', 'vb', 'vd'].map((id) =>
      viewChange(id, 1, id === 'va' ? { header: bound, certificate } : null),
    );
    const signed = { ...vote('vb', 'new-view', genesis()), view: 1 };
    const newView = { view: 1, viewChanges, vote: signed };
    const { state } = run(replica('vc'), [
      prePrepare(bound),
      executed(bound),
      message('vb', { type: 'new-view', newView }),
    ]);
    expect(state.slot.prepared).toBeNull();
    const none = { prepares: [], commits: [], viewChanges: [] };
    const at = { view: 1, changing: false, height: 0, proposal: hash, wanted: hash };
    const { said } = run(state, [message('vb', { type: 'status', ...at, ...none })]);
    expect(said).toContain('send pre-prepare to vb');
  });

  it('L15: a prepare of another than the leader carries a body and proposes nothing', () => {
    const header = headerAfter(replica('vc'));
    const carried = vote('vd', 'prepare', header);
    const { state } = run(replica('vc'), [
      message('vd', { type: 'pre-prepare', header, transactions: null, vote: carried }),
    ]);
    expect(state.slot.proposal).toBeNull();
    expect(state.slot.prepares.map((one) => one.validator)).toEqual(['vd']);
  });

  it('L9: a view-change that was signed for an earlier head is signed anew, not sent', () => {
    const tick: Input = { type: 'tick', due: null };
    const waiting = run(replica('vb'), [{ type: 'pending', oldest: 'x' }]).state;
    const asked = apply(waiting, tick, now + 4000);
    const stale = { ...vote('vb', 'view-change', headerAfter(replica('vb'))), view: 1 };
    const { outputs } = apply(asked.state, { type: 'signed', vote: stale }, now + 4000);
    expect(outputs.map((one) => one.type)).toEqual(['sign']);
  });
});
