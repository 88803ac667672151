/** Emergencies as typed: what a patient prepares, a doctor reads, and nobody may conclude. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomId } from '../../lib/crypto/random.ts';
import { formatCardCode } from '../../sdk/card-code.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
const file = (name: string): string => join(world.folder, name);
const anna = ['--keystore', 'anna.keystore'];
const ada = ['--keystore', 'ada.keystore'];
const bruno = ['--keystore', 'bruno.keystore'];
let card: string;

const typed = (argv: readonly string[], options: RunOptions = {}): Promise<Run> =>
  run(world, [...argv, '--network', network], options);
async function good(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const done = await typed(argv, options);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}
const operator = (id: string): RunOptions => ({
  env: { CAREQUORUM_KEYSTORE: `operator:${id}`, CAREQUORUM_PASSPHRASE: PASSPHRASE },
});

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  for (const one of [anna, ada, bruno]) one[1] = file(one[1] as string);
  const birth = ['--birth-date', '1961-04-23'];
  await good(['enrol', '--role', 'patient', '--name', 'Anna Muster', ...birth, ...anna]);
  const doctor = ['enrol', '--role', 'doctor', '--state', 'NY', '--licence', '900001'];
  const first = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
  const second = ['--name', 'Bruno Castellan', '--npi', '1000000020', '--hospital', 'hospital-b'];
  await good([...doctor, ...first, ...ada]);
  await good([...doctor, ...second, ...bruno]);
  await good(['approve', file('ada.certificate'), '--yes'], operator('hospital-a'));
});
afterAll(() => world.close());

const emergency = (...argv: string[]): string[] => ['emergency', ...argv];
const declare = (...argv: string[]): string[] =>
  emergency('declare', '--card', card, '--reason', 'unconscious', '--yes', ...argv);

describe('emergency', () => {
  it('asks for a summary before there is a card', async () => {
    const none = await typed(emergency('card', ...anna));
    expect(none.err).toContain('You have prepared no emergency summary.');
    expect(none.err).toContain('Next: Prepare one');
  });

  it('shows the patient what strangers will see, and does nothing without a yes', async () => {
    const argv = emergency('prepare', '--allergy', 'Penicillin: anaphylaxis', ...anna);
    const env = { CAREQUORUM_PASSPHRASE: PASSPHRASE };
    const no = await typed(argv, { env, answers: ['n'] });
    expect(no.exitCode).toBe(130);
    expect(no.err).toContain('Penicillin: anaphylaxis   [the patient,');
    expect(no.err).toMatch(/MEDICINES\n +NOT ASKED/);
    const yes = await good([...argv, '--none-known', 'conditions'], { env, answers: ['y'] });
    expect(yes.err).toMatch(/CONDITIONS\n +None known, says the patient/);
    card = /^ {3}(\S+ \S+ \S+ \S+)\n {3}(\S+ \S+ \S+)$/m.exec(yes.out)!.slice(1).join(' ');
    const twice = await typed([...argv, '--none-known', 'allergies', '--yes']);
    expect(twice.exitCode).toBe(2);
  });

  it('prints a card that names nobody', async () => {
    const { out } = await good(emergency('card', '--out', file('card.pdf'), ...anna));
    expect(out).toContain(card.slice(0, 19));
    expect(out).not.toContain('Anna');
    expect((await readFile(file('card.pdf'))).subarray(0, 5).toString()).toBe('%PDF-');
  });

  it('lets a verified doctor read by the card, with a hospital away, and tells the patient', async () => {
    const origin = 'http://hospital-c.test';
    const handler = world.handlers[origin]!;
    world.handlers[origin] = () => Promise.reject(new TypeError('fetch failed'));
    world.handlers['http://records.test'] = () => Promise.reject(new TypeError('fetch failed'));
    const { out } = await good(declare(...ada));
    world.handlers[origin] = handler;
    const lines = out.split('\n');
    expect(lines.indexOf('ALLERGIES')).toBeLessThan(lines.indexOf('MEDICINES'));
    expect(out).toContain('Penicillin: anaphylaxis   [the patient,');
    expect(out).toMatch(/MEDICINES\n +NOT ASKED: nothing is known about this either way/);
    expect(out).not.toMatch(/MEDICINES\n +None/i);
    expect((await good(['inbox', ...anna])).out).toContain('An emergency was declared about you');
    expect((await good(['history', ...anna])).out).toContain(
      'declared an emergency and could read',
    );
    const listed = await good(emergency('list', ...anna));
    expect(listed.out).toContain('Ada Okonjo (doctor, hospital-a)');
    expect(listed.out).toContain('the patient is unconscious');
  });

  it('never lets a failure pass for «no allergies»', async () => {
    const unknown = formatCardCode(randomId());
    const cases = [
      [`${card.slice(0, -1)}${card.endsWith('7') ? '8' : '7'}`, 'of the card is wrong'],
      [unknown, 'does NOT mean that there are no allergies'],
    ] as const;
    for (const [number, said] of cases) {
      const argv = emergency('declare', '--card', number, '--reason', 'other', '--yes');
      const failed = await typed([...argv, ...ada]);
      expect(failed.exitCode).toBe(1);
      expect(failed.err).toContain(said);
      expect(failed.out + failed.err).not.toMatch(/none known/i);
    }
    // Not approved yet: the ledger knows no such clinician.
    const pending = await typed(declare(...bruno));
    expect(pending.exitCode).toBe(1);
    expect(pending.err).toContain('does NOT mean that there are no allergies');
    // Two of four hospitals away: declared, and not readable.
    const id = (await good(emergency('list', '--json', ...ada))).json as unknown as {
      declarations: { id: string }[];
    };
    const origins = ['http://hospital-a.test', 'http://hospital-b.test'];
    const kept = origins.map((origin) => world.handlers[origin]!);
    origins.forEach((origin, at) => {
      world.handlers[origin] = (request) =>
        request.url.pathname.startsWith('/v1/escrow/')
          ? Promise.reject(new TypeError('fetch failed'))
          : kept[at]!(request);
    });
    const shut = await typed(emergency('read', id.declarations[0]!.id, ...ada));
    origins.forEach((origin, at) => (world.handlers[origin] = kept[at]!));
    expect(shut.exitCode).toBe(1);
    expect(shut.err).toContain('2 hospitals gave a good share; 3 are needed');
    expect(shut.err).toContain('does NOT mean that there are no allergies');
    expect(shut.out).toBe('');
  });

  it('finds the card by name and birth date, and concludes nothing where there is none', async () => {
    const named = (...argv: string[]): string[] =>
      emergency('declare', '--reason', 'unconscious', '--yes', ...argv, ...ada);
    const { out } = await good(named('--name', 'muster anna', '--birth-date', '1961-04-23'));
    expect(out).toContain('Penicillin: anaphylaxis');
    const others = [
      ['--name', 'Anna Muster', '--birth-date', '1961-04-24'],
      ['--name', 'Ada Okonjo', '--birth-date', '1961-04-23'],
    ];
    for (const argv of others) {
      const none = await typed(named(...argv));
      expect(none.exitCode).toBe(1);
      expect(none.err).toContain('no_card');
      expect(none.err).toContain('does NOT mean that there are no allergies');
      expect(none.err).not.toMatch(/none known/i);
    }
    expect((await typed(named('--name', 'Anna Muster'))).exitCode).toBe(2);
    await good(emergency('prepare', '--card-only', '--yes', ...anna));
    const shut = await typed(named('--name', 'Anna Muster', '--birth-date', '1961-04-23'));
    expect(shut.err).toContain('no_card');
    await good(emergency('prepare', '--yes', ...anna));
    expect((await typed(named(...others[0]!))).err).toContain('no_card');
    await good(emergency('prepare', '--by-name', '--yes', ...anna));
    await good(named('--name', 'Anna Muster', '--birth-date', '1961-04-23'));
  });

  it('is reviewed by another hospital, and overdue until then', async () => {
    const { declarations } = (await good(emergency('list', '--json', ...ada))).json as unknown as {
      declarations: { id: string; until: number }[];
    };
    const { id } = declarations[0]!;
    const argv = emergency('review', id, '--verdict', 'justified', '--yes');
    expect((await typed(argv, operator('hospital-a'))).err).toContain('own_declaration');
    const overdue = emergency('list', '--overdue');
    const before = await good(overdue, operator('hospital-b'));
    expect(before.out).toContain('Nobody declared an emergency.');
    world.skewMs.value += 25 * 3_600_000;
    // The ledger moves on with any transaction.
    expect((await typed(emergency('read', id, ...ada))).err).toContain('declaration_over');
    expect((await good(overdue, operator('hospital-b'))).out).toContain('OVERDUE');
    await good(argv, operator('hospital-b'));
    expect((await good(emergency('list', ...anna))).out).toContain('justified (hospital-b)');
    expect((await good(['inbox', ...ada])).out).toContain('looked at a declaration');
  });

  it('ends with the patient’s word, or by a new card', async () => {
    const renewed = await good(emergency('prepare', '--new-card', '--yes', ...anna));
    expect(renewed.out).toContain('EMERGENCY CARD');
    const old = await typed(declare(...ada));
    expect(old.err).toContain('handle_void');
    const { out } = await good(emergency('withdraw', '--yes', ...anna));
    expect(out).toContain('Every hospital has erased its part of the key.');
    expect((await typed(emergency('card', ...anna))).exitCode).toBe(1);
  });
});
