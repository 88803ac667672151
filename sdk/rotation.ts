/**
 * Rotation after compromise: new root, owner key and pseudonym; everything comes over, and what
 * the old keys opened is gone (docs/keys.md). Every step is kept before the next, so that a run
 * that was ended anywhere goes on with `rotate` again.
 */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
} from '../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { guardSigningBytes, rotationSigningBytes } from '../lib/chaincode/rotation.ts';
import { sealingKeyDigest } from '../lib/records/layer-key.ts';
import {
  categoryTag,
  lookupKey,
  monthOf,
  pseudonymOf,
  ROOT_BYTES,
  sealingSeed,
} from './category-keys.ts';
import { eraseEnded } from './emergency.ts';
import { SdkError } from './errors.ts';
import { grantAgain } from './grants.ts';
import { appointAgain } from './representatives.ts';
import { isStaleReceipt, reasonOf } from './http.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import type { RotationData } from './keystore-data.ts';
import { parseValue } from './pages.ts';
import { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import { movePrivate, type PrivateData } from './private.ts';
import { makePublication, type Revisions } from './publication.ts';
import {
  isKept,
  type Kept,
  notProven,
  type RotateOptions,
  throwIfAborted,
} from './rotation-options.ts';
import { moveRecords, type MovedRecords } from './rotation-records.ts';
import { UII_VERSION } from './uii.ts';

export interface Rotated {
  /** The patient with the new keys; the one that was given works no longer. */
  readonly patient: Patient;
  readonly from: string;
  /** `patient.rotate-begin`, and `patient.rotate-finish` unless something is in the way. */
  readonly begun: CertifiedResult;
  readonly finished: CertifiedResult | null;
  /** Permissions given again, by the ids of old and new ones; and those whose holder is gone. */
  readonly permissions: {
    readonly shared: readonly { readonly from: string; readonly to: string }[];
    readonly failed: readonly { readonly permissionId: string; readonly reason: string }[];
    /** Those that the patient left out, or that were given after the patient had chosen. */
    readonly leftOut: readonly string[];
  };
  readonly records: MovedRecords;
  /** Private data that the custodian does not give as it was committed to. */
  readonly broken: PrivateData['broken'];
}

const patientValue = z.object({ categoryKeysRoot: z.string(), categoryKeysFrom: z.string() });

/** Rotates, or goes on with a rotation that was interrupted. Throws `refused`, `aborted`. */
export async function rotate(old: Patient, options: RotateOptions = {}): Promise<Rotated> {
  const patient = await begin(old, options);
  const rotation = requireRotation(patient);
  const from = rotation.other.pseudonym;
  const begun = await beginningOf(patient);
  options.onProgress?.({ step: 'keys', done: 0, of: 1 });
  await tellCustodian(patient, begun);
  options.onProgress?.({ step: 'keys', done: 1, of: 1 });
  const permissions = await sharePermissions(patient, from, options);
  const records = await moveRecords(patient, rotation.other, options);
  const { root, pseudonym } = rotation.other;
  const broken = await movePrivate(patient, { root: fromBase64url(root), pseudonym });
  const isDone =
    records.stuck.length === 0 && (broken.length === 0 || options.leaveBehind === true);
  const finished = isDone ? await finish(patient) : null;
  return { patient, from, begun, finished, permissions, records, broken };
}

/** Names a rotation key: without it no rotation begins from then on. `previous` lets go. */
export async function guardRotation(
  patient: Patient,
  rotationKey: SigningKey,
  previous?: SigningKey,
): Promise<CertifiedResult> {
  const { publicKey } = rotationKey;
  const { pseudonym, networkName: network } = patient;
  const bytes = guardSigningBytes({ network, pseudonym, publicKey });
  const args = {
    rotationKey: toBase64url(publicKey),
    signature: toBase64url(await rotationKey.sign(bytes)),
    ...(previous && { previousSignature: toBase64url(await previous.sign(bytes)) }),
  };
  return patient.session.client.submit({ fn: 'patient.guard-rotation', args }, patient.signer);
}

/** Whether a rotation is under way in this keystore. */
export function isRotating(patient: Patient): boolean {
  return patient.data.rotation !== undefined;
}

/** The successor on the ledger: from its block on the old keys are dead. */
async function begin(old: Patient, options: RotateOptions): Promise<Patient> {
  const known = old.data.rotation;
  if (known?.step === 'begun') return old;
  const rotation = known ?? (await prepare(old, options.keep));
  await takeBackOthers(old);
  const ownerKey = await importSigningKey(fromBase64url(rotation.other.ownerKey));
  try {
    const { call, signer } = await beginCall(old, await successorArgs(old, ownerKey, options));
    const result = await old.session.client.submit(call, signer);
    // What a hospital that is away still keeps is released to nobody any more.
    await eraseEnded({ session: old.session, key: ownerKey }, result);
  } catch (error) {
    // A run before this one may have come so far; so may somebody else with the same keys.
    const reason = reasonOf(error);
    if (reason !== 'owner_key_retired' && reason !== 'patient_rotated') throw error;
    if (!(await isRegistered(old, ownerKey))) throw takenOver(error);
  }
  return swapKeys(old, requireRotation(old));
}

/** Signed by the owner key; after a recovery by the device that the keys were given back to. */
async function beginCall(old: Patient, successor: Awaited<ReturnType<typeof successorArgs>>) {
  const { recovered } = old.data;
  if (!recovered) {
    return { call: { fn: 'patient.rotate-begin', args: successor }, signer: old.signer };
  }
  const key = await importSigningKey(fromBase64url(recovered.receivingKey));
  const receivingKey = toBase64url(key.publicKey);
  const { guardSignature, ...rest } = successor;
  void guardSignature;
  const args = { ...rest, recoveryId: recovered.recoveryId, receivingKey };
  return { call: { fn: 'recovery.rotate', args }, signer: old.signerOf(key) };
}

async function prepare(old: Patient, kept?: readonly Kept[]): Promise<RotationData> {
  const root = randomBytes(ROOT_BYTES);
  const ownerKey = await generateSigningKey({ extractable: true });
  const other = {
    root: toBase64url(root),
    ownerKey: toBase64url(await exportSigningKey(ownerKey)),
    pseudonym: pseudonymOf(lookupKey(root), old.data.uii),
  };
  const keep = kept?.map(({ id, version }) => ({ id, version }));
  const choice = keep && { choice: { keep, leftOut: [] } };
  const rotation: RotationData = { step: 'prepared', other, permissions: {}, ...choice };
  await old.update({ rotation });
  return rotation;
}

/**
 * Takes back what the patient left out, while the old key still can: each has its own entry in the
 * history, and its holder a notice. A rotation ends it in any case.
 */
async function takeBackOthers(old: Patient): Promise<void> {
  const { choice } = requireRotation(old);
  if (!choice || old.data.recovered) return;
  try {
    const now = old.session.clock.now();
    for (const permission of await old.permissions()) {
      const { id, revoked, until } = permission;
      if (revoked !== null || until <= now || isKept(choice, permission)) continue;
      await takeBack(old, permission, id);
      const rotation = requireRotation(old);
      const leftOut = [...(rotation.choice?.leftOut ?? []), id];
      await old.update({ rotation: { ...rotation, choice: { keep: choice.keep, leftOut } } });
    }
  } catch (error) {
    // A run before this one came further: then the old key is dead, and so is what it gave.
    if (reasonOf(error) !== 'owner_key_retired') throw error;
  }
}

async function successorArgs(old: Patient, ownerKey: SigningKey, options: RotateOptions) {
  const { other } = requireRotation(old);
  const root = fromBase64url(other.root);
  const network = old.networkName;
  const month = monthOf(old.session.clock.now());
  const { categories } = old.data;
  const publication = await makePublication(root, {
    ...{ network, categories, month, revisions: new Map() },
  });
  const sealing = await xWingKeyPair(sealingSeed(root, network));
  const successor = {
    pseudonym: other.pseudonym,
    ownerKey: toBase64url(ownerKey.publicKey),
    uiiVersion: UII_VERSION,
    categoryKeysRoot: publication.root,
    categoryKeysFrom: publication.from,
    sealingKeyDigest: sealingKeyDigest(sealing.publicKey),
  };
  const bytes = rotationSigningBytes({ network, from: old.pseudonym, successor });
  const ownerSignature = toBase64url(await ownerKey.sign(bytes));
  const { rotationKey } = options;
  const guard = rotationKey && { guardSignature: toBase64url(await rotationKey.sign(bytes)) };
  return { ...successor, ownerSignature, ...guard };
}

/** Whether the new owner key counts on the ledger. */
async function isRegistered(old: Patient, ownerKey: SigningKey): Promise<boolean> {
  const call = { fn: 'patient.rotations', args: {} };
  try {
    await old.session.client.query(call, old.signerOf(ownerKey), { fresh: true });
    return true;
  } catch (error) {
    if (reasonOf(error) === 'unknown_signer') return false;
    throw error;
  }
}

/** The new keys take the place of the old ones, which are needed until all has come over. */
async function swapKeys(old: Patient, rotation: RotationData): Promise<Patient> {
  const { other } = rotation;
  const { root, ownerKey, pseudonym, categories, earlierTags, emergency } = old.data;
  const oldRoot = fromBase64url(root);
  const tags = categories.map((name) => [categoryTag(oldRoot, name), name] as const);
  await old.update({
    ...other,
    rotation: { ...rotation, step: 'begun', other: { root, ownerKey, pseudonym } },
    earlierTags: { ...earlierTags, ...Object.fromEntries(tags) },
    publishedFrom: undefined,
    // The card is void: the next login deposits the summary anew, and makes another.
    ...(emergency ? { emergency: { ...emergency, checkedAt: 0, delivery: null } } : {}),
    guardians: undefined,
    recovered: undefined,
    oneTime: [],
  });
  const patient = await Patient.open(old.session, old.keystore);
  const { height, time } = await beginningOf(patient);
  await patient.update({ registered: { height, time, month: monthOf(time) } });
  return patient;
}

/** `patient.rotate-begin` of the present pseudonym: its first entry in the history. */
async function beginningOf(patient: Patient): Promise<CertifiedResult> {
  const { client } = patient.session;
  const args = { pseudonym: patient.pseudonym, from: 0, count: 1 };
  const call = { fn: 'history.list', args };
  const value = await client.query(call, patient.signer, { fresh: true });
  const page = parseValue(firstPage, value, call.fn);
  const [first] = page.items;
  if (!first) throw notProven('The beginning of the rotation');
  return client.certified(first.transaction);
}

const firstPage = z.object({ items: z.array(z.object({ transaction: z.string() })) });

/** The custodian lets nothing go by the old keys from now on, and gets the new public keys. */
async function tellCustodian(patient: Patient, begun: CertifiedResult): Promise<void> {
  const { session, ownerKey: key, networkName: network, root } = patient;
  const { publicKey } = await xWingKeyPair(sealingSeed(root, network));
  await byReceipt(patient, begun, (receipt) =>
    session.custodian.startRotation(publicKey, { key, receipt }),
  );
  if (patient.data.publishedFrom !== undefined) return;
  const call = { fn: 'patient.get', args: {} };
  const value = await session.client.query(call, patient.signer, { fresh: true });
  const { categoryKeysFrom: month } = parseValue(patientValue, value, call.fn);
  const { categories } = patient.data;
  const publication = await makePublication(root, {
    ...{ network, categories, month, revisions: new Map() },
  });
  await byReceipt(patient, begun, (receipt) => patient.publish(publication, receipt));
}

/**
 * Brings a receipt of this rotation to the custodian. Days later those who certified it may have
 * been replaced, and be believed no more: then the ledger says anew where the rotation stands.
 */
async function byReceipt(
  patient: Patient,
  { receipt }: CertifiedResult,
  bring: (receipt: Uint8Array) => Promise<unknown>,
): Promise<void> {
  try {
    await bring(receipt);
  } catch (error) {
    if (!isStaleReceipt(error)) throw error;
    const call = { fn: 'patient.rotate-renew', args: {} };
    const renewed = await patient.session.client.submit(call, patient.signer);
    await bring(renewed.receipt);
  }
}

/** Gives exactly the permissions that held when the rotation began and are kept, under new keys. */
async function sharePermissions(
  patient: Patient,
  from: string,
  { onProgress, signal }: RotateOptions,
): Promise<Rotated['permissions']> {
  const now = patient.session.clock.now();
  const permissions = await patient.permissions({}, from);
  const { choice } = requireRotation(patient);
  const live = permissions.filter(({ revoked, until }) => revoked === null && until > now);
  const kept = live.filter((one) => isKept(choice, one));
  const others = live.filter((one) => !isKept(choice, one)).map(({ id }) => id);
  const leftOut = [...(choice?.leftOut ?? []), ...others];
  // Representatives first: what they gave stands on their appointment.
  const isAppointment = (one: Permission): boolean => one.granteeKind === 'representative';
  const held = [...kept.filter(isAppointment), ...kept.filter((one) => !isAppointment(one))];
  const revisions = await patient.revisions();
  const shared: { from: string; to: string }[] = [];
  const failed: { permissionId: string; reason: string }[] = [];
  for (const [done, permission] of held.entries()) {
    throwIfAborted(signal);
    onProgress?.({ step: 'permissions', done, of: held.length });
    const before = requireRotation(patient).permissions[permission.id];
    if (before?.isDone) {
      shared.push({ from: permission.id, to: before.permissionId });
      continue;
    }
    // A run before this one may have given it, and not handed the keys over: then it is replaced.
    if (before) await takeBack(patient, permission, before.permissionId);
    const permissionId = randomId();
    await note(patient, permission.id, { permissionId, isDone: false });
    try {
      await shareAgain(patient, permission, { revisions, permissionId, from });
    } catch (error) {
      // Nobody to seal to is found: who is gone, or a care team without a key.
      const isNobody = error instanceof SdkError && error.code === 'not_found';
      const reason = isNobody ? 'unknown_identity' : reasonOf(error);
      if (reason === null || !gone.has(reason)) throw error;
      failed.push({ permissionId: permission.id, reason });
      continue;
    }
    await note(patient, permission.id, { permissionId, isDone: true });
    shared.push({ from: permission.id, to: permissionId });
  }
  onProgress?.({ step: 'permissions', done: held.length, of: held.length });
  return { shared, failed, leftOut };
}

/** The holder exists no longer, or the permission ended meanwhile: nothing is owed. */
const gone: ReadonlySet<string> = new Set([
  'grantee_revoked',
  'grantee_unknown',
  'identity_revoked',
  'permission_over',
  'unknown_identity',
]);

async function shareAgain(
  patient: Patient,
  permission: Permission,
  again: { revisions: Revisions; permissionId: string; from: string },
): Promise<void> {
  if (permission.granteeKind === 'representative') {
    await appointAgain(patient, permission, again);
    return;
  }
  const { appointmentId: on } = permission;
  const given = on === null ? null : requireRotation(patient).permissions[on];
  if (on !== null && !given?.isDone) {
    throw new SdkError('not_found', 'The representative who gave it was not appointed again.', {
      nextStep: 'Grant it yourself: `carequorum grant`.',
    });
  }
  const { revisions, permissionId } = again;
  await grantAgain(patient, permission, {
    ...{ revisions, permissionId, appointmentId: given?.permissionId },
  });
}

async function takeBack(
  patient: Patient,
  { granteeKind }: Permission,
  permissionId: string,
): Promise<void> {
  const fn = granteeKind === 'representative' ? 'representative.end' : 'permission.revoke';
  const call = { fn, args: { permissionId } };
  try {
    await patient.session.client.submit(call, patient.signer);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason !== 'unknown_permission' && reason !== 'already_revoked') throw error;
  }
}

