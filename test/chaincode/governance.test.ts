/** Governance: what operators decide together, at which height it acts, and what they cannot do. */
import { beforeAll, describe, expect, it } from 'vitest';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { cells } from '../../lib/chaincode/cells.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { execute, type Execution } from '../../lib/chaincode/execute.ts';
import { governedOf } from '../../lib/chaincode/governed.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { faultyMax } from '../../lib/wire/validators.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { keyTexts } from './seats.ts';
import { outcome, text32, valueOf, World } from './world.ts';

type Json = { [name: string]: Json } | Json[] | string | number | boolean | null;
type Change = { kind: string; [name: string]: Json };

let base: World;
let kms: SigningKey;
let operator: SigningKey;
beforeAll(async () => {
  base = await World.make();
  [kms, operator] = await Promise.all([generateSigningKey(), generateSigningKey()]);
});

async function bundle(id: string, key: SigningKey, incarnation: number) {
  const { kmsKey, session, read, shareKey } = await keyTexts(id, key, incarnation);
  const sessions = { session: { certificate: session }, read: { certificate: read } };
  return { validator: id, kmsKey, ...sessions, shareKey };
}

async function newcomer(id = 'hospital-e', incarnation = 0) {
  return {
    ...(await bundle(id, kms, incarnation)),
    name: 'Hospital E',
    operatorKey: toBase64url(operator.publicKey),
    apiUrl: 'http://hospital-e.test',
  };
}

async function baseFor(world: World, change: Change): Promise<string> {
  const { bases } = (await world.ask(world.custodian, 'network.validators')) as {
    bases: { members: string; parameters: string };
  };
  return /^(parameters|chaincode)$/.test(change.kind) ? bases.parameters : bases.members;
}

async function propose(
  world: World,
  change: Change,
  more: { activateAt?: number; base?: string; by?: number } = {},
): Promise<Execution> {
  const { by = 0, ...given } = more;
  const args = { change, base: await baseFor(world, change), ...given };
  return world.submit(world.operator(by), 'governance.propose', args);
}

async function approve(world: World, proposal: Execution, by: number): Promise<Execution> {
  const { proposalId } = valueOf(proposal) as { proposalId: string };
  return world.submit(world.operator(by), 'governance.approve', { proposalId });
}

/** Proposed by the first operator, approved by the next two: a quorum of four. */
async function decide(world: World, change: Change, activateAt?: number): Promise<Execution> {
  const proposal = await propose(world, change, activateAt === undefined ? {} : { activateAt });
  if (proposal.status === 'INVALID') return proposal;
  await approve(world, proposal, 1);
  return approve(world, proposal, 2);
}

const idsOf = async (world: World) => (await governedOf(world)).validators.map((one) => one.id);
const probe = (world: World, key: SigningKey) =>
  world.submit({ kid: thumbprint(key.publicKey) }, 'governance.probe', { label: 'x' });
const removal = (validator = 'hospital-e'): Change => ({ kind: 'remove', validator });

async function withFive(): Promise<World> {
  const world = base.fork();
  valueOf(await decide(world, { kind: 'add', newcomer: await newcomer() }));
  await pass(world, 2);
  return world;
}

/** Lets blocks go by. */
async function pass(world: World, blocks: number): Promise<void> {
  for (let block = 0; block < blocks; block += 1) {
    await world.submit(world.operator(), 'governance.probe', { label: 'x' });
  }
}

async function suspend(world: World, index: number): Promise<void> {
  const { validators } = await governedOf(world);
  const changed = validators.map((one, at) => (at === index ? { ...one, suspended: true } : one));
  world.state.set('validators/current', encodeCbor(changed));
}

