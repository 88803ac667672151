/** A study typed from its registration to the researcher's folder, and a patient who leaves it. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findingCodes, patientBundle, syntheticPeople } from '../../local/synthetic/people.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

const STUDY = 'small-study';
const people = syntheticPeople(2, 11);
let world: World;
let network: string;
const file = (name: string): string => join(world.folder, name);
const as = (name: string): string[] => ['--keystore', file(`${name}.keystore`)];
const operator = (hospital: string): RunOptions => ({
  env: { CAREQUORUM_KEYSTORE: `operator:${hospital}`, CAREQUORUM_PASSPHRASE: PASSPHRASE },
});

function typed(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  return run(world, [...argv, '--network', network], options);
}

async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

/** Staff of no register: with a letter of their operator, who then approves. */
async function staff(name: string, role: string, full: string, hospital: string): Promise<void> {
  const argv = ['enrol', '--role', role, '--name', full, '--hospital', hospital, ...as(name)];
  const pending = await good([...argv, '--json']);
  const kid = pending.json['thumbprint'] as string;
  const letter = file(`${name}.letter`);
  const write = ['letter', kid, '--role', role, '--out', letter, '--yes'];
  await good(write, operator(hospital));
  await good([...argv, '--letter', letter]);
  await good(['approve', file(`${name}.certificate`), '--yes'], operator(hospital));
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  await staff('rita', 'researcher', 'Rita Rossi', 'hospital-d');
  await staff('carla', 'coordinator', 'Carla Conte', 'hospital-c');
  const doctor = ['--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const who = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  await good(['enrol', ...doctor, ...who, ...as('ada')]);
  await good(['approve', file('ada.certificate'), '--yes'], operator('hospital-a'));
  await writeFile(file('protocol.pdf'), 'the protocol');
  await writeFile(file('decision.pdf'), 'the decision');
});
afterAll(() => world.close());

describe('a study on the command line', () => {
  it('is registered, approved, and shown with what it promises', async () => {
    const terms = [
      ...['--title', 'A small study', '--protocol', file('protocol.pdf')],
      ...['--category', 'laboratory', '--coordinator', 'Carla Conte', '--until', '90d'],
      ...['--k', '2', '--l', '1', '--quasi', 'birth-year,sex'],
      ...['--sensitive', findingCodes[0] ?? ''],
    ];
    await good(['study', 'register', STUDY, ...terms, '--yes', ...as('rita')]);
    for (const hospital of ['hospital-a', 'hospital-b', 'hospital-c']) {
      const approve = ['study', 'approve', STUDY, '--ethics', file('decision.pdf'), '--yes'];
      const done = await good([...approve, '--json'], operator(hospital));
      expect(done.json).toMatchObject({ open: hospital === 'hospital-c' });
    }
    const shown = await good(['study', 'show', STUDY, ...as('ada')]);
    expect(shown.out).toContain('2 patients or more cannot be told apart');
    expect(shown.out).toContain('Carla Conte');
    const listed = await good(['study', 'list', ...as('ada')]);
    expect(listed.out).toContain('open');
  });

  it('is joined by a grant that shows it, and released to', async () => {
    for (const [at, { name, birthDate }] of people.entries()) {
      const own = as(`patient-${at}`);
      const birth = ['--name', name, '--birth-date', birthDate];
      await good(['enrol', '--role', 'patient', ...birth, ...own]);
      const share = [
        ...['--rights', 'read,write,share', '--category', 'laboratory', '--until', '30d'],
        ...['--purpose', 'treatment,research', '--study', STUDY, '--anonymise'],
      ];
      const given = await good(['grant', '--to', '1000000012', ...share, '--yes', ...own]);
      expect(given.err).toContain('A small study');
      await mkdir(file(`of-${at}/laboratory`), { recursive: true });
      const bundle = JSON.stringify(patientBundle(people[at]!, at));
      await writeFile(file(`of-${at}/laboratory/bundle-${at}.json`), bundle);
      await good(['upload', file(`of-${at}`), '--patient', name, ...as('ada')]);
    }
    const release = ['research', 'release', '--study', STUDY, '--yes', ...as('ada')];
    const done = await good([...release, '--json']);
    expect(done.json['released']).toHaveLength(2);
    expect(done.json['refused']).toEqual([]);
    const again = await good([...release, '--json']);
    expect(again.json['released']).toEqual([]);
    const seen = await good(['study', 'releases', ...as('patient-0')]);
    expect(seen.out).toContain('waits until enough are alike');
  });

  it('is counted, published and fetched into folders that name nobody', async () => {
    const count = ['research', 'publish', '--study', STUDY, ...as('carla')];
    const preview = await good([...count, '--preview', '--json']);
    expect(preview.json).toMatchObject({ published: false, classes: [{ patients: 2 }], held: 0 });
    await good([...count, '--yes']);
    const out = file('data');
    const fetched = await good([
      'research',
      'fetch',
      '--study',
      STUDY,
      '--out',
      out,
      ...as('rita'),
    ]);
    expect(fetched.out).toContain('2 people with 2 records');
    const folders = await readdir(out);
    expect(folders).toHaveLength(2);
    for (const folder of folders) {
      const files = (await readdir(join(out, folder))).sort();
      expect(files).toHaveLength(2);
      for (const name of files) {
        const text = await readFile(join(out, folder, name), 'utf8');
        for (const person of people) expect(text.includes(person.name)).toBe(false);
        if (name.startsWith('publication')) expect(text.includes('"classId": 1')).toBe(true);
        else expect(text.includes('"hospital": "hospital-a"')).toBe(true);
      }
    }
    const seen = await good(['study', 'releases', ...as('patient-0')]);
    expect(seen.out).toContain('given to the researcher');
  });

  it('is left by a patient, and closed by the researcher', async () => {
    await good(['study', 'leave', STUDY, '--yes', ...as('patient-0')]);
    const shown = await good(['study', 'show', STUDY, ...as('patient-0')]);
    expect(shown.out).toContain('left');
    const fetch = ['research', 'fetch', '--study', STUDY, '--out', file('later'), ...as('rita')];
    const fetched = await good(fetch);
    expect(fetched.out).toContain('0 people with 0 records');
    await good(['study', 'close', STUDY, '--yes', ...as('rita')]);
    const refused = await typed(fetch);
    expect(refused.exitCode).toBe(1);
    expect(refused.err).toContain('closed');
  });
});
