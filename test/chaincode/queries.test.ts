/** Queries: who sees what, pages without gaps, and which keys a proof would show. */
import { beforeAll, describe, expect, it } from 'vitest';
import { query } from '../../lib/chaincode/execute.ts';
import { RecordingView } from '../../lib/ledger/state-view.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  DAY,
  grantArgs,
  id16,
  OTHER_TAG,
  type Acting,
  type PatientKeys,
  type Person,
  recordArgs,
  TAG,
  text32,
  World,
} from './world.ts';

let base: World;
let alice: PatientKeys;
let bob: PatientKeys;
let reader: Person;
let writer: Person;
let stranger: Person;

/** Eight laboratory records over four months, two of radiation. */
beforeAll(async () => {
  base = await World.make();
  alice = await base.patient('alice');
  bob = await base.patient('bob');
  reader = await base.registered('doctor');
  writer = await base.registered('doctor');
  stranger = await base.registered('doctor', { hospital: 1 });
  const categories = [TAG, OTHER_TAG];
  const grant = grantArgs(base, writer, { categories, rights: ['write'] });
  await base.submit(alice, 'permission.grant', grant);
  for (let index = 0; index < 8; index += 1) {
    const dataMonth = `2025-0${1 + (index % 4)}`;
    const args = recordArgs(alice, { recordId: id16(`laboratory ${index}`), dataMonth });
    await base.submit(writer, 'record.register', args);
  }
  for (let index = 0; index < 2; index += 1) {
    const recordId = id16(`radiation ${index}`);
    const args = recordArgs(alice, { recordId, categoryTag: OTHER_TAG, dataMonth: '2025-02' });
    await base.submit(writer, 'record.register', args);
  }
});

interface Listed {
  count?: number;
  from?: number;
  items: { id: string; dataMonth: string }[];
  next?: { month: string; from: number } | null;
}

async function list(world: World, who: Acting, args: SignedRequest['args'] = {}): Promise<Listed> {
  return (await world.ask(who, 'record.list', args)) as unknown as Listed;
}

/** The answer, the keys that a proof would hold, and the same answer from these keys alone. */
async function proven(world: World, who: Acting, fn: string, args: SignedRequest['args']) {
  const transaction = world.transaction(who, fn, args, 'query');
  const recording = new RecordingView(world);
  const answer = await query(recording, transaction, world.context);
  const shown = new Set(recording.keys());
  const onlyShown = {
    get: (key: string) => {
      if (!shown.has(key)) throw new Error(`${key} is not proven`);
      return world.get(key);
    },
  };
  expect(await query(onlyShown, transaction, world.context)).toEqual(answer);
  return { answer, keys: recording.keys() };
}

