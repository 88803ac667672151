import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { thumbprint, verifyP256 } from '../../lib/crypto/p256.ts';
import { createKeystore, openKeystore, requireKind } from '../../sdk/keystore.ts';

const passphrase = 'correct horse battery';
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cq-keystore-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const make = (name = 'a.keystore') =>
  createKeystore({
    path: join(folder, name),
    passphrase,
    kind: 'operator',
    label: 'Operator A',
    workFactor: 10,
  });

describe('keystore files', () => {
  it('give the same keys and data after opening again', async () => {
    const made = await make();
    made.data['note'] = { kept: [1, 2] };
    await made.save();
    const opened = await openKeystore(made.path, passphrase);
    expect(opened.kid).toBe(made.kid);
    expect(opened.kid).toBe(thumbprint(opened.publicKey));
    expect(opened.encryption).toEqual(made.encryption);
    expect(opened.data).toEqual({ note: { kept: [1, 2] } });
    const message = utf8('message');
    const signature = await opened.signingKey.sign(message);
    expect(await verifyP256(made.publicKey, message, signature)).toBe(true);
  });

  it('are readable by their owner only, and leave no other file', async () => {
    const made = await make();
    await made.save();
    expect((await stat(made.path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['a.keystore']);
  });

  it('hold nothing secret in clear', async () => {
    const made = await make();
    made.data['secret'] = 'needle-in-the-haystack';
    await made.save();
    const text = await readFile(made.path, 'utf8');
    expect(text).not.toContain('needle');
    expect(Object.keys(JSON.parse(text) as object).sort()).toEqual(
      ['body', 'format', 'kid', 'kind', 'label', 'lock', 'publicKey', 'revision'].sort(),
    );
  });

  it('refuse a wrong passphrase and say so', async () => {
    const made = await make();
    await expect(openKeystore(made.path, 'wrong passphrase')).rejects.toMatchObject({
      code: 'wrong_passphrase',
      nextStep: expect.stringMatching(/./) as string,
    });
  });

  it('take composed and decomposed letters of a passphrase for the same', async () => {
    const path = join(folder, 'b.keystore');
    const options = { path, kind: 'patient', label: 'B', workFactor: 10 } as const;
    await createKeystore({ ...options, passphrase: 'caf\u00e9 au lait' });
    await expect(openKeystore(path, 'cafe\u0301 au lait')).resolves.toBeDefined();
  });

  it('are never overwritten', async () => {
    const made = await make();
    await expect(make()).rejects.toMatchObject({ code: 'keystore_exists' });
    await expect(openKeystore(made.path, passphrase)).resolves.toMatchObject({ kid: made.kid });
  });

  it('refuse a short passphrase', async () => {
    const path = join(folder, 'c.keystore');
    const options = { path, kind: 'patient', label: 'C', workFactor: 10 } as const;
    await expect(createKeystore({ ...options, passphrase: 'short' })).rejects.toMatchObject({
      code: 'bad_input',
    });
  });

  it.each(['label', 'kind', 'revision', 'kid'])('refuse a changed %s', async (name) => {
    const made = await make();
    const file = JSON.parse(await readFile(made.path, 'utf8')) as Record<string, unknown>;
    const other = { label: 'Mallory', kind: 'patient', revision: 9, kid: 'A'.repeat(43) }[name];
    await writeFile(made.path, JSON.stringify({ ...file, [name]: other }));
    await expect(openKeystore(made.path, passphrase)).rejects.toMatchObject({
      code: 'keystore_malformed',
    });
  });

  it('keep what another program saved meanwhile', async () => {
    const first = await make();
    const second = await openKeystore(first.path, passphrase);
    second.data['winner'] = 'second';
    await second.save();
    first.data['winner'] = 'first';
    await expect(first.save()).rejects.toMatchObject({ code: 'keystore_changed' });
    expect((await openKeystore(first.path, passphrase)).data).toEqual({ winner: 'second' });
  });

  it('say where nothing is, and where something else is', async () => {
    const missing = join(folder, 'none');
    await expect(openKeystore(missing, passphrase)).rejects.toMatchObject({
      code: 'keystore_missing',
    });
    await writeFile(missing, 'not a keystore');
    await expect(openKeystore(missing, passphrase)).rejects.toMatchObject({
      code: 'keystore_malformed',
    });
    const made = await make();
    expect(() => {
      requireKind(made, 'patient');
    }).toThrow(/kind operator/);
  });
});
