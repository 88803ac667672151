/** Consent: what a patient gives, to whom, until when; and taking it back with all that follows. */
import { randomId } from '../lib/crypto/random.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import type { Purpose, Right } from '../lib/chaincode/fields.ts';
import { categoryName } from './categories.ts';
import { lookupKey, monthOf, monthRange } from './category-keys.ts';
import { findGrantee, type Grantee, type PersonQuery } from './directory.ts';
import { SdkError } from './errors.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import { type Revisions, revisionAt, reviseRange } from './publication.ts';
import { sealShare, type Share, SHARE_SEEDS_MAX } from './seal.ts';

type ShareSeed = Share['categories'][number]['seeds'][number];

/** What a patient consents to. */
export interface GrantTerms {
  readonly to: PersonQuery;
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
  readonly grantee: Grantee['identity'];
  readonly result: CertifiedResult;
  /** The permission of the same terms that it takes the place of. */
  readonly replaces?: string | undefined;
}

/** Seeds beyond this many months are not handed over; nobody knows the keys of then. */
const MONTHS_MAX = 240;

/** Grants, and hands the sealed keys over. Throws `refused`, `not_found` or `mismatch`. */
export async function grant(patient: Patient, terms: GrantTerms): Promise<Granted> {
  const categories = terms.categories.map(categoryName);
  await patient.ensureCategories(categories);
  const grantee = await findGrantee(patient.session, patient.signer, terms.to);
  const revisions = terms.rights.includes('read')
    ? await patient.revisions(categories)
    : new Map<string, never>();
  return grantTo(patient, grantee, { ...terms, categories }, revisions);
}

async function grantTo(
  patient: Patient,
  grantee: Grantee,
  terms: Omit<GrantTerms, 'to'>,
  revisions: Revisions,
  permissionId: string = randomId(),
): Promise<Granted> {
  const { session } = patient;
  const { subject } = grantee.identity;
  const share = shareOf(patient, permissionId, terms, revisions);
  const network = patient.networkName;
  const to = { publicKey: grantee.encryptionKey, network, grantee: subject };
  const { sealed, digest } = await sealShare(share, to);
  const { dataFrom, dataUntil, study, anonymise } = terms;
  const result = await session.client.submit(
    {
      fn: 'permission.grant',
      args: {
        permissionId,
        grantee: subject,
        rights: [...terms.rights],
        categories: terms.categories.map((name) => patient.tag(name)),
        from: terms.from ?? 0,
        until: terms.until,
        ...(dataFrom === undefined ? {} : { dataFrom }),
        ...(dataUntil === undefined ? {} : { dataUntil }),
        purposes: [...(terms.purposes ?? ['TREAT'])],
        ...(study === undefined ? {} : { study }),
        ...(anonymise === undefined ? {} : { anonymise }),
        shareDigest: digest,
      },
    },
    patient.signer,
  );
  await session.custodian.putShare(sealed, { key: patient.ownerKey, receipt: result.receipt });
  return { permissionId, grantee: grantee.identity, result };
}

/** What a revocation did. */
export interface Revoked {
  readonly result: CertifiedResult;
  /** A receipt given before may still be used until then, milliseconds. */
  readonly receiptsUsableUntil: number;
  /** Permissions of others that were given anew, with the new keys. */
  readonly renewed: readonly Granted[];
}

/**
 * Ends a permission in its block. If it let its holder read, every month whose seed the holder has
 * gets a new key, and the readers who remain are sealed to again, under permissions of the same
 * terms that replace theirs.
 */
export async function revoke(patient: Patient, permissionId: string): Promise<Revoked> {
  const { session } = patient;
  const permissions = await patient.permissions();
  const permission = permissions.find((one) => one.id === permissionId);
  if (!permission) {
    throw new SdkError('not_found', `You gave no permission ${permissionId}.`, {
      nextStep: 'See `carequorum grant --list`.',
    });
  }
  const isReader = permission.rights.includes('read') && permission.revoked === null;
  if (!isReader) {
    const call = { fn: 'permission.revoke', args: { permissionId } };
    const result = await session.client.submit(call, patient.signer);
    return { result, receiptsUsableUntil: usableUntil(result), renewed: [] };
  }
  const months = seededMonths(patient, permission);
  const range = { from: months[0] as string, until: months.at(-1) as string };
  const { ranges, revised } = reviseRange(await patient.revisions(), permission.categories, range);
  const publication = await patient.republication(revised);
  const result = await session.client.submit(
    {
      fn: 'permission.revoke',
      args: {
        permissionId,
        revisions: ranges.map((one) => ({ ...one })),
        categoryKeysRoot: publication.root,
        categoryKeysFrom: publication.from,
      },
    },
    patient.signer,
  );
  await patient.publish(publication, result.receipt);
  const remaining = permissions.filter((one) => needsNewKeys(one, permission, result.time));
  const renewed: Granted[] = [];
  for (const one of remaining) renewed.push(await renewGrant(patient, one, revised));
  return { result, receiptsUsableUntil: usableUntil(result), renewed };
}

