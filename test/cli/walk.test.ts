/** The whole walk of the README, typed in this process. */
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Interrupt } from '../../cli/interrupt.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
const file = (name: string): string => join(world.folder, name);

/** Runs a command that has to succeed. */
async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(done.err + done.out, argv.join(' ')).not.toContain('Next: See');
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

function typed(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  return run(world, [...argv, '--network', network], options);
}

const anna = ['--keystore', 'anna.keystore'];
const ada = ['--keystore', 'ada.keystore'];
const bruno = ['--keystore', 'bruno.keystore'];

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  for (const one of [anna, ada, bruno]) one[1] = file(one[1] as string);
  const birth = ['--name', 'Anna Muster', '--birth-date', '1961-04-23'];
  await good(['enrol', '--role', 'patient', ...birth, ...anna, '--receipts', file('r.txt')]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const first = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  const second = ['--name', 'Bruno Castellan', '--npi', '1000000020', '--hospital', 'hospital-b'];
  await good([...doctor, ...first, ...ada]);
  await good([...doctor, ...second, ...bruno]);
});
afterAll(() => world.close());

interface Listed {
  records: { id: string; path: string | null; review: string; disputeReason: string | null }[];
}

describe('the walk', () => {
  it('approves each clinician by the operator of the own hospital, after a look', async () => {
    const other = await typed(
      ['approve', file('bruno.certificate'), '--yes'],
      operator('hospital-a'),
    );
    expect(other.exitCode).toBe(1);
    expect(other.err).toContain('This certificate is for hospital-b');
    expect(other.err).toMatch(/\nNext: .*operator of hospital-b/);
    const answers = { ...operator('hospital-a'), answers: ['y'] };
    const asked = await good(['approve', file('ada.certificate')], answers);
    expect(asked.err).toMatch(/name +Ada Okonjo\n +role +doctor\n +hospital +hospital-a/);
    expect(asked.out).toContain('Ada Okonjo is approved as doctor of hospital-a.');
    await good(['approve', file('bruno.certificate'), '--yes'], operator('hospital-b'));
    const again = await typed(
      ['approve', file('ada.certificate'), '--yes'],
      operator('hospital-a'),
    );
    expect(again.err).toContain('Nothing is to do');
  });

  it('shows what would be released, and does nothing without a yes', async () => {
    const to = ['grant', ...anna, '--to', '1000000012', '--rights', 'write'];
    const rest = ['--category', 'laboratory,radiation-dose', '--until', '30d'];
    const no = await typed([...to, ...rest], { ...passphrase, answers: ['n'] });
    expect(no.exitCode).toBe(130);
    expect(no.err).toContain('who         Ada Okonjo (doctor, hospital-a)');
    expect(no.err).toContain('Nothing is released: no right to read.');
    expect((await good(['grant', '--list', ...anna])).out).toContain('You gave no permission yet.');
    await good([...to, ...rest], { ...passphrase, answers: ['y'] });
    expect((await good(['inbox', ...ada])).out).toContain('A patient gave you a permission.');
  });

  it('uploads a folder, stops on Ctrl-C between two files, and goes on', async () => {
    await mkdir(file('visit/laboratory'), { recursive: true });
    await mkdir(file('visit/Radiation Dose'), { recursive: true });
    await writeFile(file('visit/laboratory/lab é.pdf'), '%PDF-1.7 blood');
    await writeFile(file('visit/laboratory/second.txt'), 'more blood');
    await writeFile(file('visit/Radiation Dose/dose.txt'), 'two grays');
    const argv = [
      'upload',
      file('visit'),
      ...ada,
      '--patient',
      'anna muster',
      '--receipts',
      file('r.txt'),
    ];
    const interrupt = new Interrupt();
    const onErr = (text: string): void => {
      if (text.includes('dose.txt:')) interrupt.request(1);
    };
    const stopped = await typed(argv, { interrupt, onErr });
    expect(stopped.exitCode).toBe(130);
    expect(stopped.err).toContain('Stopped after 1 of 3 files; those are safe.');
    expect(stopped.err).toContain('Next: Run the same command again');
    const rest = await good([...argv, '--json']);
    expect(rest.err).toContain('Going on: 1 file of an earlier run is there already.');
    expect(rest.json['records']).toHaveLength(3);
    const left = (await readdir(world.folder)).filter((name) => name.includes('.upload-'));
    expect(left).toEqual([]);
  });

  it('lets the patient see, confirm and dispute', async () => {
    const shown = await good(['records', ...anna]);
    expect(shown.out).toContain('laboratory/lab é.pdf');
    expect(shown.out).toContain('Ada Okonjo (doctor, hospital-a)');
    const answers = { ...passphrase, answers: ['yes'] };
    const confirmed = await good(['countersign', '--all', ...anna], answers);
    expect(confirmed.out).toContain('3 records are confirmed');
    expect((await good(['countersign', '--all', ...anna])).out).toContain('No record awaits you.');
    const { records } = (await good(['records', '--json', ...anna])).json as unknown as Listed;
    const wrong = records.find((one) => one.path?.endsWith('dose.txt'))?.id ?? '';
    await good(['dispute', wrong.slice(0, 8), '--reason', 'duplicate', '--yes', ...anna]);
    const after = (await good(['records', '--json', '--no-names', ...anna]))
      .json as unknown as Listed;
    const disputed = after.records.find((one) => one.id === wrong);
    expect(disputed).toMatchObject({ review: 'disputed', disputeReason: 'duplicate', path: null });
    expect((await good(['inbox', ...ada])).out).toContain(
      'The patient disputes a record of yours.',
    );
  });

  it('refuses without a grant, on the record; then reads; then is told what was read', async () => {
    const { records } = (await good(['records', '--json', ...anna])).json as unknown as Listed;
    const { id } = records.find((one) => one.path?.endsWith('.pdf')) as { id: string };
    const refused = await typed(['read', id, ...bruno, '--out', file('no.pdf')]);
    expect(refused.exitCode).toBe(1);
    expect(refused.err).toContain('the patient granted nothing to the signer');
    const to = ['grant', ...anna, '--to', 'Bruno Castellan', '--rights', 'read'];
    const ask = { ...passphrase, answers: ['y'] };
    const given = await good([...to, '--category', 'laboratory', '--until', '6h'], ask);
    expect(given.err).toContain('Released: 2 records of today');
    expect(given.err).toContain('laboratory/lab é.pdf');
    const permission = /Permission: (\S+)/.exec(given.out)?.[1] ?? '';
    expect((await good(['records', ...bruno])).out).toContain('Anna Muster');
    const listed = await good(['records', ...bruno, '--patient', 'Anna Muster']);
    expect(listed.out).toContain('second.txt');
    await good(['read', id, ...bruno, '--out', file('one.pdf')]);
    expect(await readFile(file('one.pdf'), 'utf8')).toBe('%PDF-1.7 blood');
    const twice = await typed(['read', id, ...bruno, '--out', file('one.pdf')]);
    expect(twice.err).toContain('is there already');
    const several = ['read', '--all', '--patient', 'Anna Muster', ...bruno];
    const all = await good([...several, '--out', file('all')]);
    expect(all.out).toContain('2 records are written');
    expect(await readFile(file('all/laboratory/second.txt'), 'utf8')).toBe('more blood');
    const taken = await good(['revoke', permission, '--yes', ...anna]);
    expect(taken.out).toContain('It cannot undo what was read before:');
    expect(taken.out).toContain(`record ${id}`);
    expect(taken.out).toMatch(/can still be used until \d{4}-/);
    const gone = await typed(['read', id, ...bruno, '--out', file('gone.pdf'), '--json']);
    const error = { code: 'refused', details: { reason: 'permission_revoked' } };
    expect(gone.json).toMatchObject({ error });
    // The name went with the keys that were taken back; the pseudonym stays in the list.
    const { permissions } = (await good(['grant', '--list', '--json', ...anna]))
      .json as unknown as {
      permissions: { pseudonym: string }[];
    };
    const named = ['read', '--all', '--patient', permissions[0]?.pseudonym ?? '', ...bruno];
    const nothing = await typed([...named, '--out', file('nothing')]);
    expect(nothing.err).toContain('Access to these categories is denied: permission_revoked.');
  });

  it('opens own records of a patient, and tells the whole history', async () => {
    await good(['read', '--all', ...anna, '--out', file('mine')]);
    expect(await readFile(file('mine/Radiation Dose/dose.txt'), 'utf8')).toBe('two grays');
    const { out } = await good(['history', ...anna]);
    expect(out).toContain('Bruno Castellan (doctor, hospital-b)');
    expect(out).toContain('DENIED: no permission');
    expect(out).toContain('DENIED: permission revoked');
    expect(out).toContain('without a gap');
    const denied = await good(['history', '--denied', '--limit', '1', '--json', ...anna]);
    expect(denied.json['entries']).toMatchObject([
      { decision: 'deny', reason: 'permission_revoked' },
    ]);
  });

  it('exports what verifies offline, and notices every change', async () => {
    const path = file('export.json');
    await good(['export', '--out', path, ...anna]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const offline = (name: string): Promise<Run> =>
      run(null, ['verify', name, '--genesis', network]);
    expect((await offline(path)).out).toContain('Good: ');
    expect((await offline(file('r.txt'))).out).toMatch(/Good: \d+ receipts/);
    expect((await offline(network)).out).toContain('Good: all 4 operators');
    const whole = JSON.parse(await readFile(path, 'utf8')) as {
      history: { decision: string; time: number }[];
      receipts: string[];
      proofs: unknown[];
    };
    const changes: [string, (copy: typeof whole) => void][] = [
      ['a hidden entry', (copy) => copy.history.pop()],
      [
        'a prettier entry',
        (copy) => {
          const denial = copy.history.find((one) => one.decision === 'deny');
          if (denial) denial.decision = 'permit';
        },
      ],
      ['a missing receipt', (copy) => copy.receipts.shift()],
      ['missing proofs', (copy) => copy.proofs.splice(0)],
    ];
    for (const [what, change] of changes) {
      const copy = structuredClone(whole);
      change(copy);
      await writeFile(file('forged.json'), JSON.stringify(copy));
      const verdict = await offline(file('forged.json'));
      expect(verdict.exitCode, what).toBe(1);
      expect(verdict.err, what).toContain('Next: Do not rely on this file');
    }
  });

  it('ends an identity, by its operator alone', async () => {
    const text = (await good(['enrol', '--json', ...bruno])).json['thumbprint'] as string;
    const end = ['approve', '--revoke', text, '--reason', 'left-hospital', '--yes'];
    expect((await typed(end, operator('hospital-a'))).exitCode).toBe(1);
    await good(end, operator('hospital-b'));
    const denied = await typed(['records', ...bruno]);
    expect(denied.exitCode).toBe(1);
  });

  it('shows the network', async () => {
    const { json } = await good(['network', '--json']);
    expect(json).toMatchObject({ network: 'local-test', quorum: 3, working: 4, hasQuorum: true });
    expect(await readFile(`${network}.seen`, 'utf8')).toContain('carequorum-memory-1');
    const same = await good(['network', '--consistency', '--json']);
    expect(same.json['validators']).toMatchObject([{ state: 'nothing newer' }, {}, {}, {}]);
    await rm(`${network}.seen`);
    const whole = await good(['network', '--consistency', '--json']);
    expect(whole.json).toMatchObject({ from: 0, proven: 4 });
    world.handlers['http://hospital-a.test'] = () => Promise.reject(new TypeError('fetch failed'));
    const { out } = await good(['network']);
    expect(out).toMatch(/hospital-a +Hospital hospital-a +no answer/);
    expect(out).toContain('3 of 4 work; 3 decide: the network works.');
  });
});

const passphrase = { env: { CAREQUORUM_PASSPHRASE: PASSPHRASE } } as const;

function operator(id: string): RunOptions {
  return { env: { CAREQUORUM_KEYSTORE: `operator:${id}`, CAREQUORUM_PASSPHRASE: PASSPHRASE } };
}
