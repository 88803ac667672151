/** Hospitals, custodians and readers who try more with copies than they may. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { createDpop } from '../../lib/records/dpop.ts';
import { say } from '../../functions/validator/replicator/say.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { listCopies } from '../../sdk/copies.ts';
import { grant, revoke } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import type { HospitalWorld } from '../sdk/hospital-world.ts';
import { makeWorld, type World } from '../sdk/world.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

let world: World;
let writer: Clinician;
let reader: Clinician;
let patient: Patient;
let own: HospitalWorld;
let other: HospitalWorld;
let permissionId: string;

beforeEach(async () => {
  world = await makeWorld();
  [writer, reader, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient('Anna Müller', ['laboratory', 'radiation-dose']),
  ]);
  own = world.hospitals.get('hospital-b')!;
  other = world.hospitals.get('hospital-c')!;
  const until = Date.now() + 24 * HOUR;
  const both = ['laboratory', 'radiation-dose'];
  await grant(patient, { to: { npi: '1000000012' }, rights: ['write'], categories: both, until });
  const read = { rights: ['read'], categories: ['laboratory'], until } as const;
  ({ permissionId } = await grant(patient, { to: { npi: '1000000020' }, ...read }));
});
afterEach(() => world.close());

async function upload(name: string, category = 'laboratory'): Promise<string> {
  const path = join(world.folder, name);
  await writeFile(path, `content of ${name}`);
  const target = { pseudonym: patient.pseudonym, category, mediaType: 'text/plain' };
  return (await writer.upload(await fileSource(path, name), target)).recordId;
}

interface Asked {
  key: SigningKey;
  receipt: Uint8Array;
  body?: object;
  /** The proof is for this address instead, or is this one. */
  provenUrl?: string;
  dpop?: string;
}

async function post(url: string, asked: Asked): Promise<{ status: number; code: string }> {
  const { key, receipt, body = {}, provenUrl = url } = asked;
  const now = Date.now() + world.skewMs.value;
  const dpop =
    asked.dpop ?? (await createDpop({ method: 'POST', url: provenUrl, receipt }, key, now));
  const answer = await world.transport(url, {
    method: 'POST',
    body: JSON.stringify({ receipt: toBase64url(receipt), ...body }),
    headers: { dpop, 'content-type': 'application/json' },
  });
  const { code = '' } = (await answer.json()) as { code?: string };
  return { status: answer.status, code };
}

const request = (hospital: HospitalWorld, permissionIds: string[]) =>
  say(hospital.context, {
    fn: 'copy.request',
    args: { pseudonym: patient.pseudonym, permissionIds },
  });

const COPIES = 'http://records.test/v1/copies';

describe('a hospital at the custodian', () => {
  it('gets nothing without a permission of its own, and the patient sees that it tried', async () => {
    const recordId = await upload('blood.txt');
    const { receipt } = await request(other, [permissionId]);
    for (const [path, body] of [
      ['records', {}],
      ['object', { recordId }],
      ['shares', { permissionIds: [permissionId] }],
    ] as const) {
      const said = await post(`${COPIES}/${path}`, { key: other.context.key, receipt, body });
      expect(said.code).toBe('receipt_denied');
    }
    const tried = (await patient.history()).filter(({ fn }) => fn === 'copy.request');
    expect(tried).toMatchObject([{ decision: 'deny', actor: { hospital: 'hospital-c' } }]);
  });

  it('cannot use the permit of another hospital, nor its own for other things', async () => {
    const [blood, dose] = [await upload('blood.txt'), await upload('dose.txt', 'radiation-dose')];
    const { receipt } = await request(own, [permissionId]);
    const stolen = await post(`${COPIES}/records`, { key: other.context.key, receipt });
    expect(stolen.code).toBe('proof_wrong_key');
    const { key } = own.context;
    const object = (recordId: string) =>
      post(`${COPIES}/object`, { key, receipt, body: { recordId } });
    expect((await object(blood)).status).toBe(200);
    expect((await object(dose)).code).toBe('unknown_record');
    const share = { permissionIds: ['AAAAAAAAAAAAAAAAAAAAAA'] };
    const unnamed = await post(`${COPIES}/shares`, { key, receipt, body: share });
    expect(unnamed.code).toBe('share_mismatch');
    const asReader = await post('http://records.test/v1/access', { key, receipt });
    expect(asReader.code).toBe('receipt_wrong_kind');
    world.skewMs.value += 6 * MINUTE;
    expect((await object(blood)).code).toBe('receipt_expired');
  });

  it('cannot give back other bytes than the ledger names, or what is not lost', async () => {
    const recordId = await upload('blood.txt');
    await own.replicate();
    const record = (await patient.records()).find(({ id }) => id === recordId)!;
    const { key } = own.context;
    const { receipt } = await say(own.context, {
      fn: 'copy.held',
      args: {
        pseudonym: patient.pseudonym,
        records: [{ recordId, objectDigest: record.objectDigest }],
      },
    });
    const sealed = { enc: 'A'.repeat(1_494), ciphertext: 'AAAA' };
    const offer = {
      ...{ recordId, wrap: sealed, sealedMetadata: sealed, isReported: false },
      checksums: ['A'.repeat(43)],
    };
    const restore = (body: object) =>
      post('http://records.test/v1/restores', { key, receipt, body });
    expect((await restore(offer)).status).toBe(200);
    world.objects.clear();
    expect((await restore(offer)).code).toBe('wrap_mismatch');
    const stranger = { key: other.context.key, receipt, body: offer };
    expect((await post('http://records.test/v1/restores', stranger)).code).toBe('proof_wrong_key');
  });

  it('keeps nothing of bytes that are not those of the ledger', async () => {
    await upload('blood.txt');
    const [path = ''] = world.objects.keys();
    const right = world.objects.get(path)!;
    world.objects.set(
      path,
      right.map((byte) => byte ^ 1),
    );
    await own.replicate();
    expect((await listCopies(patient)).records[0]?.copies).toEqual([]);
    expect(own.objects.size).toBe(0);
    world.objects.set(path, right);
    world.skewMs.value += MINUTE;
    await own.replicate();
    expect((await listCopies(patient)).records[0]?.copies).toHaveLength(1);
  });
});

