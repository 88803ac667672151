/** Every function × every role: what is not expected here is denied. */
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { type Role, roles } from '../../lib/chaincode/roles.ts';
import { chaincodeFunctions } from '../../lib/chaincode/table.ts';
import { keys } from '../../lib/chaincode/keys.ts';
import { cells } from '../../lib/chaincode/cells.ts';
import { decodeCbor, encodeCbor } from '../../lib/wire/codec.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  appointArgs,
  escrowArgs,
  grantArgs,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  representativeKeys,
  studyArgs,
  text32,
  valueOf,
  World,
} from './world.ts';
import { CaseWorld } from './case-world.ts';
import { expected, named } from './authorisation.ts';

const caseId = 'a'.repeat(64);
let base: World;
let alice: PatientKeys;
let colleague: Person;
let newcomer: Person;
const actors = new Map<Role, Acting>();

beforeAll(async () => {
  base = await World.make();
  base.setParameters({ chaincodeVersion: 2 });
  alice = await base.patient('alice');
  colleague = await base.registered('doctor');
  newcomer = await base.clinician('doctor');
  for (const role of named) {
    actors.set(role, await base.registered(role as 'doctor'));
  }
  actors.set('patient', alice);
  const representative = await representativeKeys(base, alice);
  valueOf(
    await base.submit(alice, 'representative.appoint', await appointArgs(base, representative)),
  );
  actors.set('representative', representative);
  actors.set('operator', base.operator());
  actors.set('custodian', base.custodian);
  actors.set('membership', base.membership);
  actors.set('validator', base.validator());
  actors.set('hospital', base.hospital());
  base.state.set(keys.caseLedger(caseId), encodeCbor({ height: 1, closed: null }));
});

