/** Whether a permission permits: the one place where consent is judged (design §8). */
import { type Cell, cells } from './cells.ts';
import type { Reader } from './draft.ts';
import type { Purpose, Right } from './fields.ts';
import type { Rotated } from './rotation-values.ts';
import { rightsOfRole } from './roles.ts';
import type { Permission } from './values.ts';

/** Reasons of denial, from the least to the most nearly permitted. */
const denyReasons = [
  'no_permission',
  'permission_revoked',
  'permission_expired',
  'permission_not_yet_valid',
  'right_not_granted',
  'category_not_granted',
  'period_not_granted',
  'purpose_not_granted',
] as const;
export type DenyReason = (typeof denyReasons)[number];

/** What is asked; what is left out is not judged. */
export interface Wanted {
  right: Right;
  time: number;
  categoryTag?: string;
  dataMonth?: string;
  purpose?: Purpose;
}

export type Decision =
  { decision: 'permit'; permission: Permission } | { decision: 'deny'; reason: DenyReason };

/** Null where the permission permits what is wanted, else why it does not. */
export function objectionOf(permission: Permission, wanted: Wanted): DenyReason | null {
  const { right, time, categoryTag, dataMonth, purpose } = wanted;
  if (permission.revoked !== null) return 'permission_revoked';
  if (time >= permission.until) return 'permission_expired';
  if (time < permission.from) return 'permission_not_yet_valid';
  if (!permission.rights.includes(right)) return 'right_not_granted';
  if (categoryTag !== undefined && !permission.categories.includes(categoryTag)) {
    return 'category_not_granted';
  }
  if (dataMonth !== undefined && !coversMonth(permission, dataMonth)) return 'period_not_granted';
  if (purpose !== undefined && !permission.purposes.some((one) => one === purpose)) {
    return 'purpose_not_granted';
  }
  return null;
}

/** Judges all that a grantee holds: the permission that lasts longest, or the nearest reason. */
export function decide(held: readonly Permission[], wanted: Wanted): Decision {
  let best: Permission | null = null;
  let nearest: DenyReason = 'no_permission';
  for (const permission of held) {
    const reason = objectionOf(permission, wanted);
    if (reason === null) {
      if (best === null || permission.until > best.until) best = permission;
    } else if (denyReasons.indexOf(reason) > denyReasons.indexOf(nearest)) {
      nearest = reason;
    }
  }
  return best ? { decision: 'permit', permission: best } : { decision: 'deny', reason: nearest };
}

/**
 * The permissions of a patient that count for a person: those given to the person, and those given
 * to the care teams that the person is in now, with the rights that the person's role can hold.
 * Bounded by `holdingsMax` and `teamsOfSubjectMax`.
 */
export async function heldBy(
  reader: Reader,
  pseudonym: string,
  subject: string,
): Promise<Permission[]> {
  const held = await heldAt(reader, cells.holdings(pseudonym, subject));
  const teams = (await reader.get(cells.teamsOf(subject))) ?? [];
  if (teams.length === 0) return asStanding(reader, held);
  const person = await reader.get(cells.subject(subject));
  const allowed = person ? rightsOfRole(person.role) : [];
  for (const team of teams) {
    for (const permission of await heldAt(reader, cells.teamHoldings(pseudonym, team))) {
      const rights = permission.rights.filter((right) => allowed.includes(right));
      held.push({ ...permission, rights });
    }
  }
  return asStanding(reader, held);
}

/** What a representative gave ends with the appointment, and so does all with a rotation. */
export async function asStanding(
  reader: Reader,
  permissions: readonly Permission[],
): Promise<Permission[]> {
  return asRotated(reader, await asAppointed(reader, permissions));
}

/** Permissions that a representative gave, as ended where the patient ended the appointment. */
export async function asAppointed(
  reader: Pick<Reader, 'get'>,
  permissions: readonly Permission[],
): Promise<Permission[]> {
  const standing: Permission[] = [];
  for (const one of permissions) {
    const { appointmentId, revoked } = one;
    const isAsIs = appointmentId === null || revoked !== null;
    const on = isAsIs ? null : await reader.get(cells.permission(appointmentId));
    standing.push(on && on.revoked !== null ? { ...one, revoked: on.revoked } : one);
  }
  return standing;
}

/** A rotation ends every permission of the old pseudonym in its block. */
export async function asRotated(
  reader: Reader,
  permissions: readonly Permission[],
): Promise<Permission[]> {
  const found = new Map<string, Rotated | null>();
  for (const { pseudonym } of permissions) {
    if (found.has(pseudonym)) continue;
    found.set(pseudonym, await reader.get(cells.rotated(pseudonym)));
  }
  return permissions.map((one) => {
    const rotated = found.get(one.pseudonym);
    return rotated && one.revoked === null ? { ...one, revoked: rotated.at } : one;
  });
}

/** The permissions that one cell of holdings names. */
export async function heldAt(reader: Reader, cell: Cell<string[]>): Promise<Permission[]> {
  const ids = (await reader.get(cell)) ?? [];
  const permissions = await reader.many(ids.map((id) => cells.permission(id)));
  return permissions.map((permission, at) => {
    if (!permission) throw new Error(`permission ${ids[at]} is held but missing`);
    return permission;
  });
}

/** The care team through which a permission reaches the one who uses it, or null. */
export function teamOf({ granteeKind, grantee }: Permission): string | null {
  return granteeKind === 'team' ? grantee : null;
}

function coversMonth({ dataFrom, dataUntil }: Permission, month: string): boolean {
  if (dataFrom !== null && month < dataFrom) return false;
  return dataUntil === null || month <= dataUntil;
}
