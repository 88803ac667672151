/** Rotation end to end: real chaincode, real custodian, the patient's and the readers' own code. */
import { randomBytes } from 'node:crypto';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { fileSink } from '../../sdk/platform/node.ts';
import { rotate } from '../../sdk/rotation.ts';
import type { RotationProgress } from '../../sdk/rotation-options.ts';
import {
  type Cast,
  expectAllReadable,
  makeCast,
  PASSPHRASE,
  reopen,
  upload,
} from './rotation-cast.ts';
import { problem } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
/** Each has one number of the register, so all patients have the same two. */
let doctors: Cast | undefined;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

const large = (): Uint8Array => new Uint8Array(randomBytes(9_000_000));

describe('a rotation', () => {
  let cast: Cast;
  let thief: Patient;
  beforeAll(async () => {
    cast = await makeCast(world);
    doctors = cast;
    await upload(cast, 'report.txt', Buffer.from('glucose 5.1'));
    await upload(cast, 'large.bin', large(), 'radiation-dose');
    await upload(cast, 'empty', new Uint8Array(), 'radiation-dose');
    const stolen = join(world.folder, 'stolen.keystore');
    await copyFile(cast.patient.keystore.path, stolen);
    thief = await Patient.open(world.session(), await openKeystore(stolen, PASSPHRASE));
  });

  it('brings everything over, and gives exactly the permissions that held', async () => {
    const before = cast.patient.pseudonym;
    const given = await cast.patient.permissions();
    const steps: RotationProgress[] = [];
    const done = await rotate(cast.patient, { onProgress: (step) => void steps.push(step) });
    expect(done.finished?.status).toBe('COMMITTED');
    expect(done.records).toMatchObject({ left: [], stuck: [] });
    expect(done.records.moved).toHaveLength(3);
    expect(steps.at(-1)).toEqual({ step: 'records', done: 3, of: 3 });
    const { patient } = done;
    expect(patient.pseudonym).not.toBe(before);
    await expectAllReadable(cast, patient);

    const again = await patient.permissions();
    const names = patient.categoryNames();
    const terms = (list: typeof given) =>
      list.map(({ grantee, rights, categories, from, until, purposes, dataFrom, dataUntil }) => ({
        ...{ grantee, rights, from, until, purposes, dataFrom, dataUntil },
        categories: categories.map((tag) => names.get(tag)),
      }));
    expect(terms(again)).toEqual(terms(given));
    expect(again.every((one) => one.pseudonym === patient.pseudonym)).toBe(true);

    // The keystore holds nothing of before any more.
    expect(patient.data.rotation).toBeUndefined();
    expect(JSON.stringify(patient.data)).not.toContain(thief.data.root);
    // A program that opens the file anew goes on with the new keys.
    cast.patient = await reopen(cast);
    expect(cast.patient.pseudonym).toBe(patient.pseudonym);
  });

  it('lets readers read on, and writers write on', async () => {
    const { pseudonym } = cast.patient;
    const { listed } = await cast.reader.list(pseudonym);
    expect(listed.map(({ metadata }) => metadata?.path)).toEqual(['report.txt']);
    const out = join(world.folder, 'read-on.txt');
    const { record } = listed[0]!;
    expect(record.generation).toBe(1);
    await cast.reader.read(record, () => fileSink(out));
    expect(await readFile(out, 'utf8')).toBe('glucose 5.1');
    await cast.writer.grants({ reload: true });
    await upload(cast, 'later.txt', Buffer.from('glucose 4.9'));
    await expectAllReadable(cast, cast.patient);
  });

  it('keeps the whole history readable, in one', async () => {
    const history = await cast.patient.history();
    const fns = history.map(({ fn }) => fn);
    expect(fns[0]).toBe('patient.register');
    expect(fns.filter((fn) => fn === 'patient.rotate-begin')).toHaveLength(2);
    expect(fns).toContain('patient.rotate-finish');
    expect(fns.filter((fn) => fn === 'record.relayered')).toHaveLength(3);
  });

  it('leaves a thief of the old keystore nothing: not to read, grant, list or rotate', async () => {
    const retired = { details: { reason: 'owner_key_retired' } };
    const [record] = await cast.patient.records();
    const { client, custodian } = thief.session;
    const access = { recordId: record!.id, purpose: 'PATRQT' };
    await expect(
      client.submit({ fn: 'access.request', args: access }, thief.signer),
    ).rejects.toMatchObject(retired);
    await expect(thief.history()).rejects.toThrow('owner_key_retired');
    await expect(thief.records()).rejects.toThrow('owner_key_retired');
    await expect(rotate(thief)).rejects.toMatchObject(retired);
    await expect(custodian.shares(thief.ownerKey)).resolves.toEqual([]);
    await expect(
      custodian.relayer(
        { pseudonym: cast.patient.pseudonym, recordId: record!.id },
        thief.ownerKey,
        null,
      ),
    ).rejects.toThrow('unknown_rotation');
  });

  it('leaves behind what was erased', async () => {
    const { recordId } = await upload(cast, 'erased.txt', Buffer.from('to be forgotten'));
    cast.documents.delete('erased.txt');
    const { client } = cast.patient.session;
    const call = { fn: 'record.erase', args: { recordIds: [recordId] } };
    await client.submit(call, cast.patient.signer);
    const done = await rotate(cast.patient);
    expect(done.finished).not.toBeNull();
    expect(done.records.left).toEqual([recordId]);
    expect(world.wraps.keys().filter((key) => key.includes(recordId))).toEqual([]);
    cast.patient = done.patient;
    await cast.writer.grants({ reload: true });
    await expectAllReadable(cast, done.patient);
  });

  it('goes on a second time: two layers on what was there twice', async () => {
    const done = await rotate(cast.patient);
    expect(done.finished).not.toBeNull();
    cast.patient = done.patient;
    await expectAllReadable(cast, done.patient);
    const generations = (await done.patient.records()).map(({ generation }) => generation);
    expect(generations.sort()).toEqual([2, 3, 3, 3]);
    expect((await done.patient.history())[0]?.fn).toBe('patient.register');
  });
});

