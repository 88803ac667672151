/** Recovery after loss: guardians and validators together, after a delay without veto (design §7). */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import {
  depositEscrow,
  depositValue,
  endEscrow,
  endValue,
  escrowFields,
  liveEscrow,
  releaseValue,
} from './escrow.ts';
import { digestField, idField, pseudonymField, publicKeyText, signatureText } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import {
  guardianKeyCommitment,
  type RecoveryStart,
  recoverySigningBytes,
} from './recovery-signing.ts';
import {
  guardianIndexField,
  guardiansField,
  neededField,
  type Recovery,
  type RecoverySetup,
} from './recovery-values.ts';
import { everybody } from './roles.ts';
import { startRotation, successorFields } from './rotation.ts';
import {
  guardField,
  guardiansSigningBytes,
  recoveryGuardBytes,
  requireGuard,
} from './rotation-guard.ts';

const approvalField = z.strictObject({
  /** Which guardian of the setup. */
  index: guardianIndexField,
  publicKey: publicKeyText,
  /** Opens the commitment to the key. */
  salt: idField,
  /** Over `recoverySigningBytes`. */
  signature: signatureText,
});
type Approval = z.infer<typeof approvalField>;

/** Signed by the new device; `resolveKeys` takes its key from here. */
const receivingField = { recoveryId: idField, receivingKey: publicKeyText };

export const recoverySetup = defineTransaction({
  name: 'recovery.setup',
  summary: 'Names guardians by commitments, and puts the validators’ part in escrow; replaces.',
  roles: ['patient'],
  schema: z
    .strictObject({
      ...escrowFields,
      setupId: idField,
      needed: neededField,
      guardians: guardiansField,
      guardSignature: guardField,
    })
    .refine(({ needed, guardians }) => needed <= guardians.length, 'more needed than there are'),
  hints: ({ escrowId }) => [keys.escrow(escrowId), keys.validators],
  async run({ setupId, needed, guardians, guardSignature, ...deposit }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const { network } = context;
    const signed = guardiansSigningBytes({ network, pseudonym, setupId, needed, guardians });
    await requireGuard(call, pseudonym, signed, guardSignature);
    const before = await draft.get(cells.recoverySetup(pseudonym));
    await requireNoneOpen(call, before);
    const used = await draft.get(cells.recoverySetupId(setupId));
    if (used) throw new ChaincodeError('recovery_exists');
    const escrow = await depositEscrow(call, 'recovery', deposit);
    const { id: escrowId, generation } = escrow;
    const since = { time: context.time, height: context.height };
    draft.put(cells.recoverySetupId(setupId), { pseudonym });
    draft.put(cells.recoverySetup(pseudonym), {
      ...{ setupId, needed, guardians, escrowId, generation, since },
      ...{ status: 'ready', recoveryId: null },
    });
    await remember(call, pseudonym, {});
    return { setupId, needed, guardians: guardians.length, ...depositValue(escrow) };
  },
});

export const recoveryEnd = defineTransaction({
  name: 'recovery.end',
  summary: 'Ends recovery: guardians can do nothing any more, and validators erase their shares.',
  roles: ['patient'],
  schema: z.strictObject({ guardSignature: guardField }),
  async run({ guardSignature }, call) {
    const { pseudonym } = patientOf(call.actor);
    const setup = await call.draft.get(cells.recoverySetup(pseudonym));
    if (!setup || setup.status === 'ended') throw new ChaincodeError('no_guardians');
    const { network } = call.context;
    const what = { network, pseudonym, act: 'end', id: setup.setupId } as const;
    await requireGuard(call, pseudonym, recoveryGuardBytes(what), guardSignature);
    await requireNoneOpen(call, setup);
    const escrow = await endEscrow(call, pseudonym, 'recovery');
    call.draft.put(cells.recoverySetup(pseudonym), { ...setup, status: 'ended' });
    await remember(call, pseudonym, {});
    return endValue([escrow]);
  },
});

