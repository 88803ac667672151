/** A representative as typed by both: card, appointment, acting with `--for`, and the end of it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, run, type Run, type RunOptions } from './cli-world.ts';

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

async function bad(argv: readonly string[]): Promise<string> {
  const done = await typed(argv);
  expect(done.exitCode).not.toBe(0);
  expect(done.err).toMatch(/\nNext: .+/);
  return done.err;
}

/** As Rosa types it, for her mother. */
const acts = (...words: string[]): string[] => [
  ...['representative', ...words, '--for', 'Mother'],
  ...keystore('rosa'),
];
const appoint = (...words: string[]): string[] => [
  ...['representative', 'appoint', file('rosa.card.json'), ...words],
  ...keystore('anna'),
];

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  const birth = ['--birth-date', '1961-04-23'];
  const anna = ['enrol', '--role', 'patient', '--name', 'Anna Muster', ...birth];
  await good([...anna, '--category', 'laboratory', ...keystore('anna')]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const who = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  await good([...doctor, ...who, ...keystore('ada')]);
  const operator = { CAREQUORUM_KEYSTORE: 'operator:hospital-a', CAREQUORUM_PASSPHRASE: 'unused' };
  await good(['approve', file('ada.certificate'), '--yes'], { env: operator });
  const grant = ['grant', ...keystore('anna'), '--to', '1000000012', '--rights', 'write'];
  await good([...grant, '--category', 'laboratory', '--until', '30d', '--yes']);
  await mkdir(file('documents'));
  await writeFile(file('documents/letter.txt'), 'a letter of the laboratory');
  await good(['upload', file('documents'), ...keystore('ada'), '--category', 'laboratory']);
});
afterAll(() => world.close());

describe('a representative', () => {
  it('enrols, makes a card, and may do nothing yet', async () => {
    const rosa = ['enrol', '--role', 'representative', '--name', 'Rosa Muster'];
    expect((await good([...rosa, ...keystore('rosa')])).out).toContain(
      'until a patient appoints you',
    );
    const card = acts('card', '--name', 'Rosa Muster', '--out', file('rosa.card.json'));
    expect((await good(card)).out).toMatch(/Its number is \d{4} \d{4} \d{4} \d{4}/);
    expect(await bad(card)).toContain('You cannot use «Mother»');
    expect(await bad(acts('records'))).toContain('no patient appointed this key');
    expect(
      (await good(acts('mine').filter((word) => word !== '--for' && word !== 'Mother'))).out,
    ).toContain('Mother: you may not act.');
  });

  it('is appointed after a look at the number and at what is given', async () => {
    const all = ['--rights', 'read,grant,countersign,history', '--category', 'laboratory'];
    expect(await bad(appoint(...all))).toContain('--until is missing');
    expect(await bad(appoint('--rights', 'rotate', '--until', '1d'))).toContain('Rights are read');
    const shown = await typed(appoint(...all, '--until', '60d'), { answers: ['n'] });
    expect(shown.err).toMatch(/Rosa Muster act for you; number of the card \d{4}/);
    expect(shown.err).toContain('let doctors and nurses read or write');
    expect(shown.exitCode).toBe(130);
    const altered = (await readFile(file('rosa.card.json'), 'utf8')).replace(
      '"signature": "',
      '"signature": "AA',
    );
    await writeFile(file('altered.json'), altered);
    const wrong = appoint(...all, '--until', '60d', '--yes');
    wrong[2] = file('altered.json');
    expect(await bad(wrong)).toMatch(/This is no card of a representative|was altered/);
    await good(appoint(...all, '--until', '60d', '--yes'));
    const { out } = await good(['representative', 'list', ...keystore('anna')]);
    expect(out).toContain('Rosa Muster: ');
    expect(out).toContain('kinds       laboratory');
  });

  it('lists, reads, confirms and grants, and the patient sees who it was', async () => {
    const { json } = await good(acts('records', '--json'));
    const [record] = json['records'] as { recordId: string; name: string }[];
    expect(record?.name).toContain('letter.txt');
    const id = record?.recordId ?? '';
    await good(acts('read', id, '--out', file('read.txt')));
    expect(await readFile(file('read.txt'), 'utf8')).toBe('a letter of the laboratory');
    await good(acts('countersign', id));
    const give = acts(
      'grant',
      '--to',
      '1000000012',
      '--rights',
      'read',
      '--category',
      'laboratory',
    );
    await good([...give, '--until', '30d', '--yes']);
    expect(await bad([...give, '--until', '61d', '--yes'])).toContain('beyond');
    expect(await bad(acts('grant', '--to', '1000000012', '--until', '1d'))).toContain('is missing');
    const out = file('by-ada.txt');
    await good(['read', id, '--out', out, ...keystore('ada')]);
    expect(await bad(acts('revoke', 'AAAA', '--yes'))).toContain('permission');
    expect((await good(acts('history'))).out).toContain('confirmed a record');
    const history = await good(['history', ...keystore('anna')]);
    expect(history.out).toMatch(/Rosa Muster, for you +confirmed a record/);
    expect((await good(['inbox', ...keystore('anna')])).out).toContain('Your representative did');
  });

  it('acts no more once the patient ended it, nor does whom she let in', async () => {
    const { json } = await good(['representative', 'list', '--json', ...keystore('anna')]);
    const [known] = json['representatives'] as { permissionId: string }[];
    const end = ['representative', 'end', known?.permissionId ?? '', ...keystore('anna')];
    const done = await good([...end, '--yes']);
    expect(done.out).toContain('Rosa Muster acts for you no more.');
    expect(done.out).toMatch(/Ended with it: permission [\w-]{22}/);
    expect(await bad(acts('records'))).toContain('You no longer act for this patient');
    expect(await bad([...end, '--yes'])).toContain('it was ended before');
  });
});
