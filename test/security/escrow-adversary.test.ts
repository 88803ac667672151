/** Given all that validators store and their keys: n − f − 1 learn nothing, n − f read the summary. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { combineShares, type GivenShare, isShareOf, openShare } from '../../lib/escrow/shares.ts';
import { declareByCard, prepareEmergency, readSummary } from '../../sdk/emergency.ts';
import { type EmergencySummary, openSummary, sealSummary } from '../../sdk/emergency-summary.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { ShareHolder } from '../support/network.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
let patient: Patient;
let escrowId: string;
const summary: EmergencySummary = {
  format: 'carequorum-emergency-1',
  person: { name: 'Anna Muster', birthDate: null },
  madeAt: 1_764_000_000_000,
  allergies: {
    state: 'recorded',
    entries: [{ text: 'Penicillin', source: { by: 'patient', time: 1_764_000_000_000 } }],
  },
  medicines: { state: 'not-asked' },
  conditions: { state: 'not-asked' },
};

interface Loot extends GivenShare {
  readonly payload: Uint8Array;
}

beforeAll(async () => {
  world = await makeWorld();
  patient = await world.patient('Anna Muster', ['laboratory']);
  const { result } = await prepareEmergency(patient, summary);
  ({ escrowId } = result.value as { escrowId: string });
});
afterAll(() => world.close());

/** Everything that a validator has of the escrow, opened with the key that it alone has. */
async function lootOf({ id, share }: ShareHolder): Promise<Loot> {
  const item = await world.escrows.get(id)!.get({ pk: `escrow#${escrowId}`, sk: 'held' });
  const { commitment, kept } = item!.value as {
    commitment: string;
    kept: { enc: Uint8Array; ciphertext: Uint8Array; payload: Uint8Array };
  };
  const place = { network: 'local-test', escrowId, generation: 1, validator: id };
  return {
    place,
    commitment,
    share: await openShare(share.seed, place, kept),
    payload: kept.payload,
  };
}

function subsets<T>(all: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return all.flatMap((one, at) =>
    subsets(all.slice(at + 1), size - 1).map((rest) => [one, ...rest]),
  );
}

const place = () => ({ network: 'local-test', pseudonym: patient.pseudonym });

describe('validators that put together what they have', () => {
  it('open nothing, whichever n − f − 1 they are, also where they guess the threshold', async () => {
    const all = await Promise.all(world.net.validators.map(lootOf));
    const few = subsets(all, 2);
    expect(few).toHaveLength(6);
    for (const two of few) {
      await expect(combineShares(two, 3)).rejects.toMatchObject({ code: 'too_few_shares' });
      const guess = await combineShares(two, 2);
      await expect(openSummary(two[0]!.payload, guess, place())).rejects.toMatchObject({
        code: 'not_readable',
      });
      // A share of their own making is not what the ledger commits to.
      const missing = all.find((one) => !two.includes(one))!;
      const made = { ...missing, share: crypto.getRandomValues(new Uint8Array(33)) };
      expect(isShareOf(made.place, made.commitment, made.share)).toBe(false);
    }
    for (const { share } of world.net.validators) {
      await expect(openSummary(all[0]!.payload, share.seed, place())).rejects.toMatchObject({
        code: 'not_readable',
      });
    }
  });

  it('read the summary, whichever n − f they are, and nobody is told: the threat model says so', async () => {
    const all = await Promise.all(world.net.validators.map(lootOf));
    const before = (await patient.inbox()).length;
    for (const three of subsets(all, 3)) {
      const secret = await combineShares(three, 3);
      expect(await openSummary(three[0]!.payload, secret, place())).toEqual(summary);
    }
    expect((await patient.inbox()).length).toBe(before);
  });

  it('cannot pass off another summary as the patient’s: the ledger has the digest', async () => {
    const all = await Promise.all(world.net.validators.map(lootOf));
    const secret = await combineShares(all, 3);
    const forged = { ...summary, allergies: { state: 'not-asked' } as const };
    const payload = await sealSummary(forged, secret, place());
    const store = world.escrows.get('hospital-b')!;
    const key = { pk: `escrow#${escrowId}`, sk: 'held' };
    const item = (await store.get(key))!;
    const value = item.value as { kept: object };
    await store.replace(key, item.version, { ...value, kept: { ...value.kept, payload } });
    const doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
    const { handle } = patient.data.emergency!;
    const origins = ['http://hospital-a.test'];
    const kept = world.handlers[origins[0]!]!;
    world.handlers[origins[0]!] = () => Promise.reject(new TypeError('fetch failed'));
    const read = await readSummary(
      doctor,
      await declareByCard(doctor, { handle, reason: 'other' }),
    );
    world.handlers[origins[0]!] = kept;
    expect(read.summary).toEqual(summary);
    expect(read.liars).toEqual(['hospital-b']);
  });
});