export const recoveryStart = defineTransaction({
  name: 'recovery.start',
  summary: 'Starts a recovery to a new device that enough guardians signed for; then all wait.',
  roles: ['patient'],
  schema: z.strictObject({
    ...receivingField,
    pseudonym: pseudonymField,
    setupId: idField,
    encryptionKeyDigest: digestField,
    approvals: z
      .array(approvalField)
      .min(chaincodeBounds.guardiansMin)
      .max(chaincodeBounds.guardiansMax),
  }),
  hints: ({ pseudonym, recoveryId }) => [keys.recoverySetup(pseudonym), keys.recovery(recoveryId)],
  async run({ approvals, ...start }, call) {
    const { draft, context } = call;
    const { recoveryId, pseudonym, setupId, encryptionKeyDigest } = start;
    const receivingKid = requireReceiving(call, start.receivingKey);
    const setup = await recoverableSetup(draft.reader, pseudonym, setupId);
    await requireNoneOpen(call, setup);
    if (await draft.get(cells.recovery(recoveryId))) throw new ChaincodeError('recovery_exists');
    await requireApprovals(call, setup, { ...start, network: context.network }, approvals);
    const { time, height } = context;
    const from = time + context.parameters.recoveryDelayMs;
    const recovery: Recovery = {
      ...{ id: recoveryId, pseudonym, setupId, receivingKid, encryptionKeyDigest },
      approvedBy: approvals.map(({ index }) => index),
      started: { time, height },
      ...{ from, until: from + chaincodeBounds.recoveryMs, objected: null },
      ...{ status: 'waiting', changed: { time, height } },
    };
    draft.put(cells.recovery(recoveryId), recovery);
    draft.put(cells.recoverySetup(pseudonym), { ...setup, recoveryId });
    await tell(call, setup, recovery, 'recovery.started');
    return { recoveryId, pseudonym, setupId, from, until: recovery.until };
  },
});

export const recoveryVeto = defineTransaction({
  name: 'recovery.veto',
  summary:
    'The patient, who lost nothing, ends a recovery; the guardians have to be set anew. Where a ' +
    'rotation key is set and does not sign, the wait becomes longer, once.',
  roles: ['patient'],
  schema: z.strictObject({ recoveryId: idField, guardSignature: guardField }),
  hints: ({ recoveryId }) => [keys.recovery(recoveryId)],
  isForOwnerAlone: true,
  isForRecovered: true,
  async run({ recoveryId, guardSignature }, call) {
    const { pseudonym } = patientOf(call.actor);
    const { recovery, setup } = await openRecovery(call, recoveryId, { isAnyTime: true });
    if (recovery.pseudonym !== pseudonym) throw new ChaincodeError('unknown_recovery');
    const isGuarded = (await call.draft.get(cells.rotationGuard(pseudonym))) !== null;
    if (isGuarded && guardSignature === undefined) return object(call, { recovery, setup });
    const { network } = call.context;
    const what = { network, pseudonym, act: 'veto', id: recoveryId } as const;
    await requireGuard(call, pseudonym, recoveryGuardBytes(what), guardSignature);
    // Guardians may have handed over their shares: they must not be half of anything any more.
    call.draft.put(cells.recoverySetup(pseudonym), { ...setup, status: 'spent' });
    await change(call, recovery, 'vetoed');
    await tell(call, setup, recovery, 'recovery.vetoed');
    return { recoveryId, pseudonym, isEnded: true, from: recovery.from };
  },
});

export const recoveryRelease = defineTransaction({
  name: 'recovery.release',
  summary:
    'After the delay without veto: permits the validators to give their shares to the new device. ' +
    'From now on the old owner key can only rotate or veto.',
  roles: ['patient'],
  schema: z.strictObject(receivingField),
  hints: ({ recoveryId }) => [keys.recovery(recoveryId)],
  async run({ recoveryId, receivingKey }, call) {
    const { draft, context } = call;
    const { recovery, setup } = await openRecovery(call, recoveryId);
    requireReceiver(recovery, requireReceiving(call, receivingKey));
    if (context.time < recovery.from) throw new ChaincodeError('recovery_waits');
    const { pseudonym, receivingKid, encryptionKeyDigest, until, setupId } = recovery;
    const escrow = await liveEscrow(draft.reader, pseudonym, 'recovery');
    if (escrow.generation !== setup.generation) throw new Error(`${setupId} has another escrow`);
    if (recovery.status === 'waiting') await forceRotation(call, pseudonym);
    await change(call, recovery, 'released');
    await tell(call, setup, recovery, 'recovery.released');
    const usableUntil = Math.min(until, context.time + context.parameters.receiptUsableMs);
    const reader = { readerKid: receivingKid, readerKeyDigest: encryptionKeyDigest, usableUntil };
    const { needed } = setup;
    const shares = setup.guardians.map(({ share }) => share);
    const value = { recoveryId, setupId, pseudonym, needed, guardianShares: shares };
    return { ...value, ...releaseValue(escrow, reader) };
  },
});

