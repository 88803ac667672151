/** Permissions and care teams, typed in this process: what a patient is shown, and what it does. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
const file = (name: string): string => join(world.folder, name);
let outputs = 0;
const people = new Map<string, string[]>();
const as = (name: string): string[] => people.get(name) ?? [];
const asked = (...answers: string[]): RunOptions => ({
  env: { CAREQUORUM_PASSPHRASE: PASSPHRASE },
  answers,
});
const operator: RunOptions = {
  env: { CAREQUORUM_KEYSTORE: 'operator:hospital-a', CAREQUORUM_PASSPHRASE: PASSPHRASE },
};

function typed(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  return run(world, [...argv, '--network', network], options);
}

async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  const enrol = async (name: string, argv: readonly string[]): Promise<void> => {
    people.set(name, ['--keystore', file(`${name}.keystore`)]);
    await good(['enrol', ...argv, ...as(name)]);
  };
  const birth = ['--name', 'Anna Muster', '--birth-date', '1961-04-23'];
  await enrol('anna', ['--role', 'patient', ...birth]);
  for (const [name, full, npi] of [
    ['ada', 'Ada Okonjo', '1000000012'],
    ['bruno', 'Bruno Castellan', '1000000020'],
  ] as const) {
    const doctor = ['--role', 'doctor', '--state', 'NY', '--licence', '900001'];
    const who = ['--name', full, '--npi', npi, '--hospital', 'hospital-a'];
    await enrol(name, [...doctor, ...who]);
    await good(['approve', file(`${name}.certificate`), '--yes'], operator);
  }
  const write = ['--rights', 'write', '--category', 'laboratory,radiation-dose', '--until', '90d'];
  await good(['grant', ...as('anna'), '--to', 'Ada Okonjo', ...write, '--yes']);
  for (const category of ['laboratory', 'radiation-dose']) {
    await mkdir(file(`visit/${category}`), { recursive: true });
    await writeFile(file(`visit/${category}/${category}.txt`), `a ${category}`);
  }
  await good(['upload', file('visit'), ...as('ada'), '--patient', 'Anna Muster']);
});
afterAll(() => world.close());

/** Ids by what is read, as `records` lists them. */
async function ids(): Promise<Record<string, string>> {
  const { json } = await good(['records', '--json', ...as('anna')]);
  const { records } = json as unknown as { records: { id: string; path: string }[] };
  return Object.fromEntries(
    records.map(({ id, path }) => [path.includes('dose') ? 'dose' : 'lab', id]),
  );
}

async function reads(who: string, id: string): Promise<string> {
  outputs += 1;
  const out = file(`out-${outputs}`);
  const done = await typed(['read', id, ...as(who), '--out', out]);
  return done.exitCode === 0 ? readFile(out, 'utf8') : done.err;
}

describe('a care team', () => {
  it('is made by its operator, has its key from a member, and is granted to from a template', async () => {
    const members = ['--member', '1000000012', '--member', 'Bruno Castellan'];
    const made = await good(
      ['team', 'create', 'Radiation oncology', ...members, '--yes'],
      operator,
    );
    expect(made.out).toContain('Next, one of its members: carequorum team make-key');
    const to = ['--to', 'team:radiation oncology'];
    const template = ['grant', ...as('anna'), '--template', 'radiation-oncology-team', ...to];
    const early = await typed([...template, '--preview']);
    expect(early.err).toContain('has no key at present');
    const key = await good(['team', 'make-key', 'Radiation oncology', ...as('ada')], asked('y'));
    expect(key.err).toContain('It is sealed to:\n  Ada Okonjo (doctor, hospital-a)\n  Bruno');
    expect(key.out).toContain(
      'Key 1 of Radiation oncology is sealed to Ada Okonjo and Bruno Castellan.',
    );

    const preview = await good([...template, '--preview']);
    expect(preview.out).toContain('the care team Radiation oncology (hospital-a)');
    expect(preview.out).toContain('Bruno Castellan (doctor, hospital-a)');
    expect(preview.out).toContain('Released: 2 records of today');
    expect(preview.out).toMatch(
      /laboratory: 1 record, of \d{4}-\d\d\n {4}\d{4}-\d\d {2}laboratory\/lab/,
    );
    expect(preview.out).toContain('Nothing was signed: this was a preview.');
    expect((await good(['grant', '--list', ...as('anna')])).out).not.toContain(
      'Radiation oncology',
    );

    const given = await good(template, asked('y'));
    expect(given.out).toContain('the care team Radiation oncology (hospital-a) may read and write');
    const { lab = '' } = await ids();
    expect(await reads('bruno', lab)).toBe('a laboratory');
    const history = await good(['history', ...as('anna')]);
    expect(history.out).toContain(
      'Bruno Castellan (doctor, hospital-a), of the team Radiation oncology',
    );
    expect((await good(['team', 'list', ...as('anna')])).out).toMatch(
      /Radiation oncology +hospital-a +2 +ready/,
    );
  });

  it('shuts out who leaves; the patient’s next command follows with new keys', async () => {
    const leave = ['team', 'change', 'Radiation oncology', '--remove', 'Bruno Castellan', '--yes'];
    const changed = await good(leave, operator);
    expect(changed.out).toContain('Next, a member who stays: carequorum team make-key');
    const { lab = '', dose = '' } = await ids();
    expect(await reads('bruno', lab)).toContain('granted nothing to the signer');
    expect((await good(['inbox', ...as('bruno')])).out).toContain('no longer in a care team');
    expect((await good(['inbox', ...as('ada')])).out).toContain('carequorum team make-key');
    const nothing = await good(['permission', 'refresh', ...as('anna')]);
    expect(nothing.out).toContain('Nothing is to do');
    await good(['team', 'make-key', 'Radiation oncology', ...as('ada'), '--yes']);
    const followed = await good(['permission', 'refresh', ...as('anna')]);
    expect(followed.out).toContain(
      'the care team Radiation oncology (hospital-a) goes on with new keys',
    );
    expect(await reads('ada', dose)).toBe('a radiation-dose');
    const shown = await good(['team', 'show', 'Radiation oncology', ...as('anna')]);
    expect(shown.out).toMatch(/left: Bruno Castellan[^\n]*\n[^\n]*new key, made by: Ada Okonjo/);
    expect((await good(['team', 'seal', 'Radiation oncology', ...as('ada')])).out).toContain(
      'everybody has the key',
    );
  });
});

