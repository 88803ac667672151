/** A thief with all keys of a patient, who looks at everything that is stored anywhere. */
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { decryptFile } from '../../lib/crypto/file-format.ts';
import { hpkeInfo, hpkeOpen } from '../../lib/crypto/hpke.ts';
import { fromSealedText, type SealedText } from '../../lib/records/sealed.ts';
import {
  categorySeed,
  categoryTag,
  monthOf,
  monthsFrom,
  sealingSeed,
} from '../../sdk/category-keys.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileAad } from '../../sdk/seal.ts';
import type { World } from '../sdk/world.ts';

const REVISIONS = [0, 1, 2];
const MONTHS = 3;

/** Every secret of a keystore, and what each is a key of. */
export interface Loot {
  network: string;
  pseudonym: string;
  categories: { name: string; tag: string; month: string; revision: number; seed: Uint8Array }[];
  /** Seeds that are no category's. */
  seeds: Uint8Array[];
  /** Root, owner key, lookup key: what must stand nowhere in clear. */
  raw: Uint8Array[];
}

export function stealFrom(patient: Patient): Loot {
  const { root, networkName: network, pseudonym, data, keystore } = patient;
  const months = monthsFrom(monthOf(Date.now()), MONTHS);
  const categories = data.categories.flatMap((name) =>
    months.flatMap((month) =>
      REVISIONS.map((revision) => {
        const seed = categorySeed(root, { network, category: name, month, revision });
        return { name, tag: categoryTag(root, name), month, revision, seed };
      }),
    ),
  );
  const seeds = [sealingSeed(root, network), Uint8Array.from(keystore.encryption.seed)];
  const raw = [root, fromBase64url(data.ownerKey), ...seeds, ...categories.map((one) => one.seed)];
  return { network, pseudonym, categories, seeds, raw };
}

/** What the thief made of it: names of what opened, and the file keys among it. */
export interface Opened {
  what: string[];
  fileKeys: Uint8Array[];
}

/** Tries all keys on all that is stored now; `known` are file keys from an earlier look. */
export async function tryEverything(
  world: World,
  loot: Loot,
  names: { recordIds: readonly string[]; pseudonyms: readonly string[] },
  known: readonly Uint8Array[] = [],
): Promise<Opened> {
  const what: string[] = [];
  const fileKeys: Uint8Array[] = [...known];
  for (const { at, sealed } of await allSealed(world)) {
    for (const recordId of names.recordIds) {
      for (const plaintext of await openWith(sealed, loot, recordId, names.pseudonyms)) {
        what.push(`sealed at ${at}`);
        for (let start = 0; start + 32 <= plaintext.length; start += 32) {
          if (plaintext.length <= 32 * 25) fileKeys.push(plaintext.slice(start, start + 32));
        }
      }
    }
  }
  for (const [path, bytes] of world.objects) {
    for (const recordId of names.recordIds) {
      for (const key of fileKeys) {
        if (await opensFile(bytes, key, fileAad(loot.network, recordId))) {
          what.push(`document at ${path}`);
        }
      }
    }
  }
  return { what: [...new Set(what)].sort(), fileKeys };
}

/** Whether any of these secrets stands in clear in anything that is stored. */
export function standsInClear(world: World, secrets: readonly Uint8Array[]): boolean {
  const places = [
    Buffer.from(world.wraps.dump(), 'latin1'),
    ...[...world.escrows.values()].map((store) => Buffer.from(store.dump(), 'latin1')),
    ...world.objects.values(),
    ...world.ledger.stored,
  ].map((bytes) => Buffer.from(bytes));
  return secrets.some((secret) =>
    places.some(
      (place) =>
        place.includes(Buffer.from(secret)) ||
        place.includes(Buffer.from(secret).toString('base64url')),
    ),
  );
}

async function allSealed(world: World): Promise<{ at: string; sealed: SealedText }[]> {
  const found: { at: string; sealed: SealedText }[] = [];
  for (const store of [world.wraps, ...world.escrows.values()]) {
    for (const at of store.keys()) {
      const [pk = '', sk = ''] = at.split(' ');
      collect((await store.get({ pk, sk }))?.value, at, found);
    }
  }
  return found;
}

function collect(value: unknown, at: string, found: { at: string; sealed: SealedText }[]): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const { enc, ciphertext } = value as Partial<SealedText>;
  if (typeof enc === 'string' && typeof ciphertext === 'string') {
    found.push({ at, sealed: { enc, ciphertext } });
  }
  for (const one of Object.values(value)) collect(one, at, found);
}

async function openWith(
  sealed: SealedText,
  { network, categories, seeds }: Loot,
  recordId: string,
  pseudonyms: readonly string[],
): Promise<Uint8Array[]> {
  const tries: { seed: Uint8Array; info: Uint8Array }[] = [];
  for (const pseudonym of pseudonyms) {
    for (const { tag, month, revision, seed } of categories) {
      const recipient = [pseudonym, tag, month, revision].join('/');
      for (const purpose of ['file-key', 'record-metadata']) {
        tries.push({ seed, info: hpkeInfo({ network, purpose, subject: recordId, recipient }) });
      }
    }
    for (const seed of seeds) {
      const purpose = 'layer-key';
      const info = hpkeInfo({ network, purpose, subject: recordId, recipient: pseudonym });
      tries.push({ seed, info });
    }
  }
  const opened: Uint8Array[] = [];
  for (const one of tries) {
    for (const aad of [new Uint8Array(), Uint8Array.of(0, 0, 0, 1), Uint8Array.of(0, 0, 0, 2)]) {
      const isLayer = seeds.includes(one.seed);
      if (isLayer !== aad.length > 0) continue;
      try {
        opened.push(await hpkeOpen(one.seed, { ...fromSealedText(sealed), ...one, aad }));
      } catch {
        // It is not sealed to this key, or not for this use.
      }
    }
  }
  return opened;
}

async function opensFile(bytes: Uint8Array, key: Uint8Array, aad: Uint8Array): Promise<boolean> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  try {
    for await (const piece of decryptFile(key, aad, source())) void piece;
    return true;
  } catch {
    return false;
  }
}
