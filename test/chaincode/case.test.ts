/** Cases: who opens one, who is in it, what is recorded in it, and how it ends. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { CaseWorld } from './case-world.ts';
import {
  type Acting,
  DAY,
  id16,
  outcome,
  type PatientKeys,
  type Person,
  registerArgs,
  text32,
  topicsOf,
  valueOf,
  World,
} from './world.ts';

type Args = SignedRequest['args'];
const publicKey = 'A'.repeat(1622);
const rule = {
  ...{ voters: 'doctors', quorumPercent: 50, majority: 'half', votingMs: 60_000 },
  otherwise: 'attending',
};

let main: World;
let alice: PatientKeys;
let bob: PatientKeys;
let ada: Person;
let bruno: Person;
let carla: Person;
let nora: Person;
let outsider: Person;
/** Ada attends; Bruno, Carla (both doctors) and Nora (a nurse) are in it, with key 2. */
let base: CaseWorld;

const consentId = id16('consent');
const consentArgs = (more: Args = {}): Args => ({
  ...{ consentId, attending: ada.subject, patientKey: publicKey, until: main.time + DAY },
  ...more,
});

async function opened(world: World): Promise<string> {
  await world.submit(alice, 'case.consent', consentArgs());
  const done = await world.submit(ada, 'case.open', { consentId, rule, tell: [bruno.subject] });
  return valueOf(done)['caseId'] as string;
}

interface Shown {
  version: number;
  generation: number;
  attending: string;
  key: object | null;
  members: { who: string; from: number; isActive: boolean; seal: object | null }[];
}
const shown = (world: CaseWorld, who: Acting = alice): Promise<Shown> =>
  world.ask(who, 'case.show') as unknown as Promise<Shown>;

/** Arguments of a new key for those named. */
async function keyArgs(world: CaseWorld, to: readonly string[], more: Args = {}): Promise<Args> {
  const { version, generation } = await shown(world);
  const seals = to.map((who) => ({ who, digest: text32(`seal ${who} ${version}`) }));
  return { version, generation: generation + 1, publicKey, seals, ...more };
}

const letIn = (people: readonly Person[], from = 2): Args => ({
  add: people.map(({ subject }) => ({ subject, from })),
  remove: [],
});

beforeAll(async () => {
  main = await World.make();
  alice = await main.patient('alice');
  bob = await main.patient('bob');
  ada = await main.registered('doctor');
  bruno = await main.registered('doctor');
  carla = await main.registered('doctor', { hospital: 1 });
  nora = await main.registered('nurse');
  outsider = await main.registered('doctor');
  base = new CaseWorld(main, await opened(main));
  const first = await base.submit(ada, 'case.rekey', await keyArgs(base, ['patient', ada.subject]));
  expect(valueOf(first)).toMatchObject({ generation: 1, maker: ada.subject, makerKid: ada.kid });
  const all = [ada, bruno, carla, nora];
  const to = ['patient', ...all.map(({ subject }) => subject)];
  const change = await keyArgs(base, to, letIn([bruno, carla, nora]));
  expect(outcome(await base.submit(ada, 'case.members', change))).toBe('COMMITTED');
});

const noteArgs = (name: string, more: Args = {}): Args => ({
  ...{ noteId: id16(name), generation: 2, digest: text32(name), size: 500, ...more },
});
const questionId = id16('question');
const asks = (more: Args = {}): Args => ({
  ...{ questionId, generation: 2, digest: text32('question'), size: 500, options: 2, ...more },
});

