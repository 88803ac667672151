/**
 * The claims of Castro and Liskov, Practical Byzantine Fault Tolerance (OSDI 1999), that hold here,
 * each under the section that makes it. What differs is listed in docs/pbft.md, section 9.
 */
import { describe, expect, it } from 'vitest';
import { apply } from '../../lib/pbft/apply.ts';
import type { Input } from '../../lib/pbft/input.ts';
import { contextOf, verifyMessage } from '../../lib/pbft/verify.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import type { Message, ViewChange } from '../../lib/wire/messages.ts';
import { faultyMax, leaderOf, quorumSize } from '../../lib/wire/validators.ts';
import { certificateFrom, type Vote } from '../../lib/wire/vote.ts';
import { executed, genesis, message, now, prePrepare, replica, run, vote } from './fixture.ts';
import { headerAfter } from './fixture.ts';
import { Machines, madeUpSignature, nameOf, seatOf } from './machines.ts';

const sizes = [4, 7, 10, 13];
const namesOf = (n: number): string[] => Array.from({ length: n }, (_, index) => nameOf(index));
const tick: Input = { type: 'tick', due: null };
const waiting = (id: string) => run(replica(id), [{ type: 'pending', oldest: 'x' }]).state;
const asVote = (one: Vote): Input => message(one.validator, { type: 'vote', vote: one });

function asksFor(from: string, view: number, prepared: ViewChange['prepared'] = null): Input {
  const head = { header: genesis(), certificate: null };
  const signed = { ...vote(from, 'view-change', genesis(), view), height: 1 };
  const viewChange = { view, head, prepared, vote: signed };
  return message(from, { type: 'view-change', viewChange });
}

function preparedIn(view: number, header: BlockHeader): ViewChange['prepared'] {
  const statement = { phase: 'prepare' as const, height: 1, view, hash: headerHash(header) };
  return { header, certificate: { ...statement, votes: [] } };
}

describe('§3 service properties', () => {
  it.each(sizes)('n = %i is 3f + 1, the least that tolerates f', (n) => {
    expect(n).toBe(3 * faultyMax(n) + 1);
    expect(faultyMax(n - 1)).toBe(faultyMax(n) - 1);
  });

  it.each(sizes)('n = %i: two quorums share a correct replica, and the correct are one', (n) => {
    expect(quorumSize(n)).toBe(2 * faultyMax(n) + 1);
    expect(2 * quorumSize(n) - n).toBeGreaterThan(faultyMax(n));
    expect(n - faultyMax(n)).toBeGreaterThanOrEqual(quorumSize(n));
  });

  it('the primary of view v is replica v mod n', () => {
    const seats = namesOf(7).map((id) => seatOf(id));
    expect([0, 1, 6, 7, 15].map((view) => leaderOf(seats, view, 0).id)).toEqual(
      [0, 1, 6, 0, 1].map(nameOf),
    );
  });
});

describe('§4.1 the client', () => {
  it('a request that the primary does not serve reaches all, so that all suspect it', async () => {
    const network = new Machines(namesOf(4));
    network.machine('va').leavesOut.add('x');
    network.submit('vb', 'x');
    await network.pass(2_500);
    expect(namesOf(4).map((id) => network.state(id).oldest?.id)).toEqual(['x', 'x', 'x', 'x']);
    await network.pass(5_000);
    expect(network.heights()).toEqual([1, 1, 1, 1]);
  });
});

