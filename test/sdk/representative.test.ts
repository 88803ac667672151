/** Representatives with real keys: what they open, give and end; and what is left afterwards. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Power } from '../../lib/chaincode/representative-values.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import type { Delegate } from '../../sdk/delegate.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { Representative } from '../../sdk/representative.ts';
import {
  type AppointmentTerms,
  appoint,
  appointments,
  endAppointment,
} from '../../sdk/representatives.ts';
import { rotate } from '../../sdk/rotation.ts';
import { tend } from '../../sdk/tend.ts';
import { makeWorld, type World } from './world.ts';

const DAY = 86_400_000;
const ALL: readonly Power[] = ['read', 'grant', 'revoke', 'countersign', 'history'];
let world: World;
let writer: Clinician;
let ada: Clinician;
let rosa: Representative;
let count = 0;
let patients = 0;

beforeAll(async () => {
  world = await makeWorld();
  [writer, ada] = await Promise.all([
    world.doctor('Wanda Writer', 1, '1000000046'),
    world.doctor('Ada Okonjo', 0, '1000000012'),
  ]);
  rosa = await representative('Rosa Müller');
});
afterAll(() => world.close());

async function representative(name: string): Promise<Representative> {
  const keystore = await world.keystore('representative', name);
  const made = new Representative(world.session(), keystore, nodeFiles);
  expect(await made.enrol({ name, birthDate: '1990-05-06' })).toBe('active');
  return made;
}

/** A patient with a record of each category, and Rosa's card for her. */
async function cast() {
  patients += 1;
  const label = `patient ${patients}`;
  const anna = await world.patient(`Anna ${'ABCDEFGH'[patients]}. Müller`, [
    'laboratory',
    'radiation-dose',
  ]);
  const categories = ['laboratory', 'radiation-dose'];
  const until = Date.now() + 400 * DAY;
  await grant(anna, { to: { name: 'Wanda Writer' }, rights: ['write'], categories, until });
  const card = await rosa.card(label, 'Rosa Müller');
  const lab = await added(anna, 'laboratory');
  const dose = await added(anna, 'radiation-dose');
  return { anna, label, card, lab, dose };
}

const terms = (change: Partial<AppointmentTerms> = {}): AppointmentTerms => ({
  ...{ powers: ALL, categories: ['laboratory'], until: Date.now() + 60 * DAY },
  ...change,
});
/** What Ada is given: within `terms`. */
const forAda = () => ({
  ...{ to: { name: 'Ada Okonjo' }, rights: ['read'] as const, categories: ['laboratory'] },
  until: Date.now() + 30 * DAY,
});

async function added(anna: Patient, category: string): Promise<MedicalRecord> {
  count += 1;
  const name = `file-${count}.txt`;
  const path = join(world.folder, name);
  await writeFile(path, name);
  await writer.grants({ reload: true });
  const target = { pseudonym: anna.pseudonym, category, mediaType: 'text/plain' };
  const { recordId } = await writer.upload(await fileSource(path, name), target);
  return (await anna.records()).find((one) => one.id === recordId)!;
}

type Opener = { read: Clinician['read'] } | Delegate;

async function opens(who: Opener, record: MedicalRecord): Promise<string> {
  count += 1;
  const path = join(world.folder, `out-${count}`);
  try {
    await who.read(record, () => fileSink(path));
    return 'opened';
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason?: string } };
    return details.reason ?? code;
  }
}

const opensAsDoctor = async (record: MedicalRecord): Promise<string> => {
  await ada.grants({ reload: true });
  return opens(ada, record);
};
const refusal = async (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: unknown) => reasonOf(error) ?? (error as { code: string }).code,
  );