describe('on the main ledger', () => {
  const other = { consentId: id16('other') };
  it.each<[string, () => Args, string]>([
    ['in the past', () => ({ ...other, until: 1 }), 'consent_over'],
    ['for a nurse', () => ({ ...other, attending: nora.subject }), 'attending_unknown'],
    ['for nobody', () => ({ ...other, attending: id16('nobody') }), 'attending_unknown'],
    ['with a used id', () => ({}), 'consent_exists'],
    ['for a doctor', () => other, 'COMMITTED'],
  ])('takes a consent %s', async (_what, more, expected) => {
    const done = await main.fork().submit(alice, 'case.consent', consentArgs(more()));
    expect(outcome(done)).toBe(expected);
  });

  it('opens one case by one consent, by the doctor whom it names', async () => {
    const world = main.fork();
    const fresh = { consentId: id16('fresh') };
    const open = { ...fresh, rule, tell: [] };
    expect(outcome(await world.submit(ada, 'case.open', open))).toBe('unknown_consent');
    await world.submit(alice, 'case.consent', consentArgs(fresh));
    expect(outcome(await world.submit(bruno, 'case.open', open))).toBe('unknown_consent');
    expect(outcome(await world.submit(ada, 'case.open', open))).toBe('COMMITTED');
    expect(outcome(await world.submit(ada, 'case.open', open))).toBe('consent_over');
    expect((await topicsOf(world, alice)).at(-1)).toBe('case.opened');
    expect(await topicsOf(world, ada)).toContain('case.consented');
  });

  it('opens none by a consent that was taken back, ran out, or ended with its pseudonym', async () => {
    const fresh = { consentId: id16('fresh') };
    const open = { ...fresh, rule, tell: [] };
    const world = main.fork();
    await world.submit(alice, 'case.consent', consentArgs(fresh));
    const late = world.fork();
    late.time += DAY;
    expect(outcome(await late.submit(ada, 'case.open', open))).toBe('consent_over');
    const erased = world.fork();
    await erased.submit(alice, 'patient.erase', {});
    expect(outcome(await erased.submit(ada, 'case.open', open))).toBe('consent_over');
    expect(outcome(await world.submit(bob, 'case.withdraw', fresh))).toBe('unknown_consent');
    expect(outcome(await world.submit(alice, 'case.withdraw', fresh))).toBe('COMMITTED');
    expect(outcome(await world.submit(ada, 'case.open', open))).toBe('consent_over');
    const used = { consentId };
    expect(outcome(await world.submit(alice, 'case.withdraw', used))).toBe('consent_over');
  });

  it('lets the patient open one, with a doctor in charge', async () => {
    const world = main.fork();
    const open = { rule, tell: [], attending: ada.subject, patientKey: publicKey };
    const done = valueOf(await world.submit(alice, 'case.open', open));
    const stay = new CaseWorld(world, done['caseId'] as string);
    expect(await shown(stay, ada)).toMatchObject({ attending: ada.subject, generation: 0 });
    const half = { rule, tell: [], patientKey: publicKey };
    expect(outcome(await world.submit(alice, 'case.open', half))).toBe('bad_arguments');
    const byConsent = { rule, tell: [], consentId };
    expect(outcome(await world.submit(alice, 'case.open', byConsent))).toBe('unknown_consent');
    expect(outcome(await world.submit(ada, 'case.open', open))).toBe('unknown_consent');
  });

  it('shows a case to the patient and to those who were told, and to nobody else', async () => {
    const world = main.fork();
    const args = { caseId: base.ledger };
    const refused = { code: 'unknown_case' };
    for (const who of [alice, ada, bruno]) {
      expect(await world.ask(who, 'case.get', args)).toMatchObject({ closed: null });
      expect(await world.ask(who, 'case.list')).toMatchObject({ count: 1 });
    }
    for (const who of [bob, outsider, carla]) {
      await expect(world.ask(who, 'case.get', args)).rejects.toMatchObject(refused);
      expect(await world.ask(who, 'case.list')).toMatchObject({ count: 0 });
    }
    const tell = { ...args, subjects: [carla.subject] };
    expect(outcome(await world.submit(outsider, 'case.tell', tell))).toBe('unknown_case');
    expect(outcome(await world.submit(bruno, 'case.tell', tell))).toBe('COMMITTED');
    expect(outcome(await world.submit(bruno, 'case.tell', tell))).toBe('already_told');
    expect(await topicsOf(world, carla)).toContain('case.told');
    expect(await world.ask(alice, 'case.consents')).toMatchObject({ count: 1 });
  });
});

