/** The rotation key, kept apart from the keystore: what a thief of the keystore must not do alone. */
import { fromBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import type { TransactionCall } from './functions.ts';

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