async function note(
  patient: Patient,
  old: string,
  given: { permissionId: string; isDone: boolean },
): Promise<void> {
  const rotation = requireRotation(patient);
  const permissions = { ...rotation.permissions, [old]: given };
  await patient.update({ rotation: { ...rotation, permissions } });
}

/** The end: the old root leaves the keystore. */
async function finish(patient: Patient): Promise<CertifiedResult> {
  const { client } = patient.session;
  const call = { fn: 'patient.rotate-finish', args: {} };
  const finished = await client.submit(call, patient.signer).catch(async (error: unknown) => {
    // A run before this one finished, and did not come to say so in the keystore.
    if (reasonOf(error) !== 'rotation_over') throw error;
    const history = await patient.history();
    const last = history.findLast(({ fn }) => fn === call.fn);
    if (!last) throw error;
    return client.certified(last.transaction);
  });
  const { ownerKey: key, session } = patient;
  await byReceipt(patient, finished, (receipt) =>
    session.custodian.finishRotation({ key, receipt }),
  );
  await patient.update({ rotation: undefined });
  return finished;
}

function requireRotation(patient: Patient): RotationData {
  const { rotation } = patient.data;
  if (!rotation) throw new Error('no rotation is under way in this keystore');
  return rotation;
}

function takenOver(cause: unknown): SdkError {
  return new SdkError('refused', 'Somebody else has rotated with these keys before you.', {
    nextStep: 'Recover now with your guardians, and tell a hospital: these keys are dead.',
    details: { reason: 'owner_key_retired' },
    cause,
  });
}
