/** The roles that a certificate can give (design §6): all of them from the one table. */
import { z } from 'zod';
import { type RoleRow, roleTable } from './role-table.ts';

export type Role = keyof typeof roleTable;

const names = Object.keys(roleTable) as [Role, ...Role[]];
export const roleSchema = z.enum(names);

export function roleRow(role: Role): RoleRow {
  return roleTable[role];
}

/** The roles whose row fits. */
export function rolesWhere(fits: (row: RoleRow) => boolean): Role[] {
  return names.filter((role) => fits(roleRow(role)));
}

/** Roles whose holders act under their own name: only these have names in certificates. */
export const namedRoles: ReadonlySet<Role> = new Set(rolesWhere(({ isNamed }) => isNamed));