describe('deciding', () => {
  it('takes a quorum of operators, each once, and then makes the change', async () => {
    const world = base.fork();
    const change: Change = { kind: 'add', newcomer: await newcomer() };
    const proposal = await propose(world, change);
    expect(valueOf(proposal)).toMatchObject({ status: 'open', approvals: 1, quorum: 3 });
    expect(outcome(await approve(world, proposal, 0))).toBe('already_approved');
    expect(valueOf(await approve(world, proposal, 1))).toMatchObject({ approvals: 2 });
    expect(await idsOf(world)).toHaveLength(4);
    const { height } = world;
    const done = valueOf(await approve(world, proposal, 3));
    expect(done).toMatchObject({ status: 'done', approvals: 3, actsAt: height + 2 });
    expect(await idsOf(world)).toHaveLength(5);
    expect(outcome(await approve(world, proposal, 2))).toBe('proposal_over');
  });

  it('refuses who has no seat, and what nobody proposed', async () => {
    const world = base.fork();
    const proposalId = '0'.repeat(64);
    const unknown = await world.submit(world.operator(), 'governance.approve', { proposalId });
    expect(outcome(unknown)).toBe('unknown_proposal');
    const five = await withFive();
    valueOf(await decide4(five, removal()));
    expect(outcome(await probe(five, operator))).toBe('identity_revoked');
    expect(outcome(await probe(five, kms))).toBe('identity_revoked');
  });

  it('counts no approval of a suspended hospital, whose seat still counts in n', async () => {
    const world = base.fork();
    const change: Change = { kind: 'parameters', set: { requestTimeoutMs: 6_000 } };
    const proposal = await propose(world, change, { by: 1 });
    await suspend(world, 1);
    valueOf(await approve(world, proposal, 0));
    expect(valueOf(await approve(world, proposal, 2))).toMatchObject({ approvals: 2, quorum: 3 });
    expect(valueOf(await approve(world, proposal, 3))).toMatchObject({ status: 'done' });
  });

  it('lets approvals lapse when members change, and proposals when time is up', async () => {
    const world = await withFive();
    const proposal = await propose(world, removal('hospital-d'));
    valueOf(await approve(world, proposal, 1));
    valueOf(await decide4(world, removal('hospital-e')));
    expect(outcome(await approve(world, proposal, 2))).toBe('proposal_stale');
    const again = await propose(world, { kind: 'parameters', set: { requestTimeoutMs: 5_000 } });
    world.time += chaincodeBounds.proposalMs;
    expect(outcome(await approve(world, again, 1))).toBe('proposal_over');
    const { proposalId } = valueOf(again) as { proposalId: string };
    const stored = await readerOf(world).get(cells.proposal(proposalId));
    expect(stored).toMatchObject({ status: 'expired' });
    expect((await readerOf(world).get(cells.governance))?.open).toEqual([]);
  });

  it('is against what the proposer saw', async () => {
    const world = base.fork();
    const stale = await propose(world, removal('hospital-d'), { base: text32('another') });
    expect(outcome(stale)).toBe('proposal_stale');
  });

  it('keeps as many open proposals of a hospital as may be', async () => {
    const world = base.fork();
    for (let at = 0; at < chaincodeBounds.proposalsOfHospitalMax; at += 1) {
      const set = { requestTimeoutMs: 5_000 + at };
      valueOf(await propose(world, { kind: 'parameters', set }));
    }
    const more: Change = { kind: 'parameters', set: { requestTimeoutMs: 9_000 } };
    expect(outcome(await propose(world, more))).toBe('too_many_proposals');
    valueOf(await propose(world, more, { by: 1 }));
  });
});

/** As `decide` with five members: four approve. */
async function decide4(world: World, change: Change): Promise<Execution> {
  const proposal = await propose(world, change);
  await approve(world, proposal, 1);
  await approve(world, proposal, 2);
  return approve(world, proposal, 3);
}

