/** The rotation key, kept apart from the keystore: what a thief of the keystore must not do alone. */
import { fromBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { signatureText } from './fields.ts';
import type { TransactionCall } from './functions.ts';

/** Of the rotation key, where one is set. */
export const guardField = signatureText.optional();

/**
 * Where the patient named a rotation key, its signature over `signed` is needed.
 * @throws ChaincodeError `rotation_guarded`, `bad_owner_signature`
 */
export async function requireGuard(
  call: TransactionCall,
  pseudonym: string,
  signed: Uint8Array,
  signature: string | undefined,
): Promise<void> {
  const guard = await call.draft.get(cells.rotationGuard(pseudonym));
  if (!guard) return;
  if (signature === undefined) throw new ChaincodeError('rotation_guarded');
  await requireSignature(call, guard.publicKey, signed, signature);
}

/** Of an owner key or a rotation key. @throws ChaincodeError `bad_owner_signature` */
export async function requireSignature(
  { context }: TransactionCall,
  publicKey: Uint8Array,
  signed: Uint8Array,
  signature: string,
): Promise<void> {
  if (!(await context.verify(publicKey, signed, fromBase64url(signature)))) {
    throw new ChaincodeError('bad_owner_signature');
  }
}

/** What the rotation key signs to have these records erased; `null`: everything. */
export function erasureSigningBytes({
  network,
  pseudonym,
  recordIds,
}: {
  network: string;
  pseudonym: string;
  recordIds: readonly string[] | null;
}): Uint8Array {
  const what = recordIds === null ? ['everything'] : ['records', ...recordIds];
  return taggedHash('guarded-erasure', ...[network, pseudonym, ...what].map(utf8));
}

/** What the rotation key signs to have these guardians and no others. */
export function guardiansSigningBytes({
  network,
  pseudonym,
  setupId,
  needed,
  guardians,
}: {
  network: string;
  pseudonym: string;
  setupId: string;
  needed: number;
  guardians: readonly { key: string; share: string }[];
}): Uint8Array {
  const commitments = guardians.flatMap(({ key, share }) => [key, share]);
  const parts = [network, pseudonym, setupId, String(needed), ...commitments];
  return taggedHash('guarded-guardians', ...parts.map(utf8));
}

/** What the rotation key signs to end a setup of guardians, or to veto a recovery. */
export function recoveryGuardBytes(what: {
  network: string;
  pseudonym: string;
  act: 'end' | 'veto';
  /** Of the setup, or of the recovery: each counts once. */
  id: string;
}): Uint8Array {
  const { network, pseudonym, act, id } = what;
  return taggedHash('guarded-recovery', ...[network, pseudonym, act, id].map(utf8));
}
