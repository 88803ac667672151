/** What somebody with all of a patient's keys can open of what is stored anywhere in a world. */
import { decryptFile } from '../../lib/crypto/file-format.ts';
import { concatBytes, utf8 } from '../../lib/crypto/bytes.ts';
import { digestOfSealed, sealedSchema, type SealedText } from '../../lib/records/sealed.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import { monthRange } from '../../sdk/category-keys.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileAad, openFileKey, openMetadata } from '../../sdk/seal.ts';
import type { MemoryItemStore } from '../membership/memory-item-store.ts';
import type { World } from './world.ts';

const anySealed = sealedSchema(1_000_000);
const REVISIONS = 4;

export interface Opened {
  /** Names of stores in which a file key, metadata or a document opens. */
  keys: string[];
  metadata: string[];
  documents: string[];
}

/** Every table and bucket of every party. */
function storesOf(world: World): Map<string, { items?: MemoryItemStore; objects?: Uint8Array[] }> {
  const stores = new Map<string, { items?: MemoryItemStore; objects?: Uint8Array[] }>();
  stores.set('custodian', { items: world.wraps, objects: [...world.objects.values()] });
  for (const [id, items] of world.escrows) stores.set(`escrow of ${id}`, { items });
  for (const [id, { store, objects }] of world.hospitals) {
    stores.set(`copies at ${id}`, { items: store, objects: [...objects.values()] });
  }
  stores.set('ledger', { objects: world.ledger.stored });
  return stores;
}

/** Tries every key on everything. */
export async function openAll(
  world: World,
  patient: Patient,
  records: readonly MedicalRecord[],
): Promise<Opened> {
  const found: Opened = { keys: [], metadata: [], documents: [] };
  const fileKeys: { recordId: string; key: Uint8Array }[] = [];
  const stores = storesOf(world);
  for (const [name, { items }] of stores) {
    for (const sealed of await sealedIn(items)) {
      for (const record of records) {
        const opened = await openOne(patient, record, sealed);
        if (opened === 'metadata') found.metadata.push(name);
        else if (opened) {
          found.keys.push(name);
          fileKeys.push({ recordId: record.id, key: opened });
        }
      }
    }
  }
  for (const [name, { objects = [] }] of stores) {
    for (const bytes of objects) {
      for (const { recordId, key } of fileKeys) {
        if (await opens(bytes, key, fileAad(patient.networkName, recordId))) {
          found.documents.push(name);
        }
      }
    }
  }
  return found;
}

/** Everything in a table that has the form of something sealed, however deep it lies. */
async function sealedIn(items: MemoryItemStore | undefined): Promise<SealedText[]> {
  const found: SealedText[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const parsed = anySealed.safeParse(
      'enc' in value && 'ciphertext' in value
        ? { enc: value.enc, ciphertext: value.ciphertext }
        : null,
    );
    if (parsed.success) found.push(parsed.data);
    for (const one of Object.values(value)) look(one);
  };
  for (const key of items?.keys() ?? []) {
    const at = key.indexOf(' ');
    look((await items?.get({ pk: key.slice(0, at), sk: key.slice(at + 1) }))?.value);
  }
  return found;
}

/** The file key, or that it is metadata; null where no key of the patient's opens it. */
async function openOne(
  patient: Patient,
  record: MedicalRecord,
  sealed: SealedText,
): Promise<Uint8Array | 'metadata' | null> {
  const months = monthRange('2026-01', record.epoch.month).slice(-2);
  for (const category of patient.data.categories) {
    for (const month of months) {
      for (let revision = 0; revision < REVISIONS; revision += 1) {
        const seed = patient.seed(category, { month, revision });
        const categoryTag = patient.tag(category);
        const epoch = { pseudonym: record.pseudonym, categoryTag, month, revision };
        const by = { seed, network: patient.networkName, recordId: record.id, epoch };
        const digest = digestOfSealed(sealed);
        const { generation } = record;
        const key = await openFileKey(sealed, { ...by, digest, generation }).catch(() => null);
        if (key) return key.fileKey;
        const commitment = record.metadataCommitment;
        if (await openMetadata(sealed, { ...by, commitment }).catch(() => null)) return 'metadata';
      }
    }
  }
  return null;
}

async function opens(bytes: Uint8Array, key: Uint8Array, aad: Uint8Array): Promise<boolean> {
  try {
    const parts: Uint8Array[] = [];
    const source = (async function* () {
      yield bytes;
    })();
    for await (const part of decryptFile(key, aad, source)) parts.push(part);
    return concatBytes(...parts).length >= 0;
  } catch {
    return false;
  }
}

/** Whether a text lies anywhere in clear. */
export function isAnywhere(world: World, text: string): boolean {
  const wanted = Buffer.from(utf8(text));
  for (const { items, objects = [] } of storesOf(world).values()) {
    if (items?.dump().includes(wanted.toString('latin1'))) return true;
    if (objects.some((bytes) => Buffer.from(bytes).includes(wanted))) return true;
  }
  return false;
}