describe('members', () => {
  it('come with sessions, identities and an address', async () => {
    const world = await withFive();
    const { validators, sessions } = await governedOf(world);
    expect(validators.at(-1)).toMatchObject({ id: 'hospital-e', incarnation: 0, suspended: false });
    expect(sessions.filter((one) => one.body.validator === 'hospital-e')).toHaveLength(2);
    expect(outcome(await probe(world, operator))).toBe('COMMITTED');
    const entry = await readerOf(world).get(cells.directory('hospital-e'));
    expect(entry).toMatchObject({ name: 'Hospital E', removed: null });
  });

  it('come again only under a new incarnation', async () => {
    const world = await withFive();
    valueOf(await decide4(world, removal()));
    await pass(world, 2);
    const old: Change = { kind: 'add', newcomer: await newcomer() };
    expect(outcome(await propose(world, old))).toBe('wrong_incarnation');
    const next: Change = { kind: 'add', newcomer: await newcomer('hospital-e', 1) };
    valueOf(await decide(world, next));
    expect(outcome(await probe(world, operator))).toBe('COMMITTED');
  });

  it('change one at a time', async () => {
    const world = base.fork();
    valueOf(await decide(world, { kind: 'add', newcomer: await newcomer() }));
    const proposal = await propose(world, removal());
    for (const by of [1, 2]) await approve(world, proposal, by);
    expect(valueOf(await approve(world, proposal, 3))).toMatchObject({ status: 'done' });
    const quick = base.fork();
    const first = await propose(quick, {
      kind: 'replace-key',
      keys: await bundle('hospital-d', kms, 1),
    });
    const other = await generateSigningKey();
    const keys = await bundle('hospital-c', other, 1);
    const second = await propose(quick, { kind: 'replace-key', keys });
    for (const one of [first, second]) await approve(quick, one, 1);
    valueOf(await approve(quick, first, 2));
    expect(outcome(await approve(quick, second, 2))).toBe('change_pending');
    await pass(quick, 1);
    valueOf(await approve(quick, second, 2));
  });

  it('replace one another in the same seat', async () => {
    const world = base.fork();
    const leaver = world.network.validators[1]!;
    const change: Change = {
      kind: 'replace',
      validator: leaver.id,
      newcomer: await newcomer(),
    };
    valueOf(await decide(world, change));
    expect(await idsOf(world)).toEqual(['hospital-a', 'hospital-e', 'hospital-c', 'hospital-d']);
    expect(outcome(await probe(world, leaver.operator))).toBe('identity_revoked');
    expect(outcome(await probe(world, operator))).toBe('COMMITTED');
    const { sessions } = await governedOf(world);
    expect(sessions).toHaveLength(8);
    expect(sessions.some((one) => one.body.validator === leaver.id)).toBe(false);
  });

  it('stay four at least, with no more suspended than may be faulty', async () => {
    const world = base.fork();
    expect(outcome(await propose(world, removal('hospital-d')))).toBe('too_few_validators');
    const five = await withFive();
    await suspend(five, 2);
    await suspend(five, 3);
    expect(outcome(await propose(five, removal()))).toBe('too_many_suspended');
  });

  it.each<[string, (given: Awaited<ReturnType<typeof newcomer>>) => Promise<object> | object]>([
    ['validator_exists', () => newcomer('hospital-d')],
    ['wrong_incarnation', () => newcomer('hospital-e', 1)],
    ['key_taken', () => ({ operatorKey: text(base.network.validators[0]!.operator) })],
    ['bad_session', () => ({ kmsKey: text(base.network.validators[0]!.kms) })],
    ['bad_session', (given) => ({ read: given.session })],
    ['bad_arguments', () => ({ operatorKey: 'A'.repeat(87) })],
    ['bad_arguments', () => ({ apiUrl: 'ftp://x' })],
    ['bad_arguments', () => ({ name: 'a\u0000b' })],
    ['bad_arguments', () => ({ name: 'half \ud800' })],
  ])('do not join: %s', async (code, change) => {
    const given = await newcomer();
    const wrong = { ...given, ...(await change(given)) } as unknown as Json;
    expect(outcome(await propose(base.fork(), { kind: 'add', newcomer: wrong }))).toBe(code);
  });
});

const text = (key: SigningKey): string => toBase64url(key.publicKey);

describe('keys', () => {
  it('of a validator are replaced without the lost one', async () => {
    const world = base.fork();
    const lost = world.network.validators[3]!;
    const keys = await bundle(lost.id, kms, 1);
    valueOf(await decide(world, { kind: 'replace-key', keys }));
    const { validators, sessions } = await governedOf(world);
    expect(validators[3]).toEqual({
      ...{ id: lost.id, kmsKey: kms.publicKey, incarnation: 1, suspended: false },
    });
    expect(sessions.slice(-2).map((one) => one.body.incarnation)).toEqual([1, 1]);
    const accuse = await world.submit(world.validator(3), 'validator.accuse', { evidence: 'AA' });
    expect(outcome(accuse)).toBe('identity_revoked');
    const same = await bundle(lost.id, kms, 2);
    expect(outcome(await propose(world, { kind: 'replace-key', keys: same }))).toBe(
      'key_unchanged',
    );
  });

  it('survive a thief who rejoins with the stolen key meanwhile', async () => {
    const world = base.fork();
    const keys = await bundle('hospital-d', kms, 4);
    const proposal = await propose(world, { kind: 'replace-key', keys });
    await approve(world, proposal, 1);
    const { session, read, shareKey } = await keyTexts(
      'hospital-d',
      world.network.validators[3]!.kms,
      1,
    );
    const args = { validator: 'hospital-d', incarnation: 1, session, read, shareKey };
    valueOf(await world.submit(world.validator(3), 'validator.rejoin', args));
    expect(valueOf(await approve(world, proposal, 2))).toMatchObject({ status: 'done' });
    expect((await governedOf(world)).validators[3]).toMatchObject({ incarnation: 4 });
  });

  it('of an operator are replaced by the others', async () => {
    const world = base.fork();
    const lost = world.network.validators[3]!;
    const operatorKey = text(operator);
    valueOf(await decide(world, { kind: 'replace-operator', validator: lost.id, operatorKey }));
    expect(outcome(await probe(world, lost.operator))).toBe('identity_revoked');
    expect(valueOf(await probe(world, operator))).toMatchObject({ hospital: lost.id });
  });

  it('end a suspension under a new incarnation only', async () => {
    const world = base.fork();
    const { id, kms: own } = world.network.validators[3]!;
    const early: Change = { kind: 'reinstate', keys: await bundle(id, own, 1) };
    expect(outcome(await propose(world, early))).toBe('validator_not_suspended');
    await suspend(world, 3);
    const old: Change = { kind: 'reinstate', keys: await bundle(id, own, 0) };
    expect(outcome(await propose(world, old))).toBe('wrong_incarnation');
    const other: Change = { kind: 'reinstate', keys: await bundle(id, kms, 1) };
    expect(outcome(await propose(world, other))).toBe('key_changed');
    valueOf(await decide(world, early));
    const { validators } = await governedOf(world);
    expect(validators[3]).toMatchObject({ suspended: false, incarnation: 1 });
  });
});