describe('a rotation that goes on days later', () => {
  let count = 0;
  const records = 'http://records.test';

  it.each([
    ['before the custodian is told', /^\/v1\/rotations$/],
    ['before the new keys are published', /^\/v1\/category-keys$/],
    ['between a record and its custodian', /\/settle$/],
    ['at the very end', /\/finish$/],
  ])('though who certified it was replaced; cut %s', async (_when, cut) => {
    const one = await makeCast(world, `Zoe ${count}`, doctors);
    count += 1;
    await one.writer.grants({ reload: true });
    await one.reader.grants({ reload: true });
    await upload(one, 'report.txt', Buffer.from('glucose 5.1'));
    await upload(one, 'dose.txt', Buffer.from('2 Gy'), 'radiation-dose');
    const api = world.handlers[records]!;
    try {
      world.handlers[records] = (request) =>
        cut.test(request.url.pathname) ? problem(403, 'cut_here') : api(request);
      await expect(rotate(one.patient)).rejects.toMatchObject({ code: 'problem' });
      const { height } = world.ledger;
      let refused = 0;
      world.handlers[records] = async (request) => {
        const { receipt } = request.body as { receipt?: string };
        const bytes = receipt === undefined ? null : fromBase64url(receipt);
        const isOld = bytes && (await verifyReceipt(bytes, world.net.genesis)).height <= height;
        if (!isOld) return api(request);
        refused += 1;
        return problem(403, 'receipt_stale_set');
      };
      const done = await rotate(await reopen(one));
      expect(done.finished?.status).toBe('COMMITTED');
      expect(refused).toBeGreaterThan(0);
    } finally {
      world.handlers[records] = api;
    }
    one.patient = await reopen(one);
    expect(one.patient.data.rotation).toBeUndefined();
    await expectAllReadable(one, one.patient);
  });
});
