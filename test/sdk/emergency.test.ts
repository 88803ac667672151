/** What a patient's next login repairs: hospitals that were away, new keys, deposits that broke off. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import {
  declareByCard,
  listDeclarations,
  maintainEmergency,
  prepareEmergency,
  readSummary,
  withdrawEmergency,
} from '../../sdk/emergency.ts';
import type { EmergencySummary } from '../../sdk/emergency-summary.ts';
import { escrowStanding } from '../../sdk/escrow.ts';
import { approveProposal, propose } from '../../sdk/governance.ts';
import { eraseEverything } from '../../sdk/erasure.ts';
import { Patient } from '../../sdk/patient.ts';
import { rotate } from '../../sdk/rotation.ts';
import { keySigner } from '../../sdk/signing.ts';
import type { ShareHolder } from '../support/network.ts';
import { type FakeHandler, problem } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let doctor: Clinician;
let patient: Patient;
const summary: EmergencySummary = {
  format: 'carequorum-emergency-1',
  person: { name: 'Anna Muster', birthDate: null },
  madeAt: 1_764_000_000_000,
  allergies: { state: 'not-asked' },
  medicines: { state: 'none-known', source: { by: 'patient', time: 1_764_000_000_000 } },
  conditions: { state: 'not-asked' },
};
const DAY = 86_400_000;
const down: FakeHandler = () => Promise.reject(new TypeError('fetch failed'));

beforeAll(async () => {
  world = await makeWorld();
  doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
});
afterAll(() => world.close());

let count = 0;
beforeEach(async () => {
  count += 1;
  patient = await world.patient(`Patient ${count}`, ['laboratory']);
});

/** As if the program were started anew. */
const login = (): Promise<Patient> => Patient.open(world.session(), patient.keystore);
const read = async (): Promise<EmergencySummary> => {
  const { handle } = (await login()).data.emergency!;
  const declared = await declareByCard(doctor, { handle, reason: 'poisoning' });
  return (await readSummary(doctor, declared)).summary;
};
async function whileDown<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
  const origins = ids.map((id) => `http://${id}.test`);
  const kept = origins.map((origin) => world.handlers[origin]!);
  for (const origin of origins) world.handlers[origin] = down;
  try {
    return await work();
  } finally {
    origins.forEach((origin, at) => (world.handlers[origin] = kept[at]!));
  }
}