describe('members', () => {
  it('are let in and out by the attending clinician or the patient, each time with a new key', async () => {
    const world = base.fork();
    const add = letIn([outsider], 3);
    const to = ['patient', outsider.subject];
    const change = await keyArgs(world, to, add);
    expect(outcome(await world.submit(bruno, 'case.members', change))).toBe('not_attending');
    expect(outcome(await world.submit(outsider, 'case.members', change))).toBe('not_in_case');
    expect(outcome(await world.submit(alice, 'case.members', change))).toBe('COMMITTED');
    expect(await shown(world, outsider)).toMatchObject({ generation: 3 });
    expect(outcome(await world.submit(alice, 'case.members', change))).toBe('case_changed');
    const out = await keyArgs(world, ['patient'], { add: [], remove: [bruno.subject] });
    expect(outcome(await world.submit(ada, 'case.members', out))).toBe('COMMITTED');
    expect(await world.asked(bruno, 'case.show')).toBe('not_in_case');
    expect(outcome(await world.submit(bruno, 'case.note', noteArgs('late')))).toBe('not_in_case');
    expect(outcome(await world.submit(bruno, 'case.read'))).toBe('not_in_case');
  });

  it.each<[string, () => Promise<Args>, string]>([
    ['somebody in it', () => keyArgs(base, ['patient'], letIn([bruno])), 'already_in_case'],
    [
      'somebody unknown',
      () => keyArgs(base, ['patient'], { add: [{ subject: id16('x'), from: 3 }], remove: [] }),
      'case_member_unknown',
    ],
    [
      'an operator',
      () =>
        keyArgs(base, ['patient'], {
          add: [{ subject: 'operator-hospital-a', from: 3 }],
          remove: [],
        }),
      'case_member_unknown',
    ],
    [
      'a seal for somebody outside',
      () => keyArgs(base, [id16('nobody')], letIn([outsider], 3)),
      'not_in_case',
    ],
    [
      'the attending clinician out',
      () => keyArgs(base, ['patient'], { add: [], remove: [ada.subject] }),
      'attending_stays',
    ],
    [
      'a key that is not the next',
      () => keyArgs(base, ['patient'], { ...letIn([outsider], 1), generation: 4 }),
      'case_key_superseded',
    ],
    [
      'a seal for one who leaves',
      () => keyArgs(base, [bruno.subject], { add: [], remove: [bruno.subject] }),
      'not_in_case',
    ],
    ['nobody', () => keyArgs(base, ['patient'], letIn([])), 'bad_arguments'],
    [
      'a joiner with a key to come',
      () => keyArgs(base, ['patient'], letIn([outsider], 4)),
      'bad_arguments',
    ],
  ])('are not changed by %s', async (_what, args, expected) => {
    expect(outcome(await base.fork().submit(ada, 'case.members', await args()))).toBe(expected);
  });

  it('who leave have nothing written for them: the next note waits for a new key', async () => {
    const world = base.fork();
    expect(outcome(await world.submit(ada, 'case.leave'))).toBe('attending_stays');
    expect(outcome(await world.submit(nora, 'case.leave'))).toBe('COMMITTED');
    expect(outcome(await world.submit(nora, 'case.leave'))).toBe('not_in_case');
    const note = noteArgs('one');
    expect(outcome(await world.submit(ada, 'case.note', note))).toBe('case_without_key');
    const rekey = await keyArgs(world, ['patient', ada.subject]);
    expect(outcome(await world.submit(bruno, 'case.rekey', rekey))).toBe('COMMITTED');
    expect(outcome(await world.submit(ada, 'case.note', note))).toBe('case_key_superseded');
    const next = { ...note, generation: 3 };
    expect(outcome(await world.submit(ada, 'case.note', next))).toBe('COMMITTED');
    const page = await world.ask(ada, 'case.keys');
    expect(page).toMatchObject({
      items: [{ generation: 1 }, { generation: 2 }, { generation: 3 }],
    });
  });

  it('whose identity ends on the main ledger are out at once, and of the next key', async () => {
    const world = base.fork();
    const end = { kid: bruno.kid, reason: 'other' };
    await world.main.submit(world.main.operator(), 'identity.revoke', end);
    expect(outcome(await world.submit(bruno, 'case.note', noteArgs('x')))).toBe('identity_revoked');
    const before = (await shown(world)).members.find(({ who }) => who === bruno.subject);
    expect(before).toMatchObject({ isActive: false });
    const sealed = await keyArgs(world, [bruno.subject]);
    expect(outcome(await world.submit(ada, 'case.rekey', sealed))).toBe('not_in_case');
    await world.submit(ada, 'case.rekey', await keyArgs(world, ['patient', ada.subject]));
    expect((await shown(world)).members.map(({ who }) => who)).not.toContain(bruno.subject);
  });

  it('get earlier keys by the attending clinician alone, and that is recorded', async () => {
    const world = base.fork();
    const seal = async (from: number): Promise<Args> => ({
      ...{ version: (await shown(world)).version, who: carla.subject, from },
      digest: text32('history'),
    });
    expect(outcome(await world.submit(bruno, 'case.seal', await seal(1)))).toBe(
      'history_not_given',
    );
    expect(outcome(await world.submit(bruno, 'case.seal', await seal(2)))).toBe('COMMITTED');
    expect(outcome(await world.submit(ada, 'case.seal', await seal(3)))).toBe(
      'case_key_superseded',
    );
    expect(valueOf(await world.submit(carla, 'case.read'))).toMatchObject({ from: 2 });
    expect(outcome(await world.submit(ada, 'case.seal', await seal(1)))).toBe('COMMITTED');
    expect(valueOf(await world.submit(carla, 'case.read'))).toMatchObject({ from: 1 });
    const log = (await world.ask(alice, 'case.log')) as unknown as { items: object[] };
    expect(log.items).toContainEqual(
      expect.objectContaining({
        ...{ fn: 'case.seal', who: ada.subject, members: [carla.subject], generation: 1 },
      }),
    );
    const stranger = { ...(await seal(2)), who: outsider.subject };
    expect(outcome(await world.submit(ada, 'case.seal', stranger))).toBe('not_in_case');
  });

  it('follow the patient to a new pseudonym, who then names a new key', async () => {
    const world = base.fork();
    const owner = await world.main.patientKeys('alice again');
    const begin = {
      ...registerArgs(owner),
      ...{ ownerSignature: 'A'.repeat(86), sealingKeyDigest: text32('sealing') },
    };
    const always = { ...world.main.context, verify: async () => true };
    Object.defineProperty(world.main, 'context', { value: always });
    expect(outcome(await world.main.submit(alice, 'patient.rotate-begin', begin))).toBe(
      'COMMITTED',
    );
    expect(outcome(await world.submit(alice, 'case.read'))).toBe('owner_key_retired');
    expect(outcome(await world.submit(owner, 'case.read'))).toBe('COMMITTED');
    const renewed = await world.submit(owner, 'case.patient-key', { publicKey });
    expect(valueOf(renewed)).toMatchObject({ pseudonym: owner.pseudonym });
    expect(outcome(await world.submit(ada, 'case.note', noteArgs('x')))).toBe('case_without_key');
    expect(await shown(world, owner)).toMatchObject({ self: 'patient', key: null });
  });
});