describe('§4.2 normal-case operation', () => {
  it('a backup accepts a pre-prepare only with the signature of the primary', async () => {
    const network = new Machines(namesOf(4));
    const header = network.blockOf('va', ['x']);
    const state = network.state('vb');
    const statement = { phase: 'prepare' as const, height: 1, view: 0, hash: headerHash(header) };
    const of = (validator: string, by: string): Message => {
      const { signature } = network.signed({ ...statement, validator: by }, contextOf(state, 1));
      const signed = { ...statement, validator, signature };
      return { type: 'pre-prepare', header, transactions: null, vote: signed };
    };
    const verify = async (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) =>
      equalBytes(signature, madeUpSignature(key, bytes));
    expect(await verifyMessage(state, 'va', of('va', 'va'), verify)).toBe(true);
    expect(await verifyMessage(state, 'va', of('va', 'vc'), verify)).toBe(false);
    // Another's signature is good for a body, and proposes nothing.
    expect(await verifyMessage(state, 'vc', of('vc', 'vc'), verify)).toBe(true);
    const taken = run(state, [message('vc', of('vc', 'vc'))]);
    expect(taken.state.slot.proposal).toBeNull();
  });

  it('… and only if it is in that view', () => {
    const header = headerAfter(replica('vb'), { view: 4 });
    expect(run(replica('vb'), [prePrepare(header, 4)]).state.slot.proposal).toBeNull();
  });

  it('… and only if it has not accepted one for the same view and number with another digest', () => {
    const first = headerAfter(replica('vb'));
    const second = headerAfter(replica('vb'), { time: now + 1 });
    const { state, said } = run(replica('vb'), [
      ...[prePrepare(first), executed(first)],
      ...[prePrepare(second), executed(second)],
    ]);
    expect(state.slot.proposal?.hash).toEqual(headerHash(first));
    expect(said.filter((one) => one.startsWith('sign prepare'))).toHaveLength(1);
  });

  it('… and only if its number is between the water marks: here head + 1', () => {
    const state = replica('vb');
    const next = headerAfter(state, { height: 2 });
    const far = headerAfter(state, { height: 9 });
    expect(run(state, [prePrepare(next)]).state.slot.proposal).toBeNull();
    expect(run(state, [prePrepare(next)]).said).not.toContain('execute');
    expect(run(state, [prePrepare(far)]).said).toEqual(['catch-up']);
  });

  it.each(sizes)('n = %i: prepared with 2f + 1 prepares of one view, not with fewer', (n) => {
    const seats = namesOf(n).map((id) => seatOf(id));
    const votes = namesOf(n).map((id) => vote(id, 'prepare', genesis()));
    const wanted = { phase: 'prepare' as const, height: 0, view: 0, hash: headerHash(genesis()) };
    const quorum = quorumSize(n);
    expect(certificateFrom(votes.slice(0, quorum - 1), wanted, seats)).toBeNull();
    const twice = votes.slice(0, 1).concat(votes.slice(0, quorum - 1));
    expect(certificateFrom(twice, wanted, seats)).toBeNull();
    const later = votes.slice(0, quorum).map((one, at) => (at === 0 ? { ...one, view: 1 } : one));
    expect(certificateFrom(later, wanted, seats)).toBeNull();
    expect(certificateFrom(votes, wanted, seats)?.votes).toHaveLength(quorum);
  });

  it.each(sizes)('n = %i: no two replicas prepare different requests in one view', async (n) => {
    const ids = namesOf(n);
    const network = new Machines(ids);
    // The primary is faulty: half of the backups are told of x, the others of y.
    for (const [body, to] of [
      ['x', ids.slice(1, Math.ceil(n / 2))],
      ['y', ids.slice(Math.ceil(n / 2))],
    ] as const) {
      const header = network.blockOf('va', [body]);
      const statement = { phase: 'prepare' as const, height: 1, view: 0, hash: headerHash(header) };
      const context = contextOf(network.state('va'), 1);
      const signed = network.signed({ ...statement, validator: 'va' }, context);
      const told: Message = { type: 'pre-prepare', header, transactions: [body], vote: signed };
      network.inject('va', to, told);
    }
    network.machine('va').isUp = false;
    await network.deliverAll();
    const prepared = ids.flatMap((id) => network.state(id).slot.prepared?.certificate.hash ?? []);
    expect(new Set(prepared.map((hash) => network.blockName(hash))).size).toBeLessThanOrEqual(1);
    expect(network.said.filter((line) => line.includes(' accuses va')).length).toBeGreaterThan(0);
  });

  it('a commit is sent when prepared becomes true, not before', () => {
    const header = headerAfter(replica('vb'));
    const before = run(replica('vb'), [prePrepare(header), executed(header)]);
    expect(before.said).not.toContain('sign commit v0');
    expect(run(before.state, [asVote(vote('vc', 'prepare', header))]).said).toContain(
      'sign commit v0',
    );
  });

  it.each(sizes)('n = %i: committed-local with 2f + 1 commits', async (n) => {
    const ids = namesOf(n);
    const network = new Machines(ids);
    // One replica hears the commits of all but f, then of none.
    for (const id of ids.slice(n - faultyMax(n))) network.machine(id).isUp = false;
    network.submit('va', 'x');
    await network.deliverAll();
    expect(network.heights().filter((height) => height === 1)).toHaveLength(n - faultyMax(n));
    const short = new Machines(ids);
    for (const id of ids.slice(n - faultyMax(n) - 1)) short.machine(id).isUp = false;
    short.submit('va', 'x');
    await short.deliverAll();
    expect(Math.max(...short.heights())).toBe(0);
  });

  it('requests execute in the order of their numbers, whatever commits first', async () => {
    const network = new Machines(namesOf(4));
    network.cut.add('va>vd').add('vb>vd').add('vc>vd');
    network.submit('va', 'x');
    await network.deliverAll();
    network.cut.clear();
    network.submit('va', 'y');
    await network.deliverAll();
    await network.pass(5_000);
    const order = network.said.filter((line) => line.startsWith('vd commits'));
    expect(order).toEqual(['vd commits 1.0[x]', 'vd commits 2.0[y]']);
  });
});

