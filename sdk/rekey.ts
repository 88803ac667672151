/** Re-keying forward: months whose seeds somebody loses get new keys, for those who remain. */
import type { Permission } from '../lib/chaincode/values.ts';
import type { JsonArgs } from './signing.ts';
import { lastMonthOf, sealGrant, type SealTerms, seededMonths } from './grant-share.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import { type RevisedRange, reviseRange, type Revisions } from './publication.ts';
import { type Recipient, recipientOrNull } from './recipients.ts';

/** Months of categories, by tag, whose seeds somebody is to have no use of any more. */
export interface LostSeeds {
  readonly tags: readonly string[];
  readonly months: readonly string[];
}

/** A permission whose holder has the new keys. */
export interface Resealed {
  readonly permission: Permission;
  readonly recipient: Recipient;
  readonly result: CertifiedResult;
}

export interface Rekeyed {
  /** What the keys were renewed by. */
  readonly result: CertifiedResult;
  readonly resealed: readonly Resealed[];
  /** Those whose holders cannot be sealed to now: an identity that ended, a team without a key. */
  readonly skipped: readonly Permission[];
}

/**
 * Renews keys by one transaction, which `submit` makes of the arguments of renewal; then hands the
 * new keys to all other readers of these categories and months, under their permissions as they are.
 */
export async function rekey(
  patient: Patient,
  lost: readonly LostSeeds[],
  submit: (renewal: JsonArgs, revised: Revisions) => Promise<CertifiedResult>,
  isOther: (permission: Permission) => boolean,
): Promise<Rekeyed> {
  let revised: Revisions = await patient.revisions();
  const ranges: RevisedRange[] = [];
  for (const { tags, months } of lost) {
    const [from, until] = [months[0], months.at(-1)];
    if (from === undefined || until === undefined || tags.length === 0) continue;
    const one = reviseRange(revised, tags, { from, until });
    revised = one.revised;
    ranges.push(...one.ranges);
  }
  if (ranges.length === 0) {
    return { result: await submit({}, revised), resealed: [], skipped: [] };
  }
  const publication = await patient.republication(revised);
  const renewal = {
    revisions: ranges.map((one) => ({ ...one })),
    categoryKeysRoot: publication.root,
    categoryKeysFrom: publication.from,
  };
  const result = await submit(renewal, revised);
  await patient.publish(publication, result.receipt);
  const all = await patient.permissions();
  const wanting = all.filter((one) => isOther(one) && needsNewKeys(one, ranges, result.time));
  const resealed: Resealed[] = [];
  const skipped: Permission[] = [];
  for (const one of wanting) {
    const recipient = await recipientOrNull(patient, one);
    if (recipient) resealed.push(await reseal(patient, one, { recipient, revisions: revised }));
    else skipped.push(one);
  }
  return { result, resealed, skipped };
}

/**
 * New keys for all that the holder of a permission had seeds of, without ending it: whoever may
 * still read, this holder included, is sealed to anew.
 */
export async function rekeyAfter(
  patient: Patient,
  permission: Permission,
): Promise<readonly Resealed[]> {
  if (!permission.rights.includes('read')) return [];
  const lost = { tags: permission.categories, months: seededMonths(patient, permission) };
  const { resealed } = await rekey(
    patient,
    [lost],
    (renewal) =>
      patient.session.client.submit({ fn: 'patient.publish-keys', args: renewal }, patient.signer),
    () => true,
  );
  return resealed;
}

interface ResealPlan {
  recipient: Recipient;
  revisions: Revisions;
  renewal?: JsonArgs;
}

/** The same terms with the present keys. */
export async function reseal(
  patient: Patient,
  permission: Permission,
  { recipient, revisions, renewal = {} }: ResealPlan,
): Promise<Resealed> {
  const { session, signer } = patient;
  const { id: permissionId, version } = permission;
  const terms = sealTermsOf(patient, permission);
  const { sealed, args } = await sealGrant(patient, permissionId, {
    ...{ terms, to: recipient, revisions },
  });
  const call = { fn: 'permission.reseal', args: { permissionId, version, ...args, ...renewal } };
  const result = await session.client.submit(call, signer);
  await session.custodian.putShare(sealed, { key: patient.ownerKey, receipt: result.receipt });
  return { permission, recipient, result };
}

/** The terms of a permission with the names of its categories. */
function sealTermsOf(patient: Patient, permission: Permission): SealTerms {
  const { rights, categories, until, study } = permission;
  const names = patient.categoryNames();
  return { rights, until, study, categories: categories.map((tag) => names.get(tag) ?? tag) };
}

/** Whether a reader who remains may meet records under the new keys. */
function needsNewKeys(one: Permission, ranges: readonly RevisedRange[], time: number): boolean {
  if (one.revoked !== null || one.until <= time || !one.rights.includes('read')) return false;
  const last = lastMonthOf(one.until);
  return ranges.some(
    ({ categoryTag, from }) => one.categories.includes(categoryTag) && from <= last,
  );
}
