/** Rotation: a patient whose keys are known to others moves to a new pseudonym (design §7). */
import { z } from 'zod';
import { fromBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { thumbprint } from '../crypto/p256.ts';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { endAllEscrows, endValue } from './escrow.ts';
import { digestField, monthField, pseudonymField, publicKeyText, signatureText } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { publishedKeys } from './patient.ts';
import { guardField, requireGuard, requireSignature } from './rotation-guard.ts';
import type { Rotation } from './rotation-values.ts';
import type { Patient } from './values.ts';

/** What a new pseudonym is registered with, whoever begins the rotation. */
export const successorFields = {
  /** The new pseudonym. */
  pseudonym: pseudonymField,
  ownerKey: publicKeyText,
  /** The new owner key's signature over `rotationSigningBytes`. */
  ownerSignature: signatureText,
  uiiVersion: z.int().min(1).max(1_000),
  categoryKeysRoot: digestField,
  categoryKeysFrom: monthField,
  /** Digest of the X-Wing key that layer keys are sealed to. */
  sealingKeyDigest: digestField,
};
export type Successor = z.infer<z.ZodObject<typeof successorFields>>;

export const rotateBegin = defineTransaction({
  name: 'patient.rotate-begin',
  summary:
    'Moves the patient to a new pseudonym: the old owner key and all old permissions end in this block.',
  roles: ['patient'],
  schema: z.strictObject({
    ...successorFields,
    /** The rotation key's signature over the same bytes, where one is set. */
    guardSignature: guardField,
  }),
  hints: ({ pseudonym }) => [keys.patient(pseudonym), lists.history(pseudonym).count],
  isForRecovered: true,
  async run({ guardSignature, ...successor }, call) {
    const { pseudonym: from } = patientOf(call.actor);
    const { network } = call.context;
    const signed = rotationSigningBytes({ network, from, successor });
    await requireGuard(call, from, signed, guardSignature);
    return startRotation(call, { from, cause: 'compromise', successor });
  },
});

export const guardRotation = defineTransaction({
  name: 'patient.guard-rotation',
  summary:
    'Names a rotation key, kept apart from the keystore: from now on nothing is rotated or erased, no ' +
    'guardian named or ended, and no recovery stopped without it.',
  roles: ['patient'],
  schema: z.strictObject({
    rotationKey: publicKeyText,
    /** Of the new rotation key, over `guardSigningBytes`. */
    signature: signatureText,
    /** Of the rotation key before it, over the same bytes. */
    previousSignature: signatureText.optional(),
  }),
  async run({ rotationKey, signature, previousSignature }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const publicKey = fromBase64url(rotationKey);
    const signed = guardSigningBytes({ network: context.network, pseudonym, publicKey });
    await requireSignature(call, publicKey, signed, signature);
    await requireGuard(call, pseudonym, signed, previousSignature);
    const since = { time: context.time, height: context.height };
    draft.put(cells.rotationGuard(pseudonym), { publicKey, since });
    await remember(call, pseudonym, {});
    return { pseudonym, rotationKid: thumbprint(publicKey) };
  },
});

export const rotateFinish = defineTransaction({
  name: 'patient.rotate-finish',
  summary: 'Ends a rotation once every record came over or was left behind.',
  roles: ['patient'],
  schema: z.strictObject({}),
  async run(_args, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const rotation = await requireOpenRotation(draft.reader, pseudonym);
    if (rotation.done < rotation.records) throw new ChaincodeError('rotation_unfinished');
    const finished = { time: context.time, height: context.height };
    draft.put(cells.rotation(pseudonym), { ...rotation, finished });
    await remember(call, pseudonym, {});
    return { pseudonym, from: rotation.from, records: rotation.records };
  },
});

export const rotateRenew = defineTransaction({
  name: 'patient.rotate-renew',
  summary:
    'Certifies anew where a rotation stands, for the custodian: whoever goes on after days may hold ' +
    'receipts of validators who were replaced since.',
  roles: ['patient'],
  schema: z.strictObject({}),
  async run(_args, { actor, draft }) {
    const { pseudonym } = patientOf(actor);
    const rotation = await draft.get(cells.rotation(pseudonym));
    const patient = await draft.get(cells.patient(pseudonym));
    if (!rotation || !patient) throw new ChaincodeError('rotation_over');
    const { from, sealingKeyDigest, finished } = rotation;
    const isFinished = finished !== null;
    return { ...publishedKeys(pseudonym, patient), from, sealingKeyDigest, isFinished };
  },
});

export const patientRotations = defineQuery({
  name: 'patient.rotations',
  summary: 'The rotations that led to the patient’s pseudonym, the newest first.',
  roles: ['patient'],
  schema: z.strictObject({}),
  async run(_args, { actor, reader }) {
    const rotations: (Rotation & { to: string })[] = [];
    let to = patientOf(actor).pseudonym;
    for (let rotation = await reader.get(cells.rotation(to)); rotation;) {
      rotations.push({ ...rotation, to });
      to = rotation.from;
      rotation = await reader.get(cells.rotation(to));
    }
    const guard = await reader.get(cells.rotationGuard(patientOf(actor).pseudonym));
    return { rotations, rotationKid: guard && thumbprint(guard.publicKey) };
  },
});

/**
 * Registers the successor of `from`, the newest pseudonym of a patient, and retires its owner key.
 * The caller has made sure that the signer may: the owner by key, or guardians and validators.
 * @throws ChaincodeError of the successor, `patient_rotated`, `rotation_unfinished`
 */
export async function startRotation(
  call: TransactionCall,
  { from, cause, successor }: { from: string; cause: Rotation['cause']; successor: Successor },
) {
  const { draft, context } = call;
  const { pseudonym, uiiVersion, categoryKeysRoot, categoryKeysFrom, sealingKeyDigest } = successor;
  const before = await draft.get(cells.patient(from));
  if (!before) throw new ChaincodeError('unknown_patient');
  if (await draft.get(cells.rotated(from))) throw new ChaincodeError('patient_rotated');
  const unfinished = await openRotation(draft.reader, from);
  // Recovery takes over from whoever left a rotation half done; what is left of it comes along.
  if (unfinished && cause !== 'recovery') throw new ChaincodeError('rotation_unfinished');
  await requireShortChain(draft.reader, from);
  const ownerKid = await registerOwner(call, from, successor);
  const moment = { time: context.time, height: context.height };
  const owner = await draft.get(cells.owner(before.ownerKid));
  if (!owner) throw new Error(`the owner of ${from} is missing`);
  draft.put(cells.owner(before.ownerKid), { ...owner, retired: moment });
  draft.put(cells.rotated(from), { at: moment });
  draft.put(cells.rotatedTo(from), { to: pseudonym });
  const root = { categoryKeysRoot, categoryKeysFrom, categoryKeysVersion: 1 };
  const patient: Patient = { ownerKid, uiiVersion, ...root, since: moment };
  draft.put(cells.patient(pseudonym), patient);
  const remaining = unfinished ? unfinished.records - unfinished.done : 0;
  draft.put(cells.rotation(pseudonym), {
    from,
    cause,
    sealingKeyDigest,
    begun: moment,
    finished: null,
    records: remaining + (await draft.reader.count(listCells.records(from))),
    done: 0,
  });
  const guard = await draft.get(cells.rotationGuard(from));
  // Recovery is for whoever lost all keys, and against a thief who set a guard: none comes along.
  if (guard && cause !== 'recovery') draft.put(cells.rotationGuard(pseudonym), guard);
  const ended = await endAllEscrows(call, from);
  await remember(call, from, {});
  await remember(call, pseudonym, {});
  await draft.notify({ pseudonym: from }, 'patient.rotated');
  return { ...publishedKeys(pseudonym, patient), from, sealingKeyDigest, ...endValue(ended) };
}

/** What the new owner key and the rotation key sign: they agree to exactly this successor. */
export function rotationSigningBytes({
  network,
  from,
  successor,
}: {
  network: string;
  from: string;
  successor: Omit<Successor, 'ownerSignature'>;
}): Uint8Array {
  const { pseudonym, ownerKey, sealingKeyDigest, categoryKeysRoot } = successor;
  const parts = [network, from, pseudonym, ownerKey, sealingKeyDigest, categoryKeysRoot];
  return taggedHash('owner-rotation', ...parts.map(utf8));
}

/** What a new rotation key signs to be set, and the one before it to let it go. */
export function guardSigningBytes({
  network,
  pseudonym,
  publicKey,
}: {
  network: string;
  pseudonym: string;
  publicKey: Uint8Array;
}): Uint8Array {
  return taggedHash('rotation-guard', utf8(network), utf8(pseudonym), publicKey);
}

/** The rotation to this pseudonym that is under way. @throws ChaincodeError `rotation_over` */
export async function requireOpenRotation(reader: Reader, pseudonym: string): Promise<Rotation> {
  const rotation = await openRotation(reader, pseudonym);
  if (!rotation) throw new ChaincodeError('rotation_over');
  return rotation;
}

async function openRotation(reader: Reader, pseudonym: string): Promise<Rotation | null> {
  const rotation = await reader.get(cells.rotation(pseudonym));
  return rotation?.finished === null ? rotation : null;
}

/** The newest pseudonym that rotations led to from this one. */
export async function newestPseudonym(reader: Reader, pseudonym: string): Promise<string> {
  let at = pseudonym;
  for (let rotated = await reader.get(cells.rotatedTo(at)); rotated;) {
    at = rotated.to;
    rotated = await reader.get(cells.rotatedTo(at));
  }
  return at;
}

async function registerOwner(
  call: TransactionCall,
  from: string,
  successor: Successor,
): Promise<string> {
  const { draft, context } = call;
  const { pseudonym, ownerKey, ownerSignature } = successor;
  const publicKey = fromBase64url(ownerKey);
  const ownerKid = thumbprint(publicKey);
  if (await draft.get(cells.patient(pseudonym))) throw new ChaincodeError('pseudonym_taken');
  const isTaken =
    (await draft.get(cells.owner(ownerKid))) ?? (await draft.get(cells.representative(ownerKid)));
  if (isTaken) throw new ChaincodeError('owner_key_taken');
  const signed = rotationSigningBytes({ network: context.network, from, successor });
  await requireSignature(call, publicKey, signed, ownerSignature);
  const since = { time: context.time, height: context.height };
  draft.put(cells.owner(ownerKid), { pseudonym, publicKey, since });
  return ownerKid;
}

async function requireShortChain(reader: Reader, pseudonym: string): Promise<void> {
  let length = 0;
  let at = pseudonym;
  for (let rotation = await reader.get(cells.rotation(at)); rotation; length += 1) {
    at = rotation.from;
    rotation = await reader.get(cells.rotation(at));
  }
  if (length >= chaincodeBounds.rotationsMax) throw new ChaincodeError('too_many_rotations');
}
