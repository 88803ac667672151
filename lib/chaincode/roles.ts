/** Roles as data (design §6): what is not named here is denied. */
import { z } from 'zod';
import { roleSchema } from '../membership/roles.ts';
import type { Right } from './fields.ts';

/** What a certificate can give, the membership service itself, and a validator's KMS key. */
export const roles = [...roleSchema.options, 'membership', 'validator'] as const;
export type Role = (typeof roles)[number];

/** Roles that an identity on the ledger can have; patients have owner keys instead. */
export const identityRoleField = z.enum(roles).exclude(['patient', 'representative']);
export type IdentityRole = z.infer<typeof identityRoleField>;

/** Roles of people that the membership service certifies and a hospital's operator cosigns. */
export const registrableRoles: readonly Role[] = [
  'doctor',
  'nurse',
  'pharmacist',
  'insurer',
  'researcher',
  'auditor',
];

/** Rights that a patient can give to each role; no entry, no right. */
export const rightsOfRole: Partial<Record<Role, readonly Right[]>> = {
  doctor: ['read', 'write', 'share'],
  nurse: ['read', 'write'],
  pharmacist: ['read'],
};

/** Roles that can hold a permission. */
export const clinicians: readonly Role[] = ['doctor', 'nurse', 'pharmacist'];
/** Roles that can hold `write`. */
export const writers: readonly Role[] = ['doctor', 'nurse'];
/** Everybody whom the ledger knows. */
export const everybody: readonly Role[] = roles.filter((role) => role !== 'representative');
