/** A small journey on a real network, and everything in it that nobody else may ever see. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { decode } from '@ipld/dag-cbor';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import type { MedicalRecord } from '../../../lib/chaincode/values.ts';
import { lookupKey, monthOf } from '../../../sdk/category-keys.ts';
import type { Clinician } from '../../../sdk/clinician.ts';
import { declareByCard, prepareEmergency, readSummary } from '../../../sdk/emergency.ts';
import { grant } from '../../../sdk/grants.ts';
import type { Keystore } from '../../../sdk/keystore.ts';
import { openBody, openLock, parseKeystoreFile } from '../../../sdk/keystore-format.ts';
import { type Patient, requireAll } from '../../../sdk/patient.ts';
import { fileSource } from '../../../sdk/platform/node.ts';
import { canonicalUii } from '../../../sdk/uii.ts';
import type { Needle } from './scanner.ts';
import type { World } from './world.ts';

export const HOUR_MS = 3_600_000;

/** Letters that stand nowhere else: chance and dictionaries do not find them. */
export function randomWord(length = 9): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return [...bytes]
    .map((byte, index) => (index % 2 ? 'aeiou' : 'bdfgklmnprstvz').at(byte % (index % 2 ? 5 : 14)))
    .join('');
}

/** Distinctive in every field, with letters beyond ASCII. */
export function makeSecrets() {
  const title = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  const given = `Zsó${randomWord()}`;
  const family = `Öz${randomWord()}`;
  const street = `${title(randomWord())}straße`;
  const year = 1931 + Math.floor(Math.random() * 9);
  return {
    given,
    family,
    street,
    uii: {
      nationalId: `AT-${randomWord(8)}-${Math.floor(Math.random() * 1e8)}`,
      birthDate: `${year}-10-29`,
      name: `${given} ${family}`,
      address: `${street} 17/4, ${title(randomWord())}`,
      postcode: `PX-${randomWord(8)}`,
    },
    allergy: `${title(randomWord())}: anaphylaxis in ${title(randomWord())}`,
    sentence: `The ${randomWord()} marker of the left ${randomWord()} is raised.`,
    fileName: `Befund ${title(randomWord())}.txt`,
    mediaType: `text/x-${randomWord()}`,
    shared: `${randomWord()}-reports`,
    kept: `${randomWord()}-notes`,
  } as const;
}
export type Secrets = ReturnType<typeof makeSecrets>;

export interface People {
  readonly writer: Clinician;
  readonly reader: Clinician;
  readonly patient: Patient;
}

export interface Uploaded {
  /** In the category that the reader gets. */
  readonly shared: MedicalRecord;
  /** In one that the reader does not get. */
  readonly kept: MedicalRecord;
}

/** Enrols two doctors of two hospitals, and a patient. */
export async function gather(world: World, secrets: Secrets): Promise<People> {
  const [writer, reader] = await Promise.all([
    world.doctor(0, 'hospital-a'),
    world.doctor(1, 'hospital-b'),
  ]);
  const patient = await world.patient(secrets.uii, [secrets.shared, secrets.kept]);
  await breakGlass(patient, reader, secrets);
  return { writer, reader, patient };
}

/** The patient prepares a summary, and the reader opens it in an emergency. */
async function breakGlass(
  patient: Patient,
  reader: Clinician,
  { uii, allergy }: Secrets,
): Promise<void> {
  const madeAt = Date.now();
  const source = { by: 'patient', time: madeAt } as const;
  const { handle } = await prepareEmergency(patient, {
    format: 'carequorum-emergency-1',
    person: { name: uii.name, birthDate: uii.birthDate },
    madeAt,
    allergies: { state: 'recorded', entries: [{ text: allergy, source }] },
    medicines: { state: 'not-asked' },
    conditions: { state: 'not-asked' },
  });
  const declared = await declareByCard(reader, { handle, reason: 'unconscious' });
  await readSummary(reader, declared);
}

