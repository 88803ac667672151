/** Permissions that go on with other terms, or with another share (design §8). */
import { z } from 'zod';
import { timeField } from '../wire/fields.ts';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { teamOf } from './decision.ts';
import type { Topic } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import {
  digestField,
  distinct,
  grantPurposeField,
  idField,
  monthField,
  rightField,
  tagField,
} from './fields.ts';
import { defineTransaction, type PlainValue, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import { publishedKeys } from './patient.ts';
import { grantableSubject } from './permission.ts';
import {
  isWholeRenewal,
  receiptsUsableUntil,
  renewalArgs,
  renewalReason,
  renewAsAsked,
  sealableTeam,
  sharePermit,
  tellHolders,
  wholeRenewal,
} from './permission-parts.ts';
import { teamEpochField } from './team-values.ts';
import { flawOf, liesWithin, type Terms, termsOf } from './terms.ts';
import type { Permission } from './values.ts';

/** Which permission, as its patient last saw it. */
const target = { permissionId: idField, version: z.int().min(1) } as const;
/** What is sealed to the grantee from now on, and to which key of a team. */
const share = {
  shareDigest: digestField.optional(),
  teamEpoch: teamEpochField.optional(),
} as const;

const categoriesArg = distinct(tagField, 1, chaincodeBounds.categoriesMax).optional();
const purposesArg = distinct(grantPurposeField, 1, grantPurposeField.options.length).optional();
const openMonth = monthField.nullable().optional().describe('month, or null for open');

export const permissionNarrow = defineTransaction({
  name: 'permission.narrow',
  summary: 'Takes a part of a permission back, in this block; what is left out stays as it is.',
  roles: ['patient'],
  schema: z
    .strictObject({
      ...target,
      rights: distinct(rightField, 1, 3).optional(),
      categories: categoriesArg,
      from: timeField.optional(),
      until: timeField.optional(),
      dataFrom: monthField.optional(),
      dataUntil: monthField.optional(),
      purposes: purposesArg,
      anonymise: z.literal(true).optional(),
      ...share,
      ...renewalArgs,
    })
    .refine(isWholeRenewal, wholeRenewal),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run(args, call) {
    const before = await amendable(call, args);
    const rights = args.rights ?? before.rights;
    const shares = rights.includes('share');
    const terms = {
      ...termsWith(before, args),
      rights,
      study: shares ? before.study : null,
      anonymise: shares ? (args.anonymise ?? before.anonymise) : null,
    };
    if (!liesWithin(terms, before)) throw new ChaincodeError('not_narrower');
    if (terms.until <= call.context.time) throw new ChaincodeError('permission_over');
    const after = await withShare(call, { ...before, ...terms }, args);
    const reason = renewalReason(args);
    const value = await amend(call, { before, after, change: 'narrowed', reason });
    const renewed = await renewAsAsked(call, before.pseudonym, args);
    return {
      ...value,
      receiptsUsableUntil: receiptsUsableUntil(call, before),
      ...(renewed === null ? {} : publishedKeys(before.pseudonym, renewed)),
    };
  },
});

export const permissionExtend = defineTransaction({
  name: 'permission.extend',
  summary:
    'Lets a permission last longer, or cover more categories, months of data or purposes; a ' +
    'further right is a permission of its own.',
  roles: ['patient'],
  schema: z.strictObject({
    ...target,
    categories: categoriesArg,
    until: timeField.optional(),
    dataFrom: openMonth,
    dataUntil: openMonth,
    purposes: purposesArg,
    ...share,
  }),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run(args, call) {
    const before = await amendable(call, args);
    const terms = termsWith(before, args);
    if (!liesWithin(before, terms)) throw new ChaincodeError('not_wider');
    if (before.granteeKind === 'person') {
      await grantableSubject(call.draft.reader, before.grantee, before.rights);
    }
    const isMore = terms.categories.length > before.categories.length;
    if (isMore && args.shareDigest === undefined) throw new ChaincodeError('share_required');
    const after = await withShare(call, { ...before, ...terms }, args);
    return amend(call, { before, after, change: 'extended', reason: null });
  },
});

export const permissionReseal = defineTransaction({
  name: 'permission.reseal',
  summary: 'Hands the present keys over anew under the same terms; renews keys where need be.',
  roles: ['patient'],
  schema: z
    .strictObject({ ...target, ...share, shareDigest: digestField, ...renewalArgs })
    .refine(isWholeRenewal, wholeRenewal),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run(args, call) {
    const before = await livePermission(call, args);
    const after = await withShare(call, { ...before, version: before.version + 1 }, args);
    const { id: permissionId, pseudonym, categories } = after;
    call.draft.put(cells.permission(permissionId), after);
    const reason = renewalReason(args);
    const about = { permissionId, team: teamOf(after), categories, reason };
    await remember(call, pseudonym, about);
    await tellHolders(call, after, 'permission.resealed');
    const renewed = await renewAsAsked(call, pseudonym, args);
    const { version } = after;
    return {
      permissionId,
      pseudonym,
      version,
      ...(await sharePermit(call.draft.reader, after)),
      ...(renewed === null ? {} : publishedKeys(pseudonym, renewed)),
    };
  },
});

/** The patient's own permission, not ended, and no other than the patient saw. */
async function livePermission(
  { draft, actor, context }: TransactionCall,
  { permissionId, version }: { permissionId: string; version: number },
): Promise<Permission> {
  const { pseudonym } = patientOf(actor);
  const permission = await draft.get(cells.permission(permissionId));
  if (permission?.pseudonym !== pseudonym) throw new ChaincodeError('unknown_permission');
  if (permission.revoked !== null) throw new ChaincodeError('permission_revoked');
  if (permission.until <= context.time) throw new ChaincodeError('permission_expired');
  if (permission.version !== version) throw new ChaincodeError('permission_changed');
  return permission;
}

/** As `livePermission`; the terms of an appointment do not change. */
async function amendable(
  call: TransactionCall,
  target: { permissionId: string; version: number },
): Promise<Permission> {
  const permission = await livePermission(call, target);
  if (permission.granteeKind === 'representative') throw new ChaincodeError('is_appointment');
  return permission;
}

interface NewTerms {
  categories?: string[] | undefined;
  from?: number | undefined;
  until?: number | undefined;
  dataFrom?: string | null | undefined;
  dataUntil?: string | null | undefined;
  purposes?: Terms['purposes'] | undefined;
}

/** The terms with what is named instead; what is left out stays. */
function termsWith(before: Terms, args: NewTerms): Terms {
  const { categories, from, until, dataFrom, dataUntil, purposes } = args;
  return {
    ...termsOf(before),
    categories: categories ?? before.categories,
    from: from ?? before.from,
    until: until ?? before.until,
    dataFrom: dataFrom === undefined ? before.dataFrom : dataFrom,
    dataUntil: dataUntil === undefined ? before.dataUntil : dataUntil,
    purposes: purposes ?? before.purposes,
  };
}

/** The permission with a new share, where one is named. */
async function withShare(
  { draft, context }: TransactionCall,
  permission: Permission,
  { shareDigest, teamEpoch }: { shareDigest?: string | undefined; teamEpoch?: number | undefined },
): Promise<Permission> {
  const isOfTeam = permission.granteeKind === 'team' && shareDigest !== undefined;
  if (isOfTeam !== (teamEpoch !== undefined)) {
    throw new ChaincodeError('bad_arguments', 'teamEpoch: with a share for a team, and then only');
  }
  if (shareDigest === undefined) return permission;
  if (isOfTeam) await sealableTeam(draft.reader, permission.grantee, teamEpoch);
  const sealed = { time: context.time, height: context.height };
  return { ...permission, shareDigest, teamEpoch: teamEpoch ?? null, sealed };
}

const topics = {
  narrowed: 'permission.narrowed',
  extended: 'permission.extended',
} as const satisfies Record<string, Topic>;

/** Writes the new terms, keeps the earlier ones, and tells patient's history and grantee. */
async function amend(
  call: TransactionCall,
  { before, after, change, reason }: Amendment,
): Promise<{ [name: string]: PlainValue }> {
  const { draft, context } = call;
  const flaw = flawOf(after);
  if (flaw !== null) throw new ChaincodeError('bad_arguments', flaw);
  if (liesWithin(before, after) && liesWithin(after, before)) {
    throw new ChaincodeError('terms_unchanged');
  }
  const { id: permissionId, pseudonym, grantee, rights, from, until } = after;
  const version = before.version + 1;
  const changed = { time: context.time, height: context.height };
  const earlier = { ...termsOf(before), version: before.version, change, changed };
  const amended = { ...after, version };
  draft.put(cells.permission(permissionId), amended);
  await draft.append(listCells.earlierTerms(permissionId), earlier);
  const categories = [...new Set([...before.categories, ...after.categories])];
  await remember(call, pseudonym, { permissionId, team: teamOf(after), categories, reason });
  await tellHolders(call, amended, topics[change]);
  const isSealed = after.shareDigest !== before.shareDigest;
  const permit = isSealed ? await sharePermit(draft.reader, amended) : {};
  return { permissionId, pseudonym, grantee, version, rights, from, until, ...permit };
}

interface Amendment {
  before: Permission;
  after: Permission;
  change: 'narrowed' | 'extended';
  reason: string | null;
}
