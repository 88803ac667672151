/** Narrowing, extending and care teams, with real keys from end to end. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant, type Granted, type GrantTerms, revoke } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { extend, keepUp, narrow } from '../../sdk/permission-changes.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import {
  changeTeam,
  createTeam,
  makeTeamKey,
  sealTeamKey,
  teamById,
  heldTeamKey,
} from '../../sdk/teams.ts';
import { rotate } from '../../sdk/rotation.ts';
import { tend } from '../../sdk/tend.ts';
import { finishRenewals } from '../../sdk/unfinished.ts';
import { makeWorld, type World } from './world.ts';

const DAY = 86_400_000;
let world: World;
let anna: Patient;
let writer: Clinician;
let ada: Clinician;
let bruno: Clinician;
let chandra: Clinician;
let count = 0;

beforeAll(async () => {
  world = await makeWorld();
  [writer, ada, bruno, chandra, anna] = await Promise.all([
    world.doctor('Wanda Writer', 1, '1000000046'),
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 0, '1000000020'),
    world.doctor('Chandra Veluri', 0, '1000000038'),
    world.patient('Anna Müller', ['laboratory', 'radiation-dose']),
  ]);
  const categories = ['laboratory', 'radiation-dose'];
  const until = Date.now() + 400 * DAY;
  await grant(anna, { to: { name: 'Wanda Writer' }, rights: ['write'], categories, until });
});
afterAll(() => world.close());

const read = (name: string, change: Partial<GrantTerms> = {}): GrantTerms => ({
  to: { name },
  rights: ['read'],
  categories: ['laboratory', 'radiation-dose'],
  until: Date.now() + 100 * DAY,
  ...change,
});

/** A new record, by somebody who may write. */
async function added(category: string): Promise<MedicalRecord> {
  count += 1;
  const name = `file-${count}.txt`;
  const path = join(world.folder, name);
  await writeFile(path, name);
  const target = { pseudonym: anna.pseudonym, category, mediaType: 'text/plain' };
  const { recordId } = await writer.upload(await fileSource(path, name), target);
  const all = await anna.records();
  return all.find((one) => one.id === recordId)!;
}

/** Whether somebody can open a record: the ledger permits, and the keys are there. */
async function opens(who: Clinician, record: MedicalRecord): Promise<string> {
  await who.grants({ reload: true });
  const { pseudonym, categoryTag, epoch } = record;
  const reader = await who.reader('TREAT');
  const hasKey = reader.seedOf({ pseudonym, categoryTag, ...epoch }) !== null;
  count += 1;
  const path = join(world.folder, `out-${count}`);
  try {
    await who.read(record, () => fileSink(path));
    return 'opened';
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason?: string } };
    return `${details.reason ?? code}${hasKey ? ', has the key' : ', has no key'}`;
  }
}

const hasSeed = async (who: Clinician, { pseudonym, categoryTag, epoch }: MedicalRecord) => {
  await who.grants({ reload: true });
  return (await who.reader('TREAT')).seedOf({ pseudonym, categoryTag, ...epoch }) !== null;
};

describe('narrowing', () => {
  it('takes a category back at once, and its later keys from the one who had it', async () => {
    const [lab, dose] = [await added('laboratory'), await added('radiation-dose')];
    const given = await grant(anna, read('Ada Okonjo'));
    const other = await grant(anna, read('Bruno Castellan', { categories: ['radiation-dose'] }));
    expect([await opens(ada, lab), await opens(ada, dose)]).toEqual(['opened', 'opened']);
    const done = await narrow(anna, given.permissionId, { categories: ['laboratory'] });
    expect(done.receiptsUsableUntil).toBeGreaterThan(Date.now());
    expect(done.renewed.map((one) => one.permission.id)).toEqual([other.permissionId]);
    expect(await opens(ada, lab)).toBe('opened');
    expect(await opens(ada, dose)).toBe('category_not_granted, has no key');
    const later = await added('radiation-dose');
    expect(later.epoch.revision).toBe(1);
    expect(await hasSeed(ada, later)).toBe(false);
    expect(await opens(bruno, later)).toBe('opened');
    expect((await added('laboratory')).epoch.revision).toBe(0);
    await revoke(anna, given.permissionId);
    await revoke(anna, other.permissionId);
  });

  it('renews the months after an earlier end, and none before it', async () => {
    const given = await grant(anna, read('Ada Okonjo', { until: Date.now() + 300 * DAY }));
    const before = await anna.revisions();
    await narrow(anna, given.permissionId, { until: Date.now() + DAY });
    const [lab] = [anna.tag('laboratory')];
    const revised = (await anna.revisions()).get(lab)!;
    const known = new Map(before.get(lab)?.map((one) => [one.month, one.revision]));
    const renewed = revised.filter((one) => (known.get(one.month) ?? 0) < one.revision);
    const month = new Date(Date.now() + DAY).toISOString().slice(0, 7);
    expect(renewed.length).toBeGreaterThan(8);
    expect(renewed.every((one) => one.month > month)).toBe(true);
    await revoke(anna, given.permissionId);
  });

  it('changes no key where no key is lost', async () => {
    const given = await grant(anna, read('Ada Okonjo', { purposes: ['TREAT', 'RESCH'] }));
    const before = await anna.revisions();
    const done = await narrow(anna, given.permissionId, { purposes: ['TREAT'] });
    expect(done.renewed).toEqual([]);
    expect(await anna.revisions()).toEqual(before);
    expect(done.result.value).not.toHaveProperty('shareDigest');
    const record = await added('laboratory');
    expect(await opens(ada, record)).toBe('opened');
    await revoke(anna, given.permissionId);
  });
});