describe('emergency access', () => {
  it('is quiet where nothing is due', async () => {
    expect(await maintainEmergency(patient)).toBe('none');
    const { missing, isNewCard } = await prepareEmergency(patient, summary);
    expect([missing, isNewCard]).toEqual([[], true]);
    expect(await maintainEmergency(await login())).toBe('fine');
    expect(await read()).toEqual(summary);
    const { length } = await listDeclarations(doctor.session, doctor.signer);
    expect(length).toBe(1);
  });

  it('hands a hospital that was away its share at the next login', async () => {
    const { missing } = await whileDown(['hospital-d'], () => prepareEmergency(patient, summary));
    expect(missing).toEqual(['hospital-d']);
    expect(await whileDown(['hospital-d'], async () => maintainEmergency(await login()))).toBe(
      'fine',
    );
    expect(await maintainEmergency(await login())).toBe('repaired');
    expect(await maintainEmergency(await login())).toBe('fine');
    expect(await whileDown(['hospital-a'], read)).toEqual(summary);
  });

  it('deposits anew where a hospital that was away takes the receipt of before no more', async () => {
    await whileDown(['hospital-d'], () => prepareEmergency(patient, summary));
    const origin = 'http://hospital-d.test';
    const api = world.handlers[origin]!;
    const { height } = world.ledger;
    world.handlers[origin] = async (request) => {
      const { receipt } = (request.body ?? {}) as { receipt?: string };
      const bytes = receipt === undefined ? null : fromBase64url(receipt);
      const isOld = bytes && (await verifyReceipt(bytes, world.net.genesis)).height <= height;
      return isOld ? problem(403, 'receipt_stale_set') : api(request);
    };
    expect(await maintainEmergency(await login())).toBe('renewed');
    world.handlers[origin] = api;
    expect(await maintainEmergency(await login())).toBe('fine');
    expect(await whileDown(['hospital-a'], read)).toEqual(summary);
  });

  it('keeps its card when the summary changes, and opens only the new one', async () => {
    const first = await prepareEmergency(patient, summary);
    const changed = { ...summary, madeAt: summary.madeAt + 1 };
    const second = await prepareEmergency(await login(), changed);
    expect([second.handle, second.isNewCard]).toEqual([first.handle, false]);
    expect(await read()).toEqual(changed);
  });

  it('takes up a deposit that broke off between ledger and hospitals', async () => {
    const paths = (path: string): boolean => path.startsWith('/v1/escrow/');
    const origins = world.net.validators.map(({ id }) => `http://${id}.test`);
    const kept = origins.map((origin) => world.handlers[origin]!);
    origins.forEach((origin, at) => {
      world.handlers[origin] = (request) =>
        paths(request.url.pathname) ? down(request) : kept[at]!(request);
    });
    await expect(prepareEmergency(patient, summary)).rejects.toMatchObject({ code: 'unreachable' });
    origins.forEach((origin, at) => (world.handlers[origin] = kept[at]!));
    expect(await maintainEmergency(await login())).toBe('repaired');
    expect(await read()).toEqual(summary);
  });

  it('deposits anew where the keystore lost track of what the ledger has', async () => {
    const before = await prepareEmergency(patient, summary);
    const data = patient.data.emergency!;
    await prepareEmergency(patient, summary);
    // A keystore that was restored from a backup, a while later.
    await patient.keepEmergency(data);
    world.skewMs.value += DAY;
    expect(await maintainEmergency(await login())).toBe('renewed');
    expect((await login()).data.emergency).toMatchObject({ handle: before.handle, generation: 3 });
    expect(await read()).toEqual(summary);
  });

  it('deposits anew once a hospital has another share key, and that hospital can open again', async () => {
    await prepareEmergency(patient, summary);
    await rejoin('hospital-d');
    expect(await maintainEmergency(await login())).toBe('fine');
    world.skewMs.value += DAY;
    expect(await maintainEmergency(await login())).toBe('renewed');
    expect((await login()).data.emergency).toMatchObject({ generation: 2, delivery: null });
    expect(await whileDown(['hospital-a'], read)).toEqual(summary);
  });

  it('leaves nothing in escrow by a rotation, and makes a new card for the new pseudonym', async () => {
    const before = await prepareEmergency(patient, summary);
    const kept = () => keptOf(before);
    for (const one of await kept()) expect(one).not.toMatchObject({ kept: null });
    await rotate(patient);
    for (const one of await kept()) expect(one).toMatchObject({ kept: null, generation: 2 });
    await expect(
      declareByCard(doctor, { handle: before.handle, reason: 'other' }),
    ).rejects.toMatchObject({ details: { reason: 'unknown_escrow' } });
    expect(await maintainEmergency(await login())).toBe('new-card');
    expect((await login()).data.emergency?.handle).not.toBe(before.handle);
    expect(await read()).toEqual(summary);
  });

  it('leaves nothing at any hospital when the patient has everything erased', async () => {
    const before = await prepareEmergency(patient, summary);
    await eraseEverything(patient);
    for (const one of await keptOf(before)) expect(one).toMatchObject({ kept: null });
    expect(patient.data.emergency).toBeUndefined();
    const asked = declareByCard(doctor, { handle: before.handle, reason: 'other' });
    await expect(asked).rejects.toMatchObject({ details: { reason: 'unknown_escrow' } });
  });

  it('ends for a keystore too, when it was ended from another device', async () => {
    await prepareEmergency(patient, summary);
    const other = await login();
    const data = other.data.emergency!;
    expect((await withdrawEmergency(patient)).left).toEqual([]);
    await other.keepEmergency({ ...data, checkedAt: 0 });
    expect(await maintainEmergency(other)).toBe('withdrawn');
    expect(other.data.emergency).toBeUndefined();
  });

  it('is split anew among those who take part after a hospital was replaced', async () => {
    await prepareEmergency(patient, summary);
    await replace('hospital-d', 'hospital-e');
    world.skewMs.value += DAY;
    expect(await maintainEmergency(await login())).toBe('renewed');
    const { escrow } = await escrowStanding(await login(), 'emergency');
    expect(escrow?.shares.map(({ validator }) => validator).join()).toBe(
      'hospital-a,hospital-b,hospital-c,hospital-e',
    );
    expect((await login()).data.emergency).toMatchObject({ generation: 2, delivery: null });
    // The one that left is not needed, and the one that joined is.
    expect(await whileDown(['hospital-a', 'hospital-d'], read)).toEqual(summary);
  });
});

