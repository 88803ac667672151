/** Which keys must have signed: real signatures and certificates, right and wrong. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { type Transaction, verifyTransaction } from '../../lib/wire/transaction.ts';
import { makeNetwork } from '../support/network.ts';
import {
  DAY,
  grantArgs,
  NETWORK,
  outcome,
  type PatientKeys,
  type Person,
  registerArgs,
  World,
} from './world.ts';

let base: World;
let alice: PatientKeys;
let doctor: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  doctor = await base.registered('doctor');
});

/** `verified`, `bad_signature`, or the code of `resolveKeys`. */
async function judge(world: World, transaction: Transaction): Promise<string> {
  try {
    const keys = await resolveKeys(world, transaction, { time: world.time, network: NETWORK });
    return (await verifyTransaction(transaction, keys)) ? 'verified' : 'bad_signature';
  } catch (error) {
    if (error instanceof ChaincodeError) return error.code;
    throw error;
  }
}

describe('a key of the ledger', () => {
  it('is found, for an operator of genesis as for a registered clinician', async () => {
    const world = base.fork();
    const { operator } = world.network.validators[0]!;
    const probe = await world.signed({ key: operator }, 'governance.probe', { label: 'x' });
    expect(await judge(world, probe)).toBe('verified');
    expect(outcome(await world.run(probe))).toBe('COMMITTED');
    const query = await world.signed({ key: doctor.key }, 'inbox.list', {});
    expect(await judge(world, query)).toBe('verified');
  });

  it('is unknown without a registration, certificate or not', async () => {
    const world = base.fork();
    const person = await world.clinician('doctor');
    const transaction = await world.signed({ key: person.key }, 'inbox.list', {});
    expect(await judge(world, transaction)).toBe('unknown_signer');
  });

  it('is still found when revoked: the refusal is then certified', async () => {
    const world = base.fork();
    const revoke = { kid: doctor.kid, reason: 'other' };
    await world.submit(world.operator(), 'identity.revoke', revoke);
    const args = { pseudonym: alice.pseudonym, purpose: 'TREAT' };
    const transaction = await world.signed({ key: doctor.key }, 'access.list', args);
    expect(await judge(world, transaction)).toBe('verified');
    expect(outcome(await world.run(transaction))).toBe('identity_revoked');
  });
});

describe('a patient', () => {
  const grant = (world: World, keys: PatientKeys) =>
    world.signed(keys, 'permission.grant', grantArgs(world, doctor));

  it('registers with the key of the arguments, and then acts by the ledger’s', async () => {
    const world = base.fork();
    const bob = await world.patientKeys('bob');
    const register = await world.signed(bob, 'patient.register', registerArgs(bob));
    expect(await judge(world, register)).toBe('verified');
    expect(await judge(world, await grant(world, bob))).toBe('unknown_signer');
    expect(outcome(await world.run(register))).toBe('COMMITTED');
    const granted = await grant(world, bob);
    expect(await judge(world, granted)).toBe('verified');
    expect(outcome(await world.run(granted))).toBe('COMMITTED');
  });

  it('cannot register another key than the one that signs', async () => {
    const world = base.fork();
    const bob = await world.patientKeys('bob');
    for (const ownerKey of [toBase64url(alice.owner.publicKey), 'AAAA', 'A'.repeat(87)]) {
      const args = { ...registerArgs(bob), ownerKey };
      const register = await world.signed(bob, 'patient.register', args);
      expect(await judge(world, register)).toBe('unknown_signer');
    }
  });

  it('needs both keys', async () => {
    const world = base.fork();
    const mallory = await world.patientKeys('mallory');
    const stolenName = { ...alice, owner: mallory.owner };
    expect(await judge(world, await grant(world, stolenName))).toBe('bad_signature');
    const stolenCertificate = { ...alice, oneTime: mallory.oneTime };
    expect(await judge(world, await grant(world, stolenCertificate))).toBe('certificate_mismatch');
    const own = { ...alice, oneTime: mallory.oneTime, tcert: mallory.tcert };
    expect(await judge(world, await grant(world, own))).toBe('verified');
  });

  it.each([
    ['one that ran out', 'certificate_expired', { until: -2 * DAY, from: -9 * DAY }],
    ['one of next week', 'certificate_not_yet_valid', { from: 7 * DAY, until: 9 * DAY }],
  ])('is refused with %s', async (_what, code, { from, until }) => {
    const world = base.fork();
    const times = { from: world.time + from, until: world.time + until };
    const { key, der } = await world.certify({ kind: 'tcert', role: 'patient' }, times);
    expect(await judge(world, await grant(world, { ...alice, oneTime: key, tcert: der }))).toBe(
      code,
    );
  });

  it.each(['doctor', 'representative', 'operator'] as const)(
    'is refused with a one-time certificate of role %s',
    async (role) => {
      const world = base.fork();
      const { key, der } = await world.certify({ kind: 'tcert', role });
      const keys = { ...alice, oneTime: key, tcert: der };
      expect(await judge(world, await grant(world, keys))).toBe('certificate_role');
    },
  );

  it('is refused with a certificate of another authority or kind', async () => {
    const world = base.fork();
    const other = await makeNetwork(4);
    const claims = { kind: 'tcert', role: 'patient' } as const;
    const foreign = await world.certify(claims, { authority: other });
    const keys = { ...alice, oneTime: foreign.key, tcert: foreign.der };
    expect(await judge(world, await grant(world, keys))).toBe('certificate_wrong_authority');
    const enrolled = await world.certify({ role: 'patient', subject: 'a-patient' });
    const named = { ...alice, oneTime: enrolled.key, tcert: enrolled.der };
    expect(await judge(world, await grant(world, named))).toBe('certificate_wrong_kind');
    const garbage = { ...alice, tcert: new Uint8Array([0x30, 0]) };
    expect(await judge(world, await grant(world, garbage))).toBe('certificate_malformed');
  });

  it('is refused with a tampered certificate', async () => {
    const world = base.fork();
    const tcert = Uint8Array.from(alice.tcert);
    const last = tcert.length - 1;
    tcert[last] = (tcert[last] as number) ^ 1;
    expect(await judge(world, await grant(world, { ...alice, tcert }))).toBe(
      'certificate_bad_signature',
    );
  });

  it('cannot use the owner key alone, as if it were an identity', async () => {
    const world = base.fork();
    const args = grantArgs(world, doctor);
    const alone = await world.signed({ key: alice.owner }, 'permission.grant', args);
    expect(await judge(world, alone)).toBe('unknown_signer');
  });
});

it('an owner key is no way to take over an identity’s key', async () => {
  const world = base.fork();
  const key = await generateSigningKey();
  const keys = {
    ...(await world.patientKeys('x')),
    owner: key,
    ownerKid: thumbprint(key.publicKey),
  };
  await world.submit(keys, 'patient.register', registerArgs(keys));
  const direct = await world.signed({ key }, 'inbox.list', {});
  expect(await judge(world, direct)).toBe('unknown_signer');
});
