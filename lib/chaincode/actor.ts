/** Who acts, as the state of the ledger has it at block time. */
import type { Signer } from '../wire/transaction.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { Actor, ChaincodeFunction, IdentityActor, PatientActor } from './functions.ts';
import { hospitalIdentity } from './hospital.ts';
import { representativeOf } from './representation.ts';
import type { Identity, Owner } from './values.ts';

/**
 * The actor of a signer whose signatures were verified with `resolveKeys` at the same time.
 * `isForSuspended` lets a key act whose device was reported lost; `isForOwnerAlone` an owner key
 * without a one-time certificate, `isForGuardian` a key that a commitment of guardians names,
 * `isForStranger` any key.
 * @throws ChaincodeError `unknown_signer`, `identity_revoked`, `identity_suspended`,
 *   `identity_renewed`, `identity_expired`, `owner_key_retired`, `appointment_…`
 */
export async function actorOf(
  reader: Reader,
  signer: Signer,
  time: number,
  { isForSuspended = false, isForOwnerAlone = false, isForGuardian, isForStranger }: SignedBy = {},
): Promise<Actor> {
  if (signer.kind === 'patient') {
    const owner = await reader.get(cells.owner(signer.ownerKid));
    const representative = owner ? null : await representativeOf(reader, signer.ownerKid, time);
    return representative ?? patientActor(signer.ownerKid, owner);
  }
  if (isForOwnerAlone) {
    const owner = await reader.get(cells.owner(signer.kid));
    if (owner) return patientActor(signer.kid, owner);
  }
  const listed = await reader.get(cells.identity(signer.kid));
  const identity = listed ?? (await hospitalIdentity(reader, signer.kid));
  // `resolveKeys` found the key; a guardian, or whoever may ask without a name, is nobody here.
  if (!identity && (isForGuardian || isForStranger)) return patientActor(signer.kid, null);
  if (!identity) throw new ChaincodeError('unknown_signer');
  await requireActive(reader, identity, { time, isForSuspended });
  return { kind: 'identity', role: identity.role, kid: signer.kid, identity };
}

/** What a function lets sign beyond active identities and patients. */
type SignedBy = Pick<
  ChaincodeFunction,
  'isForSuspended' | 'isForOwnerAlone' | 'isForGuardian' | 'isForStranger'
>;

function patientActor(kid: string, owner: Owner | null): Actor {
  if (owner?.retired) throw new ChaincodeError('owner_key_retired');
  const pseudonym = owner?.pseudonym ?? null;
  const mustRotate = owner?.mustRotate !== undefined;
  return { kind: 'patient', role: 'patient', kid, pseudonym, mustRotate };
}

/** The patient who acts. @throws ChaincodeError `unknown_signer` before registration */
export function patientOf(actor: Actor): PatientActor {
  if (actor.kind !== 'patient') throw new ChaincodeError('role_denied');
  const { pseudonym } = actor;
  if (pseudonym === null) throw new ChaincodeError('unknown_signer');
  return { ...actor, pseudonym };
}

/** The identity that acts. @throws ChaincodeError `role_denied` for a patient */
export function identityOf(actor: Actor): IdentityActor {
  if (actor.kind !== 'identity') throw new ChaincodeError('role_denied');
  return actor;
}

async function requireActive(
  reader: Reader,
  identity: Identity,
  { time, isForSuspended }: { time: number; isForSuspended: boolean },
): Promise<void> {
  const { status, validUntil } = identity;
  if (status === 'revoked') throw new ChaincodeError('identity_revoked');
  if (status === 'suspended') {
    // Whoever objects may have a certificate that ran out meanwhile.
    if (isForSuspended) return;
    throw new ChaincodeError('identity_suspended');
  }
  if (status === 'renewed' && !(await overlaps(reader, identity, time))) {
    throw new ChaincodeError('identity_renewed');
  }
  if (validUntil !== null && time > validUntil) throw new ChaincodeError('identity_expired');
}

/** A renewed key still carries what was signed just before, while its subject is active. */
async function overlaps(reader: Reader, { ended, subject }: Identity, time: number) {
  const isRenewal = ended?.reason === 'renewed';
  if (!isRenewal || time > ended.time + chaincodeBounds.renewalOverlapMs) return false;
  return (await reader.get(cells.subject(subject)))?.status === 'active';
}
