/** People and documents for rotations: a patient with records, one who writes, one who reads. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { readDocument, type Reader } from '../../sdk/read.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import type { World } from './world.ts';

export const HOUR = 3_600_000;
export const PASSPHRASE = 'a passphrase of a test';

export interface Cast {
  world: World;
  writer: Clinician;
  reader: Clinician;
  patient: Patient;
  /** Bytes of each document by its name. */
  documents: Map<string, Uint8Array>;
}

/** With the doctors of another cast, where one is given: each has one number of the register. */
export async function makeCast(
  world: World,
  name = 'Anna Müller',
  doctors?: Pick<Cast, 'writer' | 'reader'>,
): Promise<Cast> {
  const [writer, reader, patient] = await Promise.all([
    doctors?.writer ?? world.doctor('Ada Okonjo', 0, '1000000012'),
    doctors?.reader ?? world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient(name, ['laboratory', 'radiation-dose']),
  ]);
  const cast = { world, writer, reader, patient, documents: new Map<string, Uint8Array>() };
  const until = Date.now() + HOUR;
  const to = (one: Clinician) => ({ name: one.keystore.label });
  const categories = ['laboratory', 'radiation-dose'];
  await grant(patient, { to: to(writer), rights: ['write'], categories, until });
  await grant(patient, { to: to(reader), rights: ['read'], categories: ['laboratory'], until });
  return cast;
}

export async function upload(cast: Cast, name: string, bytes: Uint8Array, category = 'laboratory') {
  const path = join(cast.world.folder, `in-${name}-${randomBytes(4).toString('hex')}`);
  await writeFile(path, bytes);
  cast.documents.set(name, bytes);
  const { pseudonym } = cast.patient;
  const target = { pseudonym, category, mediaType: 'text/plain' };
  return cast.writer.upload(await fileSource(path, name), target);
}

/** The patient again, as a new program opens it. */
export async function reopen({ world, patient }: Cast): Promise<Patient> {
  const keystore = await openKeystore(patient.keystore.path, PASSPHRASE);
  const save = keystore.save.bind(keystore);
  keystore.save = () => world.power.write(save);
  return Patient.open(world.session(), keystore);
}

export function ownReader(patient: Patient): Reader {
  const names = patient.categoryNames();
  return {
    session: patient.session,
    key: patient.ownerKey,
    signer: patient.signer,
    files: nodeFiles,
    purpose: 'PATRQT',
    seedOf: ({ categoryTag, ...epoch }) => patient.seed(names.get(categoryTag) ?? '', epoch),
  };
}

/** Every document opens for the patient and is the one that was uploaded. */
export async function expectAllReadable(cast: Cast, patient: Patient): Promise<void> {
  const records = await patient.records();
  const found = new Set<string>();
  for (const record of records) {
    const out = join(cast.world.folder, `out-${randomBytes(6).toString('hex')}`);
    const done = await readDocument(ownReader(patient), record, () => fileSink(out));
    const { path } = done.metadata;
    const isSame = (await readFile(done.path)).equals(cast.documents.get(path) ?? new Uint8Array());
    expect([path, isSame]).toEqual([path, true]);
    found.add(path);
  }
  expect([...found].sort()).toEqual([...cast.documents.keys()].sort());
}
