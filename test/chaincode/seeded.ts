/** States of the ledger with something of everything under way, and what was said to get there. */
import { renewalSigningBytes } from '../../lib/chaincode/identity.ts';
import { handleDigest } from '../../lib/chaincode/emergency.ts';
import {
  guardianKeyCommitment,
  recoverySigningBytes,
} from '../../lib/chaincode/recovery-signing.ts';
import { erasureSigningBytes } from '../../lib/chaincode/rotation-guard.ts';
import {
  guardSigningBytes,
  rotationSigningBytes,
  type Successor,
} from '../../lib/chaincode/rotation.ts';
import type { PlainValue } from '../../lib/chaincode/functions.ts';
import { chaincodeFunctions } from '../../lib/chaincode/table.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { CaseWorld } from './case-world.ts';
import { accuseArgs, evidenceOf } from './evidence.ts';
import { keyTexts, seatTexts } from './seats.ts';
import { type CaseCast, caseBegins, caseEnds } from './seeded-case.ts';
import { connectedCare } from './seeded-connected.ts';
import { studyRuns } from './seeded-study.ts';
import {
  type Acting,
  DAY,
  escrowArgs,
  grantArgs,
  id16,
  NETWORK,
  OTHER_TAG,
  type PatientKeys,
  type Person,
  recordArgs,
  registerArgs,
  representativeKeys,
  TAG,
  text32,
  valueOf,
  World,
} from './world.ts';

type Args = SignedRequest['args'];

/** Something that was asked of the ledger, or could be. */
export interface Said {
  readonly fn: string;
  readonly args: Args;
  /** Whether it did something in the story. */
  readonly isDone: boolean;
}

/** What a part of the story is told with. */
export interface Teller {
  readonly world: World;
  /** The case ledger that the story is on. */
  readonly stay: CaseWorld;
  /** Goes on with another case ledger. */
  readonly enter: (ledger: string) => CaseWorld;
  /** Something that has to succeed; gives the ledger's answer. */
  readonly say: (who: Acting, fn: string, args: Args) => Promise<Record<string, PlainValue>>;
  /** Something that could be said. */
  readonly mention: (fn: string, args: Args) => void;
}

export interface Seeded {
  /** Each with a case ledger, over its main ledger. */
  readonly states: { readonly name: string; readonly at: CaseWorld }[];
  readonly actors: ReadonlyMap<string, Acting>;
  readonly said: Said[];
  /** What the ledger answered. */
  readonly values: object[];
}

const digest = text32('digest');
const recordIds = [0, 1, 2].map((at) => id16(`seeded record ${at}`));
const [permissionId, teamPermissionId] = [id16('seeded grant'), id16('seeded team grant')];
const teamId = id16('seeded team');
const handle = id16('seeded card');
const setupId = id16('seeded setup');
const recoveryId = id16('seeded recovery');
const pointOf = ({ publicKey }: SigningKey): string => toBase64url(publicKey);

/** Tells one story, keeps the state after each part, and everything that was said. */
class Story implements Seeded, Teller {
  readonly states: { name: string; at: CaseWorld }[] = [];
  readonly actors = new Map<string, Acting>();
  readonly said: Said[] = [];
  readonly values: object[] = [];
  readonly world: World;
  stay: CaseWorld;

  constructor(world: World) {
    this.world = world;
    this.stay = new CaseWorld(world, 'a'.repeat(64));
  }

  readonly enter = (ledger: string): CaseWorld => {
    this.stay = new CaseWorld(this.world, ledger);
    return this.stay;
  };

  who<A extends Acting>(name: string, actor: A): A {
    this.actors.set(name, actor);
    return actor;
  }

  readonly say: Teller['say'] = async (who, fn, args) => {
    const place = ofCases.has(fn) ? this.stay : this.world;
    const done = await place.submit(who, fn, args);
    if (done.status === 'INVALID') throw new Error(`${fn} is refused: ${done.code}`);
    this.said.push({ fn, args, isDone: true });
    const value = valueOf(done);
    this.values.push(value);
    return value;
  };

  readonly mention: Teller['mention'] = (fn, args) => {
    this.said.push({ fn, args, isDone: false });
  };

  keep(name: string): void {
    this.states.push({ name, at: this.stay.fork() });
  }
}

const ofCases: ReadonlySet<string> = new Set(
  chaincodeFunctions.filter(({ ledger }) => ledger === 'case').map(({ name }) => name),
);