describe('§4.3 garbage collection', () => {
  it('a committed block is a stable checkpoint: what led to it is dropped', async () => {
    const network = new Machines(namesOf(4));
    network.submit('va', 'x');
    await network.deliverAll();
    for (const id of namesOf(4)) {
      const { slot, head } = network.state(id);
      expect(slot).toMatchObject({ prepares: [], commits: [], prepared: null, executed: [] });
      expect(head.certificate?.votes).toHaveLength(quorumSize(4));
    }
  });
});

describe('§4.4 view changes', () => {
  it('the timer runs while a request waits, and stops when none does', () => {
    expect(apply(waiting('vb'), tick, now + 4_000).state.changing).toBe(true);
    const idle = run(waiting('vb'), [{ type: 'pending', oldest: null }]).state;
    expect(apply(idle, tick, now + 60_000).state.changing).toBe(false);
  });

  it('a backup whose timer expires accepts no prepare or commit work of the old view', () => {
    const header = headerAfter(replica('vb'));
    const changing = run(waiting('vb'), [tick], now + 4_000).state;
    const votes = ['vc', 'vd'].map((id) => asVote(vote(id, 'prepare', header)));
    const { said } = run(changing, [prePrepare(header), executed(header), ...votes]);
    expect(said.filter((one) => one.startsWith('sign'))).toEqual([]);
  });

  it('a view-change carries the last checkpoint with its proof, and what was prepared after it', () => {
    const header = headerAfter(replica('vb'));
    const prepares = ['vc', 'vd'].map((id) => asVote(vote(id, 'prepare', header)));
    const start = run(waiting('vb'), [prePrepare(header), executed(header), ...prepares]).state;
    const { viewChanges } = run(start, [tick], now + 4_000).state;
    const [own] = viewChanges;
    expect(own).toMatchObject({ view: 1, head: { header: { height: 0 } } });
    expect(own?.prepared?.header).toEqual(header);
    expect(own?.prepared?.certificate.votes).toHaveLength(3);
  });

  it('the new primary sends new-view with 2f + 1 view-changes, not with fewer', () => {
    const two = run(replica('vb'), [asksFor('vc', 1)]);
    expect(two.said).not.toContain('send new-view to all');
    const three = run(replica('vb'), [asksFor('vc', 1), asksFor('vd', 1)]);
    expect(three.said).toContain('send new-view to all');
    expect(three.state.newView?.viewChanges).toHaveLength(3);
    const other = run(replica('vc'), [asksFor('vb', 1), asksFor('vd', 1)]);
    expect(other.said).not.toContain('send new-view to all');
  });

  it('the new-view is recomputed by each backup: another choice of the primary is refused', () => {
    const bound = headerAfter(replica('vc'), { time: now + 5 });
    const asked = ['va', 'vb', 'vd'].map((id) => {
      const input = asksFor(id, 1, id === 'va' ? preparedIn(0, bound) : null);
      if (input.type !== 'message' || input.message.type !== 'view-change') throw new Error(id);
      return input.message.viewChange;
    });
    const signed = { ...vote('vb', 'new-view', genesis(), 1), height: 1 };
    const newView = { view: 1, viewChanges: asked, vote: signed };
    const entered = run(replica('vc'), [message('vb', { type: 'new-view', newView })]).state;
    const other = headerAfter(entered, { proposer: 'vb' });
    expect(run(entered, [prePrepare(other, 1), executed(other)]).said).not.toContain(
      'sign prepare v1',
    );
    expect(run(entered, [prePrepare(bound, 1), executed(bound)]).said).toContain('sign prepare v1');
  });

  it('what was executed is not executed again in a later view', () => {
    const header = headerAfter(replica('vc'));
    const before = run(replica('vc'), [prePrepare(header), executed(header)]).state;
    const asked = ['va', 'vb', 'vd'].map((id) => asksFor(id, 1, preparedIn(0, header)));
    const viewChanges = asked.flatMap((one) =>
      one.type === 'message' && one.message.type === 'view-change' ? one.message.viewChange : [],
    );
    const signed = { ...vote('vb', 'new-view', genesis(), 1), height: 1 };
    const newView = { view: 1, viewChanges, vote: signed };
    const again = run(before, [
      message('vb', { type: 'new-view', newView }),
      prePrepare(header, 1),
    ]);
    expect(again.said).toContain('sign prepare v1');
    expect(again.said).not.toContain('execute');
  });

  it('a replica that misses a request or a checkpoint gets it from another', async () => {
    const network = new Machines(namesOf(4));
    network.cut.add('va>vd').add('vb>vd').add('vc>vd');
    for (const request of ['x', 'y', 'z']) {
      network.submit('va', request);
      await network.deliverAll();
    }
    network.cut.clear();
    network.tick('vd', true);
    await network.deliverAll();
    expect(network.heights()).toEqual([3, 3, 3, 3]);
  });
});

