/** A record put under a wrong patient: taken back, told, erased, and put where it belongs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Clinician } from '../../sdk/clinician.ts';
import { redisclosureNotice } from '../../sdk/categories.ts';
import { eraseRecords } from '../../sdk/erasure.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let doctor: Clinician;
let reader: Clinician;
let anna: Patient;
let anja: Patient;

beforeAll(async () => {
  world = await makeWorld();
  doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
  reader = await world.doctor('Bruno Castellan', 1, '1000000020');
  anna = await world.patient('Anna Müller', ['laboratory']);
  anja = await world.patient('Anja Muller', ['laboratory']);
  for (const patient of [anna, anja]) {
    const terms = { categories: ['laboratory'], until: Date.now() + 3_600_000 };
    await grant(patient, { to: { name: 'Ada Okonjo' }, rights: ['write'], ...terms });
    await grant(patient, { to: { name: 'Bruno Castellan' }, rights: ['read'], ...terms });
  }
});
afterAll(() => world.close());

it('goes from the wrong patient to the right one, and nobody goes on relying on it', async () => {
  const path = join(world.folder, 'potassium.txt');
  await writeFile(path, 'potassium 6.9 mmol/l');
  const source = await fileSource(path, 'potassium.txt');
  const target = { category: 'laboratory', mediaType: 'text/plain' };
  const wrong = await doctor.upload(source, { ...target, pseudonym: anna.pseudonym });
  const out = join(world.folder, 'read.txt');
  const [record] = await reader.records(anna.pseudonym);
  await reader.read(record!, () => fileSink(out));
  // The nurse notices: this is of Anja.
  const { value } = await doctor.retract(wrong.recordId, 'wrong-patient');
  expect(value).toMatchObject({ alerted: 1, unlisted: 0 });
  const told = (await reader.inbox()).find(({ topic }) => topic === 'record.retracted');
  expect(told).toMatchObject({ recordId: wrong.recordId });
  const again = reader.read(record!, () => fileSink(`${out}.2`));
  expect(reasonOf(await again.catch((error: unknown) => error))).toBe('record_retracted');
  // Anna is told, and has what is not hers destroyed.
  expect((await anna.inbox()).map(({ topic }) => topic)).toContain('record.retracted');
  await eraseRecords(anna, [wrong.recordId]);
  expect(world.objects.size).toBe(0);
  // And Anja's record is where it belongs.
  await doctor.upload(source, { ...target, pseudonym: anja.pseudonym });
  const [right] = await reader.records(anja.pseudonym);
  await reader.read(right!, () => fileSink(`${out}.3`));
  expect(await readFile(`${out}.3`, 'utf8')).toBe('potassium 6.9 mmol/l');
});

it('has a notice for records of substance use treatment, and for no others', () => {
  expect(redisclosureNotice('substance-use-treatment')).toContain('42 CFR PART 2');
  expect(redisclosureNotice('substance-use-treatment-methadone')).toContain('pass it on to nobody');
  expect(redisclosureNotice('laboratory')).toBeNull();
});