describe('notes', () => {
  it('are digests under the present key, by members, each id once', async () => {
    const world = base.fork();
    const done = valueOf(await world.submit(bruno, 'case.note', noteArgs('one')));
    expect(done).toEqual({
      ...{ fn: 'case.note', caseId: world.ledger, pseudonym: alice.pseudonym },
      ...{ noteId: id16('one'), author: bruno.subject, authorKid: bruno.kid },
      ...{ generation: 2, digest: text32('one'), size: 500 },
    });
    expect(outcome(await world.submit(alice, 'case.note', noteArgs('two')))).toBe('COMMITTED');
    const again = noteArgs('one', { digest: text32('another') });
    expect(outcome(await world.submit(bruno, 'case.note', again))).toBe('note_exists');
    const corrects = (by: string): Args => noteArgs(by, { corrects: id16('one') });
    expect(outcome(await world.submit(ada, 'case.note', corrects('a')))).toBe('unknown_note');
    expect(outcome(await world.submit(bruno, 'case.note', corrects('b')))).toBe('COMMITTED');
    const old = noteArgs('old', { generation: 1 });
    expect(outcome(await world.submit(bruno, 'case.note', old))).toBe('case_key_superseded');
    const page = (await world.ask(carla, 'case.notes')) as unknown as { items: object[] };
    expect(page.items.map((one) => (one as { author: string }).author)).toEqual([
      ...[bruno.subject, 'patient', bruno.subject],
    ]);
    for (const query of ['show', 'notes', 'questions', 'keys', 'log']) {
      for (const who of [outsider, bob]) {
        expect(await world.asked(who, `case.${query}`)).toBe('not_in_case');
      }
    }
  });

  it('are read by a receipt that names the reader, and the reading is recorded', async () => {
    const world = base.fork();
    const { time } = world.main;
    expect(valueOf(await world.submit(carla, 'case.read'))).toEqual({
      ...{ fn: 'case.read', caseId: world.ledger, pseudonym: alice.pseudonym },
      ...{ who: carla.subject, from: 2, readerKid: carla.kid },
      usableUntil: time + world.main.parameters.receiptUsableMs,
    });
    expect(valueOf(await world.submit(alice, 'case.read'))).toMatchObject({ from: 1 });
    for (const who of [outsider, bob]) {
      expect(outcome(await world.submit(who, 'case.read'))).toBe('not_in_case');
    }
    expect(outcome(await world.submit(world.main.operator(), 'case.read'))).toBe('role_denied');
    const log = (await world.ask(alice, 'case.log')) as unknown as { items: { fn: string }[] };
    expect(log.items.filter(({ fn }) => fn === 'case.read')).toHaveLength(2);
  });

  it('end with the patient’s data', async () => {
    const world = base.fork();
    await world.main.submit(alice, 'patient.erase', {});
    expect(outcome(await world.submit(ada, 'case.note', noteArgs('x')))).toBe('patient_erased');
    expect(outcome(await world.submit(ada, 'case.read'))).toBe('patient_erased');
    expect(outcome(await world.submit(alice, 'case.read'))).toBe('patient_erased');
  });
});

