/** Membership lost with its table, restored from a backup: on DynamoDB and KMS calls, by the commands. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamoItemStore } from '../../functions/aws/dynamo-item-store.ts';
import { batchDelete, type DynamoTable } from '../../functions/aws/dynamo-table.ts';
import { kmsSecretWrap } from '../../functions/membership/secret-wrap.ts';
import { createVault, type SecretWrap } from '../../functions/membership/vault.ts';
import { backUpMembership } from '../../operations/membership-backup.ts';
import { itemsOf, versionsOf } from '../../operations/membership-table.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from '../functions/aws/emulator.ts';
import { makeWorld, type World } from '../sdk/world.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const NETWORK = 'local-test';
const HOUR_MS = 3_600_000;

let emulator: Emulator;
let table: DynamoTable;
let wrap: SecretWrap;
let world: World;
const folder = mkdtempSync(join(tmpdir(), 'cq-restore-'));
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  if (!ministack) return;
  emulator = await Emulator.start(ministack);
  table = await emulator.table();
  const { KeyMetadata } = await emulator.kms().send(new CreateKeyCommand({}));
  wrap = kmsSecretWrap(emulator.kms(), KeyMetadata?.KeyId ?? '', NETWORK);
  world = await makeWorld({}, { store: dynamoItemStore(table), wrap });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  if (!ministack) return;
  await world.close();
  await emulator.stop();
});

/** A command as an operator types it, with what the AWS SDK reads of the environment. */
async function command(script: string, ...args: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: emulator.account,
    AWS_SECRET_ACCESS_KEY: 'local-network-only',
  };
  const program = join(ROOT, 'operations', `${script}.ts`);
  return (await run(process.execPath, [program, ...args], { env, cwd: folder })).stdout;
}

async function emptied(target: DynamoTable): Promise<number> {
  const keys = [...(await versionsOf(target)).keys()].map((name) => {
    const [pk = '', sk = ''] = name.split('\u0000');
    return { pk, sk };
  });
  await batchDelete(target, keys);
  return keys.length;
}

async function contentOf(target: DynamoTable): Promise<unknown[]> {
  const found: { pk: string; sk: string }[] = [];
  for await (const item of itemsOf(target)) found.push(item);
  return found.sort((a, b) => (`${a.pk} ${a.sk}` < `${b.pk} ${b.sk}` ? -1 : 1));
}

const oneTime = ({ session, data, keystore }: Patient) =>
  session.membership.oneTimeCertificates(data.enrolment?.enrolmentId ?? '', keystore.signingKey, {
    weeks: [0, 0],
    isUrgent: true,
  });
const codeOf = (work: Promise<unknown>): Promise<string | null> =>
  work.then(() => 'done', reasonOf);