describe('a permission', () => {
  it('is narrowed and extended, each shown before it is signed, and told in full', async () => {
    const read = ['--rights', 'read', '--category', 'laboratory,radiation-dose', '--until', '30d'];
    const given = await good(['grant', ...as('anna'), '--to', 'Bruno Castellan', ...read, '--yes']);
    const id = /Permission: (\S+)/.exec(given.out)?.[1] ?? '';
    const { dose = '', lab = '' } = await ids();
    expect(await reads('bruno', dose)).toBe('a radiation-dose');
    const narrow = ['permission', 'narrow', id, '--drop-category', 'radiation-dose', ...as('anna')];
    const preview = await good([...narrow, '--preview']);
    expect(preview.out).toContain(
      'No longer opened: 1 record of today\n  radiation-dose: 1 record',
    );
    expect(await reads('bruno', dose)).toBe('a radiation-dose');
    expect((await typed(narrow, asked('n'))).exitCode).toBe(130);
    const narrowed = await good(narrow, asked('y'));
    expect(narrowed.out).toContain('It cannot undo what was read before:');
    expect(narrowed.out).toMatch(
      new RegExp(`Bruno Castellan [^\n]*record ${dose}, radiation-dose/`),
    );
    expect(narrowed.out).toMatch(/can still be used until \d{4}-/);
    expect(await reads('bruno', dose)).toContain('category_not_granted');
    expect(await reads('bruno', lab)).toBe('a laboratory');

    const extend = ['permission', 'extend', id, '--add-category', 'radiation-dose', ...as('anna')];
    const extended = await good(extend, asked('y'));
    expect(extended.err).toContain(
      'Released by this: 1 record of today\n  radiation-dose: 1 record',
    );
    expect(await reads('bruno', dose)).toBe('a radiation-dose');
    const shown = await good(['permission', 'show', id, ...as('anna')]);
    expect(shown.out).toMatch(
      /Before it was narrowed on[^]*Before it was extended on[^]*It was used 4 times/,
    );

    const taken = await good(['revoke', id, '--preview', ...as('anna')]);
    expect(taken.out).toContain('No longer opened: 2 records of today, and all later ones.');
    expect(taken.out).toContain('It was used 4 times; that stays known:');
    await good(['revoke', id, '--yes', ...as('anna')]);
    for (const argv of [narrow, extend]) {
      const over = await typed([...argv, '--yes']);
      expect([over.exitCode, over.err]).toEqual([1, expect.stringContaining('is revoked')]);
    }
  });

  it.each([
    [['permission', 'narrow'], 'Nothing says what is to change'],
    [['permission', 'narrow', '--drop-right', 'read'], 'leave no right'],
    [['permission', 'narrow', '--drop-category', 'genetics'], 'has no kind of records genetics'],
    [['permission', 'extend', '--data-from', 'ever'], 'Give a month as 2026-11, or `all`'],
    [['grant', '--template', 'nothing', '--to', 'Ada Okonjo'], 'There is no template nothing'],
    [['team', 'create', 'Ward'], '--member is missing'],
  ])('%s is a wrong command line: %s', async (argv, message) => {
    const [first] = (await good(['grant', '--list', '--json', ...as('anna')])).json[
      'permissions'
    ] as { id: string; rights: string[] }[];
    const [head, sub, ...rest] = argv;
    const isPermission = head === 'permission';
    const own = isPermission ? [head, sub ?? '', first?.id ?? '', ...rest] : argv;
    const adjusted = own.map((word) => (word === 'read' ? 'write' : word));
    const keystore = head === 'team' ? [] : as('anna');
    const done = await typed([...adjusted, ...keystore], head === 'team' ? operator : {});
    expect([done.exitCode, done.err]).toEqual([2, expect.stringContaining(message)]);
  });

  it('lists the templates without a network', async () => {
    const { exitCode, out } = await run(null, ['grant', '--templates']);
    expect(exitCode).toBe(0);
    expect(out).toContain('My radiation oncology team for six months');
  });
});
