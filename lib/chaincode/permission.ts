/** Permissions: what a patient consents to, for whom, how long and what for (design §8). */
import { z } from 'zod';
import { timeField } from '../wire/fields.ts';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { asAppointed, asStanding, heldAt, teamOf } from './decision.ts';
import { ChaincodeError } from './errors.ts';
import {
  digestField,
  distinct,
  grantPurposeField,
  idField,
  labelField,
  monthField,
  pseudonymField,
  rightField,
  subjectField,
  tagField,
} from './fields.ts';
import {
  defineQuery,
  defineTransaction,
  type QueryCall,
  type TransactionCall,
} from './functions.ts';
import { ownOrEarlier, pageArgs, remember } from './history.ts';
import { keys, lists } from './keys.ts';
import { endPermission } from './permission-end.ts';
import {
  isWholeRenewal,
  renewalArgs,
  sealableTeam,
  sharePermit,
  tellHolders,
  wholeRenewal,
} from './permission-parts.ts';
import {
  actingFor,
  actingForAny,
  appointmentOf,
  requireEndable,
  requireGrantable,
} from './representation.ts';
import { clinicians, rightsOfRole } from './roles.ts';
import { teamEpochField } from './team-values.ts';
import type { Permission, Subject } from './values.ts';
import { present, type Reader } from './draft.ts';

const grantSchema = z
  .strictObject({
    permissionId: idField,
    /** Subject of the clinician: it survives a renewal of keys. */
    grantee: subjectField.optional(),
    /** Or a care team of a hospital, and which of its keys the share is sealed to. */
    team: idField.optional(),
    teamEpoch: teamEpochField.optional(),
    rights: distinct(rightField, 1, 3),
    categories: distinct(tagField, 1, chaincodeBounds.categoriesMax),
    /** Valid in from ≤ block time < until, milliseconds. */
    from: timeField,
    until: timeField,
    /** First and last month of the data that is covered; left out: open. */
    dataFrom: monthField.optional(),
    dataUntil: monthField.optional(),
    purposes: distinct(grantPurposeField, 1, grantPurposeField.options.length),
    study: labelField.optional(),
    anonymise: z.boolean().optional(),
    /** Digest of what is sealed to the grantee and kept by the custodian. */
    shareDigest: digestField,
    /** The appointment that it stands on, where a patient gives again what a representative gave. */
    appointmentId: idField.optional(),
  })
  .refine(({ grantee, team }) => (grantee === undefined) !== (team === undefined), 'one of them')
  .refine(({ team, teamEpoch }) => (team === undefined) === (teamEpoch === undefined), 'both')
  .refine(({ from, until }) => from < until, 'it ends before it starts')
  .refine(
    ({ dataFrom, dataUntil }) => !dataFrom || !dataUntil || dataFrom <= dataUntil,
    'the period of data ends before it starts',
  )
  .refine(
    ({ rights }) => !rights.includes('share') || rights.includes('read'),
    '`share` requires `read`',
  )
  .refine(({ rights, study, anonymise }) => {
    const named = study !== undefined && anonymise !== undefined;
    return rights.includes('share') ? named : study === undefined && anonymise === undefined;
  }, '`share`, and it alone, names a study and whether to anonymise');

