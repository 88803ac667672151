/** What one faulty validator tries, alone or with the help of a change of the set. */
import { describe, expect, it } from 'vitest';
import type { Input } from '../../lib/pbft/input.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import { contextOf, verifyMessage } from '../../lib/pbft/verify.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import {
  type Message,
  type NewView,
  newViewDigest,
  type ViewChange,
  viewChangeDigest,
} from '../../lib/wire/messages.ts';
import type { Certificate } from '../../lib/wire/vote.ts';
import { Machines, madeUpSignature } from './machines.ts';

const four = ['va', 'vb', 'vc', 'vd'];
const verify = async (key: Uint8Array, bytes: Uint8Array, signature: Uint8Array) =>
  equalBytes(signature, madeUpSignature(key, bytes));

/** A certificate by these validators, as they would sign it at the head of `state`. */
function certificate(
  network: Machines,
  state: ReplicaState,
  by: readonly string[],
  of: { phase: 'prepare' | 'commit'; header: BlockHeader; view: number },
): Certificate {
  const { phase, header, view } = of;
  const statement = { phase, height: header.height, view, hash: headerHash(header) };
  const context = contextOf(state, header.height);
  const votes = by.map((validator) => {
    const { signature } = network.signed({ ...statement, validator }, context);
    return { validator, signature };
  });
  return { ...statement, votes };
}

function viewChange(
  network: Machines,
  state: ReplicaState,
  validator: string,
  content: Pick<ViewChange, 'view' | 'prepared'> & { head?: ViewChange['head'] },
): ViewChange {
  const { view, prepared } = content;
  const { header, certificate: certified } = state.head;
  const head = content.head ?? { header, certificate: certified };
  const height = head.header.height + 1;
  const hash = viewChangeDigest({ head, prepared });
  const statement = { phase: 'view-change' as const, height, view, hash, validator };
  return { view, head, prepared, vote: network.signed(statement, contextOf(state, height)) };
}

function newView(
  network: Machines,
  state: ReplicaState,
  leader: string,
  viewChanges: ViewChange[],
): NewView {
  const view = viewChanges[0]?.view ?? 0;
  const height = Math.max(...viewChanges.map(({ head }) => head.header.height)) + 1;
  const hash = newViewDigest({ view, viewChanges });
  const statement = { phase: 'new-view' as const, height, view, hash, validator: leader };
  return { view, viewChanges, vote: network.signed(statement, contextOf(state, height)) };
}

/** What a leader sends to propose a header in a view. */
function proposal(
  network: Machines,
  state: ReplicaState,
  leader: string,
  header: BlockHeader,
  view: number,
  transactions: string[],
): Message {
  const hash = headerHash(header);
  const statement = { phase: 'prepare' as const, height: header.height, view, hash };
  const vote = network.signed({ ...statement, validator: leader }, contextOf(state, header.height));
  return { type: 'pre-prepare', header, transactions, vote };
}

