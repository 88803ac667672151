/** Care teams: who is let in by whom, what that permits, and what it does not. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { cells } from '../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../lib/chaincode/bounds.ts';
import { decide, heldBy, objectionOf } from '../../lib/chaincode/decision.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { renewalSigningBytes } from '../../lib/chaincode/identity.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { rightsOfRole } from '../../lib/chaincode/roles.ts';
import { identitySchema, type Permission } from '../../lib/chaincode/values.ts';
import { decodeWith, encodeCbor } from '../../lib/wire/codec.ts';
import { limits } from '../../lib/limits.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  id16,
  MONTH,
  NETWORK,
  OTHER_TAG,
  outcome,
  type PatientKeys,
  type Person,
  recordArgs,
  TAG,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

type Args = SignedRequest['args'];
const teamId = id16('team');
const publicKey = 'A'.repeat(1622);
const recordId = id16('record');

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let lead: Person;
let nurse: Person;
let pharmacist: Person;
let newcomer: Person;
let foreigner: Person;

beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  lead = await base.registered('doctor');
  nurse = await base.registered('nurse');
  pharmacist = await base.registered('pharmacist');
  newcomer = await base.registered('doctor');
  foreigner = await base.registered('doctor', { hospital: 1 });
  const members = [lead.subject, nurse.subject, pharmacist.subject];
  const name = 'Radiation oncology';
  const made = await base.submit(base.operator(), 'team.create', { teamId, name, members });
  expect(valueOf(made)).toEqual({
    ...{ fn: 'team.create', teamId, hospital: 'hospital-a', version: 1, epoch: 1 },
    memberKids: [lead.kid, nurse.kid, pharmacist.kid],
  });
  await keyMade(base, lead, 1);
  const writer = await base.registered('doctor');
  const write = grantArgs(base, writer, { rights: ['write'] });
  await base.submit(alice, 'permission.grant', write);
  await base.submit(writer, 'record.register', recordArgs(alice, { recordId }));
  const stored = { recordId, objectDigest: text32('digest') };
  await base.submit(base.custodian, 'record.stored', stored);
});

interface TeamValue {
  version: number;
  epoch: number;
  key: { maker: string } | null;
  closed: object | null;
  members: { subject: string; kid: string; seal: { kid: string; epoch: number } | null }[];
}
const teamNow = (world: World): Promise<TeamValue> =>
  world.ask(lead, 'team.get', { teamId }) as unknown as Promise<TeamValue>;

async function keyMade(world: World, by: Person, epoch: number, to = [by]): Promise<string> {
  const { version } = await teamNow(world);
  const seals = to.map(({ subject }) => ({ subject, digest: text32(`seal ${subject}`) }));
  const args = { teamId, version, epoch, publicKey, seals };
  return outcome(await world.submit(by, 'team.publish-key', args));
}

async function changed(world: World, change: Args, by = world.operator()): Promise<string> {
  const { version } = await teamNow(world);
  return outcome(await world.submit(by, 'team.change', { teamId, version, ...change }));
}

function teamGrant(world: World, overrides: Args = {}): Args {
  const { grantee, ...rest } = grantArgs(world, lead);
  expect(grantee).toBe(lead.subject);
  return { ...rest, team: teamId, teamEpoch: 1, ...overrides };
}

async function granted(world: World, overrides: Args = {}): Promise<string> {
  const args = teamGrant(world, overrides);
  expect(outcome(await world.submit(alice, 'permission.grant', args))).toBe('COMMITTED');
  return args['permissionId'] as string;
}

const read = async (world: World, who: Person) =>
  valueOf(await world.submit(who, 'access.request', { recordId, purpose: 'TREAT' }));

describe('team.create', () => {
  const fn = 'team.create';
  const args = () => ({ teamId: id16('other'), name: 'Ward 7', members: [lead.subject] });
  it.each<[string, () => Args, string]>([
    ['a nurse alone', () => ({ members: [nurse.subject] }), 'COMMITTED'],
    ['an id that is used', () => ({ teamId }), 'team_exists'],
    ['nobody', () => ({ members: [] }), 'bad_arguments'],
    [
      'a member of another hospital',
      () => ({ members: [foreigner.subject] }),
      'other_team_hospital',
    ],
    ['somebody unknown', () => ({ members: [id16('nobody')] }), 'member_unknown'],
    ['the operator', () => ({ members: ['operator-hospital-a'] }), 'member_unknown'],
    ['a name that turns text round', () => ({ name: 'Ward \u202e7' }), 'bad_arguments'],
    ['a name of two lines', () => ({ name: 'Ward\n7' }), 'bad_arguments'],
    ['an empty name', () => ({ name: ' ' }), 'bad_arguments'],
    // A script that runtimes know since different versions: all validators have to say the same.
    ['a name of a young script', () => ({ name: '\u{1e900}\u{1e901}' }), 'bad_arguments'],
    ['a Greek name', () => ({ name: 'Κλινική 7' }), 'COMMITTED'],
    ['a Japanese name', () => ({ name: '放射線科' }), 'COMMITTED'],
    ['a name with an accent', () => ({ name: 'Équipe d’oncologie' }), 'bad_arguments'],
    ['a name of another script', () => ({ name: "Équipe d'oncologie (7)" }), 'COMMITTED'],
  ])('%s', async (_what, overrides, expected) => {
    const world = base.fork();
    const done = await world.submit(world.operator(), fn, { ...args(), ...overrides() });
    expect(outcome(done)).toBe(expected);
  });

  it('lists the teams of a hospital, and tells the members', async () => {
    const world = base.fork();
    await world.submit(world.operator(), fn, args());
    const hospital = 'hospital-a';
    expect(await world.ask(bob, 'team.list', { hospital })).toMatchObject({
      count: 2,
      items: [
        { id: teamId, members: 3, hasKey: true },
        { name: 'Ward 7', hasKey: false },
      ],
    });
    expect((await topicsOf(world, lead)).at(-1)).toBe('team.joined');
    const mine = (await world.ask(lead, 'team.mine')) as unknown as { teams: { id: string }[] };
    expect(mine.teams.map((one) => one.id)).toEqual([teamId, id16('other')]);
  });

  it('keeps a person in eight teams at most', async () => {
    const world = base.fork();
    const outcomes = [];
    for (let at = 0; at < chaincodeBounds.teamsOfSubjectMax; at += 1) {
      const made = { ...args(), teamId: id16(`team ${at}`) };
      outcomes.push(outcome(await world.submit(world.operator(), fn, made)));
    }
    expect(outcomes.at(-2)).toBe('COMMITTED');
    expect(outcomes.at(-1)).toBe('too_many_teams');
  });
});

describe('team.change', () => {
  it.each<[string, () => Args, string]>([
    ['lets somebody in', () => ({ add: [newcomer.subject] }), 'COMMITTED'],
    ['lets somebody out', () => ({ remove: [nurse.subject] }), 'COMMITTED'],
    ['does nothing', () => ({}), 'bad_arguments'],
    ['both of one', () => ({ add: [nurse.subject], remove: [nurse.subject] }), 'bad_arguments'],
    ['one who is in', () => ({ add: [nurse.subject] }), 'already_member'],
    ['one who is not in', () => ({ remove: [newcomer.subject] }), 'not_a_team_member'],
    ['one of another hospital', () => ({ add: [foreigner.subject] }), 'other_team_hospital'],
    [
      'all',
      () => ({ remove: [lead.subject, nurse.subject, pharmacist.subject] }),
      'team_too_large',
    ],
    ['an older version', () => ({ version: 1, add: [newcomer.subject] }), 'team_changed'],
  ])('%s', async (_what, change, expected) => {
    expect(await changed(base.fork(), change())).toBe(expected);
  });

  it('is refused to the operator of another hospital', async () => {
    const world = base.fork();
    const add = { add: [newcomer.subject] };
    expect(await changed(world, add, world.operator(1))).toBe('other_hospital');
    expect(await changed(world, { remove: [nurse.subject] }, world.operator(1))).toBe(
      'other_hospital',
    );
    expect(outcome(await world.submit(world.operator(1), 'team.close', { teamId }))).toBe(
      'other_hospital',
    );
  });

  it('ends the key when somebody leaves, and keeps it when somebody joins', async () => {
    const world = base.fork();
    await changed(world, { add: [newcomer.subject] });
    expect(await teamNow(world)).toMatchObject({ epoch: 1, key: { maker: lead.subject } });
    await changed(world, { remove: [nurse.subject] });
    expect(await teamNow(world)).toMatchObject({ epoch: 2, key: null });
    const grant = () => world.submit(alice, 'permission.grant', teamGrant(world, { teamEpoch: 2 }));
    expect(outcome(await grant())).toBe('team_without_key');
    expect((await topicsOf(world, lead)).at(-1)).toBe('team.key-wanted');
    expect((await topicsOf(world, nurse)).at(-1)).toBe('team.left');
    expect(await keyMade(world, nurse, 2)).toBe('not_a_team_member');
    expect(await keyMade(world, lead, 1)).toBe('team_key_superseded');
    expect(await keyMade(world, lead, 3)).toBe('team_key_superseded');
    expect(await keyMade(world, lead, 2, [lead, nurse])).toBe('not_a_team_member');
    expect(await keyMade(world, lead, 2, [lead, newcomer])).toBe('COMMITTED');
    expect(outcome(await grant())).toBe('COMMITTED');
    expect(outcome(await world.submit(alice, 'permission.grant', teamGrant(world)))).toBe(
      'team_key_superseded',
    );
  });

  it('is in a log that is complete', async () => {
    const world = base.fork();
    await changed(world, { add: [newcomer.subject], remove: [nurse.subject] });
    await keyMade(world, newcomer, 2);
    const log = (await world.ask(bob, 'team.log', { teamId })) as unknown as {
      items: { what: string; subjects: string[]; epoch: number }[];
    };
    expect(log.items.map(({ what, subjects, epoch }) => [what, subjects, epoch])).toEqual([
      ['created', [lead.subject, nurse.subject, pharmacist.subject], 1],
      ['key', [lead.subject], 1],
      ['left', [nurse.subject], 2],
      ['joined', [newcomer.subject], 2],
      ['key', [newcomer.subject], 2],
    ]);
  });
});

describe('team.seal', () => {
  const seals = () => [{ subject: nurse.subject, digest: text32('seal') }];
  it('hands the key on to members alone, by members alone', async () => {
    const world = base.fork();
    const args = async () => ({
      ...{ teamId, version: (await teamNow(world)).version, epoch: 1, seals: seals() },
    });
    for (const who of [newcomer, foreigner]) {
      expect(outcome(await world.submit(who, 'team.seal', await args()))).toBe('not_a_team_member');
    }
    const toStranger = [{ subject: newcomer.subject, digest: text32('seal') }];
    const stranger = { ...(await args()), seals: toStranger };
    expect(outcome(await world.submit(lead, 'team.seal', stranger))).toBe('not_a_team_member');
    const value = valueOf(await world.submit(lead, 'team.seal', await args()));
    expect(value['seals']).toEqual([{ ...seals()[0], kid: nurse.kid }]);
    expect(value['memberKids']).toContain(nurse.kid);
    const { members } = await teamNow(world);
    expect(members[1]).toMatchObject({ seal: { kid: nurse.kid, epoch: 1 }, kid: nurse.kid });
    const stale = { ...(await args()), version: 1 };
    expect(outcome(await world.submit(lead, 'team.seal', stale))).toBe('team_changed');
    const other = { ...(await args()), epoch: 2 };
    expect(outcome(await world.submit(lead, 'team.seal', other))).toBe('team_key_superseded');
  });
});

describe('keys that count', () => {
  async function renewed(world: World, person: Person): Promise<Person> {
    const { subject, hospital, kid: previousKid } = person;
    const next = await world.clinician('doctor', { subject, hospital });
    const { publicKey } = next.key;
    const signed = renewalSigningBytes({ network: NETWORK, previousKid, publicKey });
    const previousSignature = toBase64url(await person.key.sign(signed));
    const args = { certificate: next.certificate, previousKid, previousSignature };
    valueOf(await world.submit(world.operator(), 'identity.renew', args));
    return next;
  }

  const permit = async (world: World) =>
    valueOf(await world.submit(world.hospital(), 'copy.team', { teamId }));

  it('are present ones, and of before while a member has only renewed: the seal stays good', async () => {
    const world = base.fork();
    const seal = { kid: lead.kid, digest: text32(`seal ${lead.subject}`) };
    let person = lead;
    for (let time = 0; time < chaincodeBounds.sealRenewalsMax; time += 1) {
      person = await renewed(world, person);
    }
    const { memberKids, seals } = await permit(world);
    expect(seals).toEqual([seal]);
    expect(memberKids).toEqual([person.kid, nurse.kid, pharmacist.kid, lead.kid]);
    // Whatever else happens to the team, the custodian keeps it.
    const { version } = await teamNow(world);
    const change = { teamId, version, add: [newcomer.subject] };
    const value = valueOf(await world.submit(world.operator(), 'team.change', change));
    expect(value['memberKids']).toContain(lead.kid);
    await renewed(world, person);
    expect((await permit(world))['seals']).toEqual([]);
  });

  it('are not those of a device that was lost, once another key took its place', async () => {
    const world = base.fork();
    const { subject } = lead;
    const { certificate } = await world.clinician('doctor', { subject });
    const asked = { certificate, reason: 'device-lost' };
    valueOf(await world.submit(world.operator(), 'identity.reenrol', asked));
    valueOf(await world.submit(world.operator(1), 'identity.approve-reenrolment', { subject }));
    world.time += world.parameters.recoveryDelayMs;
    valueOf(await world.submit(world.operator(), 'identity.finish-reenrolment', { subject }));
    const { memberKids, seals } = await permit(world);
    expect(seals).toEqual([]);
    expect(memberKids).not.toContain(lead.kid);
  });
});

describe('copy.team', () => {
  const ask = (world: World, who: Acting, id = teamId) =>
    world.submit(who, 'copy.team', { teamId: id });

  it('is for the team’s hospital, names its read key, and what the custodian may give', async () => {
    const world = base.fork();
    const { time, parameters } = world;
    const value = valueOf(await ask(world, world.hospital()));
    expect(value).toEqual({
      ...{ fn: 'copy.team', teamId, hospital: 'hospital-a', version: 2, epoch: 1 },
      memberKids: [lead.kid, nurse.kid, pharmacist.kid],
      seals: [{ kid: lead.kid, digest: text32(`seal ${lead.subject}`) }],
      readerKid: (world.hospital() as { kid: string }).kid,
      usableUntil: time + parameters.receiptUsableMs,
    });
  });

  it('is refused to others, of no team, and of one that is closed', async () => {
    const world = base.fork();
    expect(outcome(await ask(world, world.hospital(1)))).toBe('other_hospital');
    for (const who of [lead, alice, world.operator(), world.custodian, world.validator()]) {
      expect(outcome(await ask(world, who))).toBe('role_denied');
    }
    expect(outcome(await ask(world, world.hospital(), id16('no team')))).toBe('unknown_team');
    valueOf(await world.submit(world.operator(), 'team.close', { teamId }));
    expect(outcome(await ask(world, world.hospital()))).toBe('team_closed');
  });
});

describe('a permission for a team', () => {
  it('permits each member, and names person and team', async () => {
    const world = base.fork();
    const permissionId = await granted(world);
    for (const who of [lead, nurse, pharmacist]) {
      const value = await read(world, who);
      expect(value).toMatchObject({ decision: 'permit', permissionId, team: teamId });
      expect(value['readerKid']).toBe(who.kid);
    }
    const listed = { pseudonym: alice.pseudonym, purpose: 'TREAT' };
    expect(valueOf(await world.submit(nurse, 'access.list', listed))).toMatchObject({
      ...{ decision: 'permit', permissionId, team: teamId, tags: [TAG] },
    });
    const { items } = (await world.ask(alice, 'history.list')) as unknown as {
      items: { fn: string; team: string; actor: { subject: string } }[];
    };
    expect(items.at(-1)).toMatchObject({ fn: 'access.list', team: teamId, permissionId });
    expect(items.at(-1)?.actor.subject).toBe(nurse.subject);
    for (const who of [newcomer, foreigner]) {
      expect(await read(world, who)).toMatchObject({ decision: 'deny', reason: 'no_permission' });
    }
  });

  it('gives nobody a right that the person’s role cannot hold', async () => {
    const world = base.fork();
    await granted(world, { rights: ['read', 'write', 'share'], study: 's', anonymise: true });
    const held = async (who: Person) =>
      (await heldBy(readerOf(world), alice.pseudonym, who.subject)).flatMap((one) => one.rights);
    expect(await held(lead)).toEqual(['read', 'write', 'share']);
    expect(await held(nurse)).toEqual(['read', 'write']);
    expect(await held(pharmacist)).toEqual(['read']);
    const register = (who: Person) => world.submit(who, 'record.register', recordArgs(alice));
    expect(outcome(await register(nurse))).toBe('COMMITTED');
    expect(outcome(await register(pharmacist))).toBe('role_denied');
  });

  it('denies a leaver at once, in the same block, and anew after a new key', async () => {
    const world = base.fork();
    await granted(world);
    expect(await read(world, nurse)).toMatchObject({ decision: 'permit' });
    await changed(world, { remove: [nurse.subject] });
    const denied = { decision: 'deny', reason: 'no_permission' };
    expect(await read(world, nurse)).toMatchObject(denied);
    const write = await world.submit(nurse, 'record.register', recordArgs(alice));
    expect(outcome(write)).toBe('no_permission');
    await keyMade(world, lead, 2);
    expect(await read(world, nurse)).toMatchObject(denied);
    expect(await read(world, lead)).toMatchObject({ decision: 'permit' });
    await expect(world.ask(nurse, 'team.permissions', { teamId })).rejects.toMatchObject({
      code: 'not_a_team_member',
    });
    for (const fn of ['permission.get', 'permission.earlier']) {
      const { items } = (await world.ask(lead, 'team.permissions', { teamId })) as unknown as {
        items: { id: string }[];
      };
      const args = { permissionId: items[0]!.id };
      expect(await world.ask(lead, fn, args)).toBeDefined();
      await expect(world.ask(nurse, fn, args)).rejects.toMatchObject({
        code: 'unknown_permission',
      });
    }
  });

  it('ends for a revoked clinician, whose team then needs a new key', async () => {
    const world = base.fork();
    await granted(world);
    await world.submit(world.operator(), 'identity.revoke', { kid: nurse.kid, reason: 'other' });
    const asked = { recordId, purpose: 'TREAT' };
    expect(outcome(await world.submit(nurse, 'access.request', asked))).toBe('identity_revoked');
    const team = await teamNow(world);
    expect(team).toMatchObject({ epoch: 2, key: null });
    expect(team.members.map((one) => one.subject)).toEqual([lead.subject, pharmacist.subject]);
    expect(await changed(world, { add: [nurse.subject] })).toBe('member_unknown');
  });

  it('goes on for a member whose key was renewed, who needs a new seal', async () => {
    const world = base.fork();
    await granted(world);
    const cell = cells.identity(nurse.kid);
    const identity = decodeWith(
      identitySchema,
      world.state.get(cell.key)!,
      limits.stateValueBytesMax,
    );
    const kid = text32('renewed');
    const drafted = { kid, role: identity.role, hospital: identity.hospital, status: 'active' };
    world.state.set(cells.identity(kid).key, encodeCbor(identity));
    world.state.set(cells.subject(nurse.subject).key, encodeCbor(drafted));
    expect(await read(world, { ...nurse, kid })).toMatchObject({ decision: 'permit' });
    expect((await teamNow(world)).members[1]).toMatchObject({ kid });
  });

  it('ends with the team', async () => {
    const world = base.fork();
    const permissionId = await granted(world);
    expect(outcome(await world.submit(world.operator(), 'team.close', { teamId }))).toBe(
      'COMMITTED',
    );
    for (const who of [lead, nurse, pharmacist]) {
      expect(await read(world, who)).toMatchObject({ decision: 'deny', reason: 'no_permission' });
    }
    expect(await changed(world, { add: [newcomer.subject] })).toBe('team_closed');
    expect(await keyMade(world, lead, 2)).toBe('team_closed');
    const again = await world.submit(alice, 'permission.grant', teamGrant(world));
    expect(outcome(again)).toBe('team_closed');
    const end = await world.submit(alice, 'permission.revoke', { permissionId });
    expect(outcome(end)).toBe('COMMITTED');
    await expect(world.ask(lead, 'team.permissions', { teamId })).rejects.toMatchObject({
      code: 'team_closed',
    });
  });

  it('is narrowed, extended, resealed and revoked as one for a person', async () => {
    const world = base.fork();
    const permissionId = await granted(world, { categories: [TAG, OTHER_TAG] });
    const share = { shareDigest: text32('share 2') };
    const fewer = { permissionId, version: 1, categories: [TAG] };
    const narrow = (args: Args) => world.submit(alice, 'permission.narrow', args);
    expect(outcome(await narrow({ ...fewer, ...share }))).toBe('bad_arguments');
    expect(outcome(await narrow({ ...fewer, ...share, teamEpoch: 2 }))).toBe('team_key_superseded');
    const value = valueOf(await narrow({ ...fewer, ...share, teamEpoch: 1 }));
    expect(value).toMatchObject({ ...share, team: teamId, granteeKid: null, version: 2 });
    const until = world.time + 90 * DAY;
    await world.submit(alice, 'permission.extend', { permissionId, version: 2, until });
    await changed(world, { remove: [nurse.subject] });
    await keyMade(world, lead, 2);
    const revisions = [{ categoryTag: TAG, from: MONTH, until: MONTH, revision: 1 }];
    const root = { categoryKeysRoot: text32('root 2'), categoryKeysFrom: MONTH };
    const anew = { permissionId, version: 3, ...share, teamEpoch: 2, revisions, ...root };
    const resealed = valueOf(await world.submit(alice, 'permission.reseal', anew));
    expect(resealed).toMatchObject({ team: teamId, version: 4, categoryKeysVersion: 2 });
    expect(await read(world, pharmacist)).toMatchObject({ decision: 'permit' });
    await world.submit(alice, 'permission.revoke', { permissionId });
    for (const who of [lead, pharmacist]) {
      expect(await read(world, who)).toMatchObject({
        decision: 'deny',
        reason: 'permission_revoked',
      });
    }
    expect((await topicsOf(world, pharmacist)).slice(-2)).toEqual([
      'permission.resealed',
      'permission.revoked',
    ]);
  });

  it.each<[string, Args, string]>([
    ['an unknown team', { team: id16('nobody') }, 'unknown_team'],
    ['another epoch', { teamEpoch: 2 }, 'team_key_superseded'],
    ['no epoch', { teamEpoch: undefined as unknown as number }, 'bad_arguments'],
    ['a person, too', { grantee: 'A'.repeat(22) }, 'bad_arguments'],
  ])('is refused with %s', async (_what, overrides, expected) => {
    const world = base.fork();
    const done = await world.submit(alice, 'permission.grant', teamGrant(world, overrides));
    expect(outcome(done)).toBe(expected);
  });

  it('is no permission for a person whose subject is the id of the team', async () => {
    const world = base.fork();
    await granted(world);
    const twin = await world.clinician('doctor', { subject: teamId });
    const { certificate } = twin;
    await world.submit(world.operator(), 'identity.register-clinician', { certificate });
    expect(await read(world, twin)).toMatchObject({ decision: 'deny', reason: 'no_permission' });
    expect(await world.ask(twin, 'permission.received')).toMatchObject({ count: 0 });
  });

  it('lists at most as many permissions at once as one grantee can hold', async () => {
    const world = base.fork();
    for (let at = 0; at < 16; at += 1) {
      const categories = Array.from({ length: 32 }, (_, index) => text32(`tag ${at} ${index}`));
      await granted(world, { categories, until: world.time + (20 + at) * DAY });
      const own = grantArgs(world, lead, { categories, until: world.time + (10 + at) * DAY });
      expect(outcome(await world.submit(alice, 'permission.grant', own))).toBe('COMMITTED');
    }
    const listed = { pseudonym: alice.pseudonym, purpose: 'TREAT' };
    const value = valueOf(await world.submit(lead, 'access.list', listed));
    expect(value['scopes']).toHaveLength(512);
    expect(value['decision']).toBe('permit');
  });
});

describe('decisions over teams', () => {
  const TAGS = [TAG, OTHER_TAG];
  const permission = fc.record({
    to: fc.constantFrom('lead', 'nurse', 'team'),
    rights: fc.constantFrom<Permission['rights']>(['read'], ['write'], ['read', 'write']),
    categories: fc.subarray(TAGS, { minLength: 1 }),
    from: fc.nat(3),
    length: fc.integer({ min: 1, max: 4 }),
    purposes: fc.subarray(['TREAT', 'RESCH'] as const, { minLength: 1 }),
    isRevoked: fc.boolean(),
  });

  it('are the union of what is given to the person and to the person’s teams', async () => {
    const people = () => ({ lead, nurse });
    await fc.assert(
      fc.asyncProperty(
        fc.array(permission, { maxLength: 5 }),
        fc.boolean(),
        fc.record({
          who: fc.constantFrom('lead' as const, 'nurse' as const),
          right: fc.constantFrom('read' as const, 'write' as const, 'share' as const),
          day: fc.nat(7),
          categoryTag: fc.constantFrom(...TAGS),
          purpose: fc.constantFrom('TREAT' as const, 'RESCH' as const),
        }),
        async (given, isNurseIn, { who, right, day, categoryTag, purpose }) => {
          const world = base.fork();
          const start = world.time;
          const all: (Permission & { to: string })[] = [];
          for (const { to, length, isRevoked, from, ...terms } of given) {
            const times = { from: start + from * DAY, until: start + (from + length) * DAY };
            const person = to === 'team' ? null : people()[to];
            const args = person
              ? grantArgs(world, person, { ...terms, ...times })
              : teamGrant(world, { ...terms, ...times });
            await world.submit(alice, 'permission.grant', args);
            const permissionId = args['permissionId'] as string;
            if (isRevoked) await world.submit(alice, 'permission.revoke', { permissionId });
            const value = await world.ask(alice, 'permission.get', { permissionId });
            all.push({ ...(value as unknown as Permission), to });
          }
          if (!isNurseIn) await changed(world, { remove: [nurse.subject] });
          const wanted = { right, time: start + day * DAY, categoryTag, purpose };
          const role = who === 'lead' ? 'doctor' : 'nurse';
          const isIn = who === 'lead' || isNurseIn;
          const expected = all.some(
            (one) =>
              (one.to === who || (one.to === 'team' && isIn)) &&
              rightsOfRole(role).includes(right) &&
              objectionOf(one, wanted) === null,
          );
          const held = await heldBy(readerOf(world), alice.pseudonym, people()[who].subject);
          expect(decide(held, wanted).decision === 'permit').toBe(expected);
        },
      ),
      { numRuns: 100 },
    );
  });
});
