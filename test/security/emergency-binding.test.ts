/** Emergencies without a card: what the membership service, the ledger and a thief can do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handleDigest } from '../../lib/chaincode/emergency.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { identityCommitment } from '../../lib/membership/emergency.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { declareByName, prepareEmergency, readSummary } from '../../sdk/emergency.ts';
import type { EmergencySummary } from '../../sdk/emergency-summary.ts';
import { SdkError } from '../../sdk/errors.ts';
import { openEscrow } from '../../sdk/escrow.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { keySigner } from '../../sdk/signing.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
let doctor: Clinician;
let other: Clinician;
let patient: Patient;
let handle: string;
/** As `world.patient` enrols. */
const person = { name: 'Anna Muster', birthDate: '1961-04-23' };
const summary: EmergencySummary = {
  format: 'carequorum-emergency-1',
  person,
  madeAt: 1_764_000_000_000,
  allergies: { state: 'not-asked' },
  medicines: { state: 'not-asked' },
  conditions: { state: 'not-asked' },
};

beforeAll(async () => {
  world = await makeWorld();
  [doctor, other, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient(person.name, ['laboratory']),
  ]);
  ({ handle } = await prepareEmergency(patient, summary));
});
afterAll(() => world.close());

const refusal = async (work: Promise<unknown>): Promise<string | null> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof SdkError ? (reasonOf(error) ?? error.code) : 'done';
};

describe('an emergency without a card', () => {
  it('opens for who declared it, and leaves no name on the ledger', async () => {
    const declared = await declareByName(doctor, { person, reason: 'unconscious' });
    expect((await readSummary(doctor, declared)).summary).toEqual(summary);
    const receipt = Buffer.from(declared.result.receipt).toString('latin1');
    for (const text of ['Anna', 'Muster', 'muster', '1961']) expect(receipt).not.toContain(text);
  });

  it('is bound for its clinician alone, to the person that it commits to, once', async () => {
    const salt = randomBytes(32);
    const commitment = identityCommitment(person, salt);
    const args = { declarationId: randomId(), reason: 'poisoning', identity: commitment };
    const call = { fn: 'emergency.declare', args };
    const { receipt } = await doctor.session.client.submit(call, doctor.signer);
    const { membership } = doctor.session;
    const mine = doctor.keystore.signingKey;
    const ask = (change: Partial<Parameters<typeof membership.bindEmergency>[0]>, key = mine) =>
      refusal(membership.bindEmergency({ receipt, person, salt, ...change }, key));
    expect(await ask({}, other.keystore.signingKey)).toBe('proof_wrong_key');
    expect(await ask({}, await generateSigningKey())).toBe('proof_wrong_key');
    expect(await ask({ salt: randomBytes(32) })).toBe('wrong_answer');
    const neighbour = { ...person, name: 'Berta Muster' };
    expect(await ask({ person: neighbour })).toBe('wrong_answer');
    expect(await ask({})).toBe('done');
    expect(await membership.bindEmergency({ receipt, person, salt }, mine)).toBeNull();
    const { handle: card } = patient.data.emergency!;
    const named = await doctor.session.client.submit(
      {
        fn: 'emergency.declare',
        args: { declarationId: randomId(), reason: 'other', handle: card },
      },
      doctor.signer,
    );
    expect(await ask({ receipt: named.receipt })).toBe('receipt_wrong_kind');
  });

  it('gives a membership service that lies nothing to read, and the patient a notice', async () => {
    // It names a card for a declaration of its own making: it has no role to declare, and no key to read.
    const authority = keySigner(world.net.authority);
    const args = { declarationId: randomId(), reason: 'other', handle };
    const { client } = world.session();
    expect(await refusal(client.submit({ fn: 'emergency.declare', args }, authority))).toBe(
      'role_denied',
    );
    // It binds somebody's declaration to a patient of its choice: the clinician alone can open, and
    // the patient is told.
    const before = (await patient.inbox()).length;
    const identity = identityCommitment({ ...person, name: 'Nobody' }, randomBytes(32));
    const declarationId = randomId();
    const unbound = { declarationId, reason: 'other', identity };
    await other.session.client.submit({ fn: 'emergency.declare', args: unbound }, other.signer);
    const bind = { declarationId, handle: handleDigest(handle) };
    const bound: CertifiedResult = await client.submit(
      { fn: 'emergency.bind', args: bind },
      authority,
    );
    expect((await patient.inbox()).length).toBe(before + 1);
    const thief = {
      session: world.session(),
      key: world.net.authority,
      encryption: doctor.keystore.encryption,
    };
    await expect(openEscrow(thief, bound)).rejects.toMatchObject({ code: 'unreachable' });
  });
});
