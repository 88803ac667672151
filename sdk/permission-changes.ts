/** Changing consent that was given: less, or more, and what has to follow when a team changes. */
import type { Permission } from '../lib/chaincode/values.ts';
import type { Purpose, Right } from '../lib/chaincode/fields.ts';
import { categoryName } from './categories.ts';
import { lastMonthOf, sealGrant, type SealedGrant, seededMonths } from './grant-share.ts';
import { ownPermission, readerSeeds, usableUntil } from './grants.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Revisions } from './publication.ts';
import { type Recipient, recipientOf, recipientOrNull } from './recipients.ts';
import { type LostSeeds, rekey, reseal, type Resealed } from './rekey.ts';
import type { JsonArgs } from './signing.ts';
import type { CareTeam } from './teams.ts';

type GrantPurpose = Exclude<Purpose, 'BTG'>;

/** What is left of a permission; what is not named stays as it is. */
export interface Narrowing {
  readonly rights?: readonly Right[] | undefined;
  /** Names of the categories that stay. */
  readonly categories?: readonly string[] | undefined;
  readonly purposes?: readonly GrantPurpose[] | undefined;
  readonly from?: number | undefined;
  readonly until?: number | undefined;
  readonly dataFrom?: string | undefined;
  readonly dataUntil?: string | undefined;
  readonly anonymise?: true | undefined;
}

/** What a permission covers then; what is not named stays. Null opens an end of the months. */
export interface Extension {
  readonly categories?: readonly string[] | undefined;
  readonly purposes?: readonly GrantPurpose[] | undefined;
  readonly until?: number | undefined;
  readonly dataFrom?: string | null | undefined;
  readonly dataUntil?: string | null | undefined;
}

export interface Narrowed {
  readonly result: CertifiedResult;
  /** A receipt given before may still be used until then, milliseconds. */
  readonly receiptsUsableUntil: number;
  readonly renewed: readonly Resealed[];
  /** Those whose holders cannot be sealed to now. */
  readonly skipped: readonly Permission[];
}

/**
 * Takes a part of a permission back, in its block. Months of categories that the holder may no
 * longer read get new keys, and what the custodian keeps for the holder shrinks to what is left.
 */
export async function narrow(
  patient: Patient,
  permissionId: string,
  change: Narrowing,
): Promise<Narrowed> {
  const before = await ownPermission(patient, permissionId);
  const { rights, purposes, categories } = change;
  const args = {
    ...{ permissionId, version: before.version },
    ...timesOf(change),
    ...(change.anonymise === undefined ? {} : { anonymise: true }),
    ...(rights ? { rights: [...rights] } : {}),
    ...(purposes ? { purposes: [...purposes] } : {}),
    ...(categories ? { categories: tagsOf(patient, categories) } : {}),
  };
  const after = { ...before, ...(args as Partial<Permission>) };
  const lost = lostSeeds(patient, before, after);
  const recipient = isShareSmaller(before, after) ? await recipientOrNull(patient, before) : null;
  const { result, resealed, skipped } = await rekey(
    patient,
    lost,
    (renewal, revisions) =>
      submitWithShare(patient, 'permission.narrow', { args, after, recipient, revisions, renewal }),
    (one) => one.id !== permissionId,
  );
  return { result, receiptsUsableUntil: usableUntil(result), renewed: resealed, skipped };
}

/** Lets a permission last longer or cover more; the holder gets the keys that are new to it. */
export async function extend(
  patient: Patient,
  permissionId: string,
  change: Extension,
): Promise<CertifiedResult> {
  const before = await ownPermission(patient, permissionId);
  const { purposes, categories } = change;
  if (categories) await patient.ensureCategories(categories.map(categoryName));
  const args = {
    ...{ permissionId, version: before.version },
    ...timesOf(change),
    ...(purposes ? { purposes: [...purposes] } : {}),
    ...(categories ? { categories: tagsOf(patient, categories) } : {}),
  };
  const after = { ...before, ...(args as Partial<Permission>) };
  const recipient = isShareSmaller(after, before) ? await recipientOf(patient, before) : null;
  const revisions = await patient.revisions();
  const plan = { args, after, recipient, revisions, renewal: {} };
  return submitWithShare(patient, 'permission.extend', plan);
}

/** What a patient's login brought in order. */
export interface KeptUp {
  /** Permissions of teams that have another key now, sealed to it; keys are renewed. */
  readonly renewed: readonly Resealed[];
  /** Those whose team was given its key by somebody who came after the patient's consent. */
  readonly undecided: readonly { permission: Permission; team: CareTeam }[];
}

/**
 * Follows changes of care teams: where somebody left, months that the leaver has seeds of get new
 * keys, and the team gets them under its new key. A new key that was made by somebody who joined
 * after the patient last sealed is not trusted by itself: the hospital's operator alone could have
 * put that person there. `trusted` names teams whose key the patient accepts all the same.
 */
