/** Keys of clinicians over time: renewed without a gap, replaced after a loss, ended by a lapse. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { recheckActive } from '../../functions/membership/recheck-active.ts';
import { tellLapses } from '../../functions/membership/lapse.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { findIdentity } from '../../sdk/directory.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import {
  approveReenrolment,
  askReenrolment,
  endReenrolment,
  enrolAgain,
  finishReenrolment,
  letterOfReenrolment,
  reenrolmentOf,
} from '../../sdk/reenrolment.ts';
import { isRenewalDue, renewKeys } from '../../sdk/renewal.ts';
import { tend } from '../../sdk/tend.ts';
import { makeWorld, type World } from './world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let world: World;
let uploader: Clinician;
let doctor: Clinician;
let colleague: Clinician;
let patient: Patient;
let outputs = 0;

const terms = (rights: readonly ('read' | 'write')[]) =>
  ({
    rights,
    categories: ['laboratory'],
    until: Date.now() + world.skewMs.value + 500 * DAY,
  }) as const;

beforeAll(async () => {
  world = await makeWorld();
  [uploader, doctor, colleague, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 0, '1000000020'),
    world.doctor('Chandra Veluri', 1, '1000000038'),
    world.patient('Anna Müller', ['laboratory']),
  ]);
  await grant(patient, { to: { npi: '1000000012' }, ...terms(['write']) });
  await grant(patient, { to: { npi: '1000000020' }, ...terms(['read']) });
  await grant(patient, { to: { npi: '1000000038' }, ...terms(['read']) });
  await upload('first.txt');
});
afterAll(() => world.close());

async function upload(name: string): Promise<void> {
  const path = join(world.folder, name);
  await writeFile(path, `the content of ${name}`);
  const { pseudonym } = patient;
  const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
  await uploader.upload(await fileSource(path, name), target);
}

const sha = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

/** Names of all that somebody can read, each compared byte for byte. */
async function readAll(reader: Clinician): Promise<string[]> {
  const { listed } = await reader.list(patient.pseudonym);
  const names: string[] = [];
  for (const { record } of listed) {
    const done = await reader.read(record, ({ path }) =>
      fileSink(join(world.folder, `out-${(outputs += 1)}-${path}`)),
    );
    expect(await sha(done.path)).toBe(await sha(join(world.folder, done.metadata.path)));
    names.push(done.metadata.path);
  }
  return names.sort();
}

describe('renewal', () => {
  it('is due a month ahead, and leaves no moment without a key', async () => {
    expect(isRenewalDue(doctor)).toBe(false);
    const before = doctor.keystore.kid;
    const { clinician, result } = await renewKeys(doctor, nodeFiles);
    expect(result).not.toBeNull();
    expect(clinician.keystore.kid).not.toBe(before);
    // What was sealed to the old key is still opened, before the patient has done anything.
    expect(await readAll(clinician)).toEqual(['first.txt']);
    // The same file, opened anew, has the new keys.
    const reopened = await openKeystore(doctor.keystore.path, 'a passphrase of a test');
    expect(reopened.kid).toBe(clinician.keystore.kid);
    doctor = new Clinician(world.session(), reopened, nodeFiles);
    const { resealed } = await tend(patient);
    expect(resealed.map(({ recipient }) => recipient.name)).toEqual(['Bruno Castellan']);
    expect(await readAll(doctor)).toEqual(['first.txt']);
    expect((await tend(patient)).resealed).toEqual([]);
    // The directory goes on naming one person, whose key the ledger proves.
    await grant(patient, { to: { npi: '1000000020' }, ...terms(['read']) });
  });

  it('goes on where it was interrupted, with the keys that it began with', async () => {
    const cut = vi.spyOn(colleague.session.client, 'submit');
    cut.mockRejectedValueOnce(new Error('the power is out'));
    await expect(renewKeys(colleague, nodeFiles)).rejects.toThrow('the power is out');
    cut.mockRestore();
    const kept = await openKeystore(colleague.keystore.path, 'a passphrase of a test');
    colleague = new Clinician(world.session(), kept, nodeFiles);
    expect(isRenewalDue(colleague)).toBe(true);
    const wanted = colleague.data.next?.keys.signingKey;
    ({ clinician: colleague } = await renewKeys(colleague, nodeFiles));
    expect(colleague.keystore.keptKeys.signingKey).toBe(wanted);
    const { subject } = colleague.data.enrolment as { subject: string };
    const identity = await findIdentity(world.session(), patient.signer, { subject });
    expect(identity).toMatchObject({ kid: colleague.keystore.kid, status: 'active' });
    expect(await readAll(colleague)).toEqual(['first.txt']);
  });

  it('comes by itself when the certificate ends in less than a month', async () => {
    world.skewMs.value += 340 * DAY;
    expect(isRenewalDue(uploader)).toBe(true);
    ({ clinician: uploader } = await renewKeys(uploader, nodeFiles));
    expect(isRenewalDue(uploader)).toBe(false);
    await tend(patient);
    await upload('second.txt');
  });
});

