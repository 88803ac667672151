/** Erasure destroys what is stored anywhere; the proof of it stays, and so does the history. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import { fromBase64url, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { handleDigest } from '../../lib/chaincode/emergency.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { createDpop } from '../../lib/records/dpop.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { eraseEverything, eraseRecords, erasureStatus } from '../../sdk/erasure.ts';
import { depositEscrow } from '../../sdk/escrow.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSource } from '../../sdk/platform/node.ts';
import { isAnywhere, openAll } from './opening.ts';
import { makeWorld, type World } from './world.ts';

const HOUR = 3_600_000;
let world: World;
let writer: Clinician;
let reader: Clinician;
let patient: Patient;

beforeEach(async () => {
  world = await makeWorld();
  [writer, reader, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient('Anna Müller', ['laboratory']),
  ]);
  const terms = { categories: ['laboratory'], until: Date.now() + HOUR };
  await grant(patient, { to: { npi: '1000000012' }, rights: ['write'], ...terms });
  await grant(patient, { to: { npi: '1000000020' }, rights: ['read'], ...terms });
  await upload('blood.txt');
  await upload('urine.txt');
  await replicate();
});
afterEach(() => world.close());

async function upload(name: string): Promise<void> {
  const path = join(world.folder, name);
  await writeFile(path, `content of ${name}`);
  const target = { pseudonym: patient.pseudonym, category: 'laboratory', mediaType: 'text/plain' };
  await writer.upload(await fileSource(path, name), target);
}

async function replicate(): Promise<void> {
  for (const one of world.hospitals.values()) await one.replicate();
}

describe('a record that is erased', () => {
  let records: MedicalRecord[];
  let first: MedicalRecord;

  beforeEach(async () => {
    records = await patient.records();
    first = records[0]!;
  });

  it('opens nowhere any more, with all keys of the patient; before, it did', async () => {
    const before = await openAll(world, patient, [first]);
    expect([...new Set(before.documents)].sort()).toEqual(['copies at hospital-b', 'custodian']);
    expect([...new Set(before.keys)].sort()).toEqual(['copies at hospital-b', 'custodian']);
    expect([...new Set(before.metadata)].sort()).toEqual(['copies at hospital-b', 'custodian']);
    const { results, isBrought } = await eraseRecords(patient, [first.id]);
    expect(isBrought).toBe(true);
    expect((await erasureStatus(patient, first.id)).missing).toEqual(['hospital-b']);
    await replicate();
    expect((await erasureStatus(patient, first.id)).missing).toEqual([]);
    expect(await openAll(world, patient, [first])).toEqual({
      keys: [],
      metadata: [],
      documents: [],
    });
    const other = await openAll(world, patient, records.slice(1));
    expect(new Set(other.documents).size).toBe(2);
    const { result } = await verifyReceipt(results[0]!.receipt, world.net.genesis);
    expect(result).toMatchObject({ status: 'COMMITTED', value: { fn: 'record.erase' } });
  });

  it('is refused to everybody by a certified denial, and stays in the history', async () => {
    const before = await patient.history();
    await eraseRecords(patient, [first.id]);
    await replicate();
    await expect(reader.requestAccess(first.id)).rejects.toMatchObject({
      details: { reason: 'record_erased' },
    });
    const after = await patient.history();
    expect(after.slice(0, before.length)).toEqual(before);
    const words = after.slice(before.length).map(({ fn, actor }) => [fn, actor.role]);
    expect(words).toContainEqual(['record.erase', 'patient']);
    expect(words).toContainEqual(['record.erased', 'custodian']);
    expect(words).toContainEqual(['record.erased', 'hospital']);
    expect((await patient.records()).find(({ id }) => id === first.id)?.erased).not.toBeNull();
  });

  it('is not given out for receipts of before, by custodian or copy', async () => {
    const access = await reader.requestAccess(first.id);
    const permit = { key: reader.keystore.signingKey, receipt: access.receipt };
    await eraseRecords(patient, [first.id]);
    await replicate();
    await expect(reader.session.custodian.access(permit)).rejects.toMatchObject({
      details: { problem: { code: 'record_erased' } },
    });
    expect((await ask('hospital-b', permit)).status).toBe(404);
  });

  it('is brought to the custodian by a hospital where the patient’s device could not', async () => {
    const api = world.handlers['http://records.test']!;
    world.handlers['http://records.test'] = () => Promise.reject(new TypeError('refused'));
    const { isBrought } = await eraseRecords(patient, [first.id]);
    expect(isBrought).toBe(false);
    await replicate();
    expect((await erasureStatus(patient, first.id)).missing).toEqual(['records']);
    world.handlers['http://records.test'] = api;
    await replicate();
    expect((await erasureStatus(patient, first.id)).missing).toEqual([]);
    expect((await openAll(world, patient, [first])).documents).toEqual([]);
  });

  it('is brought again and again where the custodian refuses, seen, and keeps no other', async () => {
    const api = world.handlers['http://records.test']!;
    let refusing = true;
    world.handlers['http://records.test'] = async (request) => {
      if (request.url.pathname !== '/v1/erasures') return api(request);
      const { receipt } = request.body as { receipt: string };
      const { result } = await verifyReceipt(fromBase64url(receipt), world.net.genesis);
      const { recordIds } = result.value as { recordIds: string[] };
      if (!refusing || !recordIds.includes(first.id)) return api(request);
      return { status: 403, json: { code: 'receipt_stale_set', title: 'refused' } };
    };
    const second = records[1]!;
    expect((await eraseRecords(patient, [first.id])).isBrought).toBe(false);
    expect((await eraseRecords(patient, [second.id])).isBrought).toBe(true);
    const hospital = world.hospitals.get('hospital-b')!;
    for (const [turn, waits] of [0, 21_000, 65_000, 150_000].entries()) {
      world.skewMs.value = waits;
      const next = await hospital.run();
      expect(next).toBeGreaterThan(0);
      expect(next).toBeLessThanOrEqual(20_000 * 2 ** turn);
    }
    const stuck = hospital.log.filter(({ event }) => event === 'erasure stuck');
    expect(stuck.map(({ code, attempt }) => [code, attempt])).toEqual([
      ['receipt_stale_set', 3],
      ['receipt_stale_set', 4],
    ]);
    expect((await erasureStatus(patient, second.id)).missing).toEqual([]);
    expect((await erasureStatus(patient, first.id)).missing).toEqual(['records']);
    refusing = false;
    world.skewMs.value = 400_000;
    await hospital.run();
    expect((await erasureStatus(patient, first.id)).missing).toEqual([]);
    expect(hospital.store.keys().filter((key) => key.startsWith('erasures'))).toEqual([]);
  });

  it('is certified anew where those who certified it were replaced long ago', async () => {
    const api = world.handlers['http://records.test']!;
    const brought: string[] = [];
    world.handlers['http://records.test'] = async (request) => {
      if (request.url.pathname !== '/v1/erasures') return api(request);
      const { receipt } = request.body as { receipt: string };
      const { result } = await verifyReceipt(fromBase64url(receipt), world.net.genesis);
      const { fn } = result.value as { fn: string };
      brought.push(fn);
      if (fn === 'erasure.renew') return api(request);
      return { status: 403, json: { code: 'receipt_stale_set', title: 'refused' } };
    };
    expect((await eraseRecords(patient, [first.id])).isBrought).toBe(false);
    brought.length = 0;
    const hospital = world.hospitals.get('hospital-b')!;
    await hospital.replicate();
    expect(brought).toEqual(['record.erase', 'erasure.renew']);
    expect((await erasureStatus(patient, first.id)).missing).toEqual([]);
    expect(hospital.log.some(({ event }) => event === 'erasure stuck')).toBe(false);
    expect(hospital.store.keys().filter((key) => key.startsWith('erasures'))).toEqual([]);
  });

  it('is not dropped while the custodian says that it is still at work', async () => {
    const api = world.handlers['http://records.test']!;
    world.handlers['http://records.test'] = async (request) =>
      request.url.pathname === '/v1/erasures'
        ? { status: 200, json: { status: 'working' } }
        : api(request);
    expect((await eraseRecords(patient, [first.id])).isBrought).toBe(false);
    await replicate();
    expect((await erasureStatus(patient, first.id)).missing).toEqual(['records']);
    world.handlers['http://records.test'] = api;
    world.skewMs.value = 30_000;
    await replicate();
    expect((await erasureStatus(patient, first.id)).missing).toEqual([]);
  });

  it('does not come back from a hospital that offers it', async () => {
    const hospital = world.hospitals.get('hospital-b')!;
    const items = new Map<string, unknown>();
    for (const key of hospital.store.keys()) {
      const [pk = '', sk = ''] = key.split(' ');
      items.set(key, (await hospital.store.get({ pk, sk }))?.value);
    }
    const objects = new Map(hospital.objects);
    await eraseRecords(patient, [first.id]);
    // A hospital that restores an old state of its account.
    for (const [key, value] of items) {
      const [pk = '', sk = ''] = key.split(' ');
      if (pk !== 'service') await hospital.store.stage([{ key: { pk, sk }, value }]);
    }
    for (const [path, bytes] of objects) hospital.objects.set(path, bytes);
    world.objects.clear();
    await hospital.replicate();
    expect((await openAll(world, patient, [first])).documents).toEqual([]);
  });

  it('is not erased by anybody but the patient', async () => {
    const stranger = await world.patient('Bert Stone', ['laboratory']);
    await expect(eraseRecords(stranger, [first.id])).rejects.toMatchObject({
      details: { reason: 'unknown_record' },
    });
    const access = await reader.requestAccess(first.id);
    const key = await generateSigningKey();
    const permit = { key, receipt: access.receipt };
    await expect(patient.session.custodian.erase(permit)).rejects.toMatchObject({
      details: { problem: { code: 'receipt_wrong_kind' } },
    });
    expect(new Set((await openAll(world, patient, [first])).documents).size).toBe(2);
  });
});

describe('a patient who has everything erased', () => {
  it('leaves nothing that opens, no share, no key; and a history that reads', async () => {
    const records = await patient.records();
    expect(new Set((await openAll(world, patient, records)).documents).size).toBe(2);
    const { results } = await eraseEverything(patient);
    await replicate();
    expect((await erasureStatus(patient)).missing).toEqual([]);
    expect(await openAll(world, patient, records)).toEqual({
      keys: [],
      metadata: [],
      documents: [],
    });
    expect(world.objects.size).toBe(0);
    const left = world.wraps
      .keys()
      .filter((key) => /^(list|opened|keys|granted|shares)#/.test(key));
    expect(left).toEqual([]);
    const copies = world.hospitals.get('hospital-b')!.store.keys();
    expect(copies.filter((key) => !key.startsWith('service'))).toEqual([]);
    expect(isAnywhere(world, 'content of')).toBe(false);
    const history = await patient.history();
    expect(history.map(({ fn }) => fn)).toContain('patient.erased');
    await expect(verifyReceipt(results[0]!.receipt, world.net.genesis)).resolves.toBeDefined();
    await expect(upload('late.txt')).rejects.toMatchObject({ code: expect.any(String) as string });
  });

  it('leaves no share in escrow at any validator', async () => {
    const { session, signer, ownerKey: key } = patient;
    await depositEscrow(
      { session, signer, key },
      {
        ...{ kind: 'emergency', fn: 'emergency.deposit' },
        args: { handle: handleDigest(randomId()) },
        ...{ secret: randomBytes(32), payload: utf8('what emergencies would read') },
      },
    );
    const holding = () =>
      [...world.escrows.values()].filter((one) => one.dump().includes('emergencies would read'));
    expect(holding()).toHaveLength(4);
    await eraseEverything(patient);
    await replicate();
    expect(holding()).toHaveLength(0);
  });

  it('is not stored again by a receipt of before', async () => {
    const path = join(world.folder, 'half.txt');
    await writeFile(path, 'half');
    const api = world.handlers['http://records.test']!;
    let opening: unknown = null;
    world.handlers['http://records.test'] = (request) => {
      if (request.url.pathname !== '/v1/uploads') return api(request);
      opening = request.body;
      return Promise.reject(new TypeError('refused'));
    };
    await expect(upload('half.txt')).rejects.toMatchObject({ code: 'unreachable' });
    world.handlers['http://records.test'] = api;
    await eraseEverything(patient);
    const { receipt } = opening as { receipt: string };
    const url = 'http://records.test/v1/uploads';
    const proven = { method: 'POST', url, receipt: fromBase64url(receipt) } as const;
    const dpop = await createDpop(proven, writer.keystore.signingKey, Date.now());
    const answer = await world.transport(url, {
      method: 'POST',
      body: JSON.stringify(opening),
      headers: { dpop, 'content-type': 'application/json' },
    });
    expect(await answer.json()).toMatchObject({ code: 'patient_erased' });
  });
});

async function ask(
  hospital: string,
  { key, receipt }: { key: Clinician['keystore']['signingKey']; receipt: Uint8Array },
): Promise<Response> {
  const url = `http://${hospital}.test/v1/copies/access`;
  const dpop = await createDpop({ method: 'POST', url, receipt }, key, Date.now());
  return world.transport(url, {
    method: 'POST',
    body: JSON.stringify({ receipt: toBase64url(receipt) }),
    headers: { dpop, 'content-type': 'application/json' },
  });
}