interface Cast {
  readonly alice: PatientKeys;
  readonly bob: PatientKeys;
  readonly carol: PatientKeys;
  readonly alicesNext: PatientKeys;
  readonly bobsDevice: PatientKeys;
  readonly bobsNext: PatientKeys;
  readonly researcher: Person;
  readonly coordinator: Person;
  readonly doctor: Person;
  readonly nurse: Person;
  readonly foreigner: Person;
  readonly lost: Person;
  readonly pharmacist: Person;
  readonly insurer: Person;
  readonly representative: PatientKeys;
  readonly guardians: readonly SigningKey[];
  readonly rotationKey: SigningKey;
}

export async function seeded(): Promise<Seeded> {
  const story = new Story((await World.make()).fork());
  const cast = await castOf(story);
  await probeBegins(story);
  story.keep('nothing but people, and a probe');
  await careBegins(story, cast);
  const [recordId] = recordIds as [string];
  await connectedCare(story, recordId, { ...cast, patient: cast.alice });
  await caseBegins(story, inCase(cast, cast.alice));
  await researchRuns(story, cast);
  await keysAreGuarded(story, cast);
  await institutionsAct(story, cast);
  mentionRest(story, cast);
  await mentionRenewal(story, cast);
  story.keep('everything under way');
  await keysAreChanged(story, cast);
  await muchIsOver(story, cast);
  story.keep('much of it over');
  return story;
}

async function castOf(story: Story): Promise<Cast> {
  const { world } = story;
  world.setParameters({ chaincodeVersion: 2 });
  for (const at of [0, 1, 2]) story.who(`operator ${at}`, world.operator(at));
  for (const at of [0, 1]) story.who(`validator ${at}`, world.validator(at));
  for (const at of [0, 1]) story.who(`hospital ${at}`, world.hospital(at));
  story.who('custodian', world.custodian);
  story.who('membership', world.membership);
  const patient = async (name: string) => story.who(name, await world.patient(name));
  const keysOf = async (name: string) => story.who(name, await world.patientKeys(name));
  const person = async (role: Parameters<World['registered']>[0], hospital = 0, name = role) =>
    story.who(name, await world.registered(role, { hospital }));
  await person('auditor');
  const guardians = await Promise.all([0, 1, 2].map(() => generateSigningKey()));
  guardians.forEach((key, at) => {
    story.who(`guardian ${at}`, { kid: thumbprint(key.publicKey) });
  });
  story.who('nobody', { kid: text32('nobody') });
  const alice = await patient('alice');
  const cast = {
    ...{ alice, bob: await patient('bob'), carol: await patient('carol') },
    alicesNext: await keysOf('alice anew'),
    bobsDevice: await keysOf('bob’s new device'),
    bobsNext: await keysOf('bob anew'),
    researcher: await person('researcher'),
    coordinator: await person('coordinator', 1),
    doctor: await person('doctor'),
    nurse: await person('nurse'),
    foreigner: await person('doctor', 1, 'doctor elsewhere' as 'doctor'),
    lost: await person('doctor', 0, 'doctor without a device' as 'doctor'),
    ...{ pharmacist: await person('pharmacist'), insurer: await person('insurer') },
    representative: story.who('representative', await representativeKeys(world, alice)),
    ...{ guardians, rotationKey: await generateSigningKey() },
  };
  story.mention('patient.register', registerArgs(await keysOf('dave')));
  return cast;
}

/** A case ledger without a patient, and the main ledger's functions for it. */
async function probeBegins(story: Story): Promise<void> {
  const operator = story.actors.get('operator 0')!;
  const { ledger } = await story.say(operator, 'governance.open-probe', {});
  story.enter(ledger as string);
  await story.say(operator, 'case.probe', { label: 'seeded' });
  const anchor = { ledger: ledger as string, height: 1, hash: 'b'.repeat(64) };
  story.mention('governance.close-probe', anchor);
}

function inCase({ doctor, foreigner, nurse }: Cast, patient: PatientKeys): CaseCast {
  return { patient, attending: doctor, second: foreigner, nurse };
}