export const permissionGrant = defineTransaction({
  name: 'permission.grant',
  summary:
    'Lets a clinician or a care team read, write or share categories of data for a time and a ' +
    'purpose.',
  roles: ['patient', 'representative'],
  schema: grantSchema,
  hints: ({ permissionId, grantee, team }) => [
    keys.permission(permissionId),
    ...(grantee === undefined
      ? []
      : [keys.subject(grantee), lists.grants(grantee).count, lists.subjectInbox(grantee).count]),
    ...(team === undefined ? [] : [keys.team(team), lists.teamGrants(team).count]),
  ],
  async run(args, call) {
    const { draft, context } = call;
    const { pseudonym } = actingFor(call.actor, 'grant');
    const { permissionId, team, grantee = '' } = args;
    if (await draft.get(cells.permission(permissionId))) {
      throw new ChaincodeError('permission_exists');
    }
    if (args.until <= context.time) throw new ChaincodeError('permission_over');
    if (team === undefined) await grantableSubject(draft.reader, grantee, args.rights);
    else await sealableTeam(draft.reader, team, args.teamEpoch);
    const now = { time: context.time, height: context.height };
    const permission: Permission = {
      id: permissionId,
      pseudonym,
      grantee: team ?? grantee,
      granteeKind: team === undefined ? 'person' : 'team',
      rights: args.rights,
      categories: args.categories,
      from: args.from,
      until: args.until,
      dataFrom: args.dataFrom ?? null,
      dataUntil: args.dataUntil ?? null,
      purposes: args.purposes,
      study: args.study ?? null,
      anonymise: args.anonymise ?? null,
      shareDigest: args.shareDigest,
      teamEpoch: args.teamEpoch ?? null,
      sealed: now,
      version: 1,
      granted: now,
      revoked: null,
      appointmentId: standingOn(call, args.appointmentId),
    };
    const { appointmentId } = permission;
    if (appointmentId !== null) {
      const on = await liveAppointment(call, pseudonym, appointmentId);
      requireGrantable(permission, on);
      await draft.append(listCells.given(appointmentId), { permissionId });
    }
    await hold(call, permission);
    draft.put(cells.permission(permissionId), permission);
    await draft.append(listCells.permissions(pseudonym), { permissionId });
    const received = team === undefined ? listCells.grants(grantee) : listCells.teamGrants(team);
    await draft.append(received, { permissionId });
    const { categories } = args;
    await remember(call, pseudonym, { permissionId, team: teamOf(permission), categories });
    await tellHolders(call, permission, 'permission.granted');
    const { rights, from, until } = permission;
    const share = await sharePermit(draft.reader, permission);
    return { permissionId, pseudonym, grantee: permission.grantee, ...share, rights, from, until };
  },
});

export const permissionRevoke = defineTransaction({
  name: 'permission.revoke',
  summary: 'Ends a permission in this block, and renews the keys that its holder has seeds of.',
  roles: ['patient', 'representative'],
  schema: z
    .strictObject({ permissionId: idField, ...renewalArgs })
    .refine(isWholeRenewal, wholeRenewal),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run({ permissionId, ...renewal }, call) {
    const actor = actingFor(call.actor, 'revoke');
    const permission = await call.draft.get(cells.permission(permissionId));
    if (permission?.pseudonym !== actor.pseudonym) throw new ChaincodeError('unknown_permission');
    if (permission.granteeKind === 'representative') throw new ChaincodeError('is_appointment');
    if (actor.kind === 'representative') {
      requireEndable(permission, actor.appointment);
      // New keys come of the patient's root; the next login of the patient makes them.
      if (renewal.categoryKeysRoot !== undefined) throw new ChaincodeError('beyond_appointment');
    }
    return endPermission(call, permission, renewal);
  },
});

export const patientPermissions = defineQuery({
  name: 'patient.permissions',
  summary: 'A page of all permissions that the patient gave, under an earlier pseudonym too.',
  roles: ['patient', 'representative'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const own = actingForAny(actor, ['revoke', 'history']).pseudonym;
    const pseudonym = await ownOrEarlier(reader, own, named);
    const page = await reader.page(listCells.permissions(pseudonym), args);
    return { ...page, items: await asAppointed(reader, await permissionsOf(reader, page.items)) };
  },
});

export const permissionReceived = defineQuery({
  name: 'permission.received',
  summary: 'A page of all permissions that the clinician was given.',
  roles: clinicians,
  schema: z.strictObject(pageArgs),
  async run(args, { actor, reader }) {
    if (actor.kind !== 'identity') throw new ChaincodeError('role_denied');
    const page = await reader.page(listCells.grants(actor.identity.subject), args);
    const items = await asStanding(reader, await permissionsOf(reader, page.items));
    return { ...page, items };
  },
});

