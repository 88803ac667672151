import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { grant, revoke } from '../../sdk/grants.ts';
import { type Patient, requireAll } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { makeWorld, type World } from './world.ts';

const HOUR = 3_600_000;
let world: World;
let first: Clinician;
let second: Clinician;
let patient: Patient;

beforeAll(async () => {
  world = await makeWorld();
  [first, second, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient('Anna Müller', ['laboratory', 'history-and-physical']),
  ]);
});
afterAll(() => world.close());

const sha = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

const until = (ms: number): number => Date.now() + world.skewMs.value + ms;

describe('the journey of a record', () => {
  it('goes from one doctor through the patient to another, and is refused outside of it', async () => {
    const write = {
      rights: ['write'],
      categories: ['laboratory', 'history-and-physical'],
    } as const;
    await grant(patient, { to: { npi: '1000000012' }, ...write, until: until(HOUR) });
    const files = [
      ['lab report é.pdf', 'laboratory', Buffer.from('%PDF-1.7 nothing much')],
      ['empty', 'laboratory', Buffer.alloc(0)],
      ['large.bin', 'history-and-physical', Buffer.alloc(9_500_000, 'abc')],
    ] as const;
    for (const [name, category, bytes] of files) {
      const path = join(world.folder, name);
      await writeFile(path, bytes);
      const source = await fileSource(path, name);
      const { pseudonym } = patient;
      await first.upload(source, { pseudonym, category, mediaType: 'application/octet-stream' });
    }
    const all = await patient.records();
    expect(all).toHaveLength(3);
    expect(all.every((one) => one.stored !== null && one.review === 'awaiting')).toBe(true);
    requireAll(await patient.countersign(all.map(({ id, digest }) => ({ id, digest }))));

    const read = { rights: ['read'], categories: ['laboratory'], until: until(HOUR) } as const;
    const given = await grant(patient, { to: { name: 'Bruno Castellan' }, ...read });
    const { listed } = await second.list(patient.pseudonym);
    expect(listed.map((one) => one.metadata?.path).sort()).toEqual(['empty', 'lab report é.pdf']);
    for (const { record } of listed) {
      const done = await second.read(record, ({ path }) =>
        fileSink(join(world.folder, `out-${path}`)),
      );
      expect(await sha(done.path)).toBe(await sha(join(world.folder, done.metadata.path)));
      await expect(verifyReceipt(done.access.receipt, world.net.genesis)).resolves.toBeDefined();
    }

    const outside = all.find(
      (one) => one.dataMonth !== '' && !listed.some((l) => l.record.id === one.id),
    );
    await expect(second.requestAccess(outside!.id)).rejects.toMatchObject({
      code: 'refused',
      details: { reason: 'category_not_granted' },
    });

    const { receiptsUsableUntil } = await revoke(patient, given.permissionId);
    expect(receiptsUsableUntil).toBeGreaterThan(Date.now());
    const denied = await second
      .requestAccess(listed[0]!.record.id)
      .catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(SdkError);
    expect((denied as SdkError).details).toMatchObject({ reason: 'permission_revoked' });

    const history = await patient.history();
    expect(history.map((one) => one.fn)).toContain('access.list');
    const denials = history.filter((one) => one.decision === 'deny');
    expect(denials.map((one) => one.reason)).toEqual([
      'category_not_granted',
      'permission_revoked',
    ]);
  });

  it('seals new records to renewed keys, and to the readers who remain', async () => {
    const third = await world.doctor('Chandra Veluri', 2, '1000000038');
    const read = { rights: ['read'], categories: ['laboratory'], until: until(HOUR) } as const;
    const stays = await grant(patient, { to: { name: 'Chandra Veluri' }, ...read });
    const goes = await grant(patient, { to: { name: 'Bruno Castellan' }, ...read });
    const { renewed } = await revoke(patient, goes.permissionId);
    expect(renewed.map((one) => one.recipient.name)).toEqual(['Chandra Veluri']);
    expect(renewed[0]?.permission.id).toBe(stays.permissionId);
    const path = join(world.folder, 'later.txt');
    await writeFile(path, 'after the revocation');
    const target = {
      pseudonym: patient.pseudonym,
      category: 'laboratory',
      mediaType: 'text/plain',
    };
    const uploaded = await first.upload(await fileSource(path, 'later.txt'), target);
    const { listed } = await third.list(patient.pseudonym);
    const later = listed.find((one) => one.record.id === uploaded.recordId);
    expect(later?.metadata?.path).toBe('later.txt');
    expect(later?.record.epoch.revision).toBeGreaterThan(0);
    const seeds = await second.reader('TREAT');
    const { record } = later!;
    const { pseudonym, categoryTag } = record;
    expect(seeds.seedOf({ pseudonym, categoryTag, ...record.epoch })).toBeNull();
  });

  it('refuses after expiry', async () => {
    const read = { rights: ['read'], categories: ['laboratory'], until: until(60_000) } as const;
    await grant(patient, { to: { name: 'Bruno Castellan' }, ...read });
    const { listed } = await second.list(patient.pseudonym);
    world.skewMs.value += 61_000;
    await expect(second.requestAccess(listed[0]!.record.id)).rejects.toMatchObject({
      details: { reason: 'permission_expired' },
    });
  });
});
