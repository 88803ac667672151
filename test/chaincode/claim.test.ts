/** Estimates and claims on the ledger: asked by consent, answered once, no service claimed twice. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { query } from '../../lib/chaincode/execute.ts';
import type { StateView } from '../../lib/ledger/state-view.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';
import { fill, issueArgs, prescriptionId, recordId } from './prescriptions.ts';
import { releaseArgs, storedRecord } from './prescriptions.ts';

type Args = SignedRequest['args'];

const fillId = id16('the fill');
const claimId = id16('the claim');
const requestDigest = text32('codes');

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let doctor: Person;
let otherDoctor: Person;
let pharmacist: Person;
let otherPharmacist: Person;
let insurer: Person;
let otherInsurer: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  doctor = await base.registered('doctor');
  otherDoctor = await base.registered('doctor', { hospital: 1 });
  pharmacist = await base.registered('pharmacist', { hospital: 2 });
  otherPharmacist = await base.registered('pharmacist', { hospital: 2 });
  insurer = await base.registered('insurer', { hospital: 3 });
  otherInsurer = await base.registered('insurer', { hospital: 3 });
  await storedRecord(base, { patient: alice, doctor });
  valueOf(await base.submit(doctor, 'prescription.issue', issueArgs(base)));
  const release = releaseArgs(pharmacist, { insurer: insurer.subject });
  valueOf(await base.submit(alice, 'prescription.release', release));
  valueOf(await fill(base, pharmacist, { fillId }));
});

let letters = 0;

function askArgs(world: World, change: Args = {}): Args {
  letters += 1;
  return {
    ...{ claimId: id16(`claim ${letters}`), insurer: insurer.subject, requestDigest },
    ...{ letterId: id16(`asked ${letters}`), letterDigest: text32('letter') },
    ...{ answerId: id16(`answered ${letters}`), answerTo: text32('the box') },
    until: world.time + DAY,
    ...change,
  };
}

const estimate = (world: World, who: Acting, change: Args = {}) =>
  world.submit(who, 'claim.estimate', askArgs(world, change));
const claim = (world: World, who: Acting, change: Args = {}) =>
  world.submit(who, 'claim.submit', askArgs(world, { claimId, service: { fillId }, ...change }));
const answer = (world: World, who: Acting = insurer, change: Args = {}) =>
  world.submit(who, 'claim.answer', {
    ...{ claimId, requestDigest, decision: 'accepted' },
    ...{ commitment: text32('answer'), letterDigest: text32('answer letter') },
    ...change,
  });

async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  return error instanceof ChaincodeError ? error.code : 'answered';
}

describe('claim.estimate', () => {
  it('is the patient’s own act, and the answer names the codes, its end and who answered', async () => {
    const world = base.fork();
    const asked = valueOf(await estimate(world, alice, { claimId }));
    expect(asked).toMatchObject({
      ...{ kind: 'estimate', pseudonym: alice.pseudonym },
      letters: [{ to: insurer.kid }, { to: text32('the box'), digest: null }],
    });
    expect(await topicsOf(world, insurer)).toContain('claim.asked');
    const validUntil = world.time + 30 * DAY;
    const given = { decision: 'estimated', validUntil };
    expect(valueOf(await answer(world, insurer, given))).toMatchObject({
      ...{ claimId, requestDigest, ...given, pseudonym: null },
      letters: [{ to: text32('the box'), digest: text32('answer letter') }],
    });
    expect(await topicsOf(world, alice)).toContain('claim.answered');
    expect(await world.ask(alice, 'claim.get', { claimId })).toMatchObject({
      answer: { kid: insurer.kid, validUntil },
    });
    expect(outcome(await answer(world, insurer, given))).toBe('claim_answered');
  });

  it('by a clinician needs the patient’s permission for payment, not for treatment', async () => {
    const world = base.fork();
    const { pseudonym } = alice;
    expect(outcome(await estimate(world, doctor, { pseudonym }))).toBe('purpose_not_granted');
    expect(outcome(await estimate(world, otherDoctor, { pseudonym }))).toBe('no_permission');
    expect(outcome(await estimate(world, doctor))).toBe('bad_arguments');
    const payment = grantArgs(world, doctor, { purposes: ['HPAYMT'], rights: ['read'] });
    valueOf(await world.submit(alice, 'permission.grant', payment));
    expect(valueOf(await estimate(world, doctor, { pseudonym }))).toMatchObject({ pseudonym });
    expect(await topicsOf(world, alice)).toContain('claim.asked');
    expect(outcome(await estimate(world, bob, { pseudonym }))).toBe('unknown_patient');
  });

  it('by a pharmacist needs that the patient let this pharmacy bill this insurer', async () => {
    const world = base.fork();
    const value = valueOf(await estimate(world, pharmacist, { prescriptionId }));
    expect(JSON.stringify(value)).not.toContain(alice.pseudonym);
    const other = { prescriptionId, insurer: otherInsurer.subject };
    expect(outcome(await estimate(world, pharmacist, other))).toBe('billing_not_agreed');
    expect(outcome(await estimate(world, otherPharmacist, { prescriptionId }))).toBe(
      'unknown_prescription',
    );
    expect(outcome(await estimate(world, pharmacist))).toBe('bad_arguments');
  });

  it('goes to an insurer at work, with letters of its own, for a bounded time', async () => {
    const world = base.fork();
    const no = (change: Args) => estimate(world, alice, change).then(outcome);
    expect(await no({ insurer: doctor.subject })).toBe('wrong_role');
    expect(await no({ insurer: 'nobody-at-all' })).toBe('grantee_unknown');
    expect(await no({ until: world.time })).toBe('bad_period');
    expect(await no({ until: world.time + chaincodeBounds.claimMs + 9 })).toBe('bad_period');
    const letterId = id16('one letter');
    expect(await no({ letterId, answerId: letterId })).toBe('letter_exists');
    valueOf(await estimate(world, alice, { claimId, letterId }));
    expect(await no({ claimId })).toBe('claim_exists');
    expect(await no({ letterId })).toBe('letter_exists');
  });
});

describe('claim.submit', () => {
  it('of a service that was handed out: by the pharmacist who did, or the patient, once', async () => {
    const world = base.fork();
    expect(outcome(await claim(world, otherPharmacist))).toBe('unknown_service');
    expect(outcome(await claim(world, bob))).toBe('unknown_service');
    expect(outcome(await claim(world, doctor))).toBe('unknown_service');
    const none = { service: { fillId: id16('no fill') } };
    expect(outcome(await claim(world, pharmacist, none))).toBe('unknown_service');
    const other = { insurer: otherInsurer.subject };
    expect(outcome(await claim(world, pharmacist, other))).toBe('billing_not_agreed');
    valueOf(await claim(world, pharmacist));
    for (const who of [pharmacist, alice]) {
      const again = { claimId: id16('the same again'), insurer: insurer.subject };
      expect(outcome(await claim(world, who, again))).toBe('already_claimed');
    }
    valueOf(await answer(world));
    const after = { claimId: id16('after it was paid') };
    expect(outcome(await claim(world, alice, { ...after, ...other }))).toBe('already_claimed');
  });

  it('of two claims in one block, the first counts', async () => {
    const world = base.fork();
    const first = await claim(world, pharmacist);
    world.height -= 1;
    const second = await claim(world, alice, { claimId: id16('second') });
    expect([outcome(first), outcome(second)]).toEqual(['COMMITTED', 'already_claimed']);
  });

  it('is free again once it was denied, taken back, or not answered in time', async () => {
    const again = (world: World) => claim(world, alice, { claimId: id16('again') });
    const denied = base.fork();
    valueOf(await claim(denied, pharmacist));
    valueOf(await answer(denied, insurer, { decision: 'denied' }));
    expect(outcome(await again(denied))).toBe('COMMITTED');
    const withdrawn = base.fork();
    valueOf(await claim(withdrawn, pharmacist));
    expect(outcome(await withdrawn.submit(alice, 'claim.withdraw', { claimId }))).toBe(
      'unknown_claim',
    );
    const back = await withdrawn.submit(pharmacist, 'claim.withdraw', { claimId });
    expect(valueOf(back)['letterIds']).toHaveLength(2);
    expect(outcome(await answer(withdrawn))).toBe('claim_withdrawn');
    expect(outcome(await again(withdrawn))).toBe('COMMITTED');
    const silent = base.fork();
    const until = silent.time + DAY;
    valueOf(await claim(silent, pharmacist, { until }));
    silent.time = until - 1;
    expect(outcome(await again(silent.fork()))).toBe('already_claimed');
    silent.time = until;
    expect(outcome(await answer(silent))).toBe('claim_over');
    expect(outcome(await again(silent))).toBe('COMMITTED');
  });

  it('of a record: by who wrote it with a permission for payment, never while disputed', async () => {
    const world = base.fork();
    const service = { recordId };
    expect(outcome(await claim(world, doctor, { service }))).toBe('purpose_not_granted');
    const payment = grantArgs(world, doctor, { purposes: ['HPAYMT'], rights: ['read'] });
    valueOf(await world.submit(alice, 'permission.grant', payment));
    expect(outcome(await claim(world.fork(), doctor, { service }))).toBe('COMMITTED');
    expect(outcome(await claim(world.fork(), alice, { service }))).toBe('COMMITTED');
    const read = grantArgs(world, otherDoctor, { purposes: ['HPAYMT'], rights: ['read'] });
    valueOf(await world.submit(alice, 'permission.grant', read));
    expect(outcome(await claim(world, otherDoctor, { service }))).toBe('unknown_service');
    const dispute = { recordId, reasonCode: 'wrong-content' };
    valueOf(await world.submit(alice, 'record.dispute', dispute));
    expect(outcome(await claim(world, doctor, { service }))).toBe('service_disputed');
    valueOf(await world.submit(alice, 'record.erase', { recordIds: [recordId] }));
    expect(outcome(await claim(world, doctor, { service }))).toBe('record_erased');
  });

  it('may name an estimate of this insurer for this patient, while it holds', async () => {
    const world = base.fork();
    const estimateId = id16('the estimate');
    valueOf(await estimate(world, alice, { claimId: estimateId }));
    expect(outcome(await claim(world, pharmacist, { estimateId }))).toBe('unknown_estimate');
    const validUntil = world.time + 2 * DAY;
    const given = { claimId: estimateId, decision: 'estimated', validUntil };
    valueOf(await answer(world, insurer, given));
    expect(outcome(await claim(world.fork(), pharmacist, { estimateId }))).toBe('COMMITTED');
    const foreign = id16('an estimate of bob');
    valueOf(await estimate(world, bob, { claimId: foreign }));
    valueOf(await answer(world, insurer, { ...given, claimId: foreign }));
    expect(outcome(await claim(world, pharmacist, { estimateId: foreign }))).toBe(
      'unknown_estimate',
    );
    world.time = validUntil;
    expect(outcome(await claim(world, pharmacist, { estimateId }))).toBe('estimate_over');
  });
});

describe('an insurer', () => {
  it('answers what it was asked, as what it was asked, and for nobody else', async () => {
    const world = base.fork();
    valueOf(await claim(world, pharmacist));
    expect(outcome(await answer(world, otherInsurer))).toBe('unknown_claim');
    expect(outcome(await answer(world, pharmacist))).toBe('role_denied');
    const forged = { requestDigest: text32('other codes') };
    expect(outcome(await answer(world, insurer, forged))).toBe('digest_mismatch');
    const asEstimate = { decision: 'estimated', validUntil: world.time + DAY };
    expect(outcome(await answer(world, insurer, asEstimate))).toBe('wrong_decision');
    expect(outcome(await answer(world, insurer, { decision: 'estimated' }))).toBe('bad_arguments');
    expect(outcome(await answer(world))).toBe('COMMITTED');
  });

  it('that asks for more gets nothing', async () => {
    const world = base.fork();
    valueOf(await claim(world, pharmacist, { service: { fillId } }));
    const { pseudonym } = alice;
    for (const [fn, args] of [
      ['prescription.get', { prescriptionId }],
      ['prescription.fills', { prescriptionId }],
      ['record.get', { recordId }],
      ['record.list', { pseudonym }],
      ['patient.get', { pseudonym }],
      ['history.list', {}],
    ] as const) {
      expect(await refusal(world.ask(insurer, fn, args))).toBe('role_denied');
    }
    const access = { recordId, purpose: 'HPAYMT' };
    expect(outcome(await world.submit(insurer, 'access.request', access))).toBe('role_denied');
    expect(await refusal(world.ask(otherInsurer, 'claim.get', { claimId }))).toBe('unknown_claim');
    expect(await refusal(world.ask(insurer, 'claim.list', { pseudonym }))).toBe('unknown_patient');
  });

  it('sees nothing that names the patient, in proofs neither', async () => {
    const world = base.fork();
    valueOf(await claim(world, pharmacist));
    const read: string[] = [];
    const watched: StateView = {
      get: (key) => {
        read.push(key);
        return world.get(key);
      },
    };
    const { height, ...context } = world.context;
    for (const fn of ['claim.list', 'claim.get']) {
      const args: Args = fn === 'claim.get' ? { claimId } : {};
      const asked = world.transaction(insurer, fn, args, 'query');
      const shown = JSON.stringify(await query(watched, asked, { ...context, height: height - 1 }));
      for (const secret of [alice.pseudonym, alice.ownerKid, recordId, prescriptionId]) {
        expect(shown).not.toContain(secret);
        for (const key of read) {
          const value = Buffer.from((await world.get(key)) ?? []).toString('latin1');
          expect(`${key} ${value}`).not.toContain(secret);
        }
      }
    }
    const value = valueOf(await answer(world));
    expect(JSON.stringify(value)).not.toContain(alice.pseudonym);
  });
});
