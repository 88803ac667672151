/** Membership restored to an older point: who was revoked since stays out, and nobody else loses keys. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ItemStore } from '../../functions/aws/item-store.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { MemoryItemStore } from '../membership/memory-item-store.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

type Items = { readonly key: { pk: string; sk: string }; readonly value: unknown }[];

/** What a point-in-time recovery brings back. */
async function itemsOf(store: MemoryItemStore): Promise<Items> {
  const keys = store.keys().map((name) => {
    const end = name.indexOf(' ');
    return { pk: name.slice(0, end), sk: name.slice(end + 1) };
  });
  return Promise.all(keys.map(async (key) => ({ key, value: (await store.get(key))?.value })));
}

async function restore(store: MemoryItemStore, items: Items): Promise<void> {
  const now = (await itemsOf(store)).map(({ key }) => key);
  await store.remove(now);
  await (store as ItemStore).stage(items);
}

describe('an enrolment table of before', () => {
  it('brings nobody back, and ends nobody', async () => {
    const store = world.membership.store as MemoryItemStore;
    const revoked = await world.doctor('Ada Okonjo', 0, '1000000012');
    const patient = await world.patient('Anna Muster', ['laboratory']);
    const point = await itemsOf(store);
    const later = await world.doctor('Ben Adler', 1, '1000000020');
    await world.operator(0).revoke(revoked.keystore.kid, 'left-hospital');
    await restore(store, point);

    // Who was revoked after that point: the ledger knows, whatever membership has forgotten.
    const refusal = await revoked.inbox().catch((error: unknown) => error);
    expect(reasonOf(refusal)).toBe('identity_revoked');
    // Who was approved after it: the ledger knows.
    await expect(later.inbox()).resolves.toBeDefined();
    // Who was enrolled before it signs on, with one-time certificates of the restored table.
    const sealed = await patient.session.membership.oneTimeCertificates(
      patient.data.enrolment?.enrolmentId ?? '',
      patient.keystore.signingKey,
      { weeks: [0, 0], isUrgent: true },
    );
    expect(sealed).toHaveLength(2);
    await expect(patient.history()).resolves.toHaveLength(1);
  });
});
