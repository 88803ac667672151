/** `carequorum prescription|pharmacy|claim|insurer`, as people type them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConnectedWorld,
  makeConnectedWorld,
  patientOf,
  policies,
  tariff,
} from '../sdk/connected-world.ts';
import { networkFile, run, type Run } from './cli-world.ts';

let connected: ConnectedWorld;
let network: string;
let fillId: string;
const file = (name: string): string => join(connected.world.folder, name);
const typed = (who: string, argv: readonly string[]): Promise<Run> => {
  const keystore = file(`${who.replaceAll(' ', '-')}.keystore`);
  return run(connected.world, [...argv, '--keystore', keystore, '--network', network]);
};

async function good(who: string, argv: readonly string[]): Promise<Run> {
  const done = await typed(who, argv);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

const ANNA = 'Anna Müller';
const asking = ['--insurer', 'Sample Mutual', '--policy', 'SM-4711', '--line'];

beforeAll(async () => {
  connected = await makeConnectedWorld();
  network = await networkFile(connected.world);
  await patientOf(connected, ANNA);
  await writeFile(file('tariff.json'), JSON.stringify(tariff));
  await writeFile(file('policies.json'), JSON.stringify(policies));
});
afterAll(() => connected.world.close());

describe('a prescription, from the keyboard', () => {
  it('is written, opened, given and handed out once', async () => {
    const what = [
      '--medicine',
      'Tamoxifen 20 mg',
      '--dose',
      'one each morning',
      '--quantity',
      '30',
    ];
    const terms = ['--fills', '2', '--every', '25', '--code', 'atc:L02BA01', '--until', '180d'];
    const doctor = ['prescription', 'write', '--for', ANNA, ...what, ...terms];
    const written = await good('Ada Okonjo', [...doctor, '--yes', '--json']);
    const id = written.json['prescriptionId'] as string;
    expect((await good(ANNA, ['prescription', 'list'])).out).toContain('30 can be had');
    const give = ['prescription', 'give', id, '--insurer', 'Sample Mutual', '--yes'];
    const given = await good(ANNA, [...give, '--to', 'North Pharmacy']);
    expect(given.err).toContain('North Pharmacy will see exactly this.');
    await good(ANNA, [...give, '--to', 'South Pharmacy']);
    const listed = await good('North Pharmacy', ['pharmacy', 'list']);
    expect(listed.out).toContain('30 may be handed out now');
    expect(listed.out).toContain('Tamoxifen 20 mg: one each morning');
    const fill = ['pharmacy', 'fill', id.slice(0, 8), '--yes'];
    fillId = (await good('North Pharmacy', [...fill, '--json'])).json['fillId'] as string;
    const again = await typed('South Pharmacy', fill);
    expect(again.exitCode).toBe(1);
    expect(again.err).toContain('refill_too_early');
    expect(again.err).toContain('Next: Wait: `carequorum pharmacy list` says from when');
    const shown = await good(ANNA, ['prescription', 'show', id.slice(0, 8)]);
    expect(shown.out).toContain('as prescribed');
    const back = ['prescription', 'take-back', id, '--from', 'South Pharmacy'];
    expect((await good(ANNA, back)).out).toContain('can hand out nothing more');
    expect((await good('South Pharmacy', ['pharmacy', 'list'])).out).toContain('No patient gave');
    const cancel = ['prescription', 'cancel', id, '--reason', 'treatment-changed', '--yes'];
    expect((await good('Ada Okonjo', cancel)).out).toContain('Nothing more is handed out');
    const late = await typed('North Pharmacy', fill);
    expect(late.err).toContain('Hand nothing out.');
  });

  it('is refused with words where it cannot be', async () => {
    const unknown = await typed(ANNA, ['prescription', 'show', 'AAAAAAAA']);
    expect(unknown.err).toContain('Next: See `carequorum prescription list`');
    const none = ['prescription', 'write', '--for', 'Nobody', '--medicine', 'x', '--dose', 'y'];
    const nobody = await typed('Ada Okonjo', [
      ...none,
      '--quantity',
      '1',
      '--until',
      '3d',
      '--yes',
    ]);
    expect(nobody.err).toContain('No patient «Nobody» gave you a permission.');
  });
});

describe('an insurer, from the keyboard', () => {
  it('estimates and pays by its files, and keeps its book', async () => {
    const estimate = ['claim', 'estimate', ...asking, 'atc:L02BA01*30=45.00', '--yes', '--json'];
    const asked = (await good(ANNA, estimate)).json['claimId'] as string;
    const waiting = await good('Sample Mutual', ['insurer', 'list']);
    expect(waiting.out).toContain('atc:L02BA01*30 45.00 EUR');
    const files = ['--tariff', file('tariff.json'), '--policies', file('policies.json')];
    const answered = await good('Sample Mutual', ['insurer', 'answer', asked, ...files]);
    expect(answered.out).toContain('estimated: patient 21.00 EUR, insurer 24.00 EUR.');
    expect((await good(ANNA, ['claim', 'list'])).out).toContain('holds until');
    expect(JSON.parse(await readFile(file('policies.json'), 'utf8'))).toEqual(policies);
    const submit = [
      'claim',
      'submit',
      '--fill',
      fillId,
      ...asking,
      'atc:L02BA01*30=45.00',
      '--yes',
    ];
    const claimed = await good('North Pharmacy', [...submit, '--json']);
    const again = await typed('North Pharmacy', submit);
    expect(again.err).toContain('already_claimed');
    const claimId = claimed.json['claimId'] as string;
    const paid = await good('Sample Mutual', ['insurer', 'answer', claimId, ...files]);
    expect(paid.out).toContain('accepted: patient 21.00 EUR, insurer 24.00 EUR.');
    expect(JSON.parse(await readFile(file('policies.json'), 'utf8'))).toMatchObject({
      policies: [{ deductibleMet: 10_000, outOfPocketMet: 11_100 }],
    });
    const twice = await typed('Sample Mutual', ['insurer', 'answer', claimId, ...files]);
    expect(twice.exitCode).toBe(1);
    const inbox = await good(ANNA, ['inbox']);
    expect(inbox.out).toContain('An insurer answered');
  });

  it('takes back what is not answered, and no words for codes', async () => {
    const estimate = ['claim', 'estimate', ...asking, 'atc:L02BA01', '--yes', '--json'];
    const asked = (await good(ANNA, estimate)).json['claimId'] as string;
    await good(ANNA, ['claim', 'withdraw', asked.slice(0, 8)]);
    expect((await good(ANNA, ['claim', 'list'])).out).toContain('taken back');
    const words = await typed(ANNA, ['claim', 'estimate', ...asking, 'atc:my breast cancer']);
    expect(words.exitCode).toBe(2);
    await writeFile(file('bad.json'), '{');
    const bad = ['insurer', 'answer', asked, '--tariff', file('bad.json'), '--policies', 'x'];
    expect((await typed('Sample Mutual', bad)).err).toContain('config/');
    const both = ['claim', 'submit', ...asking, 'atc:L02BA01', '--yes'];
    expect((await typed(ANNA, both)).exitCode).toBe(2);
  });
});