describe('a disagreement', () => {
  const vote = (option: number): Args => ({ questionId, option });
  const asked = async (): Promise<CaseWorld> => {
    const world = base.fork();
    await world.submit(bruno, 'case.question', asks());
    return world;
  };

  it('is settled by the vote that makes it certain, and by nobody later', async () => {
    const world = await asked();
    const opinion = { ...noteArgs('opinion'), questionId };
    expect(outcome(await world.submit(nora, 'case.opinion', opinion))).toBe('COMMITTED');
    expect(valueOf(await world.submit(ada, 'case.vote', vote(1)))).toMatchObject({
      status: 'open',
    });
    expect(outcome(await world.submit(ada, 'case.vote', vote(1)))).toBe('already_voted');
    expect(outcome(await world.submit(nora, 'case.vote', vote(0)))).toBe('not_an_elector');
    expect(outcome(await world.submit(alice, 'case.vote', vote(0)))).toBe('not_an_elector');
    expect(outcome(await world.submit(outsider, 'case.vote', vote(0)))).toBe('not_in_case');
    expect(outcome(await world.submit(bruno, 'case.vote', vote(2)))).toBe('unknown_option');
    expect(valueOf(await world.submit(bruno, 'case.vote', vote(1)))).toMatchObject({
      ...{ status: 'decided', option: 1, by: 'vote', votes: 2, electors: 3 },
    });
    expect(outcome(await world.submit(carla, 'case.vote', vote(0)))).toBe('question_over');
    expect(outcome(await world.submit(ada, 'case.settle', { questionId }))).toBe('question_over');
    const late = { ...noteArgs('late'), questionId };
    expect(outcome(await world.submit(nora, 'case.opinion', late))).toBe('question_over');
    const found = (await world.ask(alice, 'case.questions')) as unknown as { items: object[] };
    expect(found.items[0]).toMatchObject({ votes: [{ who: ada.subject }, { who: bruno.subject }] });
  });

  it('takes votes up to the deadline of block time, and then is counted', async () => {
    const world = await asked();
    const deadline = world.main.time - 1 + rule.votingMs;
    const early = world.fork();
    early.main.time = deadline - 1;
    const tooSoon = await early.submit(ada, 'case.settle', { questionId });
    expect(outcome(tooSoon)).toBe('voting_open');
    early.main.time = deadline - 1;
    expect(outcome(await early.submit(ada, 'case.vote', vote(0)))).toBe('COMMITTED');
    world.main.time = deadline;
    expect(outcome(await world.submit(ada, 'case.vote', vote(0)))).toBe('voting_over');
    const named = { questionId, option: 0 };
    expect(outcome(await world.submit(ada, 'case.settle', named))).toBe('votes_decide');
    expect(valueOf(await world.submit(nora, 'case.settle', { questionId }))).toMatchObject({
      ...{ status: 'attending', undecided: 'quorum', option: null },
    });
    expect(outcome(await world.submit(bruno, 'case.vote', vote(0)))).toBe('voting_over');
    expect(outcome(await world.submit(bruno, 'case.settle', named))).toBe('attending_decides');
    expect(outcome(await world.submit(ada, 'case.settle', { questionId }))).toBe(
      'attending_decides',
    );
    expect(valueOf(await world.submit(ada, 'case.settle', named))).toMatchObject({
      ...{ status: 'decided', option: 0, by: 'attending' },
    });
  });

  it('counts a member who left as one who does not vote', async () => {
    const world = await asked();
    await world.submit(carla, 'case.leave');
    expect(outcome(await world.submit(carla, 'case.vote', vote(0)))).toBe('not_in_case');
    await world.submit(ada, 'case.vote', vote(0));
    world.main.time += rule.votingMs;
    expect(valueOf(await world.submit(ada, 'case.settle', { questionId }))).toMatchObject({
      ...{ undecided: 'quorum', votes: 1, electors: 3 },
    });
  });

  it('stays unsettled where the rule says so', async () => {
    const world = main.fork();
    const strict = { ...rule, otherwise: 'unsettled', majority: 'all' };
    const open = { rule: strict, tell: [], attending: ada.subject, patientKey: publicKey };
    const { caseId } = valueOf(await world.submit(alice, 'case.open', open));
    const stay = new CaseWorld(world, caseId as string);
    await stay.submit(ada, 'case.rekey', await keyArgs(stay, ['patient']));
    await stay.submit(alice, 'case.question', asks({ generation: 1 }));
    world.time += rule.votingMs;
    expect(valueOf(await stay.submit(ada, 'case.settle', { questionId }))).toMatchObject({
      ...{ status: 'unsettled', undecided: 'quorum', option: null, by: 'nobody' },
    });
    expect(outcome(await stay.submit(ada, 'case.discharge'))).toBe('COMMITTED');
  });
});

