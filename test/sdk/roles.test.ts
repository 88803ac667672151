/** Every role of the table enrols end to end; a role that is added to the data works without code. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { type Role, roleRow, roleSchema } from '../../lib/membership/roles.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { findIdentity } from '../../sdk/directory.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import { allUnmaskings, approveUnmask, askUnmask, nameHolder } from '../../sdk/unmasking.ts';
import { makeWorld, type World } from './world.ts';

/** A row more in the table: nothing else of the system is told. */
vi.mock('../../lib/membership/role-table.ts', async (load) => {
  const { roleTable } = await load<{ roleTable: object }>();
  const dietitian = { way: 'cosigned', isNamed: true, needsNumber: false, rights: ['read'] };
  return { roleTable: { ...roleTable, dietitian } };
});

const thisWeek = { weeks: [0], isUrgent: true };
const DIETITIAN = 'dietitian' as Role;
let world: World;
let patient: Patient;

beforeAll(async () => {
  world = await makeWorld();
  patient = await world.patient('Anna Müller', ['laboratory']);
});
afterAll(() => world.close());

/** Somebody whom no registry lists: invited by the operator, then cosigned. */
async function invited(role: Role, hospital = 0): Promise<Clinician> {
  const name = `A ${role} of ${hospital}`;
  const keystore = await world.keystore('clinician', name);
  const person = new Clinician(world.session(), keystore, nodeFiles);
  const operator = world.operator(hospital);
  const letter = await letterOfInvitation(operator, { role, kid: keystore.kid });
  const identity = { name, hospital: operator.hospital };
  const enrolment = await person.enrol(role, identity, letter);
  await operator.approve(fromBase64url(enrolment?.certificate ?? ''));
  return person;
}

const cosigned = roleSchema.options.filter((role) => roleRow(role).way === 'cosigned');

describe('every role', () => {
  it('is one that this test knows how to get', () => {
    expect(cosigned).toEqual([
      ...['doctor', 'nurse', 'pharmacist', 'insurer', 'researcher', 'auditor', 'coordinator'],
      DIETITIAN,
    ]);
    const others = roleSchema.options.filter((role) => !cosigned.includes(role));
    expect(others).toEqual(['patient', 'representative', 'operator', 'custodian']);
  });

  it.each(cosigned)('%s: enrolled, cosigned, and known to the ledger', async (role) => {
    const person =
      role === 'doctor' ? await world.doctor('Ada Okonjo', 0, '1000000012') : await invited(role);
    const { subject } = person.data.enrolment as { subject: string };
    const identity = await findIdentity(world.session(), patient.signer, { subject });
    expect(identity).toMatchObject({ role, status: 'active', hospital: 'hospital-a' });
    expect((await person.inbox()).map(({ topic }) => topic)).toEqual(['identity.registered']);
    const rights = ['read', 'write'] as const;
    const terms = { categories: ['laboratory'], until: Date.now() + 3_600_000 };
    for (const right of rights) {
      const to = { name: identity.name };
      const granted = grant(patient, { to, rights: [right], ...terms });
      if (roleRow(role).rights.includes(right)) await granted;
      else expect(reasonOf(await granted.catch((error: unknown) => error))).toMatch(/right_not/);
    }
  });

  it('patient: enrolled, and registered by a pseudonym', () => {
    expect(patient.data.registered).toBeDefined();
  });

  it('representative: enrolled, with one-time certificates of its own role', async () => {
    const { membership } = world.session();
    const signingKey = await generateSigningKey();
    const { enrolmentId, state } = await membership.enrol({
      role: 'representative',
      signingKey,
      encryption: await xWingKeyPair(),
      identity: { name: 'Anna Müller', birthDate: '1961-04-23' },
    });
    expect(state.status).toBe('active');
    const [one] = await membership.oneTimeCertificates(enrolmentId, signingKey, thisWeek);
    const { claims } = parseCertificate(fromBase64url(one?.certificate ?? ''));
    expect(claims).toMatchObject({ kind: 'tcert', role: 'representative' });
  });

  it('operator: by the key of genesis, and no other; custodian: never', async () => {
    const { membership } = world.session();
    const identity = { name: 'An operator' };
    const encryption = await xWingKeyPair();
    const { operator } = world.net.validators[1] as (typeof world.net.validators)[0];
    const enrolled = await membership.enrol({
      role: 'operator',
      signingKey: operator,
      ...{ encryption, identity },
    });
    expect(enrolled.state.status).toBe('active');
    const signingKey = await generateSigningKey();
    for (const role of ['operator', 'custodian'] as const) {
      const asked = membership.enrol({ role, signingKey, encryption, identity });
      expect(reasonOf(await asked.catch((error: unknown) => error))).toBe('role_denied');
    }
  });
});