describe('record.list', () => {
  const laboratory = () => ({ pseudonym: alice.pseudonym, categoryTag: TAG });

  it('gives the patient everything, in pages without gaps', async () => {
    const { count, items } = await list(base, alice);
    expect(count).toBe(10);
    expect(items).toHaveLength(10);
    const ids: string[] = [];
    for (let from = 0; from < 10; from += 3) {
      const page = await list(base, alice, { from, count: 3 });
      expect(page).toMatchObject({ from, count: 10 });
      ids.push(...page.items.map((one) => one.id));
    }
    expect(ids).toEqual(items.map((one) => one.id));
    const newest = await list(base, alice, { count: 3 });
    expect(newest).toMatchObject({ from: 7 });
    expect((await list(base, alice, { from: 99 })).items).toEqual([]);
    expect((await list(base, alice, { categoryTag: TAG })).count).toBe(8);
  });

  it('gives another patient nothing', async () => {
    expect((await list(base, bob)).items).toEqual([]);
    await expect(list(base, bob, { pseudonym: alice.pseudonym })).rejects.toMatchObject({
      code: 'unknown_patient',
    });
  });

  it.each<[string, () => Person, SignedRequest['args'], string]>([
    ['without a permission', () => stranger, {}, 'no_permission'],
    ['with write alone', () => writer, {}, 'right_not_granted'],
    ['of another category', () => reader, { categoryTag: OTHER_TAG }, 'category_not_granted'],
  ])('is refused %s', async (_what, who, args, code) => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, reader, { rights: ['read'] }));
    await expect(list(world, who(), { ...laboratory(), ...args })).rejects.toMatchObject({ code });
  });

  it('is refused to a clinician without patient or category', async () => {
    const { pseudonym, categoryTag } = laboratory();
    for (const args of [{}, { pseudonym }, { categoryTag }]) {
      await expect(list(base, reader, args)).rejects.toMatchObject({ code: 'bad_arguments' });
    }
  });

  it('reads keys of the granted category only, and proves its answer', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, reader));
    const { answer, keys } = await proven(world, reader, 'record.list', laboratory());
    expect(answer).toMatchObject({ count: 8 });
    const foreign = [0, 1].map((index) => id16(`radiation ${index}`));
    expect(keys.filter((key) => foreign.some((id) => key.includes(id)))).toEqual([]);
    expect(keys.filter((key) => key.includes(OTHER_TAG))).toEqual([]);
    expect(keys).not.toContain(`records/${alice.pseudonym}/count`);
  });

  it('shows no month beyond the granted ones, nor how many records there are', async () => {
    const world = base.fork();
    const period = { dataFrom: '2025-02', dataUntil: '2025-03' };
    await world.submit(alice, 'permission.grant', grantArgs(world, reader, period));
    await expect(list(world, reader, laboratory())).rejects.toMatchObject({
      code: 'period_not_granted',
    });
    const beyond = { ...laboratory(), months: { from: '2025-01', until: '2025-03' } };
    await expect(list(world, reader, beyond)).rejects.toMatchObject({
      code: 'period_not_granted',
    });
    const args = { ...laboratory(), months: { from: '2025-02', until: '2025-03' } };
    const { answer, keys } = await proven(world, reader, 'record.list', args);
    const { items } = answer as unknown as Listed;
    expect(items.map((one) => one.dataMonth)).toEqual(['2025-02', '2025-02', '2025-03', '2025-03']);
    expect(keys.filter((key) => key.includes('2025-01') || key.includes('2025-04'))).toEqual([]);
    expect(keys).not.toContain(`records/${alice.pseudonym}/tag/${TAG}/count`);
  });

  it.each([{ dataFrom: '2025-02' }, { dataUntil: '2025-03' }])(
    'shows a whole category only where the period is open at both ends: %o',
    async (period) => {
      const world = base.fork();
      await world.submit(alice, 'permission.grant', grantArgs(world, reader, period));
      await expect(list(world, reader, laboratory())).rejects.toMatchObject({
        code: 'period_not_granted',
      });
    },
  );

  it('goes on month by month where a page ends', async () => {
    const months = { from: '2025-01', until: '2025-06' };
    const found: string[] = [];
    let args: SignedRequest['args'] = { categoryTag: TAG, months, count: 3 };
    for (let page = 0; page < 9; page += 1) {
      const { items, next } = await list(base, alice, args);
      found.push(...items.map((one) => one.id));
      if (!next) break;
      args = { ...args, months: { ...months, from: next.month }, from: next.from };
    }
    expect(new Set(found).size).toBe(8);
    expect(found).toHaveLength(8);
  });

  it('bounds pages and months', async () => {
    const code = 'bad_arguments';
    await expect(list(base, alice, { count: 201 })).rejects.toMatchObject({ code });
    await expect(list(base, alice, { count: 0 })).rejects.toMatchObject({ code });
    const months = { from: '2020-01', until: '2025-01' };
    const long = { categoryTag: TAG, months };
    await expect(list(base, alice, long)).rejects.toMatchObject({ code });
    await expect(list(base, alice, { months })).rejects.toMatchObject({ code });
  });

  it('refuses a list with a gap as corrupt', async () => {
    const world = base.fork();
    world.state.delete(`records/${alice.pseudonym}/4`);
    await expect(list(world, alice)).rejects.toThrow('is missing of its list');
  });
});

