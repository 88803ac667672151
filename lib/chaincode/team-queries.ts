/** Queries over care teams: who is in them is no secret, what they were given is. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { validatorIdField } from '../wire/fields.ts';
import { identityOf } from './actor.ts';
import { cells, listCells } from './cells.ts';
import { asAppointed } from './decision.ts';
import { present, type Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { idField } from './fields.ts';
import { defineQuery } from './functions.ts';
import { pageArgs } from './history.ts';
import { keys } from './keys.ts';
import { permissionsOf } from './permission.ts';
import { clinicians, everybody } from './roles.ts';
import { ownTeam } from './team-parts.ts';
import type { Team } from './team-values.ts';

export const teamGet = defineQuery({
  name: 'team.get',
  summary: 'A care team with its members and the key that patients seal to.',
  roles: [...everybody, 'representative'],
  schema: z.strictObject({ teamId: idField }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId }, { reader }) {
    const team = await reader.get(cells.team(teamId));
    if (!team) throw new ChaincodeError('unknown_team');
    return teamValue(reader, team);
  },
});

export const teamList = defineQuery({
  name: 'team.list',
  summary: 'A page of all teams of a hospital, closed ones too.',
  roles: [...everybody, 'representative'],
  schema: z.strictObject({ hospital: validatorIdField, ...pageArgs }),
  async run({ hospital, ...wanted }, { reader }) {
    const page = await reader.page(listCells.teams(hospital), wanted);
    const teams = await teamsAt(
      reader,
      page.items.map(({ teamId }) => teamId),
    );
    const items = teams.map(({ id, name, members, key, epoch, version, closed }) => {
      const count = { members: members.length, hasKey: key !== null };
      return { id, name, hospital, ...count, epoch, version, closed };
    });
    return { ...page, items };
  },
});

export const teamMine = defineQuery({
  name: 'team.mine',
  summary: 'The teams that the signer is in now.',
  roles: clinicians,
  schema: z.strictObject({}),
  async run(_args, { actor, reader }) {
    const ids = (await reader.get(cells.teamsOf(identityOf(actor).identity.subject))) ?? [];
    const teams = [];
    for (const team of await teamsAt(reader, ids)) teams.push(await teamValue(reader, team));
    return { teams };
  },
});

export const teamLog = defineQuery({
  name: 'team.log',
  summary: 'A page of what became of a team: who joined, who left, who made its keys.',
  roles: everybody,
  schema: z.strictObject({ teamId: idField, ...pageArgs }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, ...page }, { reader }) {
    if (!(await reader.get(cells.team(teamId)))) throw new ChaincodeError('unknown_team');
    return reader.page(listCells.teamLog(teamId), page);
  },
});

export const teamPermissions = defineQuery({
  name: 'team.permissions',
  summary: 'A page of all permissions that a team was given, for its present members.',
  roles: clinicians,
  schema: z.strictObject({ teamId: idField, ...pageArgs }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, ...wanted }, { actor, reader }) {
    await ownTeam(reader, teamId, identityOf(actor).identity.subject);
    const page = await reader.page(listCells.teamGrants(teamId), wanted);
    return { ...page, items: await asAppointed(reader, await permissionsOf(reader, page.items)) };
  },
});

async function teamsAt(reader: Reader, ids: readonly string[]): Promise<Team[]> {
  return present(
    reader,
    ids.map((id) => cells.team(id)),
  );
}

/** A team as plain data; each member with the key that it has now. */
async function teamValue(reader: Reader, { members, key, ...team }: Team) {
  const people = await reader.many(members.map(({ subject }) => cells.subject(subject)));
  return {
    ...team,
    members: members.map((member, at) => ({ ...member, kid: people[at]?.kid ?? null })),
    key: key && { ...key, publicKey: toBase64url(key.publicKey) },
  };
}