export const recoveryRotate = defineTransaction({
  name: 'recovery.rotate',
  summary: 'The new device moves the patient to a new pseudonym, as it must after a release.',
  roles: ['patient'],
  schema: z.strictObject({ ...receivingField, ...successorFields }),
  hints: ({ recoveryId, pseudonym }) => [keys.recovery(recoveryId), keys.patient(pseudonym)],
  async run({ recoveryId, receivingKey, ...successor }, call) {
    const { recovery, setup } = await openRecovery(call, recoveryId, { isAnyTime: true });
    requireReceiver(recovery, requireReceiving(call, receivingKey));
    if (recovery.status !== 'released') throw new ChaincodeError('recovery_waits');
    const { pseudonym: from } = recovery;
    await change(call, recovery, 'done');
    call.draft.put(cells.recoverySetup(from), { ...setup, status: 'ended' });
    return startRotation(call, { from, cause: 'recovery', successor });
  },
});

export const recoveryGet = defineQuery({
  name: 'recovery.get',
  summary: 'The patient’s guardians as the ledger knows them, and the newest recovery.',
  roles: everybody,
  schema: z.strictObject({
    /** With `setupId`, whoever is not the patient: it is random, and guardians have it. */
    pseudonym: pseudonymField.optional(),
    setupId: idField.optional(),
    /** The signer's key, where the ledger does not know it yet. */
    receivingKey: publicKeyText.optional(),
    /** A guardian's key and the salt of its commitment, where the guardian signs. */
    guardian: z.strictObject({ publicKey: publicKeyText, salt: idField }).optional(),
  }),
  isForGuardian: true,
  async run({ pseudonym: named, setupId }, { actor, reader, context }) {
    const own = actor.kind === 'patient' ? actor.pseudonym : null;
    const pseudonym = named ?? own;
    if (pseudonym === null) throw new ChaincodeError('unknown_recovery');
    const setup = await reader.get(cells.recoverySetup(pseudonym));
    const mayKnow = pseudonym === own || (setup !== null && setup.setupId === setupId);
    if (!mayKnow) throw new ChaincodeError('unknown_recovery');
    const id = setup?.recoveryId ?? null;
    const recovery = id === null ? null : await reader.get(cells.recovery(id));
    const isOpen = recovery !== null && isStillOpen(recovery, context.time);
    return { pseudonym, setup, recovery, isOpen };
  },
});

/**
 * The owner key alone, of a patient with a rotation key, may be a thief's: it cannot end a recovery.
 * It may be the patient's, with the rotation key in a safe: there is time to fetch it.
 * @throws ChaincodeError `rotation_guarded` after the wait, and the second time
 */
async function object(call: TransactionCall, { recovery, setup }: Open) {
  const { draft, context } = call;
  const { id: recoveryId, pseudonym, status, objected } = recovery;
  const isInTime = status === 'waiting' && context.time < recovery.from;
  if (!isInTime || objected !== null) throw new ChaincodeError('rotation_guarded');
  const longer = context.parameters.recoveryDelayMs;
  const [from, until] = [recovery.from + longer, recovery.until + longer];
  const moment = { time: context.time, height: context.height };
  draft.put(cells.recovery(recoveryId), { ...recovery, from, until, objected: moment });
  await tell(call, setup, recovery, 'recovery.objected');
  return { recoveryId, pseudonym, isEnded: false, from };
}

/** A key that the transaction brings, and that signed it. @throws ChaincodeError */
function requireReceiving({ actor }: TransactionCall, receivingKey: string): string {
  const kid = thumbprint(fromBase64url(receivingKey));
  // `resolveKeys` verified with this very key, unless the ledger knew the signer.
  if (actor.kid !== kid) throw new ChaincodeError('wrong_receiving_key');
  if (actor.kind === 'patient' && actor.pseudonym !== null) {
    throw new ChaincodeError('owner_key_taken');
  }
  return kid;
}

function requireReceiver({ receivingKid }: Recovery, kid: string): void {
  if (receivingKid !== kid) throw new ChaincodeError('wrong_receiving_key');
}