describe('a reader at a copy', () => {
  const url = 'http://hospital-b.test/v1/copies/access';
  let receipt: Uint8Array;
  let key: SigningKey;

  beforeEach(async () => {
    const recordId = await upload('blood.txt');
    await own.replicate();
    ({ receipt } = await reader.requestAccess(recordId));
    key = reader.keystore.signingKey;
  });

  it('is given what the receipt names, once for each proof', async () => {
    const dpop = await createDpop({ method: 'POST', url, receipt }, key, Date.now());
    expect((await post(url, { key, receipt, dpop })).status).toBe(200);
    expect((await post(url, { key, receipt, dpop })).code).toBe('proof_replayed');
  });

  it('cannot use a proof that was made for the custodian, or somebody else’s receipt', async () => {
    const provenUrl = 'http://records.test/v1/access';
    expect((await post(url, { key, receipt, provenUrl })).code).toBe('proof_wrong_request');
    const thief = await generateSigningKey();
    expect((await post(url, { key: thief, receipt })).code).toBe('proof_wrong_key');
    expect((await post(url, { key: own.context.key, receipt })).code).toBe('proof_wrong_key');
  });

  it('is given nothing five minutes later, or by a hospital that has no copy', async () => {
    const elsewhere = url.replace('hospital-b', 'hospital-c');
    expect((await post(elsewhere, { key, receipt })).code).toBe('unknown_record');
    world.skewMs.value += 6 * MINUTE;
    expect((await post(url, { key, receipt })).code).toBe('receipt_expired');
  });

  it('is given nothing once the permission ended and the copy with it', async () => {
    await revoke(patient, permissionId);
    await own.replicate();
    expect((await post(url, { key, receipt })).code).toBe('unknown_record');
  });

  it('reads on where the custodian gives an older state of the bytes', async () => {
    const [path = ''] = world.objects.keys();
    world.objects.set(path, Buffer.from('an older generation of the same length?'));
    const [record] = await reader.records(patient.pseudonym);
    const file = join(world.folder, 'out');
    await reader.read(record!, () => fileSink(file));
    expect(await readFile(file, 'utf8')).toBe('content of blood.txt');
  });
});

describe('a replicator that dies', () => {
  /** Stores that fail at one write, before it or after it. */
  function failing(at: number): { change: object; hasFailed: () => boolean } {
    let writes = 0;
    let isDead = false;
    const wrap = <T extends object>(target: T, names: readonly string[]): T =>
      new Proxy(target, {
        get(object, name) {
          const value = Reflect.get(object, name) as unknown;
          if (typeof value !== 'function') return value;
          const run = value as (...args: unknown[]) => Promise<unknown>;
          if (!names.includes(String(name))) return run.bind(object);
          return async (...args: unknown[]) => {
            writes += 1;
            if (isDead) throw new Error('dead');
            const isLast = writes * 2 >= at;
            isDead ||= isLast;
            if (isLast && at % 2 === 1) throw new Error('dies before a write');
            const done = await run.apply(object, args);
            if (isLast) throw new Error('dies after a write');
            return done;
          };
        },
      });
    const { store, objects } = own.context;
    return {
      change: {
        store: wrap(store, ['insert', 'replace', 'stage', 'remove']),
        objects: wrap(objects, ['begin', 'complete', 'abort', 'remove']),
      },
      hasFailed: () => isDead,
    };
  }

  /** Goes on after a crash: the lease of the dead run is over by then. */
  async function goOn(): Promise<void> {
    world.skewMs.value += 40_000;
    await own.replicate();
  }

  it('at any write while it copies has everything in the end, once', async () => {
    let count = 0;
    for (let at = 1; ; at += 1) {
      await upload(`record ${at}.txt`);
      count += 1;
      const { change, hasFailed } = failing(at);
      await own.run(change).catch(() => undefined);
      if (!hasFailed()) break;
      await goOn();
      const { records } = await listCopies(patient);
      expect(records.map(({ copies }) => copies.length)).toEqual(Array(count).fill(1));
      expect(own.objects.size).toBe(count);
      const digests = new Set([...own.objects.values()].map(sha));
      expect(digests).toEqual(new Set([...world.objects.values()].map(sha)));
    }
    expect(count).toBeGreaterThan(20);
  });

  it('at any write while it deletes leaves nothing, and says so', async () => {
    await upload('blood.txt');
    await own.replicate();
    let tries = 0;
    for (let at = 1; ; at += 2) {
      await revoke(patient, permissionId);
      tries += 1;
      const { change, hasFailed } = failing(at);
      await own.run(change).catch(() => undefined);
      if (!hasFailed()) break;
      await goOn();
      const { records, copiers } = await listCopies(patient);
      expect([records[0]?.copies, copiers, own.objects.size]).toEqual([[], [], 0]);
      const until = Date.now() + world.skewMs.value + HOUR;
      const read = { rights: ['read'], categories: ['laboratory'], until } as const;
      ({ permissionId } = await grant(patient, { to: { npi: '1000000020' }, ...read }));
      await own.replicate();
      expect(own.objects.size).toBe(1);
    }
    expect(tries).toBeGreaterThan(5);
  });
});

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
