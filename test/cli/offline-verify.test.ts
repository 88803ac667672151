/** `carequorum verify` in a process of its own, in a folder with the genesis document and the file. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../lib/crypto/bytes.ts';
import { parseGenesis } from '../../lib/wire/genesis.ts';

const BIN = join(import.meta.dirname, '../../cli/bin.js');
const VECTORS = join(import.meta.dirname, '../vectors/receipts');
const vector = (name: string): string => readFileSync(join(VECTORS, name), 'utf8');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cq-offline-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const copy = (from: string, to: string): void =>
  copyFileSync(join(VECTORS, from), join(folder, to));

/** No environment, no keystore, no network file: what a stranger has. */
function verify(...args: string[]) {
  const done = spawnSync(process.execPath, [BIN, 'verify', ...args], {
    cwd: folder,
    env: {},
    encoding: 'utf8',
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

function receiptLines(name: string): string {
  const all = JSON.parse(vector(name)) as { receipt: string }[];
  return all.map(({ receipt }) => receipt).join('\n');
}

const validCount = receiptLines('valid.json').split('\n').length;
const hashOf = (name: string): string => toHex(parseGenesis(vector(name)).hash);

describe('carequorum verify, in an empty folder', () => {
  it('finds the genesis document that receipts name, among others', () => {
    copy('export-genesis.json', 'a-other.json');
    copy('genesis.json', 'genesis.json');
    put('broken.json', '{');
    put('receipts.txt', receiptLines('valid.json'));
    const { code, out, err } = verify('receipts.txt');
    expect([code, out]).toEqual([
      0,
      expect.stringContaining(`Good: ${validCount} receipts certified`),
    ]);
    expect(err).toContain('genesis.json');
    expect(out).toContain(`Genesis: ${hashOf('genesis.json')}`);
    expect(out).toContain('Compare this hash with an operator');
  });

  it('checks a history export', () => {
    copy('export-genesis.json', 'genesis.json');
    copy('export.json', 'export.json');
    const good = verify('export.json', '--expect', hashOf('export-genesis.json'));
    expect([good.code, good.out]).toEqual([0, expect.stringMatching(/Good: \d+ entries of hist/)]);
    const file = JSON.parse(vector('export.json')) as { history: unknown[] };
    file.history.pop();
    put('export.json', JSON.stringify(file));
    const bad = verify('export.json');
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining('not complete')]);
  });

  it('finds the document beside the file, or takes the one that is given', () => {
    mkdirSync(join(folder, 'evidence'));
    copy('genesis.json', 'evidence/genesis.json');
    put('evidence/receipt.txt', receiptLines('valid.json').split('\n')[0] ?? '');
    expect(verify('evidence/receipt.txt').code).toBe(0);
    copy('genesis.json', 'doc');
    rmSync(join(folder, 'evidence/genesis.json'));
    expect(verify('evidence/receipt.txt', '--genesis', 'doc').code).toBe(0);
  });

  it('refuses a bad receipt among good ones', () => {
    copy('genesis.json', 'genesis.json');
    const bad = receiptLines('invalid.json').split('\n').at(-3) ?? '';
    put('receipts.txt', `${receiptLines('valid.json')}\n${bad}`);
    const { code, err } = verify('receipts.txt');
    expect([code, err]).toEqual([
      1,
      expect.stringContaining(`Receipt ${validCount + 1} does not hold`),
    ]);
  });

  it('says which document is missing, and believes no other', () => {
    put('receipt.txt', receiptLines('valid.json').split('\n')[0] ?? '');
    const missing = verify('receipt.txt');
    expect(missing.code).not.toBe(0);
    expect(missing.err).toContain('The genesis document that this file names is not here');
    copy('export-genesis.json', 'genesis.json');
    expect(verify('receipt.txt').err).toContain('is not here');
    const other = verify('receipt.txt', '--genesis', 'genesis.json');
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('another network')]);
    copy('genesis.json', 'right.json');
    const expected = verify('receipt.txt', '--expect', '00'.repeat(32));
    expect([expected.code, expected.err]).toEqual([1, expect.stringContaining('genesis hash is')]);
  });
});