export async function keepUp(
  patient: Patient,
  trusted: ReadonlySet<string> = new Set(),
): Promise<KeptUp> {
  const now = patient.session.clock.now();
  const live = (await patient.permissions()).filter(
    (one) => one.granteeKind === 'team' && one.revoked === null && one.until > now,
  );
  const stale: Stale[] = [];
  const undecided: { permission: Permission; team: CareTeam }[] = [];
  for (const permission of live) {
    const recipient = await recipientOrNull(patient, permission);
    const team = recipient?.team;
    if (!recipient || !team || team.epoch === permission.teamEpoch) continue;
    if (trusted.has(team.id) || isKnownMaker(team, permission)) {
      stale.push({ permission, recipient });
    } else {
      undecided.push({ permission, team });
    }
  }
  return { renewed: await renewFor(patient, stale), undecided };
}

/** New keys for all that the leavers have seeds of; then every reader gets them, the teams first. */
async function renewFor(patient: Patient, stale: readonly Stale[]): Promise<Resealed[]> {
  const [first, ...others] = stale;
  if (!first) return [];
  const readers = stale.filter(({ permission }) => permission.rights.includes('read'));
  const tags = [...new Set(readers.flatMap(({ permission }) => permission.categories))];
  const spans = readers.map(({ permission }) => seededMonths(patient, permission));
  const months = spans.reduce((a, b) => (b.length > a.length ? b : a), []);
  const done: Resealed[] = [];
  const { resealed } = await rekey(
    patient,
    [{ tags, months }],
    async (renewal, revisions) => {
      const { permission, recipient } = first;
      const plan = { recipient, revisions, renewal };
      const own = await reseal(patient, permission, plan);
      done.push(own);
      return own.result;
    },
    (one) => one.id !== first.permission.id,
  );
  done.push(...resealed);
  // Who may only write has no seeds to lose, and gets the tags under the new key all the same.
  const ids = new Set(done.map(({ permission }) => permission.id));
  const revisions = await patient.revisions();
  for (const { permission, recipient } of others) {
    if (ids.has(permission.id)) continue;
    done.push(await reseal(patient, permission, { recipient, revisions }));
  }
  return done;
}

interface Stale {
  permission: Permission;
  recipient: Recipient;
}

/** Whether the team's key was made by somebody who was in it when the patient last sealed to it. */
function isKnownMaker({ key, members }: CareTeam, { sealed }: Permission): boolean {
  const maker = members.find(({ subject }) => subject === key?.maker);
  return maker !== undefined && maker.since.height <= sealed.height;
}

interface ChangePlan {
  args: JsonArgs;
  after: Permission;
  /** Null where the share stays as it is. */
  recipient: Recipient | null;
  revisions: Revisions;
  renewal: JsonArgs;
}

async function submitWithShare(
  patient: Patient,
  fn: string,
  { args, after, recipient, revisions, renewal }: ChangePlan,
): Promise<CertifiedResult> {
  const { session, signer } = patient;
  let share: SealedGrant | null = null;
  if (recipient) {
    const names = patient.categoryNames();
    const categories = after.categories.map((tag) => names.get(tag) ?? tag);
    const { rights, until, study } = after;
    const terms = { rights, until, study, categories };
    share = await sealGrant(patient, after.id, { terms, to: recipient, revisions });
  }
  const call = { fn, args: { ...args, ...share?.args, ...renewal } };
  const result = await session.client.submit(call, signer);
  if (share) {
    const permit = { key: patient.ownerKey, receipt: result.receipt };
    await session.custodian.putShare(share.sealed, permit);
  }
  return result;
}

/** Seeds that `before` handed over and `after` would not. */
function lostSeeds(patient: Patient, before: Permission, after: Permission): LostSeeds[] {
  if (!before.rights.includes('read')) return [];
  if (!after.rights.includes('read')) return readerSeeds(patient, before);
  const months = seededMonths(patient, before);
  const gone = before.categories.filter((tag) => !after.categories.includes(tag));
  const last = lastMonthOf(after.until);
  const later = months.filter((month) => month > last);
  return [
    { tags: gone, months },
    { tags: after.categories, months: later },
  ];
}

/** Whether what `after` hands over is less than what `before` did. */
function isShareSmaller(before: Permission, after: Permission): boolean {
  if (before.categories.some((tag) => !after.categories.includes(tag))) return true;
  if (!before.rights.includes('read')) return false;
  return !after.rights.includes('read') || lastMonthOf(after.until) < lastMonthOf(before.until);
}

function tagsOf(patient: Patient, categories: readonly string[]): string[] {
  return categories.map((name) => patient.tag(categoryName(name)));
}

/** Those that are named. */
function timesOf({ from, until, dataFrom, dataUntil }: Times): JsonArgs {
  return {
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(dataFrom === undefined ? {} : { dataFrom }),
    ...(dataUntil === undefined ? {} : { dataUntil }),
  };
}

interface Times {
  from?: number | undefined;
  until?: number | undefined;
  dataFrom?: string | null | undefined;
  dataUntil?: string | null | undefined;
}
