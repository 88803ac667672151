/** A custodian that cheats in a rotation, callers that are not the patient, receipts of before. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealLayerKey } from '../../lib/records/layer-key.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import { sealingSeed } from '../../sdk/category-keys.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink } from '../../sdk/platform/node.ts';
import { readDocument, requestAccess } from '../../sdk/read.ts';
import { rotate } from '../../sdk/rotation.ts';
import {
  type Cast,
  expectAllReadable,
  makeCast,
  ownReader,
  reopen,
  upload,
} from '../sdk/rotation-cast.ts';
import type { FakeHandler } from '../sdk/fake-fetch.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
let honest: FakeHandler;
let number = 0;
let doctors: Cast | undefined;
beforeAll(async () => {
  world = await makeWorld();
  honest = world.handlers['http://records.test']!;
});
afterAll(() => world.close());

async function castWith(bytes: Uint8Array): Promise<Cast> {
  number += 1;
  const cast = await makeCast(world, `Patient ${number}`, doctors);
  doctors = cast;
  await cast.writer.grants({ reload: true });
  await upload(cast, 'report.txt', bytes);
  return cast;
}

type Answer = Record<string, unknown>;

/** The custodian lies in its answers about layers, until the returned function is called. */
function lie(change: (answer: Answer) => Answer | Promise<Answer>): () => void {
  world.handlers['http://records.test'] = async (request) => {
    const isLayer = /\/rotations\/records\/[^/]+$/.test(request.url.pathname);
    const answer = await honest(request);
    return isLayer ? { ...answer, json: await change(answer.json as Answer) } : answer;
  };
  return () => void (world.handlers['http://records.test'] = honest);
}

function readOwn(patient: Patient, record: MedicalRecord) {
  const out = join(world.folder, `own-${randomBytes(6).toString('hex')}`);
  return readDocument(ownReader(patient), record, () => fileSink(out));
}

describe('a custodian that cheats', () => {
  it('cannot pass over a record: the ledger refuses what it did not commit', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const [record] = await cast.patient.records();
    world.handlers['http://records.test'] = async (request) => {
      const isLayer = /\/rotations\/records\/[^/]+$/.test(request.url.pathname);
      if (!isLayer) return honest(request);
      // It pretends to have done it, with the digest of before, and seals some key.
      const patient = await reopen(cast);
      const { root, networkName: network, pseudonym } = patient;
      const { publicKey } = await xWingKeyPair(sealingSeed(root, network));
      const recordId = record!.id;
      const layer = await sealLayerKey(new Uint8Array(32), publicKey, {
        ...{ network, recordId, pseudonym, generation: 1 },
      });
      const item = async (sk: string) => (await world.wraps.get({ pk: `record#${recordId}`, sk }))!;
      return {
        json: {
          ...{ recordId, status: 'layered', generation: 1, objectDigest: record!.objectDigest },
          ...{ parts: { done: 1, of: 1 }, layer, wrap: (await item('wrap')).value },
          sealedMetadata: (await item('metadata')).value,
        },
      };
    };
    await expect(rotate(cast.patient)).rejects.toMatchObject({
      details: { reason: 'not_relayered' },
    });
    world.handlers['http://records.test'] = honest;
    // Once it does what it must, the same rotation comes to its end.
    const { patient, finished } = await rotate(await reopen(cast));
    expect(finished).not.toBeNull();
    await expectAllReadable(cast, patient);
  });

  it('is caught where it serves the old bytes, or bytes of another layer', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const before = new Map(world.objects);
    const { patient } = await rotate(cast.patient);
    const [record] = await patient.records();
    const [path] = [...world.objects.keys()].filter((one) => !before.has(one));
    const now = world.objects.get(path!)!;
    const old = [...before].find(([one]) => !world.objects.has(one))![1];
    for (const bytes of [old, now.map((byte) => byte ^ 1)]) {
      world.objects.set(path!, bytes);
      await expect(readOwn(patient, record!)).rejects.toMatchObject({ code: 'mismatch' });
    }
    world.objects.set(path!, now);
    await expectAllReadable(cast, patient);
  });

  it('is caught where it hands over another key than that of the layer', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const restore = lie(async (answer) => {
      const { root, networkName: network, pseudonym } = await reopen(cast);
      const { publicKey } = await xWingKeyPair(sealingSeed(root, network));
      const recordId = answer['recordId'] as string;
      const of = { network, recordId, pseudonym, generation: 1 };
      const key = new Uint8Array(randomBytes(32));
      return answer['layer']
        ? { ...answer, layer: await sealLayerKey(key, publicKey, of) }
        : answer;
    });
    const { patient } = await rotate(cast.patient);
    restore();
    const [record] = await patient.records();
    await expect(readOwn(patient, record!)).rejects.toThrow('Below its layers');
  });

  it('stops the rotation, and no more, where it gives no key that opens', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const restore = lie((answer) => {
      const { recordId, status, parts, wrap, ...rest } = answer;
      const { generation, objectDigest, sealedMetadata } = rest;
      return { recordId, status, parts, wrap, generation, objectDigest, sealedMetadata };
    });
    await expect(rotate(cast.patient)).rejects.toThrow('gave no key for the layer');
    restore();
    const { patient } = await rotate(await reopen(cast));
    await expectAllReadable(cast, patient);
  });

  it('is not waited for where it lost a record: the patient decides', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const [record] = await cast.patient.records();
    await world.wraps.remove([{ pk: `record#${record!.id}`, sk: 'state' }]);
    const stuck = await rotate(cast.patient);
    expect(stuck.finished).toBeNull();
    expect(stuck.records.stuck).toEqual([{ recordId: record!.id, reason: 'missing' }]);
    const done = await rotate(await reopen(cast), { leaveBehind: true });
    expect(done.finished).not.toBeNull();
    expect(done.records.left).toEqual([record!.id]);
    expect(await done.patient.records()).toEqual([]);
  });
});

