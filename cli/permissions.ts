/** Permissions of a patient as commands show them: who holds them, their terms, their uses. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import type { HistoryEntry, Permission } from '../lib/chaincode/values.ts';
import type { Patient } from '../sdk/patient.ts';
import { keepUp, type KeptUp } from '../sdk/permission-changes.ts';
import type { Resealed } from '../sdk/rekey.ts';
import { teamById } from '../sdk/teams.ts';
import type { CommandContext } from './context.ts';
import { shortId } from './output.ts';
import { byId, identitiesOf, personText } from './people.ts';
import { byCategory, categoryLines, type NamedTerms, openedBy, useLines } from './preview.ts';
import { recipientText } from './preview.ts';
import { certifiedJson } from './results.ts';
import { timeText } from './times.ts';

/** A permission with what a person needs to know of it. */
export interface KnownPermission {
  readonly permission: Permission;
  readonly terms: NamedTerms;
  /** Who holds it, in words. */
  readonly who: string;
}

/** The patient's own permission of this id, or its start. */
export async function findPermission(
  patient: Patient,
  wanted: string,
  signal: AbortSignal,
): Promise<KnownPermission> {
  const all = await patient.permissions({ signal });
  const permission = byId(all, wanted, {
    what: 'permission of yours',
    listedBy: 'carequorum grant --list',
  });
  const holders = await holdersOf(patient, [permission]);
  const who = holders.get(permission.grantee) ?? shortId(permission.grantee);
  return { permission, terms: namedTerms(patient, permission), who };
}

export function namedTerms(patient: Patient, permission: Permission): NamedTerms {
  const names = patient.categoryNames();
  const categories = permission.categories.map((tag) => names.get(tag) ?? shortId(tag));
  return { ...permission, categories };
}

/** People and teams by what a permission names them; unknown ones are left out. */
export async function holdersOf(
  patient: Patient,
  permissions: readonly Permission[],
): Promise<ReadonlyMap<string, string>> {
  const { session, signer } = patient;
  const texts = new Map<string, string>();
  const subjects = permissions.filter((one) => one.granteeKind === 'person');
  const people = await identitiesOf(
    session,
    signer,
    subjects.map((one) => one.grantee),
  );
  for (const [subject, identity] of people) texts.set(subject, personText(identity));
  for (const card of patient.data.representatives ?? []) {
    texts.set(thumbprint(fromBase64url(card.publicKey)), `${card.name} (representative)`);
  }
  const teams = permissions.filter((one) => one.granteeKind === 'team');
  for (const teamId of new Set(teams.map((one) => one.grantee))) {
    const team = await teamById(patient, teamId);
    texts.set(teamId, recipientText({ ...team, kind: 'team', role: 'team' }));
  }
  return texts;
}

/**
 * Care teams whose members changed are followed along with whatever else a patient signs; what the
 * patient has to decide is only told.
 */
export async function followTeams(
  context: CommandContext,
  patient: Patient,
): Promise<readonly Resealed[]> {
  const { renewed, undecided } = await context.work('Looking at your care teams', () =>
    keepUp(patient),
  );
  noteUndecided(context, undecided);
  return renewed;
}

/** Tells which teams the patient has to look at before they get keys. */
export function noteUndecided(context: CommandContext, undecided: KeptUp['undecided']): void {
  for (const name of new Set(undecided.map(({ team }) => team.name))) {
    context.note(
      `The care team ${name} has a new key that you have to look at: carequorum permission refresh`,
    );
  }
}

/** Accesses that a permission allowed, oldest first. */
export async function usesOf(
  patient: Patient,
  permissionId: string,
  signal: AbortSignal,
): Promise<HistoryEntry[]> {
  const history = await patient.history({ signal });
  return history.filter((one) => one.permissionId === permissionId && one.decision === 'permit');
}

/** When what was read by whom, with the names of records where a person looks. */
export async function usesText(
  context: CommandContext,
  patient: Patient,
  uses: readonly HistoryEntry[],
  isWatched: boolean,
): Promise<string[]> {
  const subjects = uses.flatMap(({ actor }) => (actor.subject === null ? [] : [actor.subject]));
  const people = await identitiesOf(patient.session, patient.signer, subjects);
  const ids = new Set(uses.map((one) => one.recordId));
  const records = (await patient.records()).filter((one) => ids.has(one.id));
  const known = await byCategory(context, patient, records, isWatched);
  const names = known
    .flatMap((one) => one.records)
    .flatMap(({ id, name }): [string, string][] => (name === null ? [] : [[id, name]]));
  return useLines(uses, people, new Map(names));
}

/** What opens under one set of terms and not under another, as lines below a heading. */
export async function differenceLines(
  context: CommandContext,
  patient: Patient,
  {
    more,
    less,
    isWatched,
  }: { more: NamedTerms | null; less: NamedTerms | null; isWatched: boolean },
): Promise<{ count: number; lines: string[]; records: readonly { id: string }[] }> {
  const records = await patient.records();
  const kept = new Set(openedBy(patient, records, less).map((one) => one.id));
  const changed = openedBy(patient, records, more).filter((one) => !kept.has(one.id));
  const opened = await byCategory(context, patient, changed, isWatched);
  return { count: changed.length, lines: categoryLines(opened), records: changed };
}

/** What a revocation or a narrowing says of accesses before it. */
export function afterReading(uses: readonly string[], usableUntil: number): string[] {
  return [
    ...(uses.length === 0
      ? ['Nothing was read with it.']
      : ['It cannot undo what was read before:', ...uses]),
    `An access that was allowed just before can still be used until ${timeText(usableUntil)}; none after.`,
  ];
}

export function resealedLines(
  resealed: readonly Resealed[],
  skipped: readonly Permission[] = [],
): string[] {
  return [
    ...resealed.map(
      ({ recipient, permission }) =>
        `${recipientText(recipient)} goes on with new keys: permission ${permission.id}.`,
    ),
    ...skipped.map(
      ({ id }) =>
        `Permission ${id} got no new keys: its holder cannot receive any now. Run ` +
        '`carequorum permission refresh` later, or revoke it.',
    ),
  ];
}

export function resealedJson(resealed: readonly Resealed[]): object[] {
  return resealed.map(({ permission, recipient, result }) => ({
    permissionId: permission.id,
    to: recipient.name,
    ...certifiedJson(result),
  }));
}
