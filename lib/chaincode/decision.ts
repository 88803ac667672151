/** Whether a permission permits: the one place where consent is judged (design §8). */
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import type { Purpose, Right } from './fields.ts';
import type { Rotated } from './rotation-values.ts';
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

/** The permissions of a patient that are at hand for a grantee; bounded by `holdingsMax`. */
export async function heldBy(
  reader: Reader,
  pseudonym: string,
  subject: string,
): Promise<Permission[]> {
  const ids = (await reader.get(cells.holdings(pseudonym, subject))) ?? [];
  const held: Permission[] = [];
  for (const id of ids) {
    const permission = await reader.get(cells.permission(id));
    if (!permission) throw new Error(`permission ${id} is held but missing`);
    held.push(permission);
  }
  return asRotated(reader, held);
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

function coversMonth({ dataFrom, dataUntil }: Permission, month: string): boolean {
  if (dataFrom !== null && month < dataFrom) return false;
  return dataUntil === null || month <= dataUntil;
}