async function careBegins(story: Story, { alice, carol, doctor, nurse, foreigner }: Cast) {
  const { world } = story;
  const [operator, hospital] = [story.actors.get('operator 0')!, story.actors.get('hospital 1')!];
  const custodian = story.actors.get('custodian')!;
  const members = [doctor.subject, nurse.subject];
  await story.say(operator, 'team.create', { teamId, name: 'Ward 7', members });
  const seals = members.map((subject) => ({ subject, digest }));
  const key = { teamId, version: 1, epoch: 1, publicKey: 'A'.repeat(1622), seals };
  await story.say(doctor, 'team.publish-key', key);
  await story.say(alice, 'permission.grant', grantArgs(world, doctor, { permissionId }));
  const elsewhere = grantArgs(world, foreigner, { rights: ['read', 'share'], study: 'study-1' });
  await story.say(alice, 'permission.grant', { ...elsewhere, anonymise: true });
  const { grantee, ...team } = grantArgs(world, doctor, { permissionId: teamPermissionId });
  void grantee;
  await story.say(alice, 'permission.grant', { ...team, team: teamId, teamEpoch: 1 });
  await story.say(carol, 'permission.grant', grantArgs(world, nurse));
  for (const recordId of recordIds) {
    await story.say(doctor, 'record.register', recordArgs(alice, { recordId }));
  }
  for (const recordId of recordIds.slice(0, 2)) {
    await story.say(custodian, 'record.stored', { recordId, objectDigest: digest });
  }
  const [recordId] = recordIds as [string];
  await story.say(alice, 'record.countersign', { recordId, objectDigest: digest });
  await story.say(nurse, 'access.request', { recordId, purpose: 'TREAT' });
  const { pseudonym } = alice;
  const permissionIds = [elsewhere['permissionId'] as string];
  await story.say(hospital, 'copy.request', { pseudonym, permissionIds });
  const records = [{ recordId, objectDigest: digest }];
  await story.say(hospital, 'copy.held', { pseudonym, records });
  story.mention('copy.team', { teamId });
  story.mention('copy.deleted', { pseudonym, recordIds: [recordId], all: true });
  const revision = { categoryTag: TAG, from: '2025-10', until: '2025-11', revision: 1 };
  await story.say(alice, 'patient.publish-keys', {
    ...{ categoryKeysRoot: text32('root 2'), categoryKeysFrom: '2025-11' },
    revisions: [revision],
  });
}

async function researchRuns(story: Story, cast: Cast): Promise<void> {
  const { carol, bob, doctor, researcher, coordinator } = cast;
  const operators = [0, 1, 2].map((at) => story.actors.get(`operator ${at}`)!);
  const study = { patients: [carol, bob], doctor, researcher, coordinator, operators };
  await studyRuns(story.say, story.world, study);
}

async function keysAreGuarded(story: Story, cast: Cast): Promise<void> {
  const { world } = story;
  const { alice, bob, bobsDevice, carol, doctor, nurse, guardians, rotationKey } = cast;
  const privateId = id16('seeded private data');
  const told = { privateId, version: 1, commitment: digest, sealedDigest: digest };
  await story.say(alice, 'patient.private', told);
  const { publicKey } = rotationKey;
  const signed = guardSigningBytes({ network: NETWORK, pseudonym: alice.pseudonym, publicKey });
  const signature = toBase64url(await rotationKey.sign(signed));
  const guard = { rotationKey: pointOf(rotationKey), signature };
  await story.say(alice, 'patient.guard-rotation', guard);
  const deposit = { ...escrowArgs(world), handle: handleDigest(handle) };
  await story.say(alice, 'emergency.deposit', deposit);
  const declared = { declarationId: id16('seeded declaration'), reason: 'unconscious', handle };
  await story.say(nurse, 'emergency.declare', declared);
  const unbound = {
    declarationId: id16('seeded unbound'),
    reason: 'unconscious',
    identity: digest,
  };
  await story.say(doctor, 'emergency.declare', unbound);
  const bind = { declarationId: unbound.declarationId, handle: deposit.handle };
  story.mention('emergency.bind', bind);
  story.mention('emergency.withdraw', {});
  const salts = guardians.map((_, at) => id16(`seeded salt ${at}`));
  const commitments = guardians.map(({ publicKey: key }, at) => ({
    key: guardianKeyCommitment({ network: NETWORK, setupId, salt: salts[at]!, publicKey: key }),
    share: text32(`seeded share ${at}`),
  }));
  await story.say(bob, 'recovery.setup', {
    ...escrowArgs(world, { escrowId: id16('seeded recovery escrow') }),
    ...{ setupId, needed: 2, guardians: commitments },
  });
  const start = {
    ...{ pseudonym: bob.pseudonym, setupId, recoveryId, encryptionKeyDigest: digest },
    receivingKey: pointOf(bobsDevice.owner),
  };
  const bytes = recoverySigningBytes({ network: NETWORK, ...start });
  const approvals = [];
  for (const index of [0, 1]) {
    const key = guardians[index]!;
    const one = { index, publicKey: pointOf(key), salt: salts[index]! };
    approvals.push({ ...one, signature: toBase64url(await key.sign(bytes)) });
  }
  await story.say(bobsDevice, 'recovery.start', { ...start, approvals });
  await story.say(carol, 'recovery.setup', {
    ...escrowArgs(world, { escrowId: id16('seeded other escrow') }),
    ...{ setupId: id16('seeded other setup'), needed: 2, guardians: commitments },
  });
  story.mention('recovery.end', {});
}