describe('a bound view', () => {
  it('L4: binds what was executed in an earlier view too', async () => {
    const network = new Machines(four);
    const { state } = network.machine('va');
    // View 0: everybody executed x, and nobody got a quorum for it.
    const x = network.blockOf('va', ['x']);
    network.inject('va', four.slice(1), proposal(network, state, 'va', x, 0, ['x']));
    for (const from of four) for (const to of four) network.cut.add(`${from}>${to}`);
    network.cut.delete('va>vc');
    network.cut.delete('va>vd');
    await network.deliverAll();
    network.cut.clear();
    expect(network.state('vc').slot.executed).toHaveLength(1);
    // View 1 prepared y, and somebody may have committed it. View 5 is led by vb, who is faulty.
    const y = network.blockOf('vb', ['y'], { view: 1 });
    const prepared = {
      header: y,
      certificate: certificate(network, state, ['vb', 'vc', 'vd'], {
        ...{ phase: 'prepare', header: y, view: 1 },
      }),
    };
    const asked = ['va', 'vb', 'vd'].map((id) =>
      viewChange(network, state, id, { view: 5, prepared: id === 'vb' ? prepared : null }),
    );
    const entered = newView(network, state, 'vb', asked);
    network.inject('vb', ['vc'], { type: 'new-view', newView: entered });
    network.inject('vb', ['vc'], proposal(network, state, 'vb', x, 5, ['x']));
    await network.deliverAll();
    expect(network.state('vc').view).toBe(5);
    expect(network.state('vc').slot.myPrepare).toMatchObject({ view: 0 });
    expect(network.said.join('\n')).toContain('vc alarm proposal_refused: not what the view');
  });

  it('L4: an old header is no fresh proposal of a free view', async () => {
    const network = new Machines(four);
    const { state } = network.machine('va');
    const x = network.blockOf('va', ['x']);
    network.cut.add('vc>va').add('vc>vb').add('vc>vd');
    network.inject('va', ['vc'], proposal(network, state, 'va', x, 0, ['x']));
    await network.deliverAll();
    const asked = ['va', 'vb', 'vd'].map((id) =>
      viewChange(network, state, id, { view: 1, prepared: null }),
    );
    const entered = newView(network, state, 'vb', asked);
    network.inject('vb', ['vc'], { type: 'new-view', newView: entered });
    network.inject('vb', ['vc'], proposal(network, state, 'vb', x, 1, ['x']));
    await network.deliverAll();
    expect(network.state('vc').slot.myPrepare).toMatchObject({ view: 0 });
  });
});

/** Four machines whose first block is committed by all but `late`. */
async function oneBlock(late: readonly string[], requests = ['x']): Promise<Machines> {
  const network = new Machines(four);
  for (const from of four) for (const to of late) network.cut.add(`${from}>${to}`);
  for (const request of requests) {
    network.submit('va', request);
    await network.deliverAll();
  }
  network.cut.clear();
  return network;
}

describe('a replica that is behind', () => {
  it('L13: votes for nothing below the height at which its view starts', async () => {
    // Heights 1 and 2 are committed; vd holds neither.
    const network = await oneBlock(['vd'], ['x', 'y']);
    const genesis = network.state('vd');
    const { state } = network.machine('vb');
    const asked = ['va', 'vb', 'vc'].map((id) =>
      viewChange(network, state, id, { view: 1, prepared: null }),
    );
    network.inject('vb', ['vd'], {
      type: 'new-view',
      newView: newView(network, state, 'vb', asked),
    });
    await network.deliverNext();
    expect(network.state('vd').view).toBe(1);
    const other = network.blockOf('vd', ['z'], { view: 1, proposer: 'vb' });
    network.inject('vb', ['vd'], proposal(network, genesis, 'vb', other, 1, ['z']));
    await network.deliverNext(({ kind }) => kind === 'message');
    expect(network.state('vd').slot.myPrepare).toBeNull();
    await network.deliverAll();
    expect(network.heights()).toEqual([2, 2, 2, 2]);
  });

  it('L18: forgets nothing by certificates that nobody has verified', async () => {
    const network = await oneBlock(['vd']);
    const genesis = network.state('vd');
    const { state } = network.machine('vb');
    // va, who is faulty, claims to be at height 0, and makes up what vd prepared there.
    const header = network.blockOf('vd', ['z']);
    const madeUp = certificate(network, genesis, ['va', 'vb', 'vd'], {
      ...{ phase: 'prepare', header, view: 3 },
    });
    const votes = madeUp.votes.map((one) => ({ ...one, signature: new Uint8Array(64) }));
    const prepared = { header, certificate: { ...madeUp, votes } };
    const lie = viewChange(network, genesis, 'va', { view: 5, prepared });
    const asked = ['vb', 'vc'].map((id) =>
      viewChange(network, state, id, { view: 5, prepared: null }),
    );
    network.inject('vb', ['vd'], {
      type: 'new-view',
      newView: newView(network, state, 'vb', [lie, ...asked]),
    });
    await network.deliverNext();
    expect(network.state('vd')).toMatchObject({ view: 5, forgot: null, learner: false });
  });

  it('L17: fetches what it lacks from beyond a change of the set', async () => {
    const network = await oneBlock(['vd'], ['rejoin-vd', 'x', 'y', 'z']);
    expect(network.heights()).toEqual([4, 4, 4, 0]);
    network.tick('vb', true);
    await network.deliverAll();
    expect(network.heights()).toEqual([4, 4, 4, 4]);
  });
});

