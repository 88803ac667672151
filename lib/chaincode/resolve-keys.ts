/** Which keys must have signed a transaction, by the state of the ledger. */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import type { StateView } from '../ledger/state-view.ts';
import type { Signer, Transaction } from '../wire/transaction.ts';
import { verifyCertified } from './authority.ts';
import { cells } from './cells.ts';
import { type Reader, readerOf } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { idField, pseudonymField, publicKeyText } from './fields.ts';
import { readKeyNamed } from './hospital.ts';
import { guardianKeyCommitment } from './recovery-signing.ts';

/** Public keys of 65 bytes, as `verifyTransaction` takes them. */
export interface SignerKeys {
  outer: Uint8Array;
  inner: Uint8Array | null;
}

/**
 * Finds the keys of a transaction's signatures in the state of the main ledger; for a case ledger,
 * in the one that its block pins. A revoked identity still has its key: it is
 * `execute` that refuses it, with a certified result.
 * @throws ChaincodeError `unknown_signer`, or a `certificate_…` code
 */
export async function resolveKeys(
  view: StateView,
  transaction: Transaction,
  at: { time: number; network: string },
): Promise<SignerKeys> {
  const reader = readerOf(view);
  const { signer } = transaction;
  if (signer.kind === 'key') {
    const identity = await reader.get(cells.identity(signer.kid));
    const owner = ownerAlone.has(transaction.fn) ? await reader.get(cells.owner(signer.kid)) : null;
    const known = identity ?? owner ?? (await readKeyNamed(reader, signer.kid));
    const outer =
      known?.publicKey ??
      strangerKeyOf(transaction) ??
      (await guardianKeyOf(reader, transaction, at.network));
    if (!outer) throw new ChaincodeError('unknown_signer');
    return { outer, inner: null };
  }
  const { outer, role } = await oneTimeKeyOf(reader, signer, at);
  const isForPatient = role === 'representative';
  const inner = isForPatient
    ? await representativeKeyOf(reader, signer.ownerKid)
    : await ownerKeyOf(reader, transaction, signer.ownerKid);
  return { outer, inner };
}

/** The key that a patient appointed; no owner key is used under a representative's certificate. */
async function representativeKeyOf(reader: Reader, kid: string): Promise<Uint8Array> {
  if (await reader.get(cells.owner(kid))) throw new ChaincodeError('certificate_role');
  const found = await reader.get(cells.representative(kid));
  if (!found) throw new ChaincodeError('not_appointed');
  return found.publicKey;
}

/** Arguments by which a guardian opens the commitment to the own key. */
const guardianArgs = z.looseObject({
  pseudonym: pseudonymField,
  setupId: idField,
  guardian: z.looseObject({ publicKey: publicKeyText, salt: idField }),
});

/** The key of a guardian who asks how far a recovery is; null where there is no such guardian. */
async function guardianKeyOf(
  reader: Reader,
  { fn, args, signer }: Transaction,
  network: string,
): Promise<Uint8Array | null> {
  if (fn !== 'recovery.get' || signer.kind !== 'key') return null;
  const parsed = guardianArgs.safeParse(args);
  if (!parsed.success) return null;
  const { pseudonym, setupId, guardian } = parsed.data;
  const publicKey = fromBase64url(guardian.publicKey);
  if (publicKey[0] !== 0x04 || thumbprint(publicKey) !== signer.kid) return null;
  const setup = await reader.get(cells.recoverySetup(pseudonym));
  const key = guardianKeyCommitment({ network, setupId, salt: guardian.salt, publicKey });
  const isNamed = setup?.setupId === setupId && setup.guardians.some((one) => one.key === key);
  return isNamed ? publicKey : null;
}

/** The key that a query brings which anybody may ask; never of what would be ordered. */
function strangerKeyOf({ kind, fn, args, signer }: Transaction): Uint8Array | null {
  if (kind !== 'query' || fn !== 'network.authority' || signer.kind !== 'key') return null;
  const text = publicKeyText.safeParse(args['key']);
  if (!text.success) return null;
  const publicKey = fromBase64url(text.data);
  return publicKey[0] === 0x04 && thumbprint(publicKey) === signer.kid ? publicKey : null;
}

/** The key of a one-time certificate of our authority: of a patient, or who acts for one. */
async function oneTimeKeyOf(
  reader: Reader,
  signer: Extract<Signer, { kind: 'patient' }>,
  { time, network }: { time: number; network: string },
): Promise<{ outer: Uint8Array; role: 'patient' | 'representative' }> {
  const wanted = { network, kind: 'tcert', time } as const;
  const { publicKey, claims } = await verifyCertified(reader, signer.tcert, wanted);
  const { role } = claims;
  if (role !== 'patient' && role !== 'representative') {
    throw new ChaincodeError('certificate_role');
  }
  if (thumbprint(publicKey) !== signer.tcertKid) throw new ChaincodeError('certificate_mismatch');
  return { outer: publicKey, role };
}

/** Functions that an owner key may sign without a one-time certificate: `isForOwnerAlone`. */
const ownerAlone: ReadonlySet<string> = new Set(['recovery.veto']);

/** Functions that bring the key which signs them inside, and the argument that it is in. */
const keyArguments: ReadonlyMap<string, string> = new Map([
  ['patient.register', 'ownerKey'],
  ['recovery.start', 'receivingKey'],
  ['recovery.release', 'receivingKey'],
  ['recovery.rotate', 'receivingKey'],
  ['recovery.get', 'receivingKey'],
]);

/** The owner key of the ledger; where it is new, the one that the arguments bring. */
async function ownerKeyOf(
  reader: Reader,
  { fn, args }: Transaction,
  ownerKid: string,
): Promise<Uint8Array> {
  const owner = await reader.get(cells.owner(ownerKid));
  if (owner) return owner.publicKey;
  const named = keyArguments.get(fn);
  if (named === undefined) throw new ChaincodeError('unknown_signer');
  const text = publicKeyText.safeParse(args[named]);
  if (!text.success) throw new ChaincodeError('unknown_signer');
  const publicKey = fromBase64url(text.data);
  if (publicKey[0] !== 0x04 || thumbprint(publicKey) !== ownerKid) {
    throw new ChaincodeError('unknown_signer');
  }
  return publicKey;
}