describe('parameters', () => {
  it('change two heights on, and the query says what is in force', async () => {
    const world = base.fork();
    const change: Change = { kind: 'parameters', set: { requestTimeoutMs: 6_000 } };
    const { actsAt } = valueOf(await decide(world, change)) as { actsAt: number };
    const said = async () =>
      (await world.ask(world.operator(), 'network.validators')) as {
        parameters: { requestTimeoutMs: number };
        upcoming: { requestTimeoutMs: number } | null;
      };
    expect(await said()).toMatchObject({
      parameters: { requestTimeoutMs: 4_000 },
      upcoming: { requestTimeoutMs: 6_000 },
    });
    expect([world.height, world.parameters.requestTimeoutMs]).toEqual([actsAt - 1, 4_000]);
    await pass(world, 1);
    expect(await said()).toMatchObject({ parameters: { requestTimeoutMs: 6_000 }, upcoming: null });
    expect([world.height, world.parameters.requestTimeoutMs]).toEqual([actsAt, 6_000]);
  });

  it.each<[string, Json]>([
    ['nothing_changes', { requestTimeoutMs: 4_000 }],
    ['parameters_conflict', { blockIntervalMs: 3_000 }],
    ['parameters_conflict', { requestTimeoutMs: 61_000 }],
    ['bad_arguments', {}],
    ['bad_arguments', { requestTimeoutMs: 1 }],
    ['bad_arguments', { chaincodeVersion: 2 }],
    ['bad_arguments', { unheardOf: 2 }],
  ])('stay within bounds: %s', async (code, set) => {
    expect(outcome(await propose(base.fork(), { kind: 'parameters', set }))).toBe(code);
  });

  it('keep people safe in a network of real care', async () => {
    const world = base.fork();
    const change: Change = { kind: 'parameters', set: { recoveryDelayMs: 1_000 } };
    const args = { change, base: await baseFor(world, change) };
    const transaction = world.transaction(world.operator(), 'governance.propose', args);
    const run = (network: string) => execute(world, transaction, { ...world.context, network });
    expect(outcome(await run('hospitals'))).toBe('parameter_unsafe');
    expect(outcome(await run('local-test'))).toBe('COMMITTED');
  });
});