/** What each hospital has of a deposit. */
async function keptOf({ result }: { result: { value: unknown } }): Promise<unknown[]> {
  const { escrowId } = result.value as { escrowId: string };
  const stores = [...world.escrows.values()];
  const items = await Promise.all(
    stores.map((store) => store.get({ pk: `escrow#${escrowId}`, sk: 'held' })),
  );
  return items.map((item) => item?.value);
}

/** Another hospital takes a seat, by a quorum of operators; two heights on it acts. */
async function replace(validator: string, id: string): Promise<void> {
  const [operator, kms, vote, readKey, share] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    xWingKeyPair(),
  ]);
  const one = { id, operator, kms, vote, read: readKey, share };
  world.ledger.join(one);
  world.openHospital(one);
  const newcomer = {
    ...{ validator: id, name: id, apiUrl: `http://${id}.test` },
    kmsKey: toBase64url(kms.publicKey),
    operatorKey: toBase64url(operator.publicKey),
    session: { certificate: await certificateOf(one, 'vote', 0) },
    read: { certificate: await certificateOf(one, 'read', 0) },
    shareKey: toBase64url(share.publicKey),
  };
  const by = world.net.validators.map((each) => ({
    session: world.session(),
    signer: keySigner(each.operator),
  }));
  const { proposalId, quorum } = await propose(by[0]!, { kind: 'replace', validator, newcomer });
  for (const each of by.slice(1, quorum)) await approveProposal(each, proposalId);
  for (const label of ['one', 'two']) {
    const call = { fn: 'governance.probe', args: { label } };
    await world.session().client.submit(call, by[0]!.signer);
  }
}

async function certificateOf(
  one: ShareHolder,
  purpose: 'vote' | 'read',
  incarnation: number,
): Promise<string> {
  const range = { incarnation, fromHeight: 0, untilHeight: 2 ** 40 };
  const key = one[purpose].publicKey;
  const body = { network: 'local-test', validator: one.id, purpose, key, ...range };
  const signature = await one.kms.sign(sessionSigningBytes(body));
  return toBase64url(encodeCbor({ body, signature }));
}

/** A hospital that lost its share key comes back with another. */
async function rejoin(id: string): Promise<void> {
  const one = world.net.validators.find((each) => each.id === id)!;
  const [vote, readKey, share] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    xWingKeyPair(),
  ]);
  const next = { ...one, vote, read: readKey, share };
  const args = {
    ...{ validator: id, incarnation: 1, shareKey: toBase64url(share.publicKey) },
    session: await certificateOf(next, 'vote', 1),
    read: await certificateOf(next, 'read', 1),
  };
  const { client } = world.session('hospital-a');
  await client.submit({ fn: 'validator.rejoin', args }, keySigner(one.kms));
  Object.assign(one, next);
}
