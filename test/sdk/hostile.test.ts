/** Custodian and directory that lie: nothing false is shown, nothing is sealed to a wrong key. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import type { FakeHandler } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

const records = 'http://records.test';
const membership = 'http://membership.test';
let world: World;
let doctor: Clinician;
let patient: Patient;
let record: MedicalRecord;
let honest: Record<string, FakeHandler>;
let honestObjects: [string, Uint8Array][];

beforeAll(async () => {
  world = await makeWorld();
  [doctor, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.patient('Anna Müller', ['laboratory']),
  ]);
  const until = Date.now() + 3_600_000;
  const terms = { rights: ['read', 'write'], categories: ['laboratory'], until } as const;
  await grant(patient, { to: { npi: '1000000012' }, ...terms });
  const path = join(world.folder, 'report.txt');
  await writeFile(path, 'a report of some length, so that there is something to alter');
  const { pseudonym } = patient;
  const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
  const { recordId } = await doctor.upload(await fileSource(path, 'report.txt'), target);
  record = await doctor.record(recordId);
  honest = { ...world.handlers };
  honestObjects = [...world.objects].map(([key, bytes]) => [key, bytes.slice()]);
});
afterEach(() => {
  Object.assign(world.handlers, honest);
  for (const [key, bytes] of honestObjects) world.objects.set(key, bytes.slice());
});
afterAll(() => world.close());

/** Changes the JSON that a party answers on one path. */
function twist(
  origin: string,
  path: string,
  change: (json: Record<string, unknown>) => void,
): void {
  const own = honest[origin] as FakeHandler;
  world.handlers[origin] = async (request) => {
    const answer = await own(request);
    if (!request.url.pathname.startsWith(path)) return answer;
    const json = structuredClone(answer.json) as Record<string, unknown>;
    change(json);
    return { ...answer, json };
  };
}

async function readFails(): Promise<unknown> {
  const target = join(world.folder, 'out.txt');
  const error = await doctor
    .read(record, () => fileSink(target))
    .then(() => null)
    .catch((caught: unknown) => caught);
  expect(existsSync(target)).toBe(false);
  return error;
}

describe('a custodian that lies', () => {
  it('cannot show altered bytes', async () => {
    for (const bytes of world.objects.values()) bytes[bytes.length - 1]! ^= 1;
    expect(await readFails()).toMatchObject({ code: 'mismatch' });
  });

  it('cannot show a longer file', async () => {
    for (const [key, bytes] of world.objects) world.objects.set(key, Buffer.concat([bytes, bytes]));
    expect(await readFails()).toMatchObject({ code: 'mismatch' });
  });

  it('cannot give another wrap', async () => {
    twist(records, '/v1/access', (json) => {
      json['wrap'] = json['sealedMetadata'];
    });
    expect(await readFails()).toMatchObject({
      code: expect.stringMatching(/mismatch|bad_answer/) as string,
    });
  });

  it('cannot give other metadata', async () => {
    twist(records, '/v1/access', (json) => {
      const sealed = json['sealedMetadata'] as { ciphertext: string };
      const { ciphertext } = sealed;
      const other = ciphertext.startsWith('A') ? 'B' : 'A';
      json['sealedMetadata'] = { ...sealed, ciphertext: other + ciphertext.slice(1) };
    });
    expect(await readFails()).toMatchObject({ code: 'not_readable' });
  });

  it('cannot make a writer seal to its own key', async () => {
    const own = await xWingKeyPair();
    twist(records, '/v1/category-keys/fetch', (json) => {
      json['publicKey'] = toBase64url(own.publicKey);
    });
    const path = join(world.folder, 'secret.txt');
    await writeFile(path, 'secret');
    const before = world.ledger.height;
    const { pseudonym } = patient;
    const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
    await expect(doctor.upload(await fileSource(path), target)).rejects.toMatchObject({
      code: 'mismatch',
    });
    expect(world.ledger.height).toBe(before);
  });

  it('cannot hand over the share of another grant', async () => {
    twist(records, '/v1/shares/fetch', (json) => {
      const [share] = json['shares'] as { enc: string }[];
      if (share) share.enc = `${share.enc.startsWith('A') ? 'B' : 'A'}${share.enc.slice(1)}`;
    });
    const grants = await doctor.grants({ reload: true });
    expect(grants.map((one) => one.share)).toEqual([null]);
    Object.assign(world.handlers, honest);
    await doctor.grants({ reload: true });
  });
});

describe('a directory that lies', () => {
  it('cannot make a patient seal to its own key', async () => {
    const own = await xWingKeyPair();
    twist(membership, '/v1/directory', (json) => {
      for (const entry of json['entries'] as Record<string, unknown>[]) {
        entry['encryptionKey'] = toBase64url(own.publicKey);
      }
    });
    const before = world.ledger.height;
    const until = Date.now() + 60_000;
    const terms = { rights: ['read'], categories: ['laboratory'], until } as const;
    await expect(grant(patient, { to: { npi: '1000000012' }, ...terms })).rejects.toMatchObject({
      code: 'mismatch',
    });
    expect(world.ledger.height).toBe(before);
  });
});

describe('one-time certificates', () => {
  it('are used once each', async () => {
    const before = patient.data.oneTime.map((one) => one.certificate);
    await Promise.all([patient.records(), patient.history(), patient.permissions()]);
    const left = new Set(patient.data.oneTime.map((one) => one.certificate));
    // A history is asked for under every pseudonym: which they are is a question of its own.
    expect(before.filter((one) => !left.has(one))).toHaveLength(4);
  });
});
