/** Layers against AES-256-CTR and AES-256-ECB of node. */
import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { Layers } from '../../lib/crypto/layer.ts';

const key = (name: string): Uint8Array =>
  new Uint8Array(createHash('sha256').update(name).digest());

function reference(by: Uint8Array, bytes: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-ctr', by, new Uint8Array(16));
  return new Uint8Array(Buffer.concat([cipher.update(bytes), cipher.final()]));
}

const bytes = new Uint8Array(100_003).map((_, index) => (index * 31) & 255);

describe('layers', () => {
  it('are AES-256-CTR from a counter of zero', async () => {
    const layers = await Layers.of([key('one')]);
    expect(toHex(await layers.apply(0, bytes))).toBe(toHex(reference(key('one'), bytes)));
  });

  it('start at the block of their offset', async () => {
    const by = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
    const cipher = createCipheriv('aes-256-ecb', by, null).setAutoPadding(false);
    const block = new Uint8Array(16);
    block[15] = 5;
    const wanted = toHex(new Uint8Array(cipher.update(block)));
    const layers = await Layers.of([by]);
    expect(toHex(await layers.apply(5 * 16, new Uint8Array(16)))).toBe(wanted);
  });

  it('come off piece by piece, wherever the pieces are cut, in any order', async () => {
    const on = await (await Layers.of([key('one'), key('two')])).apply(0, bytes);
    const off = await Layers.of([key('two'), key('one')]);
    const pieces: Uint8Array[] = [];
    for (let at = 0, size = 1; at < on.length; at += size, size = (size * 7 + 3) % 4_999) {
      pieces.push(await off.apply(at, on.subarray(at, at + size)));
    }
    expect(toHex(new Uint8Array(Buffer.concat(pieces)))).toBe(toHex(bytes));
  });

  it('stay on where one key is another', async () => {
    const on = await (await Layers.of([key('one')])).apply(0, bytes);
    expect(toHex(await (await Layers.of([key('two')])).apply(0, on))).not.toBe(toHex(bytes));
  });

  it('count beyond 32 bits of bytes', async () => {
    const layers = await Layers.of([key('one')]);
    const at = 2 ** 32 + 7;
    const piece = bytes.subarray(0, 64);
    const on = await layers.apply(at, piece);
    expect(toHex(on)).not.toBe(toHex(await layers.apply(7, piece)));
    expect(toHex(await layers.apply(at, on))).toBe(toHex(piece));
  });

  it('are none without keys, and refuse keys and offsets of another form', async () => {
    expect(await (await Layers.of([])).apply(3, bytes)).toEqual(bytes);
    await expect(Layers.of([new Uint8Array(16)])).rejects.toThrow('32 bytes');
    await expect((await Layers.of([])).apply(-1, bytes)).rejects.toThrow('offset');
  });
});