/** The same terms with the present keys, then the end of the old permission. */
export async function renewGrant(
  patient: Patient,
  permission: Permission,
  revisions: Revisions,
): Promise<Granted> {
  const { session } = patient;
  const granted = await grantAgain(patient, permission, { revisions });
  const call = { fn: 'permission.revoke', args: { permissionId: permission.id } };
  await session.client.submit(call, patient.signer);
  return { ...granted, replaces: permission.id };
}

/** A permission of exactly the same terms under the present keys, with an id of its own. */
export async function grantAgain(
  patient: Patient,
  permission: Permission,
  { revisions, permissionId }: { revisions: Revisions; permissionId?: string },
): Promise<Granted> {
  const grantee = await granteeOf(patient, permission);
  const names = patient.categoryNames();
  const terms = {
    rights: permission.rights,
    categories: permission.categories.map((tag) => names.get(tag) ?? tag),
    from: permission.from,
    until: permission.until,
    dataFrom: permission.dataFrom ?? undefined,
    dataUntil: permission.dataUntil ?? undefined,
    purposes: permission.purposes,
    study: permission.study ?? undefined,
    anonymise: permission.anonymise ?? undefined,
  };
  return grantTo(patient, grantee, terms, revisions, permissionId);
}

/**
 * New keys for all that the holder of a permission had seeds of, without ending it: whoever may
 * still read, this holder included, is sealed to again.
 */
export async function rekeyAfter(patient: Patient, permission: Permission): Promise<Granted[]> {
  if (!permission.rights.includes('read')) return [];
  const months = seededMonths(patient, permission);
  const range = { from: months[0] as string, until: months.at(-1) as string };
  const { ranges, revised } = reviseRange(await patient.revisions(), permission.categories, range);
  const publication = await patient.republication(revised);
  const args = {
    categoryKeysRoot: publication.root,
    categoryKeysFrom: publication.from,
    revisions: ranges.map((one) => ({ ...one })),
  };
  const call = { fn: 'patient.publish-keys', args };
  const result = await patient.session.client.submit(call, patient.signer);
  await patient.publish(publication, result.receipt);
  const all = await patient.permissions();
  const readers = all.filter((one) => readsAlike(one, permission, result.time));
  const renewed: Granted[] = [];
  for (const one of readers) renewed.push(await renewGrant(patient, one, revised));
  return renewed;
}

async function granteeOf(patient: Patient, permission: Permission): Promise<Grantee> {
  const { session, signer } = patient;
  const args = { subject: permission.grantee };
  const identity = (await session.client.query({ fn: 'identity.get', args }, signer)) as {
    name: string;
  };
  const to = { name: identity.name, subject: permission.grantee };
  return findGrantee(session, signer, to);
}

function needsNewKeys(one: Permission, revoked: Permission, time: number): boolean {
  return one.id !== revoked.id && readsAlike(one, revoked, time);
}

/** A live reader of a category of another permission. */
function readsAlike(one: Permission, other: Permission, time: number): boolean {
  if (one.revoked !== null || one.until <= time || !one.rights.includes('read')) return false;
  return one.categories.some((tag) => other.categories.includes(tag));
}

/** Pseudonym and tags for every right; lookup key and seeds only with `read`. */
function shareOf(
  patient: Patient,
  permissionId: string,
  terms: Omit<GrantTerms, 'to'>,
  revisions: Revisions,
): Share {
  const isReader = terms.rights.includes('read');
  const months = isReader ? seededMonths(patient, terms) : [];
  const now = monthOf(patient.session.clock.now());
  const categories = terms.categories.map((name) => {
    const tag = patient.tag(name);
    const seeds = months.flatMap((month) => {
      const newest = revisionAt(revisions, tag, month);
      // Records of months to come can only be under the newest key; those of the past, under any.
      const oldest = month > now ? newest : 0;
      return Array.from({ length: newest - oldest + 1 }, (_, index): ShareSeed => {
        const revision = oldest + index;
        return [month, revision, patient.seed(name, { month, revision })];
      });
    });
    return { name, tag, seeds };
  });
  const count = categories.reduce((sum, one) => sum + one.seeds.length, 0);
  if (count > SHARE_SEEDS_MAX) {
    throw new SdkError('bad_input', 'This grant would hand over too many keys at once.', {
      nextStep: 'Grant fewer categories or a shorter time.',
    });
  }
  return {
    format: 'carequorum-share-1',
    permissionId,
    pseudonym: patient.pseudonym,
    patient: patient.data.uii.name ?? '',
    lookupKey: isReader ? lookupKey(patient.root) : null,
    categories,
  };
}

/** Months in which a reader may meet records: from the registration to the end of the grant. */
function seededMonths(patient: Patient, { until }: { until: number }): string[] {
  const now = monthOf(patient.session.clock.now());
  const first = patient.data.registered?.month ?? now;
  const last = monthOf(Math.min(until, LAST_TIME));
  return monthRange(first, last < now ? now : last).slice(0, MONTHS_MAX);
}

/** The end of the year 9999: months have four digits of year. */
const LAST_TIME = 253_402_300_799_000;

function usableUntil(result: CertifiedResult): number {
  return (result.value as { receiptsUsableUntil: number }).receiptsUsableUntil;
}