describe('a height', () => {
  it('is waited for', async () => {
    const world = base.fork();
    const change: Change = { kind: 'parameters', set: { requestTimeoutMs: 6_000 } };
    const at = world.height + 8;
    const decided = await decide(world, change, at);
    expect(valueOf(decided)).toMatchObject({ status: 'scheduled', actsAt: at });
    while (world.height < at) {
      expect(world.parameters.requestTimeoutMs).toBe(4_000);
      await pass(world, 1);
    }
    expect(world.parameters.requestTimeoutMs).toBe(6_000);
    const { proposalId } = valueOf(decided) as { proposalId: string };
    expect(await readerOf(world).get(cells.proposal(proposalId))).toMatchObject({
      ...{ status: 'done', actsAt: at },
    });
  });

  it('that comes after another change finds the proposal stale', async () => {
    const world = base.fork();
    const set = { requestTimeoutMs: 6_000 };
    const late = await decide(world, { kind: 'parameters', set }, world.height + 12);
    valueOf(await decide(world, { kind: 'parameters', set: { requestTimeoutMs: 7_000 } }));
    await pass(world, 12);
    expect(world.parameters.requestTimeoutMs).toBe(7_000);
    const { proposalId } = valueOf(late) as { proposalId: string };
    const kept = await readerOf(world).get(cells.proposal(proposalId));
    expect(kept).toMatchObject({ status: 'failed', code: 'proposal_stale', actsAt: null });
    expect((await readerOf(world).get(cells.governance))?.scheduled).toEqual([]);
  });

  it('is no further than can be seen', async () => {
    const world = base.fork();
    const change: Change = { kind: 'parameters', set: { requestTimeoutMs: 6_000 } };
    const activateAt = world.height + chaincodeBounds.activationAheadMax + 1;
    expect(outcome(await propose(world, change, { activateAt }))).toBe('activation_too_far');
  });

  it('of two changes of validators makes the second wait, not fail', async () => {
    const world = base.fork();
    const at = world.height + 10;
    const other = await generateSigningKey();
    for (const [id, key] of [
      ['hospital-c', kms],
      ['hospital-d', other],
    ] as const) {
      const keys = await bundle(id, key, 1);
      const change: Change = { kind: 'replace-key', keys };
      expect(valueOf(await decide(world, change, at))).toMatchObject({ status: 'scheduled' });
    }
    const incarnations = async () =>
      (await governedOf(world)).validators.map((one) => one.incarnation);
    while (world.height < at - 2) await pass(world, 1);
    expect(await incarnations()).toEqual([0, 0, 0, 0]);
    await pass(world, 1);
    expect(await incarnations()).toEqual([0, 0, 1, 0]);
    await pass(world, 1);
    expect(await incarnations()).toEqual([0, 0, 1, 0]);
    await pass(world, 1);
    expect(await incarnations()).toEqual([0, 0, 1, 1]);
  });
});

describe('the chaincode', () => {
  it('rises by one version, at its height', async () => {
    const world = base.fork();
    const proposal = await propose(world, { kind: 'parameters', set: { requestTimeoutMs: 9_000 } });
    const { proposalId } = valueOf(proposal) as { proposalId: string };
    const withdraw = () => world.submit(world.operator(), 'governance.withdraw', { proposalId });
    expect(outcome(await withdraw())).toBe('unknown_function');
    expect(outcome(await propose(world, { kind: 'chaincode', version: 3 }))).toBe(
      'version_not_next',
    );
    const at = world.height + 6;
    valueOf(await decide(world, { kind: 'chaincode', version: 2 }, at));
    while (world.height < at) expect(outcome(await withdraw())).toBe('unknown_function');
    const other = await world.submit(world.operator(1), 'governance.withdraw', { proposalId });
    expect(outcome(other)).toBe('not_own_proposal');
    expect(valueOf(await withdraw())).toMatchObject({ status: 'withdrawn' });
    expect(outcome(await withdraw())).toBe('proposal_over');
    expect(outcome(await approve(world, proposal, 1))).toBe('proposal_over');
  });

  it('stops where the bundle lacks the version', async () => {
    const world = base.fork();
    world.setParameters({ chaincodeVersion: 2 });
    valueOf(await decide(world, { kind: 'chaincode', version: 3 }));
    await pass(world, 1);
    await expect(pass(world, 1)).rejects.toThrow('chaincode 3');
  });
});

describe('queries', () => {
  it('show proposals and members to everybody', async () => {
    const world = base.fork();
    const anna = await world.patient('anna');
    const change: Change = { kind: 'add', newcomer: await newcomer() };
    const proposal = await propose(world, change);
    const { proposalId } = valueOf(proposal) as { proposalId: string };
    const list = await world.ask(anna, 'governance.list');
    expect(list).toMatchObject({
      count: 1,
      items: [{ proposalId, kind: 'add', about: 'hospital-e', approvals: ['hospital-a'] }],
    });
    const one = await world.ask(anna, 'governance.get', { proposalId });
    expect(one).toMatchObject({ change, counted: ['hospital-a'], quorum: 3, isStale: false });
    const { validators } = (await world.ask(anna, 'network.validators')) as {
      validators: { id: string; kmsKey: string; suspended: boolean; blame: null }[];
    };
    expect(validators.map((each) => each.kmsKey)).toEqual(
      world.network.genesis.document.validators.map((each) => each.kmsKey),
    );
    expect(validators[0]).toMatchObject({ id: 'hospital-a', suspended: false, blame: null });
  });
});

