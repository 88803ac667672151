/**
 * Care teams: a hospital says who is in them, their members make and hand on the key. The operator
 * never holds it, so that the hospital alone opens nothing (docs/keys.md).
 */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, distinct, idField, shareKeyText, subjectField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';
import { join, leave, openTeam, ownTeam, putTeam, teamPermit } from './team-parts.ts';
import { type Team, teamEpochField, teamNameField } from './team-values.ts';

const subjectsField = distinct(subjectField, 1, chaincodeBounds.teamMembersMax);
const versionField = z.int().min(1);

export const teamCreate = defineTransaction({
  name: 'team.create',
  summary: 'Makes a care team of clinicians of the operator’s hospital.',
  roles: ['operator'],
  schema: z.strictObject({ teamId: idField, name: teamNameField, members: subjectsField }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, name, members }, call) {
    const { draft, context } = call;
    const hospital = hospitalOf(call);
    if (await draft.get(cells.team(teamId))) throw new ChaincodeError('team_exists');
    const created = { time: context.time, height: context.height };
    const empty: Team = {
      ...{ id: teamId, name, hospital, created },
      ...{ members: [], epoch: 1, key: null, version: 0, closed: null },
    };
    const team = await join(call, empty, members);
    await draft.append(listCells.teams(hospital), { teamId });
    const put = await putTeam(call, team, [{ what: 'created', subjects: members }]);
    return teamPermit(draft.reader, put);
  },
});

export const teamChange = defineTransaction({
  name: 'team.change',
  summary: 'Lets clinicians into a team and others out; who left is refused from this block on.',
  roles: ['operator'],
  schema: z
    .strictObject({
      teamId: idField,
      /** As the operator last saw it. */
      version: versionField,
      add: subjectsField.optional(),
      remove: subjectsField.optional(),
    })
    .refine(({ add, remove }) => add !== undefined || remove !== undefined, 'add or remove')
    .refine(({ add = [], remove = [] }) => !add.some((one) => remove.includes(one)), 'not both'),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, version, add = [], remove = [] }, call) {
    const team = await hospitalTeam(call, teamId);
    if (team.version !== version) throw new ChaincodeError('team_changed');
    const changed = await join(call, await leave(call, team, remove), add);
    if (changed.members.length === 0) throw new ChaincodeError('team_too_large');
    const put = await putTeam(call, changed, [
      ...(remove.length > 0 ? [{ what: 'left', subjects: remove } as const] : []),
      ...(add.length > 0 ? [{ what: 'joined', subjects: add } as const] : []),
    ]);
    return teamPermit(call.draft.reader, put);
  },
});

export const teamClose = defineTransaction({
  name: 'team.close',
  summary: 'Ends a team: nobody holds anything through it from this block on.',
  roles: ['operator'],
  schema: z.strictObject({ teamId: idField }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId }, call) {
    const { context } = call;
    const team = await hospitalTeam(call, teamId);
    const subjects = team.members.map(({ subject }) => subject);
    const empty = await leave(call, team, subjects);
    const closed = { ...empty, closed: { time: context.time, height: context.height } };
    const put = await putTeam(call, closed, [{ what: 'closed', subjects }]);
    return teamPermit(call.draft.reader, put);
  },
});

const sealArgs = {
  teamId: idField,
  /** As the member last saw it. */
  version: versionField,
  epoch: teamEpochField,
  seals: z
    .array(z.strictObject({ subject: subjectField, digest: digestField }))
    .min(1)
    .max(chaincodeBounds.teamMembersMax)
    .refine((all) => new Set(all.map((one) => one.subject)).size === all.length, 'twice'),
} as const;

export const teamPublishKey = defineTransaction({
  name: 'team.publish-key',
  summary:
    'A member gives the team a new key, whose seed is sealed to the members who are named; the ' +
    'next epoch where the present one has a key.',
  roles: clinicians,
  schema: z.strictObject({
    ...sealArgs,
    /** Below the last one: after it nobody could leave any more. */
    epoch: teamEpochField.max(chaincodeBounds.teamEpochMax - 1),
    publicKey: shareKeyText,
  }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, version, epoch, publicKey, seals }, call) {
    const { subject } = identityOf(call.actor).identity;
    const { draft, context } = call;
    const team = await ownTeam(draft.reader, teamId, subject);
    if (team.version !== version) throw new ChaincodeError('team_changed');
    if (epoch !== team.epoch + (team.key === null ? 0 : 1)) {
      throw new ChaincodeError('team_key_superseded');
    }
    const made = { time: context.time, height: context.height };
    const key = { publicKey: fromBase64url(publicKey), maker: subject, made };
    const sealed = await sealTo(call, { ...team, epoch, key }, seals);
    const put = await putTeam(call, sealed, [{ what: 'key', subjects: [subject] }]);
    return { ...(await teamPermit(draft.reader, put)), seals: sealsOf(put, seals) };
  },
});

export const teamSeal = defineTransaction({
  name: 'team.seal',
  summary: 'A member hands the seeds of the team’s keys on to others who are in the team now.',
  roles: clinicians,
  schema: z.strictObject(sealArgs),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId, version, epoch, seals }, call) {
    const { subject } = identityOf(call.actor).identity;
    const team = await ownTeam(call.draft.reader, teamId, subject);
    if (team.version !== version) throw new ChaincodeError('team_changed');
    if (team.key === null) throw new ChaincodeError('team_without_key');
    if (team.epoch !== epoch) throw new ChaincodeError('team_key_superseded');
    const put = await putTeam(call, await sealTo(call, team, seals), []);
    for (const one of seals) await call.draft.notify({ subject: one.subject }, 'team.sealed');
    return { ...(await teamPermit(call.draft.reader, put)), seals: sealsOf(put, seals) };
  },
});

interface Seal {
  subject: string;
  digest: string;
}

/** The members with what was sealed to them, each to the key that is present now. */
async function sealTo({ draft }: TransactionCall, team: Team, seals: readonly Seal[]) {
  const members = [...team.members];
  for (const { subject, digest } of seals) {
    const at = members.findIndex((one) => one.subject === subject);
    const member = members[at];
    if (!member) throw new ChaincodeError('not_a_team_member');
    const person = await draft.get(cells.subject(subject));
    if (!person) throw new Error(`member ${subject} has no identity`);
    const seal = { kid: person.kid, digest, epoch: team.epoch, version: team.version + 1 };
    members[at] = { ...member, seal };
  }
  return { ...team, members };
}

function sealsOf({ members }: Team, seals: readonly Seal[]) {
  return members.flatMap(({ subject, seal }) =>
    seal && seals.some((one) => one.subject === subject)
      ? [{ subject, kid: seal.kid, digest: seal.digest }]
      : [],
  );
}

function hospitalOf({ actor }: TransactionCall): string {
  const { hospital } = identityOf(actor).identity;
  if (hospital === null) throw new ChaincodeError('other_hospital');
  return hospital;
}

async function hospitalTeam(call: TransactionCall, teamId: string): Promise<Team> {
  const team = await openTeam(call.draft.reader, teamId);
  if (team.hospital !== hospitalOf(call)) throw new ChaincodeError('other_hospital');
  return team;
}