describe('a change that is cut off', () => {
  it('is ended by the next login: keys are published, and readers have them', async () => {
    const stays = await grant(anna, read('Ada Okonjo'));
    const goes = await grant(anna, read('Bruno Castellan'));
    const cut = vi.spyOn(anna.session.custodian, 'publishCategoryKeys');
    cut.mockRejectedValueOnce(new Error('the power is out'));
    await expect(revoke(anna, goes.permissionId)).rejects.toThrow('the power is out');
    cut.mockRestore();
    await expect(added('laboratory')).rejects.toMatchObject({ code: 'mismatch' });
    const finished = await finishRenewals(anna);
    expect(finished.map((one) => one.permission.id)).toEqual([stays.permissionId]);
    const later = await added('laboratory');
    expect(await opens(ada, later)).toBe('opened');
    expect(await hasSeed(bruno, later)).toBe(false);
    expect(await finishRenewals(anna)).toEqual([]);
    expect((await tend(anna)).resealed).toEqual([]);
    await revoke(anna, stays.permissionId);
  });
});

describe('extending', () => {
  it('brings the keys that are new, and keeps those that were there', async () => {
    const [lab, dose] = [await added('laboratory'), await added('radiation-dose')];
    const given = await grant(anna, read('Ada Okonjo', { categories: ['laboratory'] }));
    expect(await opens(ada, dose)).toBe('category_not_granted, has no key');
    await extend(anna, given.permissionId, { categories: ['laboratory', 'radiation-dose'] });
    expect([await opens(ada, lab), await opens(ada, dose)]).toEqual(['opened', 'opened']);
    await extend(anna, given.permissionId, { until: Date.now() + 200 * DAY });
    expect(await opens(ada, lab)).toBe('opened');
    const [permission] = (await anna.permissions()).slice(-1);
    expect(permission).toMatchObject({ id: given.permissionId, version: 3 });
    await revoke(anna, given.permissionId);
    await expect(
      extend(anna, given.permissionId, { until: Date.now() + 300 * DAY }),
    ).rejects.toMatchObject({
      code: 'refused',
      details: { reason: 'permission_revoked' },
    });
  });
});

it('takes back and renews though a team has a key that nothing can be sealed to', async () => {
  const patient = await world.patient('Frida Funk', ['laboratory']);
  const [entry] = await patient.session.membership.directory({ name: 'Chandra Veluri' });
  const subject = entry!.subject;
  const made = await createTeam(world.operator(0), { name: 'Spoilt team', members: [subject] });
  const { teamId } = made;
  await makeTeamKey(chandra, await teamById(patient, teamId));
  const terms = { categories: ['laboratory'] };
  const ofTeam = await grant(patient, read('', { to: { team: 'Spoilt team' }, ...terms }));
  const ofAda = await grant(patient, read('Ada Okonjo', terms));
  await grant(patient, read('Bruno Castellan', terms));
  const { version } = await teamById(patient, teamId);
  const seals = [{ subject, digest: 'A'.repeat(43) }];
  const args = { teamId, version, epoch: 2, publicKey: `${'_'.repeat(1_621)}w`, seals };
  await chandra.session.client.submit({ fn: 'team.publish-key', args }, chandra.signer);
  const { renewed, skipped } = await revoke(patient, ofAda.permissionId);
  expect(renewed.map(({ recipient }) => recipient.name)).toEqual(['Bruno Castellan']);
  expect(skipped.map(({ id }) => id)).toEqual([ofTeam.permissionId]);
});