describe('a role that is a row of data', () => {
  it('reads what was granted to it, byte for byte', async () => {
    const doctor = await world.doctor('Emil Harrowgate', 0, '1000000053');
    const person = await invited(DIETITIAN, 1);
    const terms = { categories: ['laboratory'], until: Date.now() + 3_600_000 };
    await grant(patient, { to: { name: 'Emil Harrowgate' }, rights: ['write'], ...terms });
    await grant(patient, { to: { name: 'A dietitian of 1' }, rights: ['read'], ...terms });
    const path = join(world.folder, 'meal.txt');
    await writeFile(path, 'nothing with nuts');
    const { pseudonym } = patient;
    const target = { pseudonym, category: 'laboratory', mediaType: 'text/plain' };
    await doctor.upload(await fileSource(path, 'meal.txt'), target);
    const { listed } = await person.list(pseudonym);
    expect(listed.map(({ metadata }) => metadata?.path)).toEqual(['meal.txt']);
    const out = join(world.folder, 'out.txt');
    await person.read(listed[0]!.record, () => fileSink(out));
    const target2 = { ...target, category: 'laboratory' };
    await expect(person.upload(await fileSource(path, 'x'), target2)).rejects.toMatchObject({
      code: expect.stringMatching(/refused|not_found/) as string,
    });
  });
});

describe('naming who got a one-time certificate', () => {
  it('takes two persons of two hospitals, leaves an entry, and is told to the patient', async () => {
    const [first, second] = [await invited('auditor', 2), await invited('auditor', 3)];
    const { certificate } = patient.data.oneTime[0]!;
    const { serial } = parseCertificate(fromBase64url(certificate));
    const { secret, result } = await askUnmask(first, { serial, reasonCode: 'court-order' });
    // One person's word, or another's receipt, is not enough.
    const alone = nameHolder(first, secret, result.receipt);
    expect(reasonOf(await alone.catch((error: unknown) => error))).toBe('receipt_wrong_kind');
    const agreed = await approveUnmask(second, secret.unmaskId);
    const stolen = nameHolder(second, secret, agreed.receipt);
    expect(reasonOf(await stolen.catch((error: unknown) => error))).toBe('proof_wrong_key');
    const { serial: otherSerial } = parseCertificate(
      fromBase64url(patient.data.oneTime[1]!.certificate),
    );
    const other = nameHolder(first, { ...secret, serial: otherSerial }, agreed.receipt);
    expect(reasonOf(await other.catch((error: unknown) => error))).toBe('wrong_answer');
    const named = await nameHolder(first, secret, agreed.receipt);
    expect(named).toMatchObject({ role: 'patient', name: 'Anna Müller', birthDate: '1961-04-23' });
    const all = await allUnmaskings(patient);
    expect(all).toMatchObject([{ id: secret.unmaskId, reasonCode: 'court-order' }]);
    // The ledger holds neither the serial number nor a name.
    expect(JSON.stringify(all)).not.toContain(serial);
    const { enrolmentId } = patient.data.enrolment!;
    const { membership } = patient.session;
    expect(await membership.notices(enrolmentId, patient.keystore.signingKey)).toMatchObject([
      {
        unmaskId: secret.unmaskId,
        reasonCode: 'court-order',
        requesterHospital: 'hospital-c',
        approverHospital: 'hospital-d',
      },
    ]);
    world.skewMs.value += 25 * 3_600_000;
    const late = nameHolder(first, secret, agreed.receipt);
    expect(reasonOf(await late.catch((error: unknown) => error))).toBe('receipt_expired');
    world.skewMs.value -= 25 * 3_600_000;
  });
});

describe('a patient whose keys are lost', () => {
  it('enrols again with the word of an operator, and the old keys get nothing more', async () => {
    const fresh = await generateSigningKey();
    const { membership } = world.session();
    const enrol = async (invitation?: string) =>
      membership.enrol({
        role: 'patient',
        signingKey: fresh,
        encryption: await xWingKeyPair(),
        identity: { name: 'Anna Müller', birthDate: '1961-04-23' },
        invitation,
      });
    expect(reasonOf(await enrol().catch((error: unknown) => error))).toBe('already_enrolled');
    const kid = thumbprint(fresh.publicKey);
    const letter = await letterOfInvitation(world.operator(1), { role: 'patient', kid });
    const { enrolmentId, state } = await enrol(letter);
    expect(state.status).toBe('active');
    expect(await membership.oneTimeCertificates(enrolmentId, fresh, thisWeek)).toHaveLength(1);
    const old = patient.data.enrolment!.enrolmentId;
    const asked = membership.oneTimeCertificates(old, patient.keystore.signingKey, thisWeek);
    expect(reasonOf(await asked.catch((error: unknown) => error))).toBe('not_enrolled');
  });
});
