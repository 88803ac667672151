/** The roles that a certificate can give (design §6); what is not in the list is no role. */
import { z } from 'zod';

export const roleSchema = z.enum([
  'patient',
  'representative',
  'doctor',
  'nurse',
  'pharmacist',
  'insurer',
  'researcher',
  'auditor',
  'operator',
  'custodian',
]);
export type Role = z.infer<typeof roleSchema>;

/** Roles whose holders act under their own name: only these have names in certificates. */
export const namedRoles: ReadonlySet<Role> = new Set<Role>([
  'doctor',
  'nurse',
  'pharmacist',
  'insurer',
  'researcher',
  'auditor',
  'operator',
]);