describe('a care team', () => {
  let teamId: string;
  let given: Granted;
  const looker = () => anna;

  beforeAll(async () => {
    const members = await Promise.all(['Ada Okonjo', 'Bruno Castellan'].map(subjectOf));
    const made = await createTeam(world.operator(0), { name: 'Radiation oncology', members });
    teamId = made.teamId;
    await makeTeamKey(ada, await teamById(looker(), teamId));
    given = await grant(anna, read('', { to: { team: 'radiation ONCOLOGY' } }));
  });

  const subjectOf = async (name: string) => {
    const [entry] = await anna.session.membership.directory({ name });
    return entry!.subject;
  };

  it('opens for each member, and the history names person and team', async () => {
    const record = await added('laboratory');
    for (const who of [ada, bruno]) expect(await opens(who, record)).toBe('opened');
    expect(await opens(chandra, record)).toBe('no_permission, has no key');
    const reads = (await anna.history()).filter((one) => one.recordId === record.id && one.team);
    const [first, second] = await Promise.all(['Ada Okonjo', 'Bruno Castellan'].map(subjectOf));
    expect(
      reads.map(({ actor, team, permissionId }) => [actor.subject, team, permissionId]),
    ).toEqual([
      [first, teamId, given.permissionId],
      [second, teamId, given.permissionId],
    ]);
  });

  it('gives somebody who joins the keys only when a member seals them', async () => {
    const record = await added('laboratory');
    const add = [await subjectOf('Chandra Veluri')];
    await changeTeam(world.operator(0), await teamById(looker(), teamId), { add });
    expect(await opens(chandra, record)).toBe('not_readable, has no key');
    await expect(sealTeamKey(chandra, await teamById(looker(), teamId))).rejects.toMatchObject({
      code: 'not_found',
    });
    const sealed = await sealTeamKey(bruno, await teamById(looker(), teamId));
    expect(sealed?.sealedTo.map((one) => one.name)).toEqual(['Chandra Veluri']);
    expect(await sealTeamKey(bruno, await teamById(looker(), teamId))).toBeNull();
    expect(await opens(chandra, record)).toBe('opened');
  });

  it('shuts somebody out who leaves: at once on the ledger, and from keys of later records', async () => {
    const before = await added('laboratory');
    const { seeds: oldSeeds } = await heldTeamKey(bruno, await teamById(looker(), teamId));
    const remove = [await subjectOf('Bruno Castellan')];
    await changeTeam(world.operator(0), await teamById(looker(), teamId), { remove });
    expect(await opens(bruno, before)).toMatch(/^(no_permission|permission_revoked), has no key$/);
    await expect(
      bruno.session.custodian.teamKey(teamId, bruno.keystore.signingKey),
    ).rejects.toMatchObject({ details: { problem: { code: 'not_in_team' } } });
    expect(await opens(ada, before)).toBe('opened');
    expect(await keepUp(anna)).toEqual({ renewed: [], undecided: [] });
    await makeTeamKey(ada, await teamById(looker(), teamId));
    const kept = await keepUp(anna);
    expect(kept.renewed.map((one) => one.permission.id)).toEqual([given.permissionId]);
    expect(await keepUp(anna)).toEqual({ renewed: [], undecided: [] });
    const later = await added('laboratory');
    expect(later.epoch.revision).toBeGreaterThan(before.epoch.revision);
    for (const who of [ada, chandra]) {
      expect([await opens(who, before), await opens(who, later)]).toEqual(['opened', 'opened']);
    }
    expect(await opens(bruno, later)).toMatch(/^(no_permission|permission_revoked), has no key$/);
    // The seed that the leaver kept opens nothing that was sealed since.
    const team = await teamById(looker(), teamId);
    const { seeds } = await heldTeamKey(ada, team);
    expect([...oldSeeds.keys()]).toEqual([1]);
    expect(seeds.get(1)).toEqual(oldSeeds.get(1));
    expect(seeds.get(2)).not.toEqual(oldSeeds.get(1));
    const [permission] = (await anna.permissions()).filter((one) => one.id === given.permissionId);
    expect(permission).toMatchObject({ teamEpoch: 2 });
  });

  it('is narrowed and taken back as any other, and says what was read through it', async () => {
    const [lab, dose] = [await added('laboratory'), await added('radiation-dose')];
    await narrow(anna, given.permissionId, { categories: ['laboratory'] });
    expect([await opens(chandra, lab), await opens(chandra, dose)]).toEqual([
      'opened',
      'category_not_granted, has no key',
    ]);
    const { receiptsUsableUntil } = await revoke(anna, given.permissionId);
    expect(receiptsUsableUntil).toBeGreaterThan(Date.now());
    expect(await opens(ada, lab)).toMatch(/^permission_revoked/);
    const used = (await anna.history()).filter(
      (one) => one.permissionId === given.permissionId && one.decision === 'permit',
    );
    const readers = new Set(used.map((one) => one.actor.subject));
    expect(readers.size).toBe(3);
    const shares = await ada.session.custodian.shares(ada.keystore.signingKey, { teamId });
    expect(shares).toEqual([]);
  });

  it('keeps its permission through a rotation of all keys', async () => {
    const record = await added('laboratory');
    await grant(anna, read('', { to: { team: 'Radiation oncology' } }));
    expect(await opens(chandra, record)).toBe('opened');
    const { patient, permissions } = await rotate(anna);
    expect(permissions.failed).toEqual([]);
    const own = (await patient.permissions()).filter((one) => one.granteeKind === 'team');
    expect(own.map(({ grantee, revoked }) => [grantee, revoked])).toEqual([[teamId, null]]);
    const [moved] = (await patient.records()).filter((one) => one.id === record.id);
    for (const who of [ada, chandra]) expect(await opens(who, moved!)).toBe('opened');
    expect(await opens(bruno, moved!)).toBe('no_permission, has no key');
  });
});
