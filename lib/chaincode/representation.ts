/** Acting for a patient: what an appointment lets its representative do, and nothing else. */
import { fromBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { cells } from './cells.ts';
import { asRotated, heldBy } from './decision.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { Actor, IdentityActor, PatientActor, RepresentativeActor } from './functions.ts';
import type { Power } from './representative-values.ts';
import { liesWithin, termsOf } from './terms.ts';
import type { Permission } from './values.ts';

/**
 * The representative of a key, while the appointment holds; null of a key that nobody appointed.
 * @throws ChaincodeError `appointment_…`, `patient_erased`, `rotation_forced`
 */
export async function representativeOf(
  reader: Reader,
  kid: string,
  time: number,
): Promise<RepresentativeActor | null> {
  const found = await reader.get(cells.representative(kid));
  if (!found) return null;
  const { pseudonym, permissionId } = found;
  const { permission, powers } = await appointmentOf(reader, permissionId);
  const [appointment] = (await asRotated(reader, [permission])) as [Permission];
  if (await reader.get(cells.patientErasure(pseudonym))) throw new ChaincodeError('patient_erased');
  if (appointment.revoked !== null) throw new ChaincodeError('appointment_ended');
  if (time >= appointment.until) throw new ChaincodeError('appointment_over');
  if (time < appointment.from) throw new ChaincodeError('appointment_not_yet_valid');
  const patient = await reader.get(cells.patient(pseudonym));
  const owner = patient && (await reader.get(cells.owner(patient.ownerKid)));
  if (!owner) throw new Error(`the owner of ${pseudonym} is missing of state`);
  // Whoever had the keys before a recovery may have appointed somebody.
  if (owner.mustRotate) throw new ChaincodeError('rotation_forced');
  return { kind: 'representative', role: 'representative', kid, pseudonym, appointment, powers };
}

/** An appointment with its powers. @throws ChaincodeError `unknown_permission` */
export async function appointmentOf(
  reader: Reader,
  permissionId: string,
): Promise<{ permission: Permission; powers: readonly Power[] }> {
  const permission = await reader.get(cells.permission(permissionId));
  const appointment = await reader.get(cells.appointment(permissionId));
  if (!permission || !appointment) throw new ChaincodeError('unknown_permission');
  return { permission, powers: appointment.powers };
}

/** The patient who acts, or whom somebody with this power acts for. */
export function actingFor(actor: Actor, power: Power): PatientActor | RepresentativeActor {
  if (actor.kind === 'representative') {
    if (!actor.powers.includes(power)) throw new ChaincodeError('power_not_given');
    return actor;
  }
  if (actor.kind !== 'patient') throw new ChaincodeError('role_denied');
  if (actor.pseudonym === null) throw new ChaincodeError('unknown_signer');
  return { ...actor, pseudonym: actor.pseudonym };
}

/** As `actingFor`, of any one of these powers. */
export function actingForAny(
  actor: Actor,
  powers: readonly Power[],
): PatientActor | RepresentativeActor {
  const own = actor.kind === 'representative' ? actor.powers : [];
  const held = powers.find((power) => own.includes(power));
  return actingFor(actor, held ?? (powers[0] as Power));
}

/** What counts for whoever reads of a patient: permissions, or the one appointment. */
export async function heldByReader(
  reader: Reader,
  pseudonym: string,
  actor: IdentityActor | RepresentativeActor,
): Promise<Permission[]> {
  if (actor.kind === 'identity') return heldBy(reader, pseudonym, actor.identity.subject);
  return actor.pseudonym === pseudonym ? [actor.appointment] : [];
}

/** As `heldByReader`, for entries of the ledger: whoever confirms records has to see theirs. */
export async function heldByViewer(
  reader: Reader,
  pseudonym: string,
  actor: IdentityActor | RepresentativeActor,
): Promise<Permission[]> {
  const held = await heldByReader(reader, pseudonym, actor);
  const isReviewer = actor.kind === 'representative' && actor.powers.includes('countersign');
  return isReviewer ? held.map((one) => ({ ...one, rights: ['read'] })) : held;
}

/** Whether an appointment covers data of a category and a month. */
export function coversData(
  { categories, dataFrom, dataUntil }: Permission,
  { categoryTag, dataMonth }: { categoryTag: string; dataMonth: string },
): boolean {
  return (
    categories.includes(categoryTag) &&
    (dataFrom === null || dataMonth >= dataFrom) &&
    (dataUntil === null || dataMonth <= dataUntil)
  );
}

/**
 * A permission that stands on an appointment gives no more than it covers: `read` only where the
 * representative reads, `write` always, `share` never. @throws ChaincodeError `beyond_appointment`
 */
export function requireGrantable(
  permission: Permission,
  { permission: appointment, powers }: { permission: Permission; powers: readonly Power[] },
): void {
  if (!powers.includes('grant')) throw new ChaincodeError('power_not_given');
  const rights: Permission['rights'] = powers.includes('read') ? ['read', 'write'] : ['write'];
  const outer = { ...termsOf(appointment), rights };
  if (!liesWithin(termsOf(permission), outer)) throw new ChaincodeError('beyond_appointment');
}

/**
 * A representative ends what lies wholly within categories and months of the appointment, however
 * long it would have lasted. @throws ChaincodeError `beyond_appointment`
 */
export function requireEndable(permission: Permission, appointment: Permission): void {
  const { categories, dataFrom, dataUntil } = termsOf(permission);
  const data = { ...termsOf(appointment), categories, dataFrom, dataUntil };
  if (!liesWithin(data, termsOf(appointment))) throw new ChaincodeError('beyond_appointment');
}

/** What a representative signs on the card: these keys are mine, made for this use. */
export function representativeSigningBytes({
  network,
  publicKey,
  encryptionKeyDigest,
}: {
  network: string;
  /** Point and digest, base64url. */
  publicKey: string;
  encryptionKeyDigest: string;
}): Uint8Array {
  const keys = [fromBase64url(publicKey), fromBase64url(encryptionKeyDigest)];
  return taggedHash('representative-key', utf8(network), ...keys);
}