async function institutionsAct(story: Story, { lost }: Cast): Promise<void> {
  const { world } = story;
  const operators = [0, 1, 2].map((at) => story.actors.get(`operator ${at}`)!);
  const next = await world.clinician('doctor', { subject: lost.subject });
  const { certificate } = next;
  await story.say(operators[0]!, 'identity.reenrol', { certificate, reason: 'device-lost' });
  const { subject } = lost;
  await story.say(operators[1]!, 'identity.approve-reenrolment', { subject });
  story.mention('identity.finish-reenrolment', { subject });
  story.mention('identity.veto-reenrolment', { subject });
  const unmaskId = id16('seeded unmasking');
  const asked = { unmaskId, commitment: digest, reasonCode: 'court-order' };
  await story.say(operators[0]!, 'identity.unmask', asked);
  story.mention('identity.approve-unmask', { unmaskId });
  const bases = (await world.ask(operators[0]!, 'network.validators'))! as unknown as {
    bases: { members: string; parameters: string };
  };
  const { members, parameters } = bases.bases;
  const kms = await generateSigningKey();
  const { session, read, ...texts } = await keyTexts('hospital-e', kms, 0);
  const newcomer = {
    ...{ validator: 'hospital-e', ...texts, name: 'Hospital E' },
    ...{ session: { certificate: session }, read: { certificate: read } },
    ...{ operatorKey: pointOf(await generateSigningKey()), apiUrl: 'http://hospital-e.test' },
  };
  const changes: [Args, string][] = [
    [{ kind: 'add', newcomer }, members],
    [{ kind: 'parameters', set: { receiptUsableMs: 200_000 } }, parameters],
    [{ kind: 'replace', validator: 'hospital-d', newcomer }, members],
  ];
  for (const [change, base] of changes) {
    await story.say(operators[0]!, 'governance.propose', { change, base });
  }
  story.mention('governance.withdraw', { proposalId: proposalOf(story) });
  story.mention('governance.probe', { label: 'seeded' });
  const seat = world.network.validators[0]!;
  const args = { validator: seat.id, incarnation: 1, ...(await seatTexts(seat.id, seat.kms, 1)) };
  story.mention('validator.rejoin', args);
  const rotated = { validator: seat.id, ...(await keyTexts(seat.id, kms, 1)) };
  story.mention('validator.rotate-key', rotated);
  story.mention('validator.accuse', accuseArgs(await evidenceOf(world, 3)));
}

/** What could be said in a state, once for each function that nobody calls in the story. */
function mentionRest(story: Story, { alice, nurse, foreigner }: Cast): void {
  const { world } = story;
  const [recordId] = recordIds as [string];
  const { pseudonym } = alice;
  const version = 1;
  const target = { permissionId, version };
  story.mention('permission.narrow', { ...target, rights: ['read'] });
  story.mention('permission.extend', { ...target, until: world.time + 90 * DAY });
  story.mention('permission.reseal', { ...target, shareDigest: digest });
  story.mention('permission.revoke', { permissionId });
  story.mention('record.retract', { recordId: recordIds[1]!, reason: 'written-in-error' });
  story.mention('record.dispute', { recordId, reasonCode: 'other' });
  story.mention('patient.choose-hospitals', { hospitals: ['hospital-a', 'hospital-b'] });
  story.mention('patient.get', { pseudonym, categories: [TAG] });
  story.mention('access.list', { pseudonym, purpose: 'TREAT' });
  const change = { teamId, version: 2, remove: [nurse.subject] };
  story.mention('team.change', change);
  const seals = [{ subject: nurse.subject, digest }];
  story.mention('team.seal', { teamId, version: 2, epoch: 1, seals });
  story.mention('team.close', { teamId });
  const declarationId = id16('seeded declaration');
  story.mention('emergency.access', { declarationId });
  story.mention('emergency.review', { declarationId, verdict: 'justified' });
  story.mention('identity.revoke', { kid: foreigner.kid, reason: 'other' });
}