describe('§4.5.1 safety', () => {
  it.each(sizes)('n = %i: what one replica committed, all commit in a later view', async (n) => {
    const ids = namesOf(n);
    const network = new Machines(ids);
    const last = nameOf(n - 1);
    // All hear the prepares; the commits reach the last replica alone.
    network.submit('va', 'x');
    await network.deliverNext(({ kind }) => kind === 'message');
    for (;;) {
      const isCommit = ({ message: one }: { message: Message }): boolean =>
        one.type === 'vote' && one.vote.phase === 'commit';
      const flight = await network.deliverNext(
        (one) => one.kind === 'message' && (!isCommit(one) || one.to === last),
      );
      if (!flight) break;
    }
    network.flights.splice(0);
    expect(network.heights()).toEqual(ids.map((id) => Number(id === last)));
    // The primary and f − 1 others die, and the one that committed says nothing either for a while.
    for (const id of ids.slice(0, faultyMax(n))) network.machine(id).isUp = false;
    for (const id of ids) network.cut.add(`${last}>${id}`);
    const alive = ids.slice(faultyMax(n), n - 1);
    for (const id of alive) network.submit(id, 'y');
    await network.pass(5_000);
    network.cut.clear();
    await network.pass(120_000);
    const committed = network.said.filter((line) => / commits 1\./.test(line));
    expect(committed.length).toBeGreaterThanOrEqual(n - faultyMax(n));
    expect(committed.every((line) => line.endsWith(' 1.0[x]'))).toBe(true);
  });
});