describe('a lost device', () => {
  it('costs neither the identity nor the grants', async () => {
    const { subject } = doctor.data.enrolment as { subject: string };
    const keystore = await world.keystore('clinician', 'Bruno again');
    let again = new Clinician(world.session(), keystore, nodeFiles);
    const [own, other] = [world.operator(0), world.operator(1)];
    const letter = await letterOfReenrolment(own, { subject, kid: keystore.kid });
    const enrolment = await enrolAgain(again, 'doctor', letter);
    expect(enrolment).toMatchObject({ status: 'active', subject });
    const certificate = fromBase64url(enrolment?.certificate ?? '');
    await askReenrolment(own, certificate, 'device-lost');
    expect(reasonOf(await readAll(doctor).catch((error: unknown) => error))).toBe(
      'identity_suspended',
    );
    expect((await doctor.inbox()).map(({ topic }) => topic)).toContain(
      'identity.re-enrolment-asked',
    );
    await approveReenrolment(other, subject);
    await expect(finishReenrolment(own, subject)).rejects.toMatchObject({
      details: { reason: 'reenrolment_waits' },
    });
    expect(await reenrolmentOf(own, subject)).toMatchObject({ status: 'open' });
    world.skewMs.value += 73 * HOUR;
    await finishReenrolment(own, subject);
    // The grants are there; what was sealed to the lost key is not opened by the new one.
    expect((await again.grants()).some(({ share }) => share !== null)).toBe(false);
    const before = await patient.revisions();
    const { resealed } = await tend(patient);
    expect(resealed.length).toBeGreaterThan(0);
    expect(await patient.revisions()).not.toEqual(before);
    again = new Clinician(world.session(), keystore, nodeFiles);
    expect(await readAll(again)).toEqual(['first.txt', 'second.txt']);
    expect((await tend(patient)).resealed).toEqual([]);
    await upload('third.txt');
    expect(await readAll(again)).toContain('third.txt');
    expect(await readAll(colleague)).toContain('third.txt');
    doctor = again;
  });

  it('that is not lost: its holder objects, and goes on', async () => {
    const { subject } = doctor.data.enrolment as { subject: string };
    const thief = await world.keystore('clinician', 'a thief');
    const stranger = new Clinician(world.session(), thief, nodeFiles);
    const own = world.operator(0);
    const letter = await letterOfReenrolment(own, { subject, kid: thief.kid });
    const enrolment = await enrolAgain(stranger, 'doctor', letter);
    await askReenrolment(own, fromBase64url(enrolment?.certificate ?? ''), 'device-stolen');
    await approveReenrolment(world.operator(2), subject);
    await endReenrolment(doctor, subject);
    world.skewMs.value += 73 * HOUR;
    await expect(finishReenrolment(own, subject)).rejects.toMatchObject({
      details: { reason: 'no_reenrolment' },
    });
    expect(await readAll(doctor)).toContain('third.txt');
    // The directory lists two keys of one person: the patient seals to the one that counts.
    const given = await grant(patient, { to: { npi: '1000000020' }, ...terms(['read']) });
    expect(given.grantee.kid).toBe(doctor.keystore.kid);
  });

  it('needs a letter of the own hospital’s operator', async () => {
    const { subject } = doctor.data.enrolment as { subject: string };
    const keystore = await world.keystore('clinician', 'another thief');
    const stranger = new Clinician(world.session(), keystore, nodeFiles);
    const foreign = await letterOfReenrolment(world.operator(1), { subject, kid: keystore.kid });
    await expect(enrolAgain(stranger, 'doctor', foreign)).rejects.toMatchObject({
      details: { problem: { code: 'wrong_invitation' } },
    });
    const own = { subject, kid: doctor.keystore.kid };
    const forOther = await letterOfReenrolment(world.operator(0), own);
    await expect(enrolAgain(stranger, 'doctor', forOther)).rejects.toMatchObject({
      details: { problem: { code: 'wrong_invitation' } },
    });
  });
});

describe('a lapse', () => {
  it('ends certificate and grants on the ledger; the next login shuts the doctor out', async () => {
    const before = await patient.revisions();
    world.registry.verdict = 'ended';
    world.skewMs.value += 2 * DAY;
    expect(await recheckActive(world.membership)).toMatchObject({ lapsed: 3, isStopped: false });
    expect(await tellLapses(world.membership)).toBe(3);
    expect(await tellLapses(world.membership)).toBe(0);
    expect(reasonOf(await readAll(colleague).catch((error: unknown) => error))).toBe(
      'identity_revoked',
    );
    const permissions = await patient.permissions();
    expect(permissions.filter(({ revoked }) => revoked === null)).toEqual([]);
    const { lapsed } = await tend(patient);
    expect(lapsed.length).toBeGreaterThan(0);
    expect(await patient.revisions()).not.toEqual(before);
    expect((await tend(patient)).lapsed).toEqual([]);
    const history = await patient.history();
    expect(history.filter(({ fn }) => fn === 'identity.lapse')[0]).toMatchObject({
      actor: { role: 'membership' },
      reason: 'number-deactivated',
    });
    const refused = await renewKeys(colleague, nodeFiles).catch((error: unknown) => error);
    expect(refused).toMatchObject({ details: { problem: { code: 'revoked' } } });
  });
});