export const permissionGet = defineQuery({
  name: 'permission.get',
  summary: 'One permission, for the patient, whoever gave it, and the clinicians who hold it.',
  roles: ['patient', 'representative', ...clinicians],
  schema: z.strictObject({ permissionId: idField }),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  run: ({ permissionId }, call) => visiblePermission(call, permissionId),
});

export const permissionEarlier = defineQuery({
  name: 'permission.earlier',
  summary: 'A page of the terms that a permission had before it was narrowed or extended.',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({ permissionId: idField, ...pageArgs }),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run({ permissionId, ...page }, call) {
    await visiblePermission(call, permissionId);
    return call.reader.page(listCells.earlierTerms(permissionId), page);
  },
});

/** For the patient, the grantee, and the present members of a team that is the grantee. */
async function visiblePermission(
  { actor, reader }: QueryCall,
  permissionId: string,
): Promise<Permission> {
  const permission = await reader.get(cells.permission(permissionId));
  if (!permission || !(await isParty())) throw new ChaincodeError('unknown_permission');
  return (await asStanding(reader, [permission]))[0] as Permission;

  async function isParty(): Promise<boolean> {
    if (actor.kind === 'patient') return permission?.pseudonym === patientOf(actor).pseudonym;
    if (actor.kind === 'representative') return permission?.appointmentId === actor.appointment.id;
    const { subject } = actor.identity;
    if (permission?.granteeKind === 'person') return permission.grantee === subject;
    const teams = (await reader.get(cells.teamsOf(subject))) ?? [];
    return permission !== null && teams.includes(permission.grantee);
  }
}

/** The grantee, if its role can hold these rights. */
export async function grantableSubject(
  reader: Reader,
  grantee: string,
  rights: Permission['rights'],
): Promise<Subject> {
  const subject = await reader.get(cells.subject(grantee));
  if (!subject) throw new ChaincodeError('grantee_unknown');
  if (subject.status === 'revoked') throw new ChaincodeError('grantee_revoked');
  if (subject.status === 'suspended') throw new ChaincodeError('grantee_suspended');
  const allowed = rightsOfRole(subject.role);
  if (!rights.every((right) => allowed.includes(right))) {
    throw new ChaincodeError('right_not_for_role');
  }
  return subject;
}

/** Puts a permission at hand for its grantee; ended ones make room, the oldest first. */
async function hold({ draft, context }: TransactionCall, permission: Permission): Promise<void> {
  const { pseudonym, grantee, granteeKind, id } = permission;
  const cellOf = granteeKind === 'team' ? cells.teamHoldings : cells.holdings;
  const cell = cellOf(pseudonym, grantee);
  const held = await asAppointed(draft.reader, await heldAt(draft.reader, cell));
  if (held.length >= chaincodeBounds.holdingsMax) {
    const ended = held.findIndex((one) => one.revoked !== null || one.until <= context.time);
    if (ended < 0) throw new ChaincodeError('too_many_permissions');
    held.splice(ended, 1);
  }
  draft.put(cell, [...held.map((one) => one.id), id]);
}

/** A representative's grants stand on the appointment; a patient may name one. */
function standingOn({ actor }: TransactionCall, named: string | undefined): string | null {
  if (actor.kind !== 'representative') return named ?? null;
  if (named !== undefined && named !== actor.appointment.id) {
    throw new ChaincodeError('beyond_appointment');
  }
  return actor.appointment.id;
}

async function liveAppointment(
  { draft, context }: TransactionCall,
  pseudonym: string,
  permissionId: string,
) {
  const on = await appointmentOf(draft.reader, permissionId);
  const { permission } = on;
  if (permission.pseudonym !== pseudonym) throw new ChaincodeError('unknown_permission');
  if (permission.revoked !== null) throw new ChaincodeError('appointment_ended');
  if (permission.until <= context.time) throw new ChaincodeError('appointment_over');
  return on;
}

export async function permissionsOf(
  reader: Reader,
  entries: readonly { permissionId: string }[],
): Promise<Permission[]> {
  return present(
    reader,
    entries.map(({ permissionId }) => cells.permission(permissionId)),
  );
}