/** A small generator of the same numbers for a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

it.each([1, 2, 3, 4, 5, 6])('whatever is decided, the set can go on (seed %i)', async (seed) => {
  const world = base.fork();
  const pick = numbers(seed);
  const keys: SigningKey[] = await Promise.all(Array.from({ length: 4 }, generateSigningKey));
  const names = ['hospital-a', 'hospital-b', 'hospital-d', 'hospital-e', 'hospital-f'];
  const open: Execution[] = [];
  let done = 0;
  for (let step = 0; step < 60; step += 1) {
    const id = names[pick(names.length)]!;
    const key = keys[pick(keys.length)]!;
    const entry = await readerOf(world).get(cells.directory(id));
    const incarnation = entry ? entry.incarnation + 1 : 0;
    const joiner = {
      ...(await newcomer(id, incarnation)),
      ...(await bundle(id, key, incarnation)),
    };
    joiner.operatorKey = text(keys[pick(keys.length)]!);
    const leaver = names[pick(names.length)]!;
    const changes: Change[] = [
      { kind: 'add', newcomer: joiner },
      { kind: 'remove', validator: id },
      { kind: 'replace', validator: leaver, newcomer: joiner },
      { kind: 'replace-key', keys: await bundle(id, key, incarnation) },
      { kind: 'replace-operator', validator: id, operatorKey: text(operator) },
      { kind: 'parameters', set: { requestTimeoutMs: 4_000 + pick(4) } },
    ];
    const activateAt = world.height + pick(6);
    const set = (await governedOf(world)).validators;
    const by = async (at: number) => (await readerOf(world).get(cells.hospital(set[at]!.id)))!;
    const args = { change: changes[pick(changes.length)]!, activateAt };
    const proposal = await world.submit(
      { kid: (await by(pick(set.length))).operator },
      'governance.propose',
      { ...args, base: await baseFor(world, args.change) },
    );
    if (proposal.status === 'COMMITTED') open.push(proposal);
    const one = open[pick(open.length)];
    const { proposalId } = (one ? valueOf(one) : { proposalId: '0'.repeat(64) }) as {
      proposalId: string;
    };
    for (let at = 0; at < set.length; at += 1) {
      const { operator: kid } = await by(at);
      const given = await world.submit({ kid }, 'governance.approve', { proposalId });
      if (given.status === 'COMMITTED' && valueOf(given)['status'] !== 'open') done += 1;
    }
    await requireSound(world);
  }
  expect(done).toBeGreaterThan(3);
});

/** What consensus needs of every state: read as the replicas read it. */
async function requireSound(world: World): Promise<void> {
  const { validators, sessions } = await governedOf(world);
  const reader = readerOf(world);
  expect(validators.length).toBeGreaterThanOrEqual(4);
  expect(validators.filter((one) => one.suspended).length).toBeLessThanOrEqual(
    faultyMax(validators.length),
  );
  expect(new Set(validators.map((one) => text({ ...kms, publicKey: one.kmsKey }))).size).toBe(
    validators.length,
  );
  expect(sessions.map(({ body }) => [body.validator, body.purpose, body.incarnation])).toEqual(
    validators.flatMap((one) => [
      [one.id, 'vote', one.incarnation],
      [one.id, 'read', one.incarnation],
    ]),
  );
  for (const { id, kmsKey, incarnation } of validators) {
    const entry = await reader.get(cells.directory(id));
    const hospital = await reader.get(cells.hospital(id));
    expect(entry).toMatchObject({ incarnation, removed: null });
    for (const [key, role] of [
      [kmsKey, 'validator'],
      [entry!.operatorKey, 'operator'],
    ] as const) {
      const identity = await reader.get(cells.identity(thumbprint(key)));
      expect(identity).toMatchObject({ role, hospital: id, status: 'active' });
    }
    expect(hospital?.operator).toBe(thumbprint(entry!.operatorKey));
  }
  const active = [...world.state.keys()].filter((name) => name.startsWith('identity/'));
  let seats = 0;
  for (const name of active) {
    const identity = await reader.get(cells.identity(name.slice('identity/'.length)));
    if (identity?.status === 'active' && /^(validator|operator)$/.test(identity.role)) seats += 1;
  }
  expect(seats).toBe(2 * validators.length);
}