/** The patient lets the writer write; two documents come in, and the patient countersigns. */
export async function uploadDocuments(
  world: World,
  secrets: Secrets,
  { writer, patient }: People,
): Promise<Uploaded> {
  const { pseudonym } = patient;
  const { shared, kept, mediaType, fileName } = secrets;
  const terms = { rights: ['write'], categories: [shared, kept] } as const;
  await grant(patient, { to: { npi: npiOf(writer) }, ...terms, until: Date.now() + HOUR_MS });
  const path = world.file(fileName, `${secrets.sentence}\n`.repeat(20));
  for (const category of [shared, kept]) {
    const source = await fileSource(path, basename(path));
    await writer.upload(source, { pseudonym, category, mediaType });
  }
  const all = await patient.records();
  requireAll(await patient.countersign(all.map(({ id, digest }) => ({ id, digest }))));
  const of = (category: string): MedicalRecord => {
    const found = all.find((one) => one.categoryTag === patient.tag(category));
    if (!found) throw new Error('a record is missing');
    return found;
  };
  return { shared: of(shared), kept: of(kept) };
}

/** NPI by which a patient names a clinician of these tests. */
function npiOf(clinician: Clinician): string {
  return clinician.keystore.label.split('#')[1] ?? '';
}

/** Lets the reader read the shared category. */
export async function grantReading(
  patient: Patient,
  reader: Clinician,
  { shared }: Secrets,
  until = Date.now() + HOUR_MS,
): Promise<string> {
  const terms = { rights: ['read'], categories: [shared], until } as const;
  const { permissionId } = await grant(patient, { to: { npi: npiOf(reader) }, ...terms });
  return permissionId;
}

/** What must not be found anywhere, in any form. */
export async function needlesOf(world: World, secrets: Secrets, people: People): Promise<Needle[]> {
  const { uii, given, family, street, sentence, fileName, mediaType, shared, kept } = secrets;
  const { allergy } = secrets;
  const { patient } = people;
  const documents = { sentence, fileName, mediaType, shared, kept, allergy };
  const texts = { given, family, street, ...documents, ...uii };
  const canonical = canonicalUii(uii);
  const { fields } = decode<{ fields: Record<string, string> }>(canonical);
  const passphrase = world.passphrase;
  const needles: Needle[] = Object.entries({ ...texts, passphrase }).map(([name, value]) => ({
    name,
    value,
  }));
  for (const [name, value] of Object.entries(fields)) {
    needles.push({ name: `canonical ${name}`, value });
  }
  const month = monthOf(Date.now());
  const bytes: Record<string, Uint8Array> = {
    'canonical UII': canonical,
    SKAES_P: patient.root,
    'lookup key': lookupKey(patient.root),
    'owner key': scalarOf(fromBase64url(patient.data.ownerKey)),
  };
  for (const category of [shared, kept]) {
    for (const revision of [0, 1]) {
      bytes[`seed of ${category} ${revision}`] = patient.seed(category, { month, revision });
    }
  }
  patient.data.oneTime.forEach(({ key }, index) => {
    bytes[`one-time key ${index}`] = scalarOf(fromBase64url(key));
  });
  for (const [who, { keystore }] of Object.entries(people) as [string, { keystore: Keystore }][]) {
    bytes[`encryption key of the ${who}`] = keystore.encryption.seed;
    bytes[`signing key of the ${who}`] = await signingKeyOf(keystore, passphrase);
  }
  for (const [name, value] of Object.entries(bytes)) needles.push({ name, value });
  return needles;
}

async function signingKeyOf({ path }: Keystore, passphrase: string): Promise<Uint8Array> {
  const file = parseKeystoreFile(await readFile(path, 'utf8'));
  const { signingKey } = await openBody(file, await openLock(file, passphrase));
  return scalarOf(fromBase64url(signingKey));
}

const SCALAR_BYTES = 32;

/** The private number in PKCS #8 of P-256: the octet string after `02 01 01 04 20` (RFC 5915). */
function scalarOf(pkcs8: Uint8Array): Uint8Array {
  const mark = Buffer.from([2, 1, 1, 4, SCALAR_BYTES]);
  const at = Buffer.from(pkcs8).indexOf(mark);
  if (at < 0) throw new Error('not the PKCS #8 of a P-256 key');
  return pkcs8.slice(at + mark.length, at + mark.length + SCALAR_BYTES);
}
