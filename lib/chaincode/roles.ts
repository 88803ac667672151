/** Roles as data (design §6): groups of the one table; what is not named here is denied. */
import { z } from 'zod';
import {
  type Role as CertifiedRole,
  roleSchema,
  rolesWhere,
  roleRow,
} from '../membership/roles.ts';
import type { Right } from './fields.ts';

/**
 * What a certificate can give, the membership service itself, a validator's KMS key, and the read
 * key of its seat: `hospital`, which copies records for the hospital's people.
 */
export type Role = CertifiedRole | InstitutionRole;
type InstitutionRole = (typeof institutionRoles)[number];
const institutionRoles = ['membership', 'validator', 'hospital'] as const;
export const roles: readonly Role[] = [...roleSchema.options, ...institutionRoles];

/** Roles that an identity on the ledger can have; patients have owner keys instead. */
export type IdentityRole = Exclude<Role, 'patient' | 'representative'>;
const persons: readonly Role[] = rolesWhere(({ way }) => way === 'person');
const identityRoles = roles.filter((role): role is IdentityRole => !persons.includes(role));
export const identityRoleField = z.enum(identityRoles as [IdentityRole, ...IdentityRole[]]);

/** Roles of people that the membership service certifies and a hospital's operator cosigns. */
export const registrableRoles: readonly Role[] = rolesWhere(({ way }) => way === 'cosigned');

/** Rights that a patient can give to each role; none where the role has no row. */
export function rightsOfRole(role: Role): readonly Right[] {
  const certified = roleSchema.safeParse(role);
  return certified.success ? roleRow(certified.data).rights : [];
}

/** Roles that can hold a permission. */
export const clinicians: readonly Role[] = rolesWhere(({ rights }) => rights.length > 0);
/** Roles that can hold `write`. */
export const writers: readonly Role[] = rolesWhere(({ rights }) => rights.includes('write'));
/** Everybody whom the ledger knows; who acts for a patient is named apart, where that is let. */
export const everybody: readonly Role[] = roles.filter((role) => role !== 'representative');