describe('handover', () => {
  it('passes the charge to a doctor of the case who accepts', async () => {
    const world = base.fork();
    const to = (person: Person): Args => ({ to: person.subject });
    expect(outcome(await world.submit(bruno, 'case.accept'))).toBe('no_handover');
    for (const who of [nora, outsider, ada]) {
      expect(outcome(await world.submit(ada, 'case.handover', to(who)))).toBe('not_a_successor');
    }
    expect(outcome(await world.submit(bruno, 'case.handover', to(carla)))).toBe('not_attending');
    expect(outcome(await world.submit(alice, 'case.handover', to(carla)))).toBe('not_attending');
    await world.submit(ada, 'case.handover', to(carla));
    expect(await shown(world)).toMatchObject({ attending: ada.subject });
    expect(outcome(await world.submit(bruno, 'case.accept'))).toBe('no_handover');
    expect(valueOf(await world.submit(carla, 'case.accept'))).toMatchObject({ from: ada.subject });
    expect(outcome(await world.submit(ada, 'case.discharge'))).toBe('not_attending');
    expect(outcome(await world.submit(ada, 'case.leave'))).toBe('COMMITTED');
    expect(outcome(await world.submit(carla, 'case.discharge'))).toBe('COMMITTED');
  });

  it('is void once the successor left', async () => {
    const world = base.fork();
    await world.submit(ada, 'case.handover', { to: carla.subject });
    await world.submit(carla, 'case.leave');
    expect(await shown(world)).toMatchObject({ handover: null });
  });

  it('is the patient’s to start where the attending doctor’s identity ended', async () => {
    const world = base.fork();
    const end = { kid: ada.kid, reason: 'other' };
    await world.main.submit(world.main.operator(), 'identity.revoke', end);
    const rekey = await keyArgs(world, ['patient', bruno.subject]);
    expect(outcome(await world.submit(bruno, 'case.rekey', rekey))).toBe('COMMITTED');
    const to = { to: bruno.subject };
    expect(outcome(await world.submit(carla, 'case.handover', to))).toBe('not_attending');
    expect(outcome(await world.submit(alice, 'case.handover', to))).toBe('COMMITTED');
    expect(outcome(await world.submit(bruno, 'case.accept'))).toBe('COMMITTED');
  });
});

