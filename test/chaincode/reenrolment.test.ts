/** A lost device: the subject stays, the old key can object, and no one hospital can hand it over. */
import { beforeAll, describe, expect, it } from 'vitest';
import { governedOf } from '../../lib/chaincode/governed.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

const DELAY = 72 * 3_600_000;
let base: World;
let alice: PatientKeys;
let doctor: Person;
let colleague: Person;

beforeAll(async () => {
  base = await World.make();
  base.setParameters({ recoveryDelayMs: DELAY });
  alice = await base.patient('alice');
  doctor = await base.registered('doctor');
  colleague = await base.registered('doctor');
  await base.submit(alice, 'permission.grant', grantArgs(base, doctor));
});

const ask = async (world: World, next: Person, reason = 'device-lost') =>
  outcome(
    await world.submit(world.operator(), 'identity.reenrol', {
      certificate: next.certificate,
      reason,
    }),
  );
const step = async (world: World, who: Parameters<World['submit']>[0], name: string) =>
  outcome(await world.submit(who, `identity.${name}-reenrolment`, { subject: doctor.subject }));

/** Asked for by the own hospital; the second has approved. */
async function approved(): Promise<{ world: World; next: Person }> {
  const world = base.fork();
  const next = await world.clinician('doctor', { subject: doctor.subject });
  expect(await ask(world, next)).toBe('COMMITTED');
  expect(await step(world, world.operator(1), 'approve')).toBe('COMMITTED');
  return { world, next };
}

