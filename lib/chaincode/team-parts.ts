/** What changes of care teams have in common: who is in them, and what that does to their key. */
import { cells, listCells } from './cells.ts';
import { chaincodeBounds } from './bounds.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { PlainValue, TransactionCall } from './functions.ts';
import { clinicians } from './roles.ts';
import type { Team, TeamLogEntry, TeamMember } from './team-values.ts';

/** The team, unless it is closed. @throws ChaincodeError `unknown_team`, `team_closed` */
export async function openTeam(reader: Reader, teamId: string): Promise<Team> {
  const team = await reader.get(cells.team(teamId));
  if (!team) throw new ChaincodeError('unknown_team');
  if (team.closed !== null) throw new ChaincodeError('team_closed');
  return team;
}

/** The open team of a present member. @throws ChaincodeError `not_a_team_member` */
export async function ownTeam(reader: Reader, teamId: string, subject: string): Promise<Team> {
  const team = await openTeam(reader, teamId);
  if (!isMember(team, subject)) throw new ChaincodeError('not_a_team_member');
  return team;
}

export function isMember({ members }: Team, subject: string): boolean {
  return members.some((one) => one.subject === subject);
}

/** Lets active clinicians of the hospital in. They get no seal, and so no key, by this alone. */
export async function join(
  call: TransactionCall,
  team: Team,
  subjects: readonly string[],
): Promise<Team> {
  const { draft, context } = call;
  const since = { time: context.time, height: context.height };
  const joined: TeamMember[] = [];
  for (const subject of subjects) {
    if (isMember(team, subject)) throw new ChaincodeError('already_member');
    const person = await draft.get(cells.subject(subject));
    if (person?.status !== 'active' || !clinicians.includes(person.role)) {
      throw new ChaincodeError('member_unknown');
    }
    if (person.hospital !== team.hospital) throw new ChaincodeError('other_team_hospital');
    const teams = (await draft.get(cells.teamsOf(subject))) ?? [];
    if (teams.length >= chaincodeBounds.teamsOfSubjectMax) {
      throw new ChaincodeError('too_many_teams');
    }
    draft.put(cells.teamsOf(subject), [...teams, team.id]);
    await draft.notify({ subject }, 'team.joined');
    joined.push({ subject, since, seal: null });
  }
  const members = [...team.members, ...joined];
  if (members.length > chaincodeBounds.teamMembersMax) throw new ChaincodeError('team_too_large');
  return { ...team, members };
}

/** Lets members out: they hold nothing through the team from here on, and its key ends. */
export async function leave(
  call: TransactionCall,
  team: Team,
  subjects: readonly string[],
): Promise<Team> {
  const { draft } = call;
  if (subjects.length === 0) return team;
  for (const subject of subjects) {
    if (!isMember(team, subject)) throw new ChaincodeError('not_a_team_member');
    const teams = (await draft.get(cells.teamsOf(subject))) ?? [];
    const others = teams.filter((one) => one !== team.id);
    draft.put(cells.teamsOf(subject), others);
    await draft.notify({ subject }, 'team.left');
  }
  const members = team.members.filter(({ subject }) => !subjects.includes(subject));
  if (team.key !== null) {
    for (const { subject } of members) await draft.notify({ subject }, 'team.key-wanted');
  }
  return { ...team, members, key: null, epoch: team.epoch + (team.key === null ? 0 : 1) };
}

/** Writes the next version of a team. */
export async function putTeam(
  { draft, context }: TransactionCall,
  team: Team,
  entries: readonly Pick<TeamLogEntry, 'what' | 'subjects'>[],
): Promise<Team> {
  const { time, height } = context;
  const { epoch } = team;
  const next = { ...team, version: team.version + 1 };
  draft.put(cells.team(team.id), next);
  for (const entry of entries) {
    await draft.append(listCells.teamLog(team.id), { time, height, epoch, ...entry });
  }
  return next;
}

/**
 * What the custodian needs: which version this is, and whose seals it may keep. `counted` are the
 * seals of the members that are still good.
 */
export async function teamPermit(
  reader: Reader,
  team: Team,
  counted?: readonly CountedSeal[],
): Promise<{ [name: string]: PlainValue }> {
  const { id: teamId, hospital, version, epoch, members } = team;
  const people = await reader.many(members.map(({ subject }) => cells.subject(subject)));
  const present = people.map((one, at) => {
    if (!one) throw new Error(`member ${members[at]?.subject} has no identity`);
    return one.kid;
  });
  const seals = counted ?? (await countedSeals(reader, members));
  const sealed = seals.map(({ kid }) => kid);
  return { teamId, hospital, version, epoch, memberKids: [...new Set([...present, ...sealed])] };
}

/** What one member sealed to another, whose key counts. */
interface CountedSeal {
  readonly subject: string;
  readonly kid: string;
  readonly digest: string;
  /** Whether the member is at work: a device that was reported lost is given nothing. */
  readonly isActive: boolean;
}

/**
 * Seals that are still good: to a member's present key, or to one that the member renewed. Not to
 * one whose device was lost, so that another key took its place without it.
 */
export async function countedSeals(
  reader: Reader,
  members: readonly TeamMember[],
): Promise<CountedSeal[]> {
  const counted: CountedSeal[] = [];
  for (const { subject, seal } of members) {
    const person = await reader.get(cells.subject(subject));
    if (!seal || !person || !(await isRenewalOf(reader, person.kid, seal.kid))) continue;
    const { kid, digest } = seal;
    counted.push({ subject, kid, digest, isActive: person.status === 'active' });
  }
  return counted;
}

/** Whether a key is another one, or came from it by renewals alone. */
async function isRenewalOf(reader: Reader, present: string, earlier: string): Promise<boolean> {
  let kid = present;
  for (let step = 0; step <= chaincodeBounds.sealRenewalsMax; step += 1) {
    if (kid === earlier) return true;
    const origin = (await reader.get(cells.identity(kid)))?.origin;
    if (origin?.how !== 'renewed') return false;
    kid = origin.kid;
  }
  return false;
}

/** A person whose identity ended is in no team any more. */
export async function leaveTeams(call: TransactionCall, subject: string): Promise<void> {
  for (const teamId of (await call.draft.get(cells.teamsOf(subject))) ?? []) {
    const team = await openTeam(call.draft.reader, teamId);
    const left = await leave(call, team, [subject]);
    await putTeam(call, left, [{ what: 'left', subjects: [subject] }]);
  }
}