/** Arguments that fit the schema, whatever then becomes of them. */
function argsOf(world: World, fn: string): SignedRequest['args'] {
  const digest = text32('digest');
  const recordId = id16('record');
  const permissionId = id16('permission');
  const { pseudonym } = alice;
  const root = { categoryKeysRoot: digest, categoryKeysFrom: '2025-11' };
  const receiving = { recoveryId: recordId, receivingKey: `BA${'A'.repeat(85)}` };
  const { certificate } = newcomer;
  const previousSignature = 'A'.repeat(86);
  const seatArgs = {
    ...{ validator: base.operator().hospital, session: 'AA', read: 'AA' },
    shareKey: 'A'.repeat(1622),
  };
  const seals = [{ subject: colleague.subject, digest }];
  const patientKey = 'A'.repeat(1622);
  const caseSeals = [{ who: 'patient', digest }];
  const caseKey = { version: 0, generation: 1, publicKey: patientKey, seals: caseSeals };
  const caseNote = { generation: 1, digest, size: 1 };
  const caseRule = {
    ...{ voters: 'doctors', quorumPercent: 1, majority: 'half', votingMs: 1_000 },
    otherwise: 'attending',
  };
  const sealArgs = { teamId: permissionId, version: 1, epoch: 1, seals };
  const asking = {
    ...{ claimId: recordId, insurer: colleague.subject, requestDigest: digest },
    ...{ letterId: id16('a letter'), letterDigest: digest, until: 1 },
    ...{ answerId: id16('an answer'), answerTo: digest },
  };
  const known: Record<string, SignedRequest['args']> = {
    'identity.register-clinician': { certificate },
    'identity.renew': { certificate, previousKid: colleague.kid, previousSignature },
    'identity.revoke': { kid: colleague.kid, reason: 'other' },
    'identity.get': { kid: colleague.kid },
    'identity.reenrol': { certificate, reason: 'device-lost' },
    'identity.approve-reenrolment': { subject: colleague.subject },
    'identity.finish-reenrolment': { subject: colleague.subject },
    'identity.veto-reenrolment': { subject: colleague.subject },
    'identity.reenrolment': { subject: colleague.subject },
    'identity.lapse': { subject: colleague.subject, reason: 'excluded' },
    'identity.unmask': {
      unmaskId: id16('unmask'),
      commitment: digest,
      reasonCode: 'court-order',
    },
    'identity.approve-unmask': { unmaskId: id16('unmask') },
    'patient.register': registerArgs(alice),
    'patient.publish-keys': root,
    'patient.rotate-begin': {
      ...{ ...registerArgs(alice), pseudonym: digest, ownerSignature: previousSignature },
      sealingKeyDigest: digest,
    },
    'patient.private': {
      ...{ privateId: recordId, version: 1, commitment: digest, sealedDigest: digest },
    },
    'patient.guard-rotation': {
      rotationKey: `BA${'A'.repeat(85)}`,
      signature: previousSignature,
    },
    'permission.grant': grantArgs(world, colleague),
    'permission.narrow': { permissionId, version: 1, until: 1 },
    'permission.extend': { permissionId, version: 1, until: 1 },
    'permission.reseal': { permissionId, version: 1, shareDigest: digest },
    'permission.revoke': { permissionId },
    'permission.earlier': { permissionId },
    'representative.appoint': {
      ...{ permissionId, publicKey: `BA${'A'.repeat(85)}`, encryptionKeyDigest: digest },
      ...{ signature: previousSignature, powers: ['read'], categories: [text32('tag')] },
      ...{ from: 0, until: 1, purposes: ['TREAT'], shareDigest: digest },
    },
    'representative.end': { permissionId },
    'team.create': { teamId: permissionId, name: 'A team', members: [colleague.subject] },
    'team.change': { teamId: permissionId, version: 1, add: [colleague.subject] },
    'team.close': { teamId: permissionId },
    'team.publish-key': { ...sealArgs, publicKey: 'A'.repeat(1622) },
    'team.seal': sealArgs,
    'team.get': { teamId: permissionId },
    'team.list': { hospital: base.operator().hospital },
    'team.log': { teamId: permissionId },
    'team.permissions': { teamId: permissionId },
    'permission.get': { permissionId },
    'record.register': recordArgs(alice),
    'record.stored': { recordId, objectDigest: digest },
    'record.countersign': { recordId, objectDigest: digest },
    'record.dispute': { recordId, reasonCode: 'other' },
    'record.retract': { recordId, reason: 'wrong-patient' },
    'record.relayered': { recordId, generation: 1, objectDigest: digest },
    'record.retag': {
      ...{ recordId, generation: 1, objectDigest: digest, categoryTag: text32('tag') },
      ...{ epoch: { month: '2025-11', revision: 0 }, metadataCommitment: digest },
      wrapDigest: digest,
    },
    'record.leave': { recordId },
    'record.get': { recordId },
    'access.request': { recordId, purpose: 'TREAT' },
    'access.list': { pseudonym, purpose: 'TREAT' },
    'prescription.issue': {
      ...{ prescriptionId: permissionId, recordId, commitment: digest, quantity: 1, fills: 1 },
      ...{ intervalMs: 0, from: 0, until: 1 },
    },
    'prescription.release': {
      ...{ prescriptionId: permissionId, pharmacist: colleague.subject },
      ...{ letterId: recordId, letterDigest: digest },
    },
    'prescription.recall': { prescriptionId: permissionId, pharmacist: colleague.subject },
    'prescription.cancel': { prescriptionId: permissionId, reason: 'other' },
    'prescription.fill': {
      ...{ prescriptionId: permissionId, fillId: recordId, quantity: 1 },
      ...{ dispensedBefore: 0, opened: digest },
    },
    'prescription.get': { prescriptionId: permissionId },
    'prescription.fills': { prescriptionId: permissionId },
    'claim.estimate': asking,
    'claim.submit': { ...asking, service: { fillId: id16('a fill') } },
    'claim.answer': {
      ...{ claimId: recordId, requestDigest: digest, decision: 'denied' },
      ...{ commitment: digest, letterDigest: digest },
    },
    'claim.withdraw': { claimId: recordId },
    'claim.get': { claimId: recordId },
    'patient.choose-hospitals': { hospitals: [] },
    'copy.request': { pseudonym, permissionIds: [] },
    'copy.held': { pseudonym, records: [{ recordId, objectDigest: digest }] },
    'copy.deleted': { pseudonym, recordIds: [recordId], all: false },
    'copy.team': { teamId: permissionId },
    'record.erase': { recordIds: [recordId] },
    'record.erased': { recordIds: [recordId] },
    'patient.erased': { pseudonym },
    'erasure.renew': { recordIds: [recordId] },
    'erasure.get': { recordId },
    'escrow.get': { kind: 'emergency' },
    'emergency.deposit': { ...escrowArgs(world), handle: digest },
    'emergency.declare': { declarationId: recordId, reason: 'unconscious', handle: recordId },
    'emergency.bind': { declarationId: recordId, handle: digest },
    'emergency.access': { declarationId: recordId },
    'emergency.review': { declarationId: recordId, verdict: 'justified' },
    'emergency.get': { declarationId: recordId },
    'case.consent': {
      ...{ consentId: recordId, attending: colleague.subject, until: world.time + 1 },
      patientKey,
    },
    'case.withdraw': { consentId: recordId },
    'case.open': { rule: caseRule, consentId: recordId, tell: [] },
    'case.tell': { caseId, subjects: [colleague.subject] },
    'case.close': {
      ...{ caseId, header: 'AA', certificate: 'AA', result: 'AA', index: 0, size: 1, proof: [] },
    },
    'case.reread': { caseId },
    'case.get': { caseId },
    'case.rekey': caseKey,
    'case.members': { ...caseKey, add: [], remove: [colleague.subject] },
    'case.seal': { version: 0, who: 'patient', from: 1, digest },
    'case.patient-key': { publicKey: patientKey },
    'case.note': { noteId: recordId, ...caseNote },
    'case.opinion': { noteId: recordId, questionId: recordId, ...caseNote },
    'case.question': { questionId: recordId, ...caseNote, options: 2 },
    'case.vote': { questionId: recordId, option: 0 },
    'case.settle': { questionId: recordId },
    'case.handover': { to: colleague.subject },
    'recovery.setup': {
      ...{ ...escrowArgs(world), setupId: recordId, needed: 2 },
      guardians: ['a', 'b'].map((one) => ({ key: text32(one), share: text32(one) })),
    },
    'recovery.start': {
      ...{ ...receiving, pseudonym, setupId: recordId, encryptionKeyDigest: digest },
      approvals: [0, 1].map((index) => ({
        ...{ index, publicKey: receiving.receivingKey, salt: recordId },
        signature: previousSignature,
      })),
    },
    'recovery.veto': { recoveryId: recordId },
    'recovery.release': receiving,
    'recovery.rotate': {
      ...{ ...registerArgs(alice), pseudonym: digest, ownerSignature: previousSignature },
      ...{ sealingKeyDigest: digest, ...receiving },
    },
    'study.register': studyArgs(colleague, { until: world.time + 1_000 }),
    'study.approve': { studyId: 'a-study', ethicsDigest: digest },
    'study.close': { studyId: 'a-study' },
    'study.join': { studyId: 'a-study', commitment: digest },
    'study.withdraw': { studyId: 'a-study' },
    'study.get': { studyId: 'a-study' },
    'study.mine': { studyId: 'a-study' },
    'release.submit': {
      ...{ releaseId: recordId, studyId: 'a-study', recordId, rowCommitment: digest },
      ...{ rowDigest: digest, payloadDigest: digest },
    },
    'release.collect': { studyId: 'a-study' },
    'release.publish': {
      ...{ studyId: 'a-study', batch: 1, rowsDigest: digest },
      classes: [{ classId: 1, members: [{ participant: digest, releases: [0] }] }],
    },
    'release.access': { studyId: 'a-study', batch: 1 },
    'release.list': { studyId: 'a-study' },
    'release.entries': { studyId: 'a-study', batch: 1, sequences: [0] },
    'release.known': { studyId: 'a-study', recordIds: [recordId] },
    'release.batch': { studyId: 'a-study', batch: 1 },
    'study.log': { studyId: 'a-study' },
    'validator.rejoin': { ...seatArgs, incarnation: 1 },
    'validator.rotate-key': { ...seatArgs, kmsKey: `BA${'A'.repeat(85)}` },
    'validator.accuse': { evidence: 'AA' },
    'governance.propose': { change: { kind: 'remove', validator: 'nobody' }, base: digest },
    'governance.approve': { proposalId: '0'.repeat(64) },
    'governance.withdraw': { proposalId: '0'.repeat(64) },
    'governance.get': { proposalId: '0'.repeat(64) },
    'governance.probe': { label: 'probe' },
    'governance.close-probe': { ledger: caseId, height: 1, hash: caseId },
    'case.probe': { label: 'probe' },
  };
  return known[fn] ?? {};
}

