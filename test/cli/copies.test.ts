/** `carequorum copies` and `carequorum erase`, typed by a patient. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
let anna: string[];
const file = (name: string): string => join(world.folder, name);

function typed(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  return run(world, [...argv, '--network', network], options);
}

async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

async function replicate(): Promise<void> {
  for (const one of world.hospitals.values()) await one.replicate();
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  anna = ['--keystore', file('anna.keystore')];
  const ada = ['--keystore', file('ada.keystore')];
  const birth = ['--name', 'Anna Muster', '--birth-date', '1961-04-23'];
  await good(['enrol', '--role', 'patient', ...birth, ...anna]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const who = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  await good([...doctor, ...who, ...ada]);
  const operator = ['--keystore', 'operator:hospital-a'];
  await good(['approve', file('ada.certificate'), '--yes', ...operator]);
  const to = ['grant', ...anna, '--to', '1000000012', '--rights', 'read,write'];
  await good([...to, '--category', 'laboratory', '--until', '30d', '--yes']);
  await mkdir(file('visit/laboratory'), { recursive: true });
  await writeFile(file('visit/laboratory/lab.txt'), 'blood');
  await good(['upload', file('visit'), ...ada, '--patient', 'anna muster']);
});
afterAll(() => world.close());

describe('copies', () => {
  it('says that there are none, then who holds which', async () => {
    expect((await good(['copies', ...anna])).out).toContain('No hospital holds copies');
    await replicate();
    const { out } = await good(['copies', ...anna]);
    expect(out).toContain('hospital-a holds 1 copy');
    const { json } = await good(['copies', ...anna, '--json']);
    expect(json['records']).toMatchObject([{ copies: [{ hospital: 'hospital-a' }] }]);
  });

  it('lets the patient choose two hospitals, and no fewer', async () => {
    const choose = ['copies', ...anna, '--choose'];
    const one = await typed([...choose, 'hospital-c', '--yes']);
    expect(one.exitCode).toBe(1);
    await good([...choose, 'hospital-c,hospital-d', '--yes']);
    await replicate();
    const { out } = await good(['copies', ...anna]);
    expect(out).toMatch(/hospital-c holds 1 copy \(chosen by you\)/);
  });
});

describe('erase', () => {
  it('explains, asks, and does nothing without a yes', async () => {
    const neither = await typed(['erase', ...anna]);
    expect(neither.exitCode).toBe(2);
    expect(neither.err).toContain('--everything');
    const asked = await typed(['erase', '--everything', ...anna], {
      answers: ['n'],
      env: { CAREQUORUM_PASSPHRASE: 'a passphrase of a test' },
    });
    expect(asked.exitCode).toBe(130);
    expect(asked.err).toContain('Nobody will be able to open it again');
    expect(asked.err).toContain('cannot be taken back');
  });

  it('erases a record, and says who has done it and who has not', async () => {
    const { json } = await good(['records', ...anna, '--json']);
    const { id } = (json['records'] as { id: string }[])[0]!;
    const done = await good(['erase', id, ...anna, '--yes']);
    expect(done.out).toContain('the cloud service erased it');
    expect(done.out).toContain('hospital-c has NOT said yet that it is erased');
    await replicate();
    const status = await good(['erase', id, ...anna, '--status']);
    expect(status.out).toContain('Everybody who held it has erased it.');
    const again = await typed(['erase', id, ...anna, '--yes']);
    expect(again.exitCode).toBe(1);
    expect(again.err).toContain('record_erased');
  });
});