describe('acting for a patient', () => {
  it('opens what is covered, and holds no key of the rest', async () => {
    const { anna, label, card, lab, dose } = await cast();
    expect(await refusal(rosa.actFor(label))).toBe('not_appointed');
    await appoint(anna, card, terms());
    const acting = await rosa.actFor(label);
    expect(
      (await acting.list()).listed.map(({ record, metadata }) => [record.id, metadata?.path]),
    ).toEqual([[lab.id, expect.stringContaining('file-')]]);
    expect(await opens(acting, lab)).toBe('opened');
    expect(await opens(acting, dose)).toBe('category_not_granted');
    const { pseudonym, categoryTag, epoch } = dose;
    expect(acting.reader().seedOf({ pseudonym, categoryTag, ...epoch })).toBeNull();
    const kept = JSON.stringify(rosa.data) + JSON.stringify(acting.share);
    expect(kept).not.toContain(anna.data.root);
    expect(kept).not.toContain(anna.data.ownerKey);
    await acting.countersign(lab);
    const own = (await anna.history()).filter(({ actor }) => actor.role === 'representative');
    expect(own.map(({ fn }) => fn)).toContain('record.countersign');
    const [known] = await appointments(anna);
    expect(known).toMatchObject({ name: 'Rosa Müller', powers: ALL });
    expect(new Set(own.map(({ actor }) => actor.kid))).toEqual(
      new Set([known?.permission.grantee]),
    );
  });

  it('without the right to read no key is handed over at all', async () => {
    const { anna, label, card, lab } = await cast();
    await appoint(anna, card, terms({ powers: ['countersign', 'grant'] }));
    const acting = await rosa.actFor(label);
    expect(acting.share?.lookupKey).toBeNull();
    expect(acting.share?.categories.every(({ seeds }) => seeds.length === 0)).toBe(true);
    expect(await opens(acting, lab)).toBe('right_not_granted');
    await acting.countersign((await acting.records())[0]!);
    expect(await refusal(acting.grant(forAda()))).toBe('beyond_appointment');
    expect(await refusal(acting.history())).toBe('power_not_given');
  });

  it('gives a doctor of what it has; the end of the appointment ends that, and renews keys', async () => {
    const { anna, label, card, lab } = await cast();
    const { permissionId } = await appoint(anna, card, terms());
    const acting = await rosa.actFor(label);
    await acting.grant(forAda());
    expect(await opensAsDoctor(lab)).toBe('opened');
    const tooMuch = { ...forAda(), categories: ['radiation-dose'] };
    expect(await refusal(acting.grant(tooMuch))).toBe('bad_input');
    expect(await refusal(acting.grant({ ...forAda(), until: Date.now() + 61 * DAY }))).toBe(
      'beyond_appointment',
    );
    const ended = await endAppointment(anna, permissionId);
    expect(ended.grants).toHaveLength(1);
    expect(await opensAsDoctor(lab)).toBe('permission_revoked');
    expect(await opens(acting, lab)).toBe('appointment_ended');
    expect(await refusal(rosa.actFor(label))).toBe('appointment_ended');
    const later = await added(anna, 'laboratory');
    expect(later.epoch.revision).toBe(1);
    const { pseudonym, categoryTag, epoch } = later;
    expect(acting.reader().seedOf({ pseudonym, categoryTag, ...epoch })).toBeNull();
  });

  it('ends a permission; the patient’s next login renews the keys', async () => {
    const { anna, label, card, lab } = await cast();
    await appoint(anna, card, terms());
    const given = await grant(anna, forAda());
    expect(await opensAsDoctor(lab)).toBe('opened');
    await (await rosa.actFor(label)).revoke(given.permissionId);
    expect(await opensAsDoctor(lab)).toBe('permission_revoked');
    const { lapsed } = await tend(anna);
    expect(lapsed.map(({ id }) => id)).toEqual([given.permissionId]);
    const later = await added(anna, 'laboratory');
    expect(later.epoch.revision).toBe(1);
    // Who still acts for the patient was sealed to anew.
    expect(await opens(await rosa.actFor(label), later)).toBe('opened');
  });
});

describe('rotation', () => {
  it('ends it, and gives it again with what stands on it, exactly', async () => {
    const { anna, label, card, lab, dose } = await cast();
    await appoint(anna, card, terms());
    const before = await rosa.actFor(label);
    const given = await before.grant(forAda());
    const { patient, permissions } = await rotate(anna);
    expect(permissions.failed).toEqual([]);
    expect(permissions.shared.map(({ from }) => from)).toContain(given.permissionId);
    const acting = await rosa.actFor(label);
    expect(acting.pseudonym).toBe(patient.pseudonym);
    expect(acting.powers).toEqual(ALL);
    const records = await patient.records();
    const [nowLab, nowDose] = [lab, dose].map(({ id }) => records.find((one) => one.id === id)!);
    expect(await opens(acting, nowLab!)).toBe('opened');
    expect(await opens(acting, nowDose!)).toBe('category_not_granted');
    expect(await opensAsDoctor(nowLab!)).toBe('opened');
    const [known] = await appointments(patient);
    await endAppointment(patient, known!.permission.id);
    expect(await opensAsDoctor(nowLab!)).toBe('permission_revoked');
  });

  it('gives nothing again to whom a thief appointed, nor what was given by that one', async () => {
    const { anna, lab } = await cast();
    const mallory = await representative('Mallory Grey');
    // A thief has a copy of the keystore, so the card is in the thief's and not in Anna's.
    await appoint(anna, await mallory.card('victim', 'Mallory'), terms());
    const given = await (await mallory.actFor('victim')).grant(forAda());
    await anna.update({ representatives: undefined });
    const { patient, permissions } = await rotate(anna);
    expect(permissions.failed.map(({ permissionId }) => permissionId)).toContain(
      given.permissionId,
    );
    expect(permissions.failed).toHaveLength(2);
    expect(await refusal(mallory.actFor('victim'))).toBe('appointment_ended');
    const moved = (await patient.records()).find(({ id }) => id === lab.id)!;
    expect(await opensAsDoctor(moved)).not.toBe('opened');
  });
});
