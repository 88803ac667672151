/** `carequorum rotate` typed by a patient: asked first, stopped, gone on with, told to the end. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupt } from '../../cli/interrupt.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
let anna: string[];
let ada: string[];
const file = (name: string): string => join(world.folder, name);
const typed = (argv: readonly string[], options: RunOptions = {}): Promise<Run> =>
  run(world, [...argv, '--network', network], options);

async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  anna = ['--keystore', file('anna.keystore')];
  ada = ['--keystore', file('ada.keystore')];
  await good(['enrol', '--role', 'patient', '--name', 'Anna Muster', ...anna]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const who = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  await good([...doctor, ...who, ...ada]);
  const operator = { CAREQUORUM_KEYSTORE: 'operator:hospital-a', CAREQUORUM_PASSPHRASE: 'unused' };
  await good(['approve', file('ada.certificate'), '--yes'], { env: operator });
  const grant = ['grant', ...anna, '--to', '1000000012', '--rights', 'read,write'];
  await good([...grant, '--category', 'laboratory', '--until', '30d', '--yes']);
  const folder = file('documents');
  await mkdir(folder);
  for (let at = 0; at < 7; at += 1) await writeFile(join(folder, `${at}.txt`), `document ${at}`);
  await good(['upload', folder, ...ada, '--category', 'laboratory']);
  await copyFile(file('anna.keystore'), file('stolen.keystore'));
});
afterAll(() => world.close());

describe('carequorum rotate', () => {
  it('says what it does, and does nothing without a yes', async () => {
    const asked = await typed(['rotate', ...anna], { answers: ['n'] });
    expect(asked.exitCode).toBe(130);
    expect(asked.err).toContain('the keys that you have now are dead from that moment on');
    expect(asked.err).toContain('cannot be taken back');
  });

  it('shows every permission, marks what is new, and says what is left out', async () => {
    const no = { answers: ['n'] };
    const all = await typed(['rotate', ...anna], no);
    expect(all.err).toMatch(/These permissions are given again:\n.*Ada Okonjo.*laboratory/);
    expect(all.err).toContain('Nobody but you can tell which of them a thief gave');
    expect(all.err).not.toContain('since then');
    const marked = await typed(['rotate', ...anna, '--since', '1h'], no);
    expect(marked.err).toContain('← given or extended since then');
    const out = await typed(['rotate', ...anna, '--since', '1h', '--leave-out', 'recent'], no);
    expect(out.err).toMatch(/NOT given again:\n.*Ada Okonjo/);
    expect(out.err).not.toContain('are given again:');
    const wrong = await typed(['rotate', ...anna, '--leave-out', 'recent'], no);
    expect(wrong.err).toContain('Give --since');
    const unknown = await typed(['rotate', ...anna, '--leave-out', 'nonsense'], no);
    expect(unknown.err).toContain('There is no permission nonsense');
  });

  it('makes a rotation key, and needs it from then on', async () => {
    await good(['rotate', ...anna, '--make-rotation-key', file('anna.rotation-key')]);
    const refused = await typed(['rotate', '--keystore', file('stolen.keystore'), '--yes']);
    expect(refused.exitCode).toBe(1);
    expect(refused.err).toContain('rotation key');
    expect(refused.err).toMatch(/\nNext: .*--rotation-key FILE/);
    await writeFile(file('no.key'), '{}');
    const wrong = await typed(['rotate', ...anna, '--yes', '--rotation-key', file('no.key')]);
    expect(wrong.err).toContain('is no rotation key');
  });

  it('stops between records on Ctrl-C, and goes on with the same command', async () => {
    await writeFile(file('new.txt'), 'another passphrase of a test\n');
    const key = ['--rotation-key', file('anna.rotation-key')];
    const interrupt = new Interrupt();
    // The custodian is asked for the first records: by then the old keys are dead.
    const records = world.handlers['http://records.test']!;
    let asked = 0;
    world.handlers['http://records.test'] = (request) => {
      if (/\/rotations\/records\/[^/]+$/.test(request.url.pathname)) asked += 1;
      if (asked === 2) interrupt.request(Date.now());
      return records(request);
    };
    const rest = ['--new-passphrase-file', file('new.txt'), '--yes'];
    const stopped = await typed(['rotate', ...anna, ...key, ...rest], { interrupt });
    world.handlers['http://records.test'] = records;
    expect(stopped.exitCode).toBe(130);
    expect(stopped.err).toMatch(/Stopped after \d of 7 records/);
    expect(stopped.err).toContain('Next: Run `carequorum rotate` again');

    const old = await typed(['history', ...anna]);
    expect(old.err).toContain('passphrase');
    const env = { CAREQUORUM_PASSPHRASE: 'another passphrase of a test' };
    const done = await good(['rotate', ...anna, '--json'], { env });
    expect(done.json).toMatchObject({ left: [], notShared: [] });
    expect(done.json['moved']).toHaveLength(7);
    expect(done.json['permissions']).toHaveLength(1);
    expect(done.err).toContain('Going on with the rotation');

    const history = await good(['history', ...anna], { env });
    expect(history.out).toContain('registered');
    // The name means the new pseudonym: what was handed over under the old one is gone.
    const read = ['read', '--all', '--patient', 'Anna Muster', '--out', file('read')];
    const { json } = await good([...read, ...ada, '--json']);
    expect((json as { records: unknown[] }).records).toHaveLength(7);
    expect(await readFile(join(file('read'), '3.txt'), 'utf8')).toBe('document 3');
  });

  it('leaves the thief nothing, and says what to do', async () => {
    const stolen = ['--keystore', file('stolen.keystore')];
    for (const argv of [['history'], ['records'], ['grant', '--list'], ['rotate', '--yes']]) {
      const refused = await typed([...argv, ...stolen], {
        env: { CAREQUORUM_PASSPHRASE: PASSPHRASE },
      });
      expect([argv, refused.exitCode]).toEqual([argv, 1]);
      expect(refused.err).toMatch(/rotat/);
    }
    expect(await readFile(file('stolen.keystore'), 'utf8')).toContain('carequorum-keystore-1');
  });
});
