/** Care teams with somebody who lies in them: an operator, a member, a leaver, and old shares. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../../lib/crypto/hpke.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import {
  fromSealedText,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { findGrantee } from '../../sdk/directory.ts';
import { problemCodeOf } from '../../sdk/http.ts';
import { grant, type Granted } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { keepUp, narrow } from '../../sdk/permission-changes.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { openShare } from '../../sdk/seal.ts';
import {
  changeTeam,
  createTeam,
  heldTeamKey,
  makeTeamKey,
  sealTeamKey,
  teamById,
} from '../../sdk/teams.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
let anna: Patient;
let ada: Clinician;
let bruno: Clinician;
let mallory: Clinician;
let record: MedicalRecord;
let teamId: string;
let given: Granted;

const until = (): number => Date.now() + 90 * 86_400_000;
const categories = ['laboratory', 'radiation-dose'];

beforeAll(async () => {
  world = await makeWorld();
  [ada, bruno, mallory, anna] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 0, '1000000020'),
    world.doctor('Mallory Grau', 0, '1000000038'),
    world.patient('Anna Müller', categories),
  ]);
  const members = [await subjectOf(ada), await subjectOf(bruno)];
  ({ teamId } = await createTeam(world.operator(0), { name: 'Oncology', members }));
  await makeTeamKey(ada, await team());
  const rights = ['read', 'write'] as const;
  given = await grant(anna, { to: { team: 'Oncology' }, rights, categories, until: until() });
  const path = join(world.folder, 'report.txt');
  await writeFile(path, 'a report');
  const { pseudonym } = anna;
  const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
  await ada.upload(await fileSource(path, 'report.txt'), target);
  record = (await anna.records())[0]!;
});
afterAll(() => world.close());

const team = () => teamById(anna, teamId);
const subjectOf = async (who: Clinician): Promise<string> => who.data.enrolment?.subject ?? '';

async function outcome(who: Clinician): Promise<string> {
  await who.grants({ reload: true });
  const path = join(world.folder, toBase64url(randomBytes(8)));
  return who
    .read(record, () => fileSink(path))
    .then(
      () => 'opened',
      (error: { code: string }) => error.code,
    );
}

describe('the hospital of the team', () => {
  it('holds seals and shares for an outage, and opens neither with its own keys', async () => {
    const hospital = world.hospitals.get('hospital-a')!;
    await hospital.replicate();
    const kept = await hospital.store.get(wrapKeys.teamKeys(teamId));
    const { seals } = kept!.value as { seals: { kid: string; sealed: SealedText }[] };
    const kids = [ada, bruno].map(({ keystore }) => keystore.kid);
    expect(seals.map(({ kid }) => kid).sort()).toEqual(kids.sort());
    const network = anna.session.client.name;
    const recipient = await subjectOf(ada);
    const info = hpkeInfo({ network, purpose: 'team-key', subject: teamId, recipient });
    const { sealed } = seals.find(({ kid }) => kid === ada.keystore.kid)!;
    const openSeal = (seed: Uint8Array) =>
      hpkeOpen(seed, { ...fromSealedText(sealed), info, aad: new Uint8Array() });
    const { permissionId } = given;
    const found = await hospital.store.get(wrapKeys.share(teamId, permissionId));
    const openIt = (seed: Uint8Array) =>
      openShare(found!.value as SealedText, { seed, network, permissionId, grantee: teamId });
    const { seeds } = await heldTeamKey(ada, await team());
    expect(await openSeal(ada.keystore.encryption.seed)).toBeInstanceOf(Uint8Array);
    expect(await openIt(seeds.get(1)!)).toMatchObject({ pseudonym: anna.pseudonym });
    // Of the keys that a hospital has, one opens what is sealed to it.
    const { seed } = world.net.validators[0]!.share;
    await expect(openSeal(seed)).rejects.toThrow();
    await expect(openIt(seed)).rejects.toThrow();
  });
});

describe('a member who hands on another key than the team’s', () => {
  it('is found out by the one who gets it, and another member can repair it', async () => {
    const subject = await subjectOf(mallory);
    await changeTeam(world.operator(0), await team(), { add: [subject] });
    const { version, epoch } = await team();
    const { session, signer } = bruno;
    const to = await findGrantee(session, signer, { name: 'Mallory Grau' });
    const network = session.client.name;
    const info = hpkeInfo({ network, purpose: 'team-key', subject: teamId, recipient: subject });
    const seeds = [[epoch, randomBytes(32)]];
    const plaintext = encodeCbor({ format: 'carequorum-team-1', seeds });
    const made = await hpkeSeal(to.encryptionKey, { info, aad: new Uint8Array(), plaintext });
    const seals = [{ subject, digest: toBase64url(sealedDigest(made)) }];
    const call = { fn: 'team.seal', args: { teamId, version, epoch, seals } };
    const { receipt } = await session.client.submit(call, signer);
    const deposit = [{ kid: mallory.keystore.kid, sealed: toSealedText(made) }];
    await session.custodian.putTeamKeys(deposit, { key: bruno.keystore.signingKey, receipt });
    await expect(heldTeamKey(mallory, await team())).rejects.toMatchObject({ code: 'mismatch' });
    expect(await outcome(mallory)).toBe('not_readable');
    const repaired = await makeTeamKey(ada, await team());
    expect(repaired.team.epoch).toBe(2);
    expect(repaired.skipped).toEqual([]);
    await keepUp(anna);
    expect(await outcome(mallory)).toBe('opened');
    await changeTeam(world.operator(0), await team(), { remove: [subject] });
    expect(await outcome(mallory)).toBe('refused');
    await makeTeamKey(bruno, await team());
    expect((await keepUp(anna)).renewed).toHaveLength(1);
    expect(await outcome(ada)).toBe('opened');
  });
});

describe('an old share', () => {
  it('does not come back after a narrowing, whoever brings it', async () => {
    const put = vi.spyOn(anna.session.custodian, 'putShare');
    const rights = ['read'] as const;
    const { permissionId } = await grant(anna, {
      ...{ to: { name: 'Mallory Grau' }, rights, categories, until: until() },
    });
    const [share, permit] = put.mock.calls.at(-1) as unknown as [
      SealedText,
      { receipt: Uint8Array },
    ];
    await narrow(anna, permissionId, { categories: ['laboratory'] });
    put.mockRestore();
    const replay = { key: mallory.keystore.signingKey, receipt: permit.receipt };
    const refused = await mallory.session.custodian
      .putShare(share, replay)
      .catch((error: unknown) => error);
    expect(problemCodeOf(refused)).toBe('share_superseded');
    const [kept] = (await mallory.grants({ reload: true })).filter(
      (one) => one.permission.id === permissionId,
    );
    expect(kept?.share?.categories.map((one) => one.name)).toEqual(['laboratory']);
    const held = await mallory.session.custodian.shares(mallory.keystore.signingKey);
    expect(held.map((one) => one.sealed)).not.toContainEqual(share);
  });
});

describe('an operator who puts an accomplice into a team', () => {
  it('gets no keys: not without a member, and not from the patient without a yes', async () => {
    const eve = await world.doctor('Eve Marsh', 0, '1000000053');
    const accomplice = await subjectOf(eve);
    await changeTeam(world.operator(0), await team(), { add: [accomplice] });
    // The ledger permits, by name and in the patient's history; there are no keys to open with.
    expect(await outcome(eve)).not.toBe('opened');
    const [tried] = (await anna.history()).slice(-1);
    expect(tried).toMatchObject({ actor: { subject: accomplice }, team: teamId });
    await expect(sealTeamKey(eve, await team())).rejects.toMatchObject({ code: 'not_found' });
    // With everybody else let out, the accomplice makes the next key.
    const remove = [await subjectOf(ada), await subjectOf(bruno)];
    await changeTeam(world.operator(0), await team(), { remove });
    await makeTeamKey(eve, await team());
    const { renewed, undecided } = await keepUp(anna);
    expect(renewed).toEqual([]);
    expect(undecided.map((one) => one.permission.id)).toEqual([given.permissionId]);
    const grants = (await eve.grants({ reload: true })).filter((one) => one.team !== null);
    expect(grants.map((one) => one.share)).toEqual([null]);
    // Those who were let out are refused as well, and the log says all of it.
    expect(await outcome(ada)).toBe('refused');
    const trusted = await keepUp(anna, new Set([teamId]));
    expect(trusted.renewed.map((one) => one.permission.id)).toContain(given.permissionId);
    expect((await keepUp(anna)).undecided).toEqual([]);
  });
});
