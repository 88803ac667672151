/** At the command line: letters, lost keys, renewal by itself, and naming by two. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKeystore } from '../../sdk/keystore.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run } from './cli-world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let world: World;
let network: string;
beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
});
afterAll(() => world.close());

const file = (name: string): string => join(world.folder, name);

async function typed(keystore: string, argv: readonly string[]): Promise<Run> {
  const path = keystore.startsWith('operator:') ? keystore : file(keystore);
  const options = ['--keystore', path, '--network', network];
  return run(world, [...argv, ...options], { env: { CAREQUORUM_PASSPHRASE: PASSPHRASE } });
}

async function good(keystore: string, argv: readonly string[]): Promise<Run> {
  const done = await typed(keystore, argv);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

const enrolDoctor = [
  ...['enrol', '--role', 'doctor', '--name', 'Ada Okonjo', '--npi', '1000000012'],
  ...['--state', 'NY', '--licence', '900001', '--hospital', 'hospital-a'],
];
const [own, other] = ['operator:hospital-a', 'operator:hospital-b'];

describe('a doctor who lost the keys', () => {
  it('gets new ones by the word of two hospitals, and the patient is told', async () => {
    await good('ada.keystore', enrolDoctor);
    await good(own, ['approve', file('ada.certificate'), '--yes']);
    const person = ['--name', 'Anna Muster', '--birth-date', '1961-04-23'];
    await good('anna.keystore', ['enrol', '--role', 'patient', ...person]);
    const terms = ['--rights', 'read', '--category', 'laboratory', '--until', '180d', '--yes'];
    await good('anna.keystore', ['grant', '--to', '1000000012', ...terms]);

    const role = ['--role', 'doctor'];
    const made = await good('new.keystore', [
      ...['reenrol', 'enrol', ...role, '--name', 'Ada', '--json'],
    ]);
    const kid = made.json['thumbprint'] as string;
    const letter = ['--letter', file('ada.letter')];
    await good(own, [
      ...['letter', kid, '--for', '1000000012', '--out', file('ada.letter'), '--yes'],
    ]);
    const certified = await good('new.keystore', [
      ...['reenrol', 'enrol', ...role, ...letter, '--json'],
    ]);
    const subject = certified.json['subject'] as string;
    const asked = await good(own, [
      ...['reenrol', 'ask', file('new.certificate'), '--reason', 'device-lost', '--yes'],
    ]);
    expect(asked.out).toContain(subject);
    const inbox = await good('ada.keystore', ['inbox']);
    expect(inbox.out).toContain('object now');
    const dead = await typed('ada.keystore', ['records']);
    expect(dead.exitCode).toBe(1);
    expect(dead.err).toContain('carequorum reenrol object');
    const same = await typed(own, ['reenrol', 'approve', subject, '--yes']);
    expect(same.err).toContain('another hospital');
    await good(other, ['reenrol', 'approve', subject, '--yes']);
    const early = await typed(own, ['reenrol', 'finish', subject, '--yes']);
    expect(early.err).toContain('delay');
    world.skewMs.value += 73 * HOUR;
    await good(own, ['reenrol', 'finish', subject, '--yes']);
    const shown = await good('new.keystore', ['reenrol', 'show', subject, '--json']);
    expect(shown.json).toMatchObject({ status: 'done', kid });
    const told = await good('anna.keystore', ['inbox']);
    expect(told.err).toContain('Ada Okonjo has new keys');
    const records = await good('new.keystore', ['records', '--json']);
    expect(JSON.stringify(records.json)).toContain('Anna Muster');
  });

  it('objects where nothing was lost', async () => {
    const made = await good('thief.keystore', [
      ...['reenrol', 'enrol', '--role', 'doctor', '--name', 'T', '--json'],
    ]);
    const kid = made.json['thumbprint'] as string;
    const out = ['--out', file('thief.letter'), '--yes'];
    await good(own, ['letter', kid, '--for', 'Ada Okonjo', ...out]);
    await good('thief.keystore', [
      ...['reenrol', 'enrol', '--role', 'doctor', '--letter', file('thief.letter')],
    ]);
    await good(own, [
      ...['reenrol', 'ask', file('thief.certificate'), '--reason', 'device-stolen', '--yes'],
    ]);
    const done = await good('new.keystore', ['reenrol', 'object']);
    expect(done.out).toContain('nobody takes over');
    const shown = await good('new.keystore', ['reenrol', 'show']);
    expect(shown.out).toContain('vetoed');
    const again = await typed('new.keystore', ['reenrol', 'object']);
    expect(again.exitCode).toBe(1);
  });
});

describe('renewal', () => {
  it('is done by any command in the last month, and on demand', async () => {
    const before = await good('new.keystore', ['renew', '--json']);
    world.skewMs.value += 340 * DAY;
    const looked = await good('new.keystore', ['inbox']);
    expect(looked.err).toContain('Your keys were renewed');
    const after = await good('new.keystore', ['renew', '--json']);
    expect(after.json['thumbprint']).not.toBe(before.json['thumbprint']);
    expect(after.json['validUntil']).toBeGreaterThan(before.json['validUntil'] as number);
  });
});

describe('staff of no register', () => {
  it('enrol with a letter', async () => {
    const argv = ['enrol', '--role', 'auditor', '--name', 'Olga Audit', '--hospital', 'hospital-c'];
    const pending = await good('olga.keystore', [...argv, '--json']);
    expect(pending.json).toMatchObject({ status: 'pending' });
    const kid = pending.json['thumbprint'] as string;
    const out = ['--out', file('olga.letter'), '--yes'];
    await good('operator:hospital-c', ['letter', kid, '--role', 'auditor', ...out]);
    const done = await good('olga.keystore', [...argv, '--letter', file('olga.letter'), '--json']);
    expect(done.json).toMatchObject({ status: 'active' });
    await good('operator:hospital-c', ['approve', file('olga.certificate'), '--yes']);
  });
});

describe('naming', () => {
  it('takes two, and the patient reads of it in the inbox', async () => {
    const patient = await world.patient('Quirin Test', ['laboratory']);
    await writeFile(file('one-time.certificate'), patient.data.oneTime[0]!.certificate);
    const secret = file('case.secret');
    const asked = await good('olga.keystore', [
      ...['unmask', 'ask', file('one-time.certificate'), '--reason', 'court-order'],
      ...['--out', secret, '--yes', '--json'],
    ]);
    const id = asked.json['unmaskId'] as string;
    const receipts = ['--receipts', file('agreed.txt')];
    await good(own, ['unmask', 'approve', id, '--yes', ...receipts]);
    const named = await good('olga.keystore', [
      ...['unmask', 'name', secret, '--receipt', file('agreed.txt')],
    ]);
    expect(named.out).toContain('Quirin Test, born 1961-04-23');
    const listed = await good('anna.keystore', ['unmask', 'list']);
    expect(listed.out).toContain('court-order');
    const inbox = await good('Quirin-Test.keystore', ['inbox']);
    expect(inbox.out).toContain('was told who you are (court-order)');
    const not = await typed('anna.keystore', ['unmask', 'approve', id, '--yes']);
    expect(not.exitCode).toBe(1);
  });
});

describe('a doctor who leaves', () => {
  it('ends with every grant, and the patient’s keys are renewed', async () => {
    const terms = ['--rights', 'read', '--category', 'laboratory', '--until', '30d', '--yes'];
    await good('anna.keystore', ['grant', '--to', '1000000012', ...terms]);
    const { kid } = await openKeystore(file('new.keystore'), PASSPHRASE);
    const reason = ['--reason', 'left-hospital', '--yes'];
    await good(own, ['approve', '--revoke', kid, ...reason]);
    const inbox = await good('anna.keystore', ['inbox']);
    expect(inbox.err).toContain('may no longer practise');
    expect(inbox.out).toContain('it has ended');
    const listed = await good('anna.keystore', ['grant', '--list', '--json']);
    const { permissions } = listed.json as { permissions: { revoked: object | null }[] };
    expect(permissions.at(-1)?.revoked).toMatchObject({ height: expect.any(Number) as number });
    const back = await typed('new.keystore', ['reenrol', 'show']);
    expect(back.exitCode).toBe(1);
  });
});