describe('§4.5.2 liveness', () => {
  it('a replica waits for 2f + 1 view-changes before it starts the timer of the next view', () => {
    const alone = run(waiting('vc'), [tick], now + 4_000).state;
    expect(run(alone, [tick], now + 100_000).state.view).toBe(1);
    const quorum = run(alone, [asksFor('va', 1), asksFor('vd', 1)], now + 5_000).state;
    expect(run(quorum, [tick], now + 12_999).state.view).toBe(1);
    const next = run(quorum, [tick], now + 13_000).state;
    expect(next).toMatchObject({ view: 2, changing: true });
  });

  it('the time-out doubles with each view, to a bound, and shrinks again as blocks commit', () => {
    let state = waiting('vc');
    const grown: number[] = [];
    for (let view = 1; view <= 6; view += 1) {
      state = { ...state, changing: true, quorumSince: now - state.timeoutMs };
      state = run(state, [tick], now).state;
      grown.push(state.timeoutMs);
    }
    expect(grown).toEqual([8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it.each(sizes)('n = %i: joins the smallest view of f + 1 that ask for later ones', async (n) => {
    const ids = namesOf(n);
    const f = faultyMax(n);
    const network = new Machines(ids);
    // The last f + 1 ask for views 9, 8, … by themselves; view-changes are all that is heard.
    const asking = ids.slice(n - f - 1);
    for (const [at, id] of asking.entries()) {
      const machine = network.machine(id);
      machine.state = { ...machine.state, view: 8 - at, changing: true };
      machine.state = { ...machine.state, quorumSince: network.now - 4_000 };
      network.tick(id, true);
    }
    const [, ...rest] = [...network.flights];
    expect(rest.length).toBeGreaterThan(0);
    network.flights.splice(
      0,
      network.flights.length,
      ...network.flights.filter(
        (one) => one.kind === 'message' && one.message.type === 'view-change' && one.to === 'vb',
      ),
    );
    for (let heard = 1; heard <= f; heard += 1) await network.deliverNext();
    expect(network.state('vb')).toMatchObject({ view: 0, changing: false });
    await network.deliverNext();
    expect(network.state('vb')).toMatchObject({ view: 9 - f, changing: true });
  });

  it.each(sizes)('n = %i: f faulty replicas do not lead for more than f views in a row', (n) => {
    const seats = namesOf(n).map((id) => seatOf(id));
    for (let view = 0; view < n; view += 1) {
      const turns = Array.from({ length: faultyMax(n) + 1 }, (_, at) => view + at);
      const leaders = new Set(turns.map((one) => leaderOf(seats, one, 0).id));
      expect(leaders.size).toBe(faultyMax(n) + 1);
    }
  });

  it.each(sizes)('n = %i: f silent primaries in a row are replaced', async (n) => {
    const ids = namesOf(n);
    const network = new Machines(ids);
    for (const id of ids.slice(0, faultyMax(n))) network.machine(id).isUp = false;
    network.submit(nameOf(n - 1), 'x');
    await network.pass(200_000);
    const alive = ids.slice(faultyMax(n)).map((id) => network.state(id).head.header.height);
    expect(new Set(alive)).toEqual(new Set([1]));
  });
});

describe('TOCS 2002, liveness: requests are served in turn', () => {
  it('L1, L9: a leader that leaves one client out and serves all others is replaced', async () => {
    const network = new Machines(namesOf(4));
    network.machine('va').leavesOut.add('x');
    network.submit('vb', 'x');
    // Others are served every half second, so something commits all the time.
    for (let round = 0; round < 20; round += 1) {
      network.submit('vc', `other-${round}`);
      await network.pass(500);
    }
    const served = network.said.find((line) => line.startsWith('vd commits') && /\bx\b/.test(line));
    expect(served).toBeDefined();
    expect(network.state('vd').view).toBe(1);
  });

  it('… also where blocks keep an interval', async () => {
    const network = new Machines(namesOf(4), { blockIntervalMs: 1_000 });
    network.machine('va').leavesOut.add('x');
    network.submit('vb', 'x');
    for (let round = 0; round < 20; round += 1) {
      network.submit('vc', `other-${round}`);
      await network.pass(500);
    }
    expect(network.state('vd').view).toBe(1);
    expect(network.said.some((line) => /^vd commits .*\bx\b/.test(line))).toBe(true);
  });
});

describe('§4.6 non-determinism', () => {
  it('the primary says the time of a block, and backups refuse one far from their clocks', () => {
    const late = headerAfter(replica('vb'), { time: now + 60_000 });
    expect(run(replica('vb'), [prePrepare(late)]).said).toContain('alarm');
    const near = headerAfter(replica('vb'), { time: now + 5_000 });
    expect(run(replica('vb'), [prePrepare(near)]).said).toContain('execute');
  });
});
