/** Reading ahead: few round trips for a block, and all that its execution then reads. */
import { expect, it } from 'vitest';
import { execute } from '../../lib/chaincode/execute.ts';
import { warmUp } from '../../lib/chaincode/warm-up.ts';
import type { PrefetchingView } from '../../lib/ledger/state-view.ts';
import { grantArgs, id16, recordArgs, text32, World } from './world.ts';

/** A view that serves only what was prefetched, and counts the round trips. */
function counting(world: World) {
  const held = new Set<string>();
  const view: PrefetchingView & { trips: number } = {
    trips: 0,
    async prefetch(keys) {
      view.trips += 1;
      keys.forEach((key) => held.add(key));
    },
    get(key) {
      if (!held.has(key)) throw new Error(`${key} was not prefetched`);
      return world.get(key);
    },
  };
  return view;
}

it('serves a block of a hundred accesses in the round trips of one', async () => {
  const world = await World.make();
  const alice = await world.patient('alice');
  const doctor = await world.registered('doctor');
  const fresh = await world.clinician('nurse');
  await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
  const ids = Array.from({ length: 100 }, (_, index) => id16(`record ${index}`));
  for (const recordId of ids) {
    await world.submit(doctor, 'record.register', recordArgs(alice, { recordId }));
    const stored = { recordId, objectDigest: text32('digest') };
    await world.submit(world.custodian, 'record.stored', stored);
  }
  const { certificate } = fresh;
  const block = [
    ...ids.map((recordId) =>
      world.transaction(doctor, 'access.request', { recordId, purpose: 'TREAT' }),
    ),
    world.transaction(doctor, 'no.such', {}),
    world.transaction(world.operator(), 'identity.register-clinician', { certificate }),
  ];
  const view = counting(world);
  await warmUp(view, block, world.context);
  expect(view.trips).toBeLessThanOrEqual(12);
  for (const transaction of block) await execute(view, transaction, world.context);
  expect(await warmUp(view, [], world.context)).toBeUndefined();
});

it('fails where reading fails', async () => {
  const world = await World.make();
  const block = [world.transaction(world.operator(), 'governance.probe', { label: 'x' })];
  const broken: PrefetchingView = {
    prefetch: () => Promise.reject(new Error('storage is away')),
    get: () => Promise.resolve(undefined),
  };
  await expect(warmUp(broken, block, world.context)).rejects.toThrow('storage is away');
});