const title = `a membership table (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`;
describe.skipIf(!ministack)(title, { timeout: 240_000 }, () => {
  let before: { patient: Patient; revoked: Clinician; doctor: Clinician };
  let later: { patient: Patient; doctor: Clinician };
  let items: number;

  it('is backed up for a key that is elsewhere, and then lost', async () => {
    const [patient, revoked, doctor] = [
      await world.patient('Anna Muster', ['laboratory']),
      await world.doctor('Ada Okonjo', 0, '1000000012'),
      await world.doctor('Cara Lind', 2, '1000000038'),
    ];
    before = { patient, revoked, doctor };
    const recipient = (await command('backup', 'key', '--out', 'backup.key')).trim();
    const target = ['--table', table.name, '--out', 'enrolments.age', '--recipient', recipient];
    const said = JSON.parse(await command('backup', 'membership', ...target, '--json')) as object;
    items = (await versionsOf(table)).size;
    expect(said).toMatchObject({ network: NETWORK, kind: 'membership', items });
    expect(items).toBeGreaterThan(20);
    expect(readFileSync(file('enrolments.age')).includes('enrolment#')).toBe(false);

    later = {
      patient: await world.patient('Karl Later', ['laboratory']),
      doctor: await world.doctor('Ben Adler', 1, '1000000020'),
    };
    await world.operator(0).revoke(revoked.keystore.kid, 'left-hospital');
    expect(await emptied(table)).toBeGreaterThan(items);
    expect(await codeOf(oneTime(patient))).toBe('unknown_enrolment');
  });

  it('is restored as it was, and a second time without harm', async () => {
    const from = ['--table', table.name, '--key', 'backup.key', '--in', 'enrolments.age', '--json'];
    const first = JSON.parse(await command('restore', 'membership', ...from)) as object;
    expect(first).toMatchObject({ network: NETWORK, written: items, kept: 0 });
    const content = await contentOf(table);
    const again = JSON.parse(await command('restore', 'membership', ...from)) as object;
    expect(again).toMatchObject({ written: 0, kept: items });
    expect(await contentOf(table)).toEqual(content);
  });

  it('knows who was enrolled before, by name too, also after a cold start', async () => {
    const { patient, doctor } = before;
    const cold = createVault(dynamoItemStore(table), wrap);
    const warm = await world.membership.vault.digest('npi', '1000000038');
    expect(await cold.digest('npi', '1000000038')).toBe(warm);
    expect(await oneTime(patient)).toHaveLength(2);
    const found = await patient.session.membership.directory({ name: 'Cara Lind' });
    expect(found.map(({ subject }) => subject)).toEqual([doctor.data.enrolment?.subject]);
    const terms = { rights: ['read'] as const, categories: ['laboratory'] };
    const until = Date.now() + HOUR_MS;
    const { result } = await grant(patient, { to: { npi: '1000000038' }, ...terms, until });
    expect(result.status).toBe('COMMITTED');
  });

  it('lets nobody back in who was revoked since', async () => {
    const { revoked, patient } = before;
    expect(await codeOf(revoked.inbox())).toBe('identity_revoked');
    const until = Date.now() + HOUR_MS;
    const to = { npi: '1000000012' };
    const terms = { to, rights: ['read'] as const, categories: ['laboratory'], until };
    await expect(grant(patient, terms)).rejects.toThrow();
  });

  it('has forgotten who enrolled since: they enrol again, and stay who they are', async () => {
    const { doctor, patient } = later;
    // The ledger knows both: what needs no certificate goes on.
    await expect(doctor.inbox()).resolves.toBeDefined();
    expect(await codeOf(oneTime(patient))).toBe('unknown_enrolment');
    const { subject, enrolmentId } = doctor.data.enrolment ?? {};
    await expect(doctor.enrol('doctor', null)).rejects.toMatchObject({ code: 'bad_input' });
    const identity = { npi: '1000000020', state: 'NY', licence: '900001', hospital: 'hospital-b' };
    const renewed = await doctor.enrol('doctor', { name: 'Ben Adler', ...identity });
    expect(renewed?.subject).toBe(subject);
    expect(renewed?.enrolmentId).not.toBe(enrolmentId);
    await patient.enrol({ name: 'Karl Later', birthDate: '1961-04-23' });
    expect(await oneTime(patient)).toHaveLength(2);
    const until = Date.now() + HOUR_MS;
    const to = { npi: '1000000020' };
    const terms = { to, rights: ['read'] as const, categories: ['laboratory'], until };
    expect((await grant(patient, terms)).result.status).toBe('COMMITTED');
  });

  it('is not filled where its service began anew, with secrets of its own', async () => {
    await emptied(table);
    await createVault(dynamoItemStore(table), wrap).digest('name', 'somebody');
    const from = ['--table', table.name, '--key', 'backup.key', '--in', 'enrolments.age'];
    await expect(command('restore', 'membership', ...from)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('secret#lookup') as string,
    });
    expect((await versionsOf(table)).size).toBe(1);
  });
});

describe.skipIf(!ministack)('a backup is refused', { timeout: 60_000 }, () => {
  const to = async () => {
    const recipients = [await identityToRecipient(await generateHybridIdentity())];
    return { path: file('never.age'), recipients };
  };

  it('of a table that is none of a membership service: erased keys must not come back', async () => {
    const wraps = await emulator.table();
    await dynamoItemStore(wraps).insert({ pk: 'service', sk: 'genesis' }, world.net.signed);
    await dynamoItemStore(wraps).insert({ pk: 'record#x', sk: 'wrap' }, {});
    const refused = backUpMembership(wraps, await to());
    await expect(refused).rejects.toMatchObject({ code: 'wrong_table' });
  });

  it('of a table that never holds still: half of a change would be in it', async () => {
    const busy = await emulator.table();
    const store = dynamoItemStore(busy);
    for (const sk of ['genesis', 'authority']) {
      await store.insert({ pk: 'service', sk }, world.net.signed);
    }
    let isOn = true;
    const writing = (async () => {
      for (let count = 0; isOn; count += 1) await store.insert({ pk: 'nonce', sk: `${count}` }, {});
    })();
    const refused = backUpMembership(busy, await to());
    await expect(refused).rejects.toMatchObject({ code: 'table_in_use' });
    isOn = false;
    await writing;
    expect(existsSync(file('never.age'))).toBe(false);
  });
});
