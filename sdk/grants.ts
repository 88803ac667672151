/** Consent: what a patient gives, to whom, until when; and taking it back with all that follows. */
import { randomId } from '../lib/crypto/random.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import type { Purpose, Right } from '../lib/chaincode/fields.ts';
import { categoryName } from './categories.ts';
import { SdkError } from './errors.ts';
import { sealGrant, seededMonths } from './grant-share.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Revisions } from './publication.ts';
import { findRecipient, type Recipient, recipientOf, type RecipientQuery } from './recipients.ts';
import { joinStudy } from './studies.ts';
import { type LostSeeds, rekey, type Resealed } from './rekey.ts';

/** What a patient consents to. */
export interface GrantTerms {
  readonly to: RecipientQuery;
  readonly rights: readonly Right[];
  /** Names of categories. */
  readonly categories: readonly string[];
  /** Valid in from ≤ time < until, milliseconds. @default from now */
  readonly from?: number | undefined;
  readonly until: number;
  /** First and last month of the data covered, as 2026-11. @default all */
  readonly dataFrom?: string | undefined;
  readonly dataUntil?: string | undefined;
  /** @default treatment alone */
  readonly purposes?: readonly Exclude<Purpose, 'BTG'>[] | undefined;
  /** With `share` only. */
  readonly study?: string | undefined;
  readonly anonymise?: boolean | undefined;
}

export interface Granted {
  readonly permissionId: string;
  readonly grantee: Recipient;
  readonly result: CertifiedResult;
}

/** Grants, and hands the sealed keys over. Throws `refused`, `not_found` or `mismatch`. */
export async function grant(patient: Patient, terms: GrantTerms): Promise<Granted> {
  const categories = terms.categories.map(categoryName);
  await patient.ensureCategories(categories);
  // What is sealed for a study has the patient's name in it; to join is to agree to its terms.
  if (terms.study !== undefined) await joinStudy(patient, terms.study);
  const to = await findRecipient(patient, terms.to);
  const isReader = terms.rights.includes('read');
  const revisions = isReader ? await patient.revisions(categories) : new Map<string, never>();
  return grantTo(patient, to, { terms: { ...terms, categories }, revisions });
}

/** A permission of exactly the same terms under the present keys, with an id of its own. */
export async function grantAgain(
  patient: Patient,
  permission: Permission,
  again: { revisions: Revisions; permissionId?: string; appointmentId?: string | undefined },
): Promise<Granted> {
  const to = await recipientOf(patient, permission);
  const names = patient.categoryNames();
  const { rights, from, until, purposes, dataFrom, dataUntil, study, anonymise } = permission;
  const terms = {
    ...{ rights, from, until, purposes },
    categories: permission.categories.map((tag) => names.get(tag) ?? tag),
    ...{ dataFrom: dataFrom ?? undefined, dataUntil: dataUntil ?? undefined },
    ...{ study: study ?? undefined, anonymise: anonymise ?? undefined },
  };
  return grantTo(patient, to, { terms, ...again });
}

interface GrantPlan {
  terms: Omit<GrantTerms, 'to'>;
  revisions: Revisions;
  permissionId?: string | undefined;
  /** Of the representative who gave it before. */
  appointmentId?: string | undefined;
}

async function grantTo(
  patient: Patient,
  to: Recipient,
  { terms, revisions, permissionId = randomId(), appointmentId }: GrantPlan,
): Promise<Granted> {
  const { session } = patient;
  const { sealed, args } = await sealGrant(patient, permissionId, {
    ...{ terms, to, revisions },
  });
  const result = await session.client.submit(
    {
      fn: 'permission.grant',
      args: {
        permissionId,
        ...termsArgs(to, terms),
        categories: terms.categories.map((name) => patient.tag(name)),
        ...(appointmentId === undefined ? {} : { appointmentId }),
        ...args,
      },
    },
    patient.signer,
  );
  await session.custodian.putShare(sealed, { key: patient.ownerKey, receipt: result.receipt });
  return { permissionId, grantee: to, result };
}

/** To whom and on which terms, as `permission.grant` takes them: all but the categories' tags. */
export function termsArgs(
  to: Pick<Recipient, 'kind' | 'id'>,
  terms: Omit<GrantTerms, 'to' | 'categories'>,
) {
  const { dataFrom, dataUntil, study, anonymise } = terms;
  return {
    ...(to.kind === 'team' ? { team: to.id } : { grantee: to.id }),
    rights: [...terms.rights],
    from: terms.from ?? 0,
    until: terms.until,
    ...(dataFrom === undefined ? {} : { dataFrom }),
    ...(dataUntil === undefined ? {} : { dataUntil }),
    purposes: [...(terms.purposes ?? ['TREAT'])],
    ...(study === undefined ? {} : { study }),
    ...(anonymise === undefined ? {} : { anonymise }),
  };
}

/** What a revocation did. */
export interface Revoked {
  readonly result: CertifiedResult;
  /** A receipt given before may still be used until then, milliseconds. */
  readonly receiptsUsableUntil: number;
  /** Permissions of others whose holders got the new keys. */
  readonly renewed: readonly Resealed[];
  /** Those whose holders cannot be sealed to now. */
  readonly skipped: readonly Permission[];
}

/**
 * Ends a permission in its block, and has the custodian forget its share. If it let its holder
 * read, every month whose seed the holder has gets a new key, and the readers who remain are sealed
 * to again under their permissions.
 */
export async function revoke(patient: Patient, permissionId: string): Promise<Revoked> {
  return endAsPatient(patient, await ownPermission(patient, permissionId), 'permission.revoke');
}

/** Ends a permission, or an appointment with all that stands on it. */
export async function endAsPatient(
  patient: Patient,
  permission: Permission,
  fn: 'permission.revoke' | 'representative.end',
): Promise<Revoked> {
  const { session, signer } = patient;
  const { id: permissionId } = permission;
  const { result, resealed, skipped } = await rekey(
    patient,
    permission.revoked === null ? readerSeeds(patient, permission) : [],
    (renewal) => session.client.submit({ fn, args: { permissionId, ...renewal } }, signer),
    (one) => one.id !== permissionId && one.appointmentId !== permissionId,
  );
  const permit = { key: patient.ownerKey, receipt: result.receipt };
  await session.custodian.withdrawShare(permit);
  return { result, receiptsUsableUntil: usableUntil(result), renewed: resealed, skipped };
}

/** A permission that this patient gave. Throws `not_found`. */
export async function ownPermission(patient: Patient, permissionId: string): Promise<Permission> {
  const permissions = await patient.permissions();
  const permission = permissions.find((one) => one.id === permissionId);
  if (permission) return permission;
  throw new SdkError('not_found', `You gave no permission ${permissionId}.`, {
    nextStep: 'See `carequorum grant --list`.',
  });
}

/** All seeds that a permission handed over; none without the right to read. */
export function readerSeeds(patient: Patient, permission: Permission): LostSeeds[] {
  if (!permission.rights.includes('read')) return [];
  return [{ tags: permission.categories, months: seededMonths(patient, permission) }];
}

export function usableUntil(result: CertifiedResult): number {
  return (result.value as { receiptsUsableUntil: number }).receiptsUsableUntil;
}
