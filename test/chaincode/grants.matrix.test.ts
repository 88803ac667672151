/** Every role × state of a grant × moment × attempt, and docs/authorisation.md, which shows it. */
import { readFile, writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { beforeAll, describe, expect, it } from 'vitest';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { roles, type Role } from '../../lib/chaincode/roles.ts';
import { clinicians, expected } from './authorisation.ts';
import {
  type Attempt,
  attempts,
  canHold,
  expectedOf,
  expectedOfTeam,
  type GrantCase,
  grantCases,
  type GrantedRight,
  moments,
  plainCases,
  plainTeamCases,
  standings,
  type TeamCase,
  teamCases,
  teamTitleOf,
  titleOf,
} from './grants.ts';
import {
  type Acting,
  grantArgs,
  id16,
  MONTH,
  OTHER_TAG,
  type PatientKeys,
  type Person,
  recordArgs,
  studyArgs,
  TAG,
  text32,
  valueOf,
  World,
} from './world.ts';

const names = Object.keys(attempts) as Attempt[];
const recordId = id16('the record');
const permissionId = id16('the grant');
const studyId = 'the-study';
const FROM_MS = 1_000_000;
const LENGTH_MS = 1_000_000;

let base: World;
let patient: PatientKeys;
const people = new Map<Role, Person>();
let lead: Person;

beforeAll(async () => {
  base = await World.make();
  patient = await base.patient('alice');
  for (const role of clinicians) people.set(role, await base.registered(role as 'doctor'));
  lead = await base.registered('doctor');
  const uploader = await base.registered('doctor');
  const lets = grantArgs(base, uploader, { rights: ['write'] });
  valueOf(await base.submit(patient, 'permission.grant', lets));
  const record = recordArgs(patient, { recordId });
  valueOf(await base.submit(uploader, 'record.register', record));
  const stored = { recordId, objectDigest: text32('digest') };
  valueOf(await base.submit(base.custodian, 'record.stored', stored));
  await studyOpens();
});

/** A study that three hospitals opened and the patient joined. */
async function studyOpens(): Promise<void> {
  const researcher = await base.registered('researcher');
  const coordinator = await base.registered('coordinator', { hospital: 1 });
  valueOf(await base.submit(researcher, 'study.register', studyArgs(coordinator, { studyId })));
  for (const at of [0, 1, 2]) {
    const approval = { studyId, ethicsDigest: text32('ethics') };
    valueOf(await base.submit(base.operator(at), 'study.approve', approval));
  }
  const joins = { studyId, commitment: text32('participant') };
  valueOf(await base.submit(patient, 'study.join', joins));
}

/** What a grant to share says besides. */
const sharing = (rights: readonly GrantedRight[]) =>
  rights.includes('share') ? { purposes: ['TREAT', 'RESCH'], study: studyId, anonymise: true } : {};

/** The world in which the grant was given, at the moment of the attempt. */
async function worldOf(role: Role, given: GrantCase): Promise<World> {
  const world = base.fork();
  const from = base.time + FROM_MS;
  const until = from + LENGTH_MS;
  if (given.rights !== null) {
    const months: Readonly<Record<string, string>> = {
      open: {},
      covered: { dataFrom: MONTH, dataUntil: MONTH },
      earlier: { dataUntil: '2025-10' },
    }[given.months];
    const categories = [given.category === 'same' ? TAG : OTHER_TAG];
    const rights = [...given.rights];
    const times = { from, until, ...months };
    const terms = { permissionId, rights, categories, ...times, ...sharing(rights) };
    const args = grantArgs(world, people.get(role)!, terms);
    valueOf(await world.submit(patient, 'permission.grant', args));
    if (given.isRevoked)
      valueOf(await world.submit(patient, 'permission.revoke', { permissionId }));
  }
  const at = { before: from - 1, start: from, inside: from + 1, last: until - 1, end: until };
  world.time = at[given.moment];
  return world;
}

/** `permit`, or the code or reason of the refusal. */
async function tried(world: World, who: Person, attempt: Attempt): Promise<string> {
  const { pseudonym } = patient;
  try {
    switch (attempt) {
      case 'read':
        return await judged(world, who, 'access.request', { recordId, purpose: 'TREAT' });
      case 'read for payment':
        return await judged(world, who, 'access.request', { recordId, purpose: 'HPAYMT' });
      case 'list':
        return await judged(world, who, 'access.list', { pseudonym, purpose: 'TREAT' });
      case 'write':
        return await judged(world, who, 'record.register', recordArgs(patient));
      case 'release':
        return await judged(world, who, 'release.submit', {
          ...{ releaseId: id16('a release'), studyId, recordId },
          ...{ rowCommitment: text32('row'), rowDigest: text32('row') },
          payloadDigest: text32('payload'),
        });
      case 'look up':
        await world.ask(who, 'record.get', { recordId });
        return 'permit';
      case 'keys':
        await world.ask(who, 'patient.get', { pseudonym, categories: [TAG] });
        return 'permit';
    }
  } catch (error) {
    if (error instanceof ChaincodeError) return error.code;
    throw error;
  }
}

async function judged(world: World, who: Person, fn: string, args: object): Promise<string> {
  const done = await world.submit(who, fn, args as Parameters<World['submit']>[2]);
  if (done.status === 'INVALID') return done.code;
  const { decision, reason } = done.value as { decision?: string; reason?: string };
  return decision === 'deny' ? (reason ?? '') : 'permit';
}

/** A role cannot be given what it may not hold: the grant itself is refused. */
const holds = (role: Role, { rights }: GrantCase): boolean =>
  (rights ?? []).every((right) => canHold(role, right));

describe.each(clinicians)('grants × moments × attempts: %s', (role) => {
  const cases = grantCases().filter((one) => holds(role, one));
  it.each(cases.map((one) => [titleOf(one), one] as const))('%s', async (_, given) => {
    const world = await worldOf(role, given);
    const found: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const attempt of names) {
      found[attempt] = await tried(world.fork(), people.get(role)!, attempt);
      wanted[attempt] = expectedOf(attempt, role, given);
    }
    expect(found).toEqual(wanted);
  });
});

