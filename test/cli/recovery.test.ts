/** Guardians and recovery typed by everybody concerned: named, lost, approved, vetoed, finished. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, run, type Run, type RunOptions } from './cli-world.ts';

const DELAY = 60_000;
const names = ['Ben Muster', 'Cara Freund', 'Dan Nachbar'];
let world: World;
let network: string;
const file = (name: string): string => join(world.folder, name);
const keystore = (name: string): string[] => ['--keystore', file(`${name}.keystore`)];
const typed = (argv: readonly string[], options: RunOptions = {}): Promise<Run> =>
  run(world, [...argv, '--network', network], options);

async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

async function bad(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const done = await typed(argv, options);
  expect(done.exitCode).not.toBe(0);
  expect(done.err).toMatch(/\nNext: .+/);
  return done.err;
}

const cardOf = (name: string): string => file(`${name.split(' ')[0]}.card.json`);
const guardian = (name: string): string[] => keystore(name.split(' ')[0] ?? '');
const letterFor = (kid: string, out: string): Promise<Run> =>
  good(['letter', kid, '--role', 'patient', '--out', out, '--yes'], {
    env: { CAREQUORUM_KEYSTORE: 'operator:hospital-b', CAREQUORUM_PASSPHRASE: 'unused' },
  });

/** A request, its number, and approvals of the first two guardians, as files. */
async function askGuardians(device: string, packages: string): Promise<string[]> {
  const request = file(`${device}.request.json`);
  const { json } = await good([
    'recover',
    'start',
    ...keystore(device),
    '--out',
    request,
    '--json',
  ]);
  await letterFor(json['thumbprint'] as string, file(`${device}.letter`));
  const approvals = [];
  for (const [at, name] of names.slice(0, 2).entries()) {
    const out = file(`${device}.${at}.approval.json`);
    const box = join(packages, `guardian-${at + 1}.package.json`);
    const argv = ['recover', 'approve', request, '--package', box, '--out', out];
    await good([...argv, ...guardian(name)], { answers: [json['code'] as string] });
    approvals.push('--approval', out);
  }
  return [...approvals, '--letter', file(`${device}.letter`)];
}