async function attempt(world: World, who: Acting, fn: string): Promise<string> {
  const { kind, ledger } = chaincodeFunctions.find((one) => one.name === fn)!;
  const args = argsOf(world, fn);
  const place = ledger === 'case' ? new CaseWorld(world, caseId) : world;
  if (kind === 'transaction') return outcome(await place.submit(who, fn, args));
  try {
    await place.ask(who, fn, args);
    return 'COMMITTED';
  } catch (error) {
    if (error instanceof ChaincodeError) return error.code;
    throw error;
  }
}

describe('authorisation matrix', () => {
  it('names every function once', () => {
    const names = chaincodeFunctions.map((one) => one.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.sort()).toEqual(Object.keys(expected).sort());
  });

  const cases = Object.keys(expected).flatMap((fn) => roles.map((role) => [fn, role] as const));
  it.each(cases)('%s × %s', async (fn, role) => {
    const may = expected[fn]!.includes(role);
    const actor = actors.get(role)!;
    const { roles: allowed } = chaincodeFunctions.find((one) => one.name === fn)!;
    const isDenied = (await attempt(base.fork(), actor, fn)) === 'role_denied';
    // One clinician ending or renewing another is refused beyond the table, as not the holder.
    const isOfHolder = fn === 'identity.revoke' || fn === 'identity.renew';
    if (isOfHolder && named.includes(role)) expect(allowed).toContain(role);
    else expect(isDenied).toBe(!may);
  });

  it.each(Object.keys(expected))('%s is refused to a revoked identity of any role', async (fn) => {
    for (const role of named) {
      const world = base.fork();
      const who = actors.get(role) as Person;
      await world.submit(world.operator(), 'identity.revoke', { kid: who.kid, reason: 'other' });
      expect(await attempt(world, who, fn)).toBe('identity_revoked');
    }
  });

  it('an identity of an unknown role is corrupt state, never a guest', async () => {
    const world = base.fork();
    const cell = cells.identity(colleague.kid);
    const stored = decodeCbor(world.state.get(cell.key)!, 65_536) as object;
    const identity = { ...stored, role: 'superuser' };
    world.state.set(cell.key, encodeCbor(identity));
    await expect(world.ask(colleague, 'network.head')).rejects.toThrow('role');
  });
});