const teamId = id16('the team');

/** A team with a key, a grant to it, and then what became of team and person. */
async function teamWorldOf(role: Role, given: TeamCase): Promise<World> {
  const world = base.fork();
  const [operator, who] = [world.operator(), people.get(role)!];
  const isInAtFirst = given.standing !== 'newcomer' && given.standing !== 'stranger';
  const members = [lead.subject, ...(isInAtFirst ? [who.subject] : [])];
  const run = async (by: Acting, fn: string, args: object): Promise<void> => {
    valueOf(await world.submit(by, fn, args as Parameters<World['submit']>[2]));
  };
  await run(operator, 'team.create', { teamId, name: 'Ward 7', members });
  const seals = [{ subject: lead.subject, digest: text32('seal') }];
  const key = { teamId, version: 1, epoch: 1, publicKey: 'A'.repeat(1622), seals };
  await run(lead, 'team.publish-key', key);
  const from = base.time + FROM_MS;
  const until = from + LENGTH_MS;
  const rights = [...given.rights];
  const terms = { permissionId, rights, from, until, ...sharing(rights) };
  const { grantee, ...args } = grantArgs(world, who, terms);
  expect(grantee).toBe(who.subject);
  await run(patient, 'permission.grant', { ...args, team: teamId, teamEpoch: 1 });
  const change = { teamId, version: 2 };
  if (given.standing === 'newcomer') {
    await run(operator, 'team.change', { ...change, add: [who.subject] });
  }
  if (given.standing === 'former') {
    await run(operator, 'team.change', { ...change, remove: [who.subject] });
  }
  if (given.standing === 'closed') await run(operator, 'team.close', { teamId });
  if (given.isRevoked) await run(patient, 'permission.revoke', { permissionId });
  world.time = { before: from - 1, start: from, inside: from + 1, last: until - 1, end: until }[
    given.moment
  ];
  return world;
}