describe('record.get', () => {
  const recordId = id16('laboratory 0');
  const get = (world: World, who: Acting) => world.ask(who, 'record.get', { recordId });

  it('is for the patient, the uploader, the custodian and readers', async () => {
    const world = base.fork();
    await world.submit(alice, 'permission.grant', grantArgs(world, reader));
    for (const who of [alice, writer, world.custodian, reader]) {
      expect(await get(world, who)).toMatchObject({ id: recordId });
    }
    const code = 'unknown_record';
    await expect(get(world, bob)).rejects.toMatchObject({ code });
    await expect(get(world, stranger)).rejects.toMatchObject({ code });
    world.time += 31 * DAY;
    await expect(get(world, reader)).rejects.toMatchObject({ code });
  });
});

describe('permissions', () => {
  it('each side sees its own, complete', async () => {
    const world = base.fork();
    const args = grantArgs(world, reader);
    await world.submit(alice, 'permission.grant', args);
    await world.submit(bob, 'permission.grant', grantArgs(world, reader));
    const permissionId = args['permissionId'] as string;
    expect(await world.ask(alice, 'patient.permissions')).toMatchObject({ count: 2 });
    expect(await world.ask(reader, 'permission.received')).toMatchObject({
      count: 2,
      items: [{ pseudonym: alice.pseudonym }, { pseudonym: bob.pseudonym }],
    });
    for (const who of [alice, reader]) {
      expect(await world.ask(who, 'permission.get', { permissionId })).toMatchObject({
        id: permissionId,
      });
    }
    for (const who of [bob, writer]) {
      await expect(world.ask(who, 'permission.get', { permissionId })).rejects.toMatchObject({
        code: 'unknown_permission',
      });
    }
  });
});

describe('patient.get', () => {
  it('shows a writer the root and revisions of granted categories', async () => {
    const pseudonym = alice.pseudonym;
    const get = (who: Acting, args: SignedRequest['args']) => base.ask(who, 'patient.get', args);
    expect(await get(writer, { pseudonym, categories: [TAG] })).toMatchObject({
      pseudonym,
      categoryKeysRoot: text32('root 1'),
      epochs: [{ categoryTag: TAG, months: [] }],
    });
    expect(await get(alice, {})).toMatchObject({ pseudonym });
    const categories = [text32('not granted')];
    await expect(get(writer, { pseudonym, categories })).rejects.toMatchObject({
      code: 'category_not_granted',
    });
    await expect(get(stranger, { pseudonym })).rejects.toMatchObject({ code: 'no_permission' });
    await expect(get(writer, {})).rejects.toMatchObject({ code: 'bad_arguments' });
    await expect(get(bob, { pseudonym })).rejects.toMatchObject({ code: 'unknown_patient' });
    const later = base.fork();
    later.time += 31 * DAY;
    await expect(later.ask(writer, 'patient.get', { pseudonym })).rejects.toMatchObject({
      code: 'permission_expired',
    });
  });
});

describe('history.list and inbox.list', () => {
  it('are the patient’s own', async () => {
    const { pseudonym } = alice;
    const history = await base.ask(alice, 'history.list', { pseudonym, from: 0, count: 2 });
    expect(history).toMatchObject({
      count: 12,
      items: [{ fn: 'patient.register' }, { fn: 'permission.grant' }],
    });
    await expect(base.ask(bob, 'history.list', { pseudonym })).rejects.toMatchObject({
      code: 'unknown_patient',
    });
    expect(await base.ask(bob, 'inbox.list')).toMatchObject({ count: 0, items: [] });
  });

  it('keeps a subject that equals a pseudonym out of the patient’s inbox', async () => {
    const world = base.fork();
    const evil = await world.clinician('doctor', { subject: alice.pseudonym });
    const { certificate } = evil;
    await world.submit(world.operator(), 'identity.register-clinician', { certificate });
    await world.submit(stranger, 'access.request', {
      recordId: id16('laboratory 0'),
      purpose: 'TREAT',
    });
    expect(await world.ask(evil, 'inbox.list')).toMatchObject({
      items: [{ topic: 'identity.registered' }],
    });
    expect(await world.ask(alice, 'inbox.list')).toMatchObject({
      items: [{ topic: 'access.denied' }],
    });
  });
});

describe('network.head', () => {
  it('is for everybody', async () => {
    const head = await base.ask(alice, 'network.head');
    expect(head).toMatchObject({ network: 'local-test', ledger: 'main', height: base.height - 1 });
    expect((head as unknown as { validators: unknown[] }).validators).toHaveLength(4);
  });
});
