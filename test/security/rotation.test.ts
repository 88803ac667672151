/**
 * The claim of rotation: the old root, owner key and seeds, with everything that is stored anywhere
 * afterwards, open nothing. Each search has its control: before, it opens everything.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { openLayerKey } from '../../lib/records/layer-key.ts';
import { sealingSeed } from '../../sdk/category-keys.ts';
import { rotate } from '../../sdk/rotation.ts';
import { type Cast, expectAllReadable, makeCast, upload } from '../sdk/rotation-cast.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { type Loot, type Opened, standsInClear, stealFrom, tryEverything } from './thief.ts';

let world: World;
let cast: Cast;
let loot: Loot;
let names: { recordIds: string[]; pseudonyms: string[] };
let before: Opened;
let oldObjects: Map<string, Uint8Array>;
let layerKeys: Uint8Array[];

beforeAll(async () => {
  world = await makeWorld();
  cast = await makeCast(world);
  const uploaded = [
    await upload(cast, 'one.txt', Buffer.from('the first document')),
    await upload(cast, 'two.txt', Buffer.from('the second document'), 'radiation-dose'),
  ];
  loot = stealFrom(cast.patient);
  const recordIds = uploaded.map(({ recordId }) => recordId);
  names = { recordIds, pseudonyms: [cast.patient.pseudonym] };
  before = await tryEverything(world, loot, names);
  oldObjects = new Map([...world.objects].map(([path, bytes]) => [path, Uint8Array.from(bytes)]));
});
afterAll(() => world.close());

describe('what a thief of the keystore can open of all that is stored', () => {
  it('is everything, before the rotation: the control', () => {
    const documents = before.what.filter((one) => one.startsWith('document'));
    const sealed = before.what.filter((one) => one.startsWith('sealed'));
    expect(documents).toHaveLength(2);
    // A wrap and the metadata of each.
    expect(sealed).toHaveLength(4);
  });

  it('is nothing after it, though the thief keeps the file keys of before', async () => {
    const seen: Uint8Array[] = [];
    const records = world.handlers['http://records.test']!;
    // The keys of layers as they travel, sealed; to look for them in clear afterwards.
    const sealedKeys: { recordId: string; layer: { enc: string; ciphertext: string } }[] = [];
    world.handlers['http://records.test'] = async (request) => {
      const answer = await records(request);
      const { layer, recordId } = (answer.json ?? {}) as {
        layer?: { enc: string; ciphertext: string };
        recordId?: string;
      };
      if (layer && recordId) sealedKeys.push({ recordId, layer });
      return answer;
    };
    const { patient } = await rotate(cast.patient);
    world.handlers['http://records.test'] = records;
    cast.patient = patient;
    names.pseudonyms.push(patient.pseudonym);
    await expectAllReadable(cast, patient);
    const after = await tryEverything(world, loot, names, before.fileKeys);
    expect(after.what).toEqual([]);

    const { networkName: network, pseudonym, root } = patient;
    for (const { recordId, layer } of sealedKeys) {
      const of = { network, recordId, pseudonym, generation: 1 };
      seen.push(await openLayerKey(layer, sealingSeed(root, network), of));
    }
    expect(seen.length).toBeGreaterThan(1);
    layerKeys = seen;
  });

  it('has no key in clear, of before or after: no root, seed, file key or layer key', () => {
    const now = stealFrom(cast.patient);
    const all = [...loot.raw, ...now.raw, ...before.fileKeys, ...layerKeys];
    expect(standsInClear(world, all)).toBe(false);
    // The search finds what does stand there: the public point of the owner key.
    expect(standsInClear(world, [cast.patient.ownerKey.publicKey])).toBe(true);
    expect(fromBase64url(cast.patient.data.root)).toEqual(cast.patient.root);
  });

  it('keeps no byte of the old objects, and no share or public key of the old pseudonym', () => {
    for (const [path, bytes] of oldObjects) {
      expect(world.objects.has(path)).toBe(false);
      for (const present of world.objects.values()) {
        expect(Buffer.from(present).includes(Buffer.from(bytes.slice(0, 32)))).toBe(false);
      }
    }
    const [old] = names.pseudonyms;
    const kept = world.wraps.keys().filter((key) => key.includes(old ?? ''));
    // Where it went, and where the new one came from.
    expect(kept).toEqual([`rotated#${old} to`]);
  });

  it('is the document, where somebody kept the old bytes: the limit of the claim', async () => {
    const present = new Map(world.objects);
    for (const [path, bytes] of oldObjects) world.objects.set(path, bytes);
    const { what } = await tryEverything(world, loot, names, before.fileKeys);
    expect(what.filter((one) => one.startsWith('document'))).toHaveLength(2);
    for (const path of oldObjects.keys()) world.objects.delete(path);
    expect(world.objects).toEqual(present);
  });
});