describe('receipts of before', () => {
  it('open nothing after the rotation, of any generation', async () => {
    const cast = await castWith(Buffer.from('glucose 5.1'));
    const [record] = await cast.patient.records();
    const own = await requestAccess(ownReader(cast.patient), record!.id);
    const reader = await cast.reader.requestAccess(record!.id);
    const { custodian } = world.session();
    const oldKey = cast.patient.ownerKey;
    // The control: it is usable now.
    await custodian.access({ key: oldKey, receipt: own.receipt });
    const { patient } = await rotate(cast.patient);
    const refused = /patient_rotated|digest_mismatch/;
    await expect(custodian.access({ key: oldKey, receipt: own.receipt })).rejects.toThrow(refused);
    const { signingKey } = cast.reader.keystore;
    const asReader = custodian.access({ key: signingKey, receipt: reader.receipt });
    await expect(asReader).rejects.toThrow(refused);

    // What moved the record in the first rotation moves nothing after the second.
    const moved = (await patient.history()).findLast(({ fn }) => fn === 'record.retag')!;
    const { receipt } = await patient.session.client.certified(moved.transaction);
    const again = await requestAccess(ownReader(patient), record!.id);
    const permit = { key: patient.ownerKey, receipt };
    const second = await rotate(patient);
    await expect(custodian.settleRecord(record!.id, permit)).rejects.toThrow(
      /unknown_record|mismatch/,
    );
    const key = patient.ownerKey;
    await expect(custodian.access({ key, receipt: again.receipt })).rejects.toThrow(refused);
    await expectAllReadable(cast, second.patient);
  });
});

describe('a large record', () => {
  it('is layered over several requests, by the key that the patient gives back', async () => {
    const cast = await castWith(new Uint8Array(randomBytes(26_000_000)));
    const [record] = await cast.patient.records();
    const { objects } = world;
    const set = objects.set.bind(objects);
    // Each part takes longer than one request may.
    objects.set = (path, bytes) => {
      if (path.split('/').length === 4) world.skewMs.value += 11_000;
      return set(path, bytes);
    };
    const answers: Answer[] = [];
    const restore = lie((answer) => {
      answers.push(answer);
      return answer;
    });
    const bob = await castWith(Buffer.from('another'));
    const { patient } = await rotate(cast.patient);
    restore();
    objects.set = set;
    expect(answers.map(({ status }) => status)).toEqual(['working', 'layered']);
    expect(answers[0]!['parts']).toEqual({ done: 2, of: 4 });
    await expectAllReadable(cast, patient);

    const { custodian } = patient.session;
    const named = { pseudonym: patient.pseudonym, recordId: record!.id };
    const others = custodian.relayer(named, bob.patient.ownerKey, null);
    await expect(others).rejects.toThrow('unknown_rotation');
    const moved = await rotate(bob.patient);
    const wrong = { pseudonym: moved.patient.pseudonym, recordId: record!.id };
    const foreign = custodian.relayer(wrong, moved.patient.ownerKey, null);
    await expect(foreign).rejects.toThrow('unknown_record');
  });
});