/** A key that its holder renews. */
async function mentionRenewal(story: Story, { foreigner }: Cast): Promise<void> {
  const { subject, hospital, kid: previousKid } = foreigner;
  const next = await story.world.clinician('doctor', { subject, hospital });
  const signed = renewalSigningBytes({
    ...{ network: NETWORK, previousKid },
    publicKey: next.key.publicKey,
  });
  const previousSignature = toBase64url(await foreigner.key.sign(signed));
  const { certificate } = next;
  story.mention('identity.renew', { certificate, previousKid, previousSignature });
  const newcomer = await story.world.clinician('nurse');
  story.mention('identity.register-clinician', { certificate: newcomer.certificate });
}

/** What a rotation's successor signs, and the guard, if there is one. */
async function successorArgs(
  from: PatientKeys,
  to: PatientKeys,
  guard?: SigningKey,
): Promise<Args> {
  const args = registerArgs(to) as unknown as Omit<Successor, 'ownerSignature'>;
  const successor = { ...args, sealingKeyDigest: text32('sealing key') };
  const bytes = rotationSigningBytes({ network: NETWORK, from: from.pseudonym, successor });
  const ownerSignature = toBase64url(await to.owner.sign(bytes));
  const guardSignature = guard && toBase64url(await guard.sign(bytes));
  return { ...successor, ownerSignature, ...(guardSignature && { guardSignature }) };
}

async function keysAreChanged(story: Story, cast: Cast): Promise<void> {
  const { world } = story;
  const { alice, alicesNext, bob, bobsDevice, bobsNext, rotationKey, carol } = cast;
  const custodian = story.actors.get('custodian')!;
  const begin = await successorArgs(alice, alicesNext, rotationKey);
  await story.say(alice, 'patient.rotate-begin', begin);
  const [first, second, third] = recordIds as [string, string, string];
  const layered = { generation: 1, objectDigest: text32('layered') };
  for (const recordId of [first, second]) {
    await story.say(custodian, 'record.relayered', { recordId, ...layered });
  }
  const retag = {
    ...{ ...layered, categoryTag: OTHER_TAG, epoch: { month: '2025-11', revision: 0 } },
    ...{ metadataCommitment: digest, wrapDigest: digest },
  };
  await story.say(alicesNext, 'record.retag', { recordId: first, ...retag });
  story.mention('record.retag', { recordId: second, ...retag });
  story.mention('patient.rotate-finish', {});
  story.mention('patient.rotate-renew', {});
  story.mention('record.leave', { recordId: third });
  world.time += world.parameters.recoveryDelayMs;
  const receiving = { recoveryId, receivingKey: pointOf(bobsDevice.owner) };
  await story.say(bobsDevice, 'recovery.release', receiving);
  const rotate = { ...(await successorArgs(bob, bobsNext)), ...receiving };
  story.mention('recovery.rotate', rotate);
  await story.say(carol, 'patient.erase', {});
  story.mention('patient.erased', { pseudonym: carol.pseudonym });
  story.mention('erasure.renew', { pseudonym: carol.pseudonym });
  story.keep('keys being changed');
}

async function muchIsOver(story: Story, cast: Cast): Promise<void> {
  const { alicesNext, doctor, bob, lost } = cast;
  await caseEnds(story, inCase(cast, alicesNext));
  const operators = [0, 1, 2].map((at) => story.actors.get(`operator ${at}`)!);
  const [first, second, third] = recordIds as [string, string, string];
  for (const recordId of [second, third]) {
    await story.say(alicesNext, 'record.leave', { recordId });
  }
  await guardedErase(story, cast, [first]);
  await story.say(story.actors.get('custodian')!, 'record.erased', { recordIds: [first] });
  await story.say(bob, 'recovery.veto', { recoveryId });
  await story.say(operators[0]!, 'identity.finish-reenrolment', { subject: lost.subject });
  const proposalId = proposalOf(story);
  for (const one of operators.slice(1)) await story.say(one, 'governance.approve', { proposalId });
  await story.say(operators[0]!, 'identity.lapse', {
    subject: doctor.subject,
    reason: 'licence-lapsed',
  });
}

async function guardedErase(story: Story, cast: Cast, ids: string[]): Promise<void> {
  const { alicesNext, rotationKey } = cast;
  const { pseudonym } = alicesNext;
  const bytes = erasureSigningBytes({ network: NETWORK, pseudonym, recordIds: ids });
  const guardSignature = toBase64url(await rotationKey.sign(bytes));
  await story.say(alicesNext, 'record.erase', { recordIds: ids, guardSignature });
}

/** The first that was made. */
function proposalOf({ values }: Story): string {
  return (values.find((one) => 'proposalId' in one) as { proposalId: string }).proposalId;
}