describe.each(clinicians)('grants to a care team × standing × moments × attempts: %s', (role) => {
  it.each(teamCases().map((one) => [teamTitleOf(one), one] as const))('%s', async (_, given) => {
    const world = await teamWorldOf(role, given);
    const found: Record<string, string> = {};
    const wanted: Record<string, string> = {};
    for (const attempt of names) {
      found[attempt] = await tried(world.fork(), people.get(role)!, attempt);
      wanted[attempt] = expectedOfTeam(attempt, role, given);
    }
    expect(found).toEqual(wanted);
  });
});

it.each<[Role, GrantedRight[]]>([
  ['pharmacist', ['read', 'write']],
  ['pharmacist', ['read', 'share']],
  ['nurse', ['read', 'share']],
])('a %s cannot be granted %s', async (role, rights) => {
  const args = grantArgs(base, people.get(role)!, { rights, ...sharing(rights) });
  expect(await base.fork().submit(patient, 'permission.grant', args)).toMatchObject({
    code: 'right_not_for_role',
  });
});

it('docs/authorisation.md shows these tables (UPDATE_DOCS=1 writes it anew)', async () => {
  const file = new URL('../../docs/authorisation.md', import.meta.url);
  const wanted = await format(document(), { parser: 'markdown', printWidth: 100 });
  if (process.env['UPDATE_DOCS']) await writeFile(file, wanted);
  expect(await readFile(file, 'utf8')).toBe(wanted);
});

function document(): string {
  const head = (cells: readonly string[]): string =>
    `| ${cells.join(' | ')} |\n|${cells.map(() => '---').join('|')}|\n`;
  const shown = roles.filter((role) => Object.values(expected).some((one) => one.includes(role)));
  const functions = Object.entries(expected)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([fn, may]) =>
        `| \`${fn}\` | ${shown.map((r) => (may.includes(r) ? '●' : '')).join(' | ')} |`,
    );
  const grants = plainCases().map((one) => {
    const cells = names.map((attempt) => expectedOf(attempt, 'doctor', one));
    return `| ${titleOf(one)} | ${cells.map((cell) => (cell === 'permit' ? '**permit**' : `\`${cell}\``)).join(' | ')} |`;
  });
  const teams = plainTeamCases().map((one) => {
    const cells = names.map((attempt) => expectedOfTeam(attempt, 'doctor', one));
    return `| ${teamTitleOf(one)} | ${cells.map((cell) => (cell === 'permit' ? '**permit**' : `\`${cell}\``)).join(' | ')} |`;
  });
  return `# Who may do what

Written by \`test/chaincode/grants.matrix.test.ts\` from the expectations in \`test/chaincode/authorisation.ts\`
and \`grants.ts\`, which people wrote apart from the chaincode. The tests run **every** function with every
role, every function with a revoked identity of each role, and every combination of rights, category, months, revocation and moment
(${grantCases().length} states of a grant × ${names.length} attempts × ${clinicians.length} roles); what is shown here is what they demand.

## Functions and roles

● may call it; everybody else is refused with \`role_denied\`. What a call then does is limited further:
a patient acts on what is the patient's own, a representative within the appointment, a clinician within a grant (below), an operator within the own hospital.

${head(['function', ...shown])}${functions.join('\n')}

## Grants

A doctor holds a grant of a patient, and tries these on a record of a category with data of a month:

${names.map((one) => `- **${one}**: ${attempts[one]}`).join('\n')}

The moment is one of: ${Object.values(moments).join('; ')}. A grant to share names a study, which the patient
joined. A nurse is judged alike, but cannot be granted \`share\`; a pharmacist can be granted \`read\` alone: what a
role cannot hold is refused with \`role_denied\`. Each row differs from an open grant in one thing.

${head(['the grant', ...names])}${grants.join('\n')}

## Grants to a care team

The grant is to a team of a hospital; a doctor tries the same as above. What counts is who is in the team at
that moment: ${Object.values(standings).join('; ')}. Through a team nobody holds more than the own role can hold: a
pharmacist in a team that may write is refused, and so is a nurse in one that may share. The tests run ${teamCases().length} states with every role and attempt.

${head(['the doctor, and the grant', ...names])}${teams.join('\n')}
`;
}
