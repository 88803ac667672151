/** The same state, transaction and context give the same bytes, whatever was done before. */
import { expect, it } from 'vitest';
import { execute, readHints } from '../../lib/chaincode/execute.ts';
import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { RecordingView } from '../../lib/ledger/state-view.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { limits } from '../../lib/limits.ts';
import { parametersHash } from '../../lib/wire/parameters.ts';
import type { Transaction } from '../../lib/wire/transaction.ts';
import { seatTexts } from './seats.ts';
import { grantArgs, id16, recordArgs, text32, World } from './world.ts';

/** A day of the network: every family, commits and refusals. */
async function script(world: World): Promise<Transaction[]> {
  const alice = await world.patient('alice');
  const doctor = await world.registered('doctor');
  const fresh = await world.clinician('nurse');
  const recordId = id16('record');
  const permissionId = id16('permission');
  const objectDigest = text32('digest');
  const { pseudonym } = alice;
  const revisions = [
    { categoryTag: text32('tag laboratory'), from: '2025-11', until: '2026-11', revision: 1 },
  ];
  const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: '2025-11' };
  const operator = world.operator();
  const { id, kms } = world.network.validators[3]!;
  const keys = await seatTexts(id, kms, 1);
  const proposal = world.transaction(operator, 'governance.propose', {
    change: { kind: 'parameters', set: { requestTimeoutMs: 5_000 } },
    base: toBase64url(parametersHash(world.parameters)),
  });
  const approval = { proposalId: proposal.id };
  return [
    world.transaction(operator, 'identity.register-clinician', { certificate: fresh.certificate }),
    world.transaction(doctor, 'access.list', { pseudonym, purpose: 'TREAT' }),
    world.transaction(alice, 'permission.grant', grantArgs(world, doctor, { permissionId })),
    world.transaction(doctor, 'record.register', recordArgs(alice, { recordId })),
    world.transaction(doctor, 'access.request', { recordId, purpose: 'TREAT' }),
    world.transaction(world.custodian, 'record.stored', { recordId, objectDigest }),
    world.transaction(doctor, 'access.request', { recordId, purpose: 'TREAT' }),
    world.transaction(alice, 'record.countersign', { recordId, objectDigest }),
    world.transaction(alice, 'permission.revoke', { permissionId, revisions, ...root }),
    world.transaction(doctor, 'access.request', { recordId, purpose: 'TREAT' }),
    world.transaction(doctor, 'record.register', recordArgs(alice)),
    world.transaction(operator, 'governance.probe', { label: 'x' }),
    world.transaction(world.validator(3), 'validator.rejoin', {
      ...{ validator: id, incarnation: 1 },
      ...keys,
    }),
    world.transaction(doctor, 'validator.accuse', { evidence: 'AA' }),
    proposal,
    world.transaction(world.operator(1), 'governance.approve', approval),
    world.transaction(world.operator(2), 'governance.approve', approval),
    world.transaction(world.operator(3), 'governance.approve', approval),
    world.transaction(operator, 'identity.revoke', { kid: doctor.kid, reason: 'other' }),
  ];
}

it('gives the same bytes in the order of keys, and touches neither state nor input', async () => {
  const world = await World.make();
  const transactions = await script(world);
  const twin = world.fork();
  const shuffled = new Map([...twin.state].reverse());
  twin.state.clear();
  for (const [key, value] of shuffled) twin.state.set(key, value);
  for (const transaction of transactions) {
    const before = encodeCbor(Object.fromEntries(world.state));
    const args = JSON.stringify(transaction.args);
    const first = await execute(world, transaction, world.context);
    expect(encodeCbor(Object.fromEntries(world.state))).toEqual(before);
    expect(JSON.stringify(transaction.args)).toBe(args);
    const second = await twin.run(transaction);
    expect(encodeCbor(second)).toEqual(encodeCbor(first));
    if (first.status === 'COMMITTED') {
      const written = first.writes.map((write) => write.key);
      expect(written).toEqual([...new Set(written)].sort());
    }
    await world.run(transaction);
  }
});

it('keeps keys and values within the ledger’s bounds, and reads little', async () => {
  const world = await World.make();
  for (const transaction of await script(world)) {
    const view = new RecordingView(world);
    const execution = await execute(view, transaction, world.context);
    expect(view.keys().length).toBeLessThanOrEqual(20);
    if (execution.status === 'COMMITTED') {
      expect(execution.writes.length).toBeLessThanOrEqual(16);
      for (const { key, value } of execution.writes) {
        expect(key.length).toBeLessThanOrEqual(limits.stateKeyBytesMax);
        expect(value?.length ?? 0).toBeLessThanOrEqual(limits.stateValueBytesMax);
      }
    }
    await world.run(transaction);
  }
});

it('hints at keys that are then read', async () => {
  const world = await World.make();
  for (const transaction of await script(world)) {
    const view = new RecordingView(world);
    await execute(view, transaction, world.context);
    const read = new Set(view.keys());
    const hints = readHints(transaction);
    expect(new Set(hints).size).toBe(hints.length);
    expect(hints.some((key) => read.has(key))).toBe(true);
    await world.run(transaction);
  }
  const foreign = world.transaction(world.operator(), 'no.such', {});
  expect(readHints(foreign)).toContain('seen/cursor');
});

it('stops at a version that this code is not', async () => {
  const world = await World.make();
  const { context } = world;
  const parameters = { ...context.parameters, chaincodeVersion: 3 };
  const probe = world.transaction(world.operator(), 'governance.probe', { label: 'x' });
  await expect(execute(world, probe, { ...context, parameters })).rejects.toThrow('chaincode 3');
});

it('makes the first state from the genesis document alone', async () => {
  const { network } = await World.make();
  const writes = genesisWrites(network.genesis);
  const written = writes.map((write) => write.key);
  expect(written).toEqual([...new Set(written)].sort());
  expect(writes).toEqual(genesisWrites(network.genesis));
  expect(written.filter((key) => key.startsWith('identity/'))).toHaveLength(10);
  const { document } = network.genesis;
  const [first, ...others] = document.validators;
  const shared = others.map((one) => ({ ...one, operatorKey: first!.operatorKey }));
  const twins = { ...network.genesis, document: { ...document, validators: [first!, ...shared] } };
  expect(() => genesisWrites(twins)).toThrow('share');
});