/** The setup of a pseudonym that is not over, if it is the named one. */
async function recoverableSetup(
  reader: Reader,
  pseudonym: string,
  setupId: string,
): Promise<RecoverySetup> {
  const setup = await reader.get(cells.recoverySetup(pseudonym));
  if (setup?.setupId !== setupId) throw new ChaincodeError('no_guardians');
  if (await reader.get(cells.rotated(pseudonym))) throw new ChaincodeError('patient_rotated');
  if (await isPatientErased(reader, pseudonym)) throw new ChaincodeError('patient_erased');
  if (setup.status === 'ended') throw new ChaincodeError('no_guardians');
  if (setup.status === 'spent') throw new ChaincodeError('recovery_spent');
  return setup;
}

/** While a recovery is open, nothing about it changes but by veto. */
async function requireNoneOpen(
  { draft, context }: TransactionCall,
  setup: RecoverySetup | null,
): Promise<void> {
  if (setup === null || setup.recoveryId === null) return;
  const recovery = await draft.get(cells.recovery(setup.recoveryId));
  if (recovery && isStillOpen(recovery, context.time)) throw new ChaincodeError('recovery_open');
}

function isStillOpen({ status, until }: Recovery, time: number): boolean {
  return (status === 'waiting' || status === 'released') && time < until;
}

interface Open {
  recovery: Recovery;
  setup: RecoverySetup;
}

/** The newest recovery of its patient, if it waits or is released. @throws ChaincodeError */
async function openRecovery(
  { draft, context }: TransactionCall,
  recoveryId: string,
  { isAnyTime = false } = {},
): Promise<Open> {
  const recovery = await draft.get(cells.recovery(recoveryId));
  if (!recovery) throw new ChaincodeError('unknown_recovery');
  const { pseudonym, status, until } = recovery;
  if (status === 'vetoed') throw new ChaincodeError('recovery_vetoed');
  if (await draft.get(cells.rotated(pseudonym))) throw new ChaincodeError('patient_rotated');
  if (await isPatientErased(draft, pseudonym)) throw new ChaincodeError('patient_erased');
  const setup = await draft.get(cells.recoverySetup(pseudonym));
  const isNewest = setup?.recoveryId === recoveryId && setup.status === 'ready';
  if (!isNewest || status === 'done') throw new ChaincodeError('recovery_over');
  if (!isAnyTime && context.time >= until) throw new ChaincodeError('recovery_over');
  return { recovery, setup };
}

/** Enough different guardians signed exactly this. @throws ChaincodeError */
async function requireApprovals(
  { context }: TransactionCall,
  setup: RecoverySetup,
  start: RecoveryStart,
  approvals: readonly Approval[],
): Promise<void> {
  const { setupId, network } = start;
  const bytes = recoverySigningBytes(start);
  const seen = new Set<string>();
  for (const { index, publicKey: text, salt, signature } of approvals) {
    const publicKey = fromBase64url(text);
    const commitment = guardianKeyCommitment({ network, setupId, salt, publicKey });
    const isGuardian = setup.guardians[index]?.key === commitment;
    if (!isGuardian || !(await context.verify(publicKey, bytes, fromBase64url(signature)))) {
      throw new ChaincodeError('bad_approval');
    }
    // Neither a guardian twice, nor one key under two commitments.
    seen.add(text);
  }
  if (seen.size !== approvals.length || seen.size < setup.needed) {
    throw new ChaincodeError('too_few_guardians');
  }
}

/** The old owner key may be in other hands soon: it can only rotate or veto from here on. */
async function forceRotation({ draft, context }: TransactionCall, pseudonym: string) {
  const patient = await draft.get(cells.patient(pseudonym));
  const owner = patient && (await draft.get(cells.owner(patient.ownerKid)));
  if (!patient || !owner) throw new Error(`the owner of ${pseudonym} is missing of state`);
  const mustRotate = { time: context.time, height: context.height };
  draft.put(cells.owner(patient.ownerKid), { ...owner, mustRotate });
}

async function change(
  { draft, context }: TransactionCall,
  recovery: Recovery,
  status: Recovery['status'],
): Promise<void> {
  const changed = { time: context.time, height: context.height };
  draft.put(cells.recovery(recovery.id), { ...recovery, status, changed });
}

/** The patient by inbox and history; guardians by events that only they can read. */
async function tell(
  call: TransactionCall,
  { guardians }: RecoverySetup,
  { pseudonym }: Recovery,
  topic: 'recovery.started' | 'recovery.objected' | 'recovery.vetoed' | 'recovery.released',
): Promise<void> {
  await remember(call, pseudonym, {});
  await call.draft.notify({ pseudonym }, topic);
  for (const { key } of guardians) call.draft.announce(key, topic);
}