describe('L22: a change of the set', () => {
  /** The set of height 3 on has ve in the place of vd; all hold the first two blocks. */
  async function changed(): Promise<Machines> {
    const network = new Machines([...four, 've'], {}, four);
    network.submit('va', 'replace-vd-by-ve');
    await network.deliverAll();
    network.submit('va', 'x');
    await network.deliverAll();
    network.tick('ve', true);
    await network.deliverAll();
    expect(network.heights()).toEqual([2, 2, 2, 2, 2]);
    return network;
  }

  it('a new-view of the old set does not free the first height of the new one', async () => {
    const network = await changed();
    const [first, second] = [1, 2].map((height) => network.machine('va').blocks.get(height));
    if (!first || !second) throw new Error('no blocks');
    // At height 2, vb and vd asked for view 4, led by va, who is faulty and kept the new-view.
    const before: ReplicaState = {
      ...network.state('vc'),
      head: { ...first, hash: headerHash(first.header) },
      validators: network.state('vc').previous?.validators ?? [],
      sessions: network.state('vc').previous?.sessions ?? [],
      setFromHeight: 1,
    };
    const prepared = {
      header: second.header,
      certificate: certificate(network, { ...before, upcoming: null }, ['va', 'vb', 'vc'], {
        ...{ phase: 'prepare', header: second.header, view: 0 },
      }),
    };
    const asked = ['va', 'vb', 'vd'].map((id) =>
      viewChange(network, before, id, { view: 4, prepared }),
    );
    const kept = newView(network, before, 'va', asked);
    const { state } = network.machine('vc');
    const message: Message = { type: 'new-view', newView: kept };
    expect(await verifyMessage(before, 'va', message, verify)).toBe(true);
    expect(await verifyMessage(state, 'va', message, verify)).toBe(false);
    // Nor does a view-change of the old set count: the new-view with it would convince nobody.
    const one = asked[1];
    if (!one) throw new Error('no view-change');
    const single: Message = { type: 'view-change', viewChange: one };
    expect(await verifyMessage(before, 'vb', single, verify)).toBe(true);
    expect(await verifyMessage(state, 'vb', single, verify)).toBe(false);
  });

  it('a set that comes back has not asked for the views that it asked for before', async () => {
    const network = await changed();
    const { state } = network.machine('vc');
    // As if the present set had voted before, and asked for view 1 then.
    const earlier: ReplicaState = { ...state, setFromHeight: 2 };
    const [block] = [network.machine('vc').blocks.get(1)];
    if (!block) throw new Error('no block');
    const asked = ['va', 'vb', 've'].map((id) =>
      viewChange(network, { ...earlier, previous: null }, id, {
        ...{ view: 1, prepared: null, head: block },
      }),
    );
    const kept = newView(network, { ...earlier, previous: null }, 'vb', asked);
    const message: Message = { type: 'new-view', newView: kept };
    expect(await verifyMessage(earlier, 'vb', message, verify)).toBe(true);
    expect(await verifyMessage(state, 'vb', message, verify)).toBe(false);
  });

  it('all start in view 0, also who is far ahead and who is new', async () => {
    const network = new Machines([...four, 've'], {}, four);
    network.submit('va', 'replace-vd-by-ve');
    await network.deliverAll();
    // vb alone has asked for view 1, as its messages were lost.
    for (const to of [...four, 've']) network.cut.add(`vb>${to}`);
    network.submit('vb', 'x');
    await network.pass(6_000);
    expect(network.state('vb')).toMatchObject({ view: 1, changing: true });
    network.cut.clear();
    network.submit('va', 'y');
    await network.deliverAll();
    await network.pass(3_000);
    for (const id of ['va', 'vb', 'vc', 've']) {
      expect(network.state(id)).toMatchObject({ view: 0, changing: false, setFromHeight: 3 });
    }
    network.machine('vc').isUp = false;
    network.submit('va', 'z');
    await network.pass(3_000);
    expect(network.state('ve').head.header.height).toBeGreaterThanOrEqual(3);
  });

  it('who is behind finds the view that the new set has reached', async () => {
    const network = new Machines([...four, 've'], {}, four);
    for (const from of four) network.cut.add(`${from}>vc`);
    for (const request of ['replace-vd-by-ve', 'x']) {
      network.submit('va', request);
      await network.deliverAll();
    }
    network.machine('va').isUp = false;
    network.cut.clear();
    for (const id of ['vb', 've']) network.submit(id, 'y');
    await network.pass(20_000);
    const heights = ['vb', 'vc', 've'].map((id) => network.state(id).head.header.height);
    expect(heights).toEqual([3, 3, 3]);
  });
});