beforeAll(async () => {
  world = await makeWorld({ recoveryDelayMs: DELAY });
  network = await networkFile(world);
  await good(['enrol', '--role', 'patient', '--name', 'Anna Muster', ...keystore('anna')]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const who = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  await good([...doctor, ...who, ...keystore('ada')]);
  const operator = { CAREQUORUM_KEYSTORE: 'operator:hospital-a', CAREQUORUM_PASSPHRASE: 'unused' };
  await good(['approve', file('ada.certificate'), '--yes'], { env: operator });
  const grant = ['grant', ...keystore('anna'), '--to', '1000000012', '--rights', 'read,write'];
  await good([...grant, '--category', 'laboratory', '--until', '30d', '--yes']);
  const folder = file('documents');
  await mkdir(folder);
  for (let at = 0; at < 3; at += 1) await writeFile(join(folder, `${at}.txt`), `document ${at}`);
  await good(['upload', folder, ...keystore('ada'), '--category', 'laboratory']);
});
afterAll(() => world.close());

describe('guardians', () => {
  const cards = (): string[] => names.flatMap((name) => ['--guardian', cardOf(name)]);
  const packages = (): string => file('packages');

  it('make cards without being enrolled anywhere', async () => {
    for (const name of names) {
      const { out } = await good([
        ...['guardians', 'card', ...guardian(name), '--name', name, '--out', cardOf(name)],
      ]);
      expect(out).toMatch(/Its number is \d{4} \d{4} \d{4} \d{4}/);
    }
    expect(await bad(['guardians', 'card', ...guardian('Ben'), '--out', file('x')])).toContain(
      'what the patient calls you',
    );
  });

  it('are named after a look at their numbers, and get packages that only they open', async () => {
    expect((await good(['guardians', 'list', ...keystore('anna')])).out).toContain(
      'You have no guardians: if you lose your keystore, nobody can open your records any more.',
    );
    const set = ['guardians', 'set', ...keystore('anna'), '--out', packages()];
    expect(await bad(set)).toContain('Nothing says who the guardians are');
    const argv = [...set, ...cards(), '--needed', '2'];
    const no = await typed(argv, { answers: ['n'] });
    expect(no.err).toMatch(/Ben Muster +number \d{4}/);
    expect(no.exitCode).toBe(130);
    const few = [...set, '--guardian', cardOf('Ben'), '--needed', '2', '--yes'];
    expect(await bad(few)).toContain('Name 2 to 9 guardians');
    const { json } = await good([...argv, '--yes', '--json']);
    expect(json).toMatchObject({ needed: 2, guardians: names, missing: [] });
    const [first = ''] = json['packages'] as string[];
    const check = ['guardians', 'check', first];
    expect((await good([...check, ...guardian('Ben')])).out).toContain(
      'You are a guardian of Anna Muster on local-test; 2 of 3 are needed.',
    );
    expect(await bad([...check, ...guardian('Cara')])).toContain('for another keystore');
    const listed = await good(['guardians', 'list', ...keystore('anna'), '--json']);
    expect(listed.json).toMatchObject({ stale: null, isOpen: false, needed: 2 });
  });

  it('are to be named anew once a category is added, and that is said', async () => {
    const grant = ['grant', ...keystore('anna'), '--to', '1000000012', '--rights', 'write'];
    const argv = [...grant, '--category', 'psychotherapy', '--until', '30d', '--yes'];
    expect((await good(argv)).out).toContain('does not know a new category');
    expect((await good(['guardians', 'list', ...keystore('anna')])).out).toContain(
      'You have kinds of records that a recovery would not find',
    );
  });

  it('stand on a kit that opens nothing', async () => {
    const kit = ['guardians', 'kit', ...keystore('anna')];
    await good([...kit, '--out', file('kit.pdf')]);
    expect((await readFile(file('kit.pdf'))).subarray(0, 5).toString()).toBe('%PDF-');
    await good([...kit, '--out', file('kit.txt')]);
    const text = await readFile(file('kit.txt'), 'utf8');
    for (const name of names) expect(text).toContain(name);
    expect(text).toContain('GUARDIANS (2 OF THESE 3 ARE NEEDED)');
    expect(text).toContain('carequorum recover veto');
    expect(text).toContain('Wait for 1 minute');
    // Neither pseudonym nor setup nor any package: the sheet links nobody to the ledger.
    const { guardians: listed } = JSON.parse(
      (await good(['guardians', 'list', ...keystore('anna'), '--json'])).out,
    ) as { guardians: { kid: string }[] };
    const box = await readFile(join(packages(), 'guardian-1.package.json'), 'utf8');
    const { pseudonym, setupId } = JSON.parse(box) as { pseudonym: string; setupId: string };
    for (const hidden of [pseudonym, setupId, ...listed.map(({ kid }) => kid)]) {
      expect(text).not.toContain(hidden);
    }
  });

  it('approve only the request whose number the patient reads to them', async () => {
    const request = file('thief.request.json');
    await good(['recover', 'start', ...keystore('thief'), '--out', request]);
    const box = join(packages(), 'guardian-1.package.json');
    const argv = ['recover', 'approve', request, '--package', box, '--out', file('no.json')];
    const wrong = await bad([...argv, ...guardian('Ben'), '--code', '1234 5678 9012 3456']);
    expect(wrong).toContain('it is of somebody else');
    expect(wrong).toContain('Next: Do not approve');
    expect(await bad([...argv, ...guardian('Ben')])).toContain('An answer is needed');
    await writeFile(file('broken.json'), '{}');
    expect(await bad(['recover', 'approve', file('broken.json'), ...argv.slice(3)])).toContain(
      'This is no request for a recovery',
    );
  });

  it('who are fooled are stopped by the patient, who is told', async () => {
    const approvals = await askGuardians('thief', packages());
    const start = ['recover', 'start', ...keystore('thief'), '--name', 'Theo Thief'];
    await good([...start, ...approvals]);
    expect((await good(['inbox', ...keystore('anna')])).out).toContain(
      'SOMEBODY IS RECOVERING YOUR KEYS',
    );
    const box = join(packages(), 'guardian-3.package.json');
    // The third guardian, enrolled nowhere, sees it as well.
    const seen = await good(['guardians', 'check', box, ...guardian('Dan'), '--json']);
    expect(seen.json).toMatchObject({ isCurrent: true, recovery: { status: 'waiting' } });
    expect((await good(['recover', 'status', ...keystore('anna')])).out).toContain(
      'A RECOVERY OF YOUR KEYS IS OPEN',
    );
    const again = ['guardians', 'set', ...keystore('anna'), ...cards(), '--needed', '2', '--yes'];
    expect(await bad([...again, '--out', packages()])).toContain('recover veto');
    const { out, err } = await good(['recover', 'veto', ...keystore('anna')], {
      answers: ['y'],
    });
    expect(err).toContain('it gives your keys out');
    expect(out).toContain('These guardians signed for it: Ben Muster, Cara Freund.');
    world.skewMs.value += DELAY;
    expect(await bad(['recover', 'finish', ...keystore('thief')])).toContain('objected');
    expect((await good(['recover', 'status', ...keystore('thief')])).out).toContain('objected');
    expect(await bad(['recover', 'veto', ...keystore('anna'), '--yes'])).toContain('Nobody is');
    const old = await readFile(box, 'utf8');
    await good([...again, '--out', packages()]);
    await writeFile(file('old.package.json'), old);
    const check = ['guardians', 'check', file('old.package.json'), ...guardian('Dan')];
    expect((await good(check)).out).toContain('It does not count any more');
  });

  it('give the keys back after a loss, and everything is readable with new ones', async () => {
    const summary = ['emergency', 'prepare', '--allergy', 'Penicillin', ...keystore('anna')];
    await good([...summary, '--yes']);
    await rm(file('anna.keystore'));
    const approvals = await askGuardians('new', packages());
    expect((await good(['recover', 'status', ...keystore('new')])).out).toContain('Not started');
    const start = ['recover', 'start', ...keystore('new'), '--name', 'Anna Muster'];
    expect(await bad([...start, ...approvals.slice(2)])).toContain('1 of 2 guardians approved');
    const started = await good([...start, ...approvals, '--json']);
    expect(started.json).toMatchObject({ from: expect.any(Number) as number });
    expect(await bad(['recover', 'finish', ...keystore('new')])).toContain('delay');
    expect((await good(['recover', 'status', ...keystore('new')])).out).toContain('Waiting until');
    world.skewMs.value += DELAY;
    expect((await good(['recover', 'status', ...keystore('new')])).out).toContain('is over');
    const finish = ['recover', 'finish', ...keystore('new')];
    expect(await bad(finish)).toContain('This has to be confirmed');
    const asked = await typed(finish, { answers: ['n'] });
    expect(asked.exitCode).toBe(130);
    expect(asked.err).toMatch(/These permissions are given again:\n.*Ada Okonjo.*laboratory/);
    expect(asked.err).toContain('your keys are back, and of no use until you get new ones');
    const marked = await typed([...finish, '--since', '1h'], { answers: ['n'] });
    expect(marked.err).toMatch(/psychotherapy.*← given or extended since then/);
    const [given = ''] = /[\w-]{6,}…(?=.*psychotherapy)/.exec(marked.err) ?? [];
    const leaving = [...finish, '--leave-out', given];
    const seen = await typed(leaving, { answers: ['n'] });
    expect(seen.err).toMatch(/NOT given again:\n.*psychotherapy/);
    // The old keys are released and not renewed: they can do nothing else meanwhile.
    const again = ['grant', ...keystore('new'), '--to', '1000000012', '--rights', 'read'];
    const wanted = [...again, '--category', 'laboratory', '--until', '1d', '--yes'];
    expect(await bad(wanted)).toContain('can only rotate');
    const { out } = await good(leaving, { answers: ['y'] });
    expect(out).toContain('3 records came over; 1 permission given again.');
    expect(out).toContain('1 permission ended and is not given again.');
    expect(out).toContain('Your emergency card is VOID');
    expect(out).toContain('carequorum guardians set');
    const { json } = await good(['records', ...keystore('new'), '--json']);
    const records = json['records'] as { id: string; path: string }[];
    expect(records.map(({ path }) => path).sort()).toEqual(['0.txt', '1.txt', '2.txt']);
    const first = records.find(({ path }) => path === '1.txt');
    await good(['read', first?.id ?? '', ...keystore('new'), '--out', file('back')]);
    expect(await bad(['recover', 'finish', ...keystore('new')])).toContain('in order');
    expect((await good(['guardians', 'list', ...keystore('new')])).out).toContain('no guardians');
    expect((await good(['history', ...keystore('new')])).out).toContain('started a recovery');
  });
});
