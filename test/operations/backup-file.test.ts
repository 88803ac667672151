/** The file of a backup: whole or refused, and opened by its keys alone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BackupHeader,
  type BackupItem,
  openBackup,
  writeBackup,
} from '../../operations/backup-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'cq-backup-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let identity: string;
let recipient: string;
beforeAll(async () => {
  identity = await generateHybridIdentity();
  recipient = await identityToRecipient(identity);
});

const COUNT = 2_000;
const header = (items: number): BackupHeader => ({
  format: 'carequorum-backup-1',
  kind: 'membership',
  network: 'local-test',
  genesisHash: '0'.repeat(64),
  takenAt: new Date(0).toISOString(),
  items,
});
const itemAt = (index: number): BackupItem => ({
  pk: `enrolment#${index}`,
  sk: 'state',
  version: index + 1,
  data: Buffer.from(`Ada Okonjo ${index}`.padEnd(300, 'x')).toString('base64'),
  ...(index % 2 ? { ttl: 4_000_000_000 } : {}),
});

async function* items(count = COUNT): AsyncGenerator<BackupItem> {
  for (let index = 0; index < count; index += 1) yield itemAt(index);
}

async function written(name: string, said = COUNT): Promise<string> {
  const path = join(folder, name);
  await writeBackup(path, [recipient], { header: header(said), items: items() });
  return path;
}

async function readAll(path: string, key = identity): Promise<BackupItem[]> {
  const found: BackupItem[] = [];
  for await (const item of (await openBackup(path, [key])).items()) found.push(item);
  return found;
}

describe('a backup', () => {
  it('comes back as it was, for its owner alone, and shows nobody', async () => {
    const path = await written('whole.age');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(path);
    const name = Buffer.from('Ada Okonjo ').toString('base64').slice(0, 14);
    expect(itemAt(7).data).toContain(name);
    for (const text of [name, 'enrolment#']) expect(bytes.includes(text)).toBe(false);
    expect((await openBackup(path, [identity])).header).toEqual(header(COUNT));
    const found = await readAll(path);
    expect(found).toHaveLength(COUNT);
    expect(found[7]).toEqual(itemAt(7));
    const other = await generateHybridIdentity();
    await expect(openBackup(path, [other])).rejects.toMatchObject({ code: 'bad_backup' });
  });

  it('opens with the key of each recipient', async () => {
    const second = await generateHybridIdentity();
    const path = join(folder, 'two.age');
    const recipients = [recipient, await identityToRecipient(second)];
    await writeBackup(path, recipients, { header: header(3), items: items(3) });
    for (const key of [identity, second]) expect(await readAll(path, key)).toHaveLength(3);
  });

  it.each([
    ['is cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 70_000)],
    ['is cut off by a byte', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
    [
      'was changed in the middle',
      (bytes: Buffer) => bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte)),
    ],
    ['is none', () => Buffer.from('{"format":"carequorum-backup-1"}\n')],
  ])('that %s is refused', async (_what, change) => {
    const path = await written('changed.age');
    writeFileSync(path, change(readFileSync(path)));
    await expect(readAll(path)).rejects.toMatchObject({ code: 'bad_backup' });
  });

  it('that lacks items is refused, and so is one with another first line', async () => {
    const path = await written('short.age', COUNT + 1);
    await expect(readAll(path)).rejects.toThrow(`${COUNT} of ${COUNT + 1} items`);
    const other = { ...header(COUNT), kind: 'records' } as unknown as BackupHeader;
    const foreign = join(folder, 'foreign.age');
    await writeBackup(foreign, [recipient], { header: other, items: items(1) });
    await expect(readAll(foreign)).rejects.toMatchObject({ code: 'bad_backup' });
  });

  it('that fails half-way leaves the one before, and nothing else', async () => {
    const path = await written('kept.age');
    const before = readFileSync(path);
    async function* failing(): AsyncGenerator<BackupItem> {
      yield* items(1_500);
      throw new Error('the table went away');
    }
    const plan = { header: header(COUNT), items: failing() };
    await expect(writeBackup(path, [recipient], plan)).rejects.toThrow('the table went away');
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('is made for keys of age alone', async () => {
    const plan = { header: header(1), items: items(1) };
    const path = join(folder, 'nobody.age');
    await expect(writeBackup(path, ['age1nobody'], plan)).rejects.toMatchObject({
      code: 'bad_option',
    });
  });
});