describe('L17: a snapshot', () => {
  /** Views 0 and 1 of one set; the first two blocks are of view 1. */
  async function inViewOne(): Promise<Machines> {
    const network = new Machines(four);
    network.machine('va').isUp = false;
    network.cut.add('vb>vd').add('vc>vd').add('va>vd');
    network.machine('vd').isUp = false;
    network.machine('va').isUp = true;
    network.machine('va').leavesOut.add('x');
    network.submit('vb', 'x');
    await network.pass(8_000);
    expect(network.state('vb')).toMatchObject({ view: 1, changing: false });
    network.submit('vb', 'y');
    await network.deliverAll();
    network.machine('vd').isUp = true;
    network.cut.clear();
    return network;
  }

  const snapshotOf = ({ head, frontier, ...state }: ReplicaState, setFromHeight: number): Input => {
    const { validators, sessions, parameters } = state;
    const governed = { validators, sessions, parameters, upcoming: null, previous: null };
    return { type: 'snapshot', head, frontier, ...governed, setFromHeight };
  };

  it('leads to the view that the set has reached before it', async () => {
    const network = await inViewOne();
    const vd = network.machine('vd');
    // As if the set had changed before height 1, which vd knows nothing of.
    vd.state = { ...vd.state, setFromHeight: 0 };
    network.feed(vd, snapshotOf(network.state('vb'), 1));
    expect(network.state('vd')).toMatchObject({ view: 0, setFromHeight: 1 });
    expect(network.state('vd').head.header.height).toBe(2);
    network.tick('vd', true);
    await network.deliverAll();
    expect(network.state('vd')).toMatchObject({ view: 1, changing: false });
  });

  it('of a set that came back ends the views of its first time', async () => {
    const network = await inViewOne();
    const vb = network.machine('vb');
    const { header, hash } = vb.state.head;
    const later = { ...header, height: 9, previousHash: hash };
    const head = { header: later, hash: headerHash(later), certificate: null };
    network.feed(vb, snapshotOf({ ...vb.state, head }, 6));
    expect(vb.state).toMatchObject({ view: 0, changing: false, newView: null, setFromHeight: 6 });
  });
});

describe('a replica that has its key back', () => {
  it('L14: asks for the view that it joined as a learner', async () => {
    const network = new Machines(four);
    network.machine('va').isUp = false;
    network.giveKey('vd', null);
    network.submit('vb', 'x');
    await network.pass(8_000);
    expect(network.state('vd')).toMatchObject({ view: 1, changing: true, learner: true });
    network.giveKey('vd', 0);
    await network.pass(8_000);
    expect(['vb', 'vc', 'vd'].map((id) => network.state(id).head.header.height)).toEqual([1, 1, 1]);
  });
});