describe('the end', () => {
  const discharged = async () => {
    const world = base.fork();
    await world.submit(bruno, 'case.note', noteArgs('one'));
    const done = await world.submit(ada, 'case.discharge');
    return { world, done, caseId: world.ledger };
  };

  it('waits for every question, and then stops all writing', async () => {
    const world = base.fork();
    await world.submit(bruno, 'case.question', asks());
    expect(outcome(await world.submit(ada, 'case.discharge'))).toBe('questions_open');
    expect(outcome(await world.submit(bruno, 'case.discharge'))).toBe('not_attending');
    await world.submit(ada, 'case.vote', { questionId, option: 0 });
    await world.submit(bruno, 'case.vote', { questionId, option: 0 });
    const done = valueOf(await world.submit(ada, 'case.discharge'));
    expect(done).toMatchObject({ notes: 0, questions: 1, attending: ada.subject });
    for (const fn of ['case.leave', 'case.accept', 'case.note'] as const) {
      const args = fn === 'case.note' ? noteArgs('x') : {};
      expect(outcome(await world.submit(bruno, fn, args))).toBe('case_discharged');
    }
    expect(outcome(await world.submit(bruno, 'case.read'))).toBe('COMMITTED');
    const again = valueOf(await world.submit(ada, 'case.discharge'));
    expect(again['discharged']).toEqual(done['discharged']);
  });

  it('is anchored by whoever knows the case and brings the certified block', async () => {
    const { world, done, caseId } = await discharged();
    const args = { caseId, ...(await world.anchor(done)) };
    expect(outcome(await world.main.submit(outsider, 'case.close', args))).toBe('unknown_case');
    expect(outcome(await world.main.submit(bob, 'case.close', args))).toBe('unknown_case');
    const closed = valueOf(await world.main.submit(bruno, 'case.close', args));
    expect(closed).toMatchObject({ caseId, height: world.height });
    expect(outcome(await world.main.submit(ada, 'case.close', args))).toBe('case_closed');
    const found = await world.main.ask(alice, 'case.get', { caseId });
    expect(found).toMatchObject({ closed: { anchor: { headerHash: closed['headerHash'] } } });
    expect(await topicsOf(world.main, alice)).toContain('case.closed');
    const tell = { caseId, subjects: [outsider.subject] };
    expect(outcome(await world.main.submit(ada, 'case.tell', tell))).toBe('case_closed');
  });

  it('leaves the members of the end able to read, and nobody else', async () => {
    const { world, done, caseId } = await discharged();
    const args = { caseId };
    expect(outcome(await world.main.submit(carla, 'case.reread', args))).toBe('case_not_closed');
    await world.main.submit(ada, 'case.close', { caseId, ...(await world.anchor(done)) });
    expect(valueOf(await world.main.submit(carla, 'case.reread', args))).toMatchObject({
      ...{ caseId, who: carla.subject, from: 2, readerKid: carla.kid },
    });
    expect(valueOf(await world.main.submit(alice, 'case.reread', args))).toMatchObject({ from: 1 });
    for (const who of [outsider, bob]) {
      expect(outcome(await world.main.submit(who, 'case.reread', args))).toBe('unknown_case');
    }
    await world.main.submit(alice, 'patient.erase', {});
    expect(outcome(await world.main.submit(carla, 'case.reread', args))).toBe('patient_erased');
  });

  it('takes no other block, of no other ledger, and no other result', async () => {
    const { world, done, caseId } = await discharged();
    const close = async (args: Args): Promise<string> =>
      outcome(await world.main.fork().submit(ada, 'case.close', { caseId, ...args }));
    const good = await world.anchor(done);
    expect(await close(good)).toBe('COMMITTED');
    expect(await close(await world.anchor(done, { ledger: 'main' }))).toBe('anchor_invalid');
    const otherSet = { validatorsHash: new Uint8Array(32) };
    expect(await close(await world.anchor(done, otherSet))).toBe('anchor_invalid');
    const other = await world.anchor(done, { time: 1 });
    expect(await close({ ...good, header: other['header']! })).toBe('anchor_invalid');
    expect(await close({ ...good, certificate: other['certificate']! })).toBe('anchor_invalid');
    expect(await close({ ...good, index: 0 })).toBe('not_discharged');
    expect(await close({ ...good, header: 'AAAA' })).toBe('anchor_invalid');
    expect(await close({ ...good, result: 'AAAA' })).toBe('anchor_invalid');
    const read = await world.submit(ada, 'case.read');
    expect(await close(await world.anchor(read))).toBe('not_discharged');
    const elsewhere = new CaseWorld(world.main, 'b'.repeat(64));
    const stranger = await elsewhere.anchor(done);
    expect(await close(stranger)).toBe('anchor_invalid');
  });
});