describe('re-enrolment without the old key', () => {
  it('keeps subject and grants, and the old key is dead at once', async () => {
    const { world, next } = await approved();
    expect(outcome(await world.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
      'identity_suspended',
    );
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_waits');
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('COMMITTED');
    expect(outcome(await world.submit(next, 'record.register', recordArgs(alice)))).toBe(
      'COMMITTED',
    );
    expect(outcome(await world.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
      'identity_renewed',
    );
    const found = await world.ask(alice, 'identity.get', { subject: doctor.subject });
    expect(found).toMatchObject({
      kid: next.kid,
      status: 'active',
      origin: { kid: doctor.kid, how: 're-enrolled' },
    });
    expect(await step(world, world.operator(), 'finish')).toBe('no_reenrolment');
  });

  it('tells the holder of the old key, who can read it and object', async () => {
    const { world, next } = await approved();
    expect(await topicsOf(world, doctor)).toContain('identity.re-enrolment-asked');
    expect(await step(world, colleague, 'veto')).toBe('role_denied');
    expect(await step(world, doctor, 'veto')).toBe('COMMITTED');
    expect(outcome(await world.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
      'COMMITTED',
    );
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('no_reenrolment');
    expect(await topicsOf(world, world.operator(1))).toContain('identity.re-enrolment-ended');
    expect(outcome(await world.submit(next, 'record.register', recordArgs(alice)))).toBe(
      'unknown_signer',
    );
  });

  it('lets the holder object to the last moment, also with a certificate that ran out', async () => {
    const world = base.fork();
    const short = await world.clinician('doctor', { until: world.time + DAY });
    const { certificate } = short;
    await world.submit(world.operator(), 'identity.register-clinician', { certificate });
    const next = await world.clinician('doctor', { subject: short.subject });
    expect(await ask(world, next)).toBe('COMMITTED');
    world.time += 2 * DAY;
    const args = { subject: short.subject };
    const veto = await world.submit(short, 'identity.veto-reenrolment', args);
    expect(outcome(veto)).toBe('COMMITTED');
    expect(outcome(await world.submit(short, 'identity.renew', {}))).toBe('bad_arguments');
    expect(outcome(await world.submit(short, 'governance.probe', { label: 'x' }))).toBe(
      'identity_expired',
    );
  });

  it('needs two hospitals: the own one, and another', async () => {
    const world = base.fork();
    const next = await world.clinician('doctor', { subject: doctor.subject });
    const args = { certificate: next.certificate, reason: 'device-lost' };
    const foreign = await world.submit(world.operator(1), 'identity.reenrol', args);
    expect(outcome(foreign)).toBe('other_hospital');
    expect(await ask(world, next)).toBe('COMMITTED');
    expect(await ask(world, next)).toBe('reenrolment_open');
    expect(await step(world, world.operator(), 'approve')).toBe('same_hospital');
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
    expect(await step(world, world.operator(2), 'approve')).toBe('COMMITTED');
    expect(await step(world, world.operator(3), 'finish')).toBe('COMMITTED');
  });

  it('can be withdrawn by the hospital that asked, and by no other', async () => {
    const { world } = await approved();
    expect(await step(world, world.operator(1), 'veto')).toBe('role_denied');
    expect(await step(world, world.operator(), 'veto')).toBe('COMMITTED');
    expect(await world.ask(doctor, 'identity.get', { kid: doctor.kid })).toMatchObject({
      status: 'active',
    });
  });

  it('is over a month after its delay, and can be asked for again', async () => {
    const { world, next } = await approved();
    world.time += DELAY + 31 * DAY;
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_over');
    expect(await ask(world, next)).toBe('COMMITTED');
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
  });

  it('serves a stolen device that the hospital ended at once; an objection leaves it ended', async () => {
    const world = base.fork();
    const stolen = { kid: doctor.kid, reason: 'key-compromised' };
    await world.submit(world.operator(), 'identity.revoke', stolen);
    const next = await world.clinician('doctor', { subject: doctor.subject });
    expect(await ask(world, next, 'device-stolen')).toBe('COMMITTED');
    const other = world.fork();
    expect(await step(other, doctor, 'veto')).toBe('COMMITTED');
    expect(outcome(await other.submit(doctor, 'record.register', recordArgs(alice)))).toBe(
      'identity_revoked',
    );
    await step(world, world.operator(1), 'approve');
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('COMMITTED');
    expect(outcome(await world.submit(next, 'record.register', recordArgs(alice)))).toBe(
      'COMMITTED',
    );
  });

  it.each(['licence-lapsed', 'left-hospital', 'registered-in-error', 'other'])(
    'does not bring back who was ended: %s',
    async (reason) => {
      const world = base.fork();
      await world.submit(world.operator(), 'identity.revoke', { kid: doctor.kid, reason });
      const next = await world.clinician('doctor', { subject: doctor.subject });
      expect(await ask(world, next)).toBe('subject_ended');
    },
  );

  it('ends with a lapse in the middle of it', async () => {
    const { world } = await approved();
    const lapse = { subject: doctor.subject, reason: 'licence-lapsed' };
    expect(outcome(await world.submit(world.membership, 'identity.lapse', lapse))).toBe(
      'COMMITTED',
    );
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('subject_ended');
    expect(await step(world, world.operator(), 'veto')).toBe('subject_ended');
  });

  it('hands over to no other role or hospital, and to no key that is taken', async () => {
    const world = base.fork();
    const nurse = await world.clinician('nurse', { subject: doctor.subject });
    expect(await ask(world, nurse)).toBe('renewal_mismatch');
    const { certificate } = colleague;
    const taken = await world.submit(world.operator(), 'identity.reenrol', {
      certificate,
      reason: 'device-lost',
    });
    expect(outcome(taken)).toBe('already_registered');
    const nobody = await world.clinician('doctor');
    expect(await ask(world, nobody)).toBe('unknown_identity');
  });

  it('does not count the word of an operator whose key was replaced meanwhile', async () => {
    const { world } = await approved();
    const { kid } = world.operator(1) as { kid: string };
    const key = `identity/${kid}`;
    const { cells } = await import('../../lib/chaincode/cells.ts');
    const { decodeWith, encodeCbor } = await import('../../lib/wire/codec.ts');
    const { schema } = cells.identity(kid);
    const identity = decodeWith(schema, world.state.get(key)!, 65_536);
    world.state.set(key, encodeCbor({ ...identity, status: 'revoked' }));
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
  });

  it('takes the word of the operator who came after', async () => {
    const { world } = await approved();
    await replaceOperator(world, 1);
    const successor = await replaceOperator(world, 0);
    world.time += DELAY;
    expect(await step(world, world.operator(3), 'finish')).toBe('reenrolment_not_approved');
    // The own hospital confirms by its new key; the word of the second was by a key of before.
    expect(await step(world, successor, 'approve')).toBe('COMMITTED');
    expect(await step(world, successor, 'approve')).toBe('same_hospital');
    expect(await step(world, world.operator(3), 'finish')).toBe('reenrolment_not_approved');
    expect(await step(world, world.operator(1), 'approve')).toBe('identity_revoked');
    expect(await step(world, world.operator(2), 'approve')).toBe('COMMITTED');
    expect(await step(world, world.operator(3), 'finish')).toBe('COMMITTED');
  });

  it('takes the word of the same hospital anew, once its operator has another key', async () => {
    const { world } = await approved();
    const successor = await replaceOperator(world, 1);
    world.time += DELAY;
    expect(await step(world, successor, 'finish')).toBe('reenrolment_not_approved');
    expect(await step(world, successor, 'approve')).toBe('COMMITTED');
    expect(await step(world, successor, 'finish')).toBe('COMMITTED');
  });

  it('refuses new grants to a key that is lost', async () => {
    const { world } = await approved();
    const granted = await world.submit(alice, 'permission.grant', grantArgs(world, doctor));
    expect(outcome(granted)).toBe('grantee_suspended');
  });
});

/** A new key of a hospital's operator, by governance; the operators of the others decide. */
async function replaceOperator(world: World, index: number): Promise<Acting> {
  const { publicKey } = await generateSigningKey();
  const { bases } = (await world.ask(world.custodian, 'network.validators')) as unknown as {
    bases: { members: string };
  };
  const validator = world.operator(index).hospital;
  const change = { kind: 'replace-operator', validator, operatorKey: toBase64url(publicKey) };
  const args = { change, base: bases.members };
  // Keys of some may be replaced already: those of genesis that are left decide.
  const left: number[] = [];
  for (const at of [0, 1, 2, 3]) {
    const { kid } = world.operator(at) as { kid: string };
    const found = (await world.ask(alice, 'identity.get', { kid })) as { status: string };
    if (found.status === 'active') left.push(at);
  }
  const [first, ...others] = left;
  const proposed = await world.submit(world.operator(first), 'governance.propose', args);
  const { proposalId } = valueOf(proposed) as { proposalId: string };
  for (const at of others.slice(0, 2)) {
    valueOf(await world.submit(world.operator(at), 'governance.approve', { proposalId }));
  }
  return { kid: thumbprint(publicKey) };
}

describe('after an objection', () => {
  const register = async (world: World, who: Person) =>
    outcome(await world.submit(who, 'record.register', recordArgs(alice)));

  /** The old key objected once, and the own hospital asks again. */
  async function contested(): Promise<{ world: World; next: Person }> {
    const { world, next } = await approved();
    expect(await step(world, doctor, 'veto')).toBe('COMMITTED');
    expect(await ask(world, next)).toBe('COMMITTED');
    return { world, next };
  }

  it('a quorum of hospitals decides, and the old key cannot object again', async () => {
    const { world, next } = await contested();
    expect(await step(world, doctor, 'veto')).toBe('reenrolment_contested');
    expect(await step(world, world.operator(1), 'approve')).toBe('COMMITTED');
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
    const state = await world.ask(doctor, 'identity.reenrolment', { subject: doctor.subject });
    expect(state).toMatchObject({
      ...{ contested: true, needed: 3 },
      counted: ['hospital-a', 'hospital-b'],
    });
    expect(await step(world, world.operator(3), 'approve')).toBe('COMMITTED');
    expect(await step(world, doctor, 'veto')).toBe('reenrolment_contested');
    expect(await step(world, world.operator(), 'finish')).toBe('COMMITTED');
    expect(await register(world, next)).toBe('COMMITTED');
    expect(await register(world, doctor)).toBe('identity_renewed');
  });

  it('fewer than a quorum cannot stop an honest doctor, however often they ask', async () => {
    const { world, next } = await contested();
    expect(await register(world, doctor)).toBe('COMMITTED');
    await step(world, world.operator(1), 'approve');
    expect(await register(world, doctor)).toBe('COMMITTED');
    for (let turn = 0; turn < 3; turn += 1) {
      world.time += DELAY + 31 * DAY;
      expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_over');
      expect(await ask(world, next)).toBe('COMMITTED');
      expect(await ask(world, next)).toBe('reenrolment_open');
      const found = await world.ask(alice, 'identity.get', { kid: doctor.kid });
      expect(found).toMatchObject({ status: 'active' });
    }
  });

  it('the old key is dead from the moment at which the quorum agrees', async () => {
    const { world } = await contested();
    await step(world, world.operator(1), 'approve');
    await step(world, world.operator(2), 'approve');
    expect(await register(world, doctor)).toBe('identity_suspended');
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_waits');
    // Withdrawn, it works again; what is asked next is contested still.
    expect(await step(world, world.operator(), 'veto')).toBe('COMMITTED');
    expect(await register(world, doctor)).toBe('COMMITTED');
    const again = await world.clinician('doctor', { subject: doctor.subject });
    expect(await ask(world, again)).toBe('COMMITTED');
    expect(await step(world, doctor, 'veto')).toBe('reenrolment_contested');
  });

  it('a thief whose key was ended neither objects nor comes back', async () => {
    const { world, next } = await approved();
    expect(await step(world, doctor, 'veto')).toBe('COMMITTED');
    const stolen = { kid: doctor.kid, reason: 'key-compromised' };
    await world.submit(world.operator(), 'identity.revoke', stolen);
    expect(await ask(world, next, 'device-stolen')).toBe('COMMITTED');
    expect(await step(world, doctor, 'veto')).toBe('identity_revoked');
    await step(world, world.operator(1), 'approve');
    await step(world, world.operator(2), 'approve');
    expect(await step(world, doctor, 'veto')).toBe('reenrolment_contested');
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('COMMITTED');
    expect(await register(world, next)).toBe('COMMITTED');
  });

  it('ended in the middle of it as stolen, the key stays ended when the hospital withdraws', async () => {
    const { world } = await contested();
    const stolen = { kid: doctor.kid, reason: 'key-compromised' };
    await world.submit(world.operator(), 'identity.revoke', stolen);
    await step(world, world.operator(1), 'approve');
    await step(world, world.operator(2), 'approve');
    expect(await step(world, world.operator(), 'veto')).toBe('COMMITTED');
    expect(await register(world, doctor)).toBe('identity_revoked');
  });

  it.each(['left-hospital', 'licence-lapsed'])(
    'does not bring back who ended: %s',
    async (reason) => {
      const { world } = await contested();
      await step(world, world.operator(1), 'approve');
      await world.submit(world.operator(), 'identity.revoke', { kid: doctor.kid, reason });
      expect(await step(world, world.operator(2), 'approve')).toBe('subject_ended');
      world.time += DELAY;
      expect(await step(world, world.operator(), 'finish')).toBe('subject_ended');
    },
  );

  it('counts present operators of hospitals that are not suspended', async () => {
    const { world } = await contested();
    await step(world, world.operator(1), 'approve');
    await step(world, world.operator(2), 'approve');
    const successor = await replaceOperator(world, 1);
    world.time += DELAY;
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
    expect(await step(world, successor, 'approve')).toBe('COMMITTED');
    const { validators } = await governedOf(world);
    const changed = validators.map((one, at) => ({ ...one, suspended: at === 2 }));
    world.state.set('validators/current', encodeCbor(changed));
    expect(await step(world, world.operator(), 'finish')).toBe('reenrolment_not_approved');
    expect(await step(world, world.operator(3), 'approve')).toBe('COMMITTED');
    expect(await step(world, world.operator(), 'finish')).toBe('COMMITTED');
  });

  it('is over once a new key has taken over: that one may object again', async () => {
    const { world, next } = await contested();
    await step(world, world.operator(1), 'approve');
    await step(world, world.operator(2), 'approve');
    world.time += DELAY;
    await step(world, world.operator(), 'finish');
    const third = await world.clinician('doctor', { subject: doctor.subject });
    expect(await ask(world, third)).toBe('COMMITTED');
    expect(await register(world, next)).toBe('identity_suspended');
    expect(await step(world, next, 'veto')).toBe('COMMITTED');
  });
});

describe('identity.lapse', () => {
  const fn = 'identity.lapse';
  const args = () => ({ subject: doctor.subject, reason: 'licence-lapsed' });

  it('ends key and grants in one block, and tells the patient', async () => {
    const world = base.fork();
    const done = valueOf(await world.submit(world.membership, fn, args()));
    expect(done).toMatchObject({ ended: 1, remaining: 0 });
    const permissions = (await world.ask(alice, 'patient.permissions')) as unknown as {
      items: { revoked: object | null }[];
    };
    expect(permissions.items.every((one) => one.revoked !== null)).toBe(true);
    expect(await topicsOf(world, alice)).toContain('permission.lapsed');
    const history = (await world.ask(alice, 'history.list')) as unknown as {
      items: { fn: string; reason: string; actor: { role: string } }[];
    };
    expect(history.items.at(-1)).toMatchObject({
      fn,
      reason: 'licence-lapsed',
      actor: { role: 'membership' },
    });
    expect(outcome(await world.submit(world.membership, fn, args()))).toBe('already_lapsed');
  });

  it('goes on where many patients granted', async () => {
    const world = base.fork();
    for (let index = 0; index < 40; index += 1) {
      const patient = await world.patient(`patient ${index}`);
      await world.submit(patient, 'permission.grant', grantArgs(world, doctor));
    }
    const first = valueOf(await world.submit(world.operator(), fn, args()));
    expect(first).toMatchObject({ ended: 32, remaining: 9 });
    const second = valueOf(await world.submit(world.membership, fn, args()));
    expect(second).toMatchObject({ ended: 9, remaining: 0 });
  });

  it('is final for a key that was only reported stolen before', async () => {
    const world = base.fork();
    const stolen = { kid: doctor.kid, reason: 'key-compromised' };
    await world.submit(world.operator(), 'identity.revoke', stolen);
    await world.submit(world.membership, fn, args());
    const next = await world.clinician('doctor', { subject: doctor.subject });
    expect(await ask(world, next)).toBe('subject_ended');
  });

  it('is not for other hospitals, clinicians, or parties of the network', async () => {
    const world = base.fork();
    expect(outcome(await world.submit(world.operator(1), fn, args()))).toBe('other_hospital');
    expect(outcome(await world.submit(colleague, fn, args()))).toBe('role_denied');
    const operator = { subject: 'operator-hospital-a', reason: 'excluded' };
    expect(outcome(await world.submit(world.membership, fn, operator))).toBe('not_revocable');
    const nobody = { subject: 'nobody-at-all', reason: 'excluded' };
    expect(outcome(await world.submit(world.membership, fn, nobody))).toBe('unknown_identity');
  });
});
