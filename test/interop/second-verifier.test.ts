/** The golden receipts and export, judged by us and by a verifier in Python that shares no code. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonFolder } from '../../local/lib/layout.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { parseGenesis } from '../../lib/wire/genesis.ts';
import { workedExample } from './worked-example.ts';

const FOLDER = join(import.meta.dirname, '../vectors/receipts');
const at = (name: string): string => join(FOLDER, name);
const text = (name: string): string => readFileSync(at(name), 'utf8');

interface Golden {
  name: string;
  receipt: string;
  expect: Record<string, unknown>;
  code: string;
}

const genesis = parseGenesis(text('genesis.json'));
const valid = JSON.parse(text('valid.json')) as Golden[];
const invalid = JSON.parse(text('invalid.json')) as Golden[];

describe('golden receipts', () => {
  it.each(valid)('$name', async ({ receipt, expect: wanted }) => {
    const { result, height, time } = await verifyReceipt(fromBase64url(receipt), genesis);
    const { id, status } = result;
    expect({ id, status, height, time }).toEqual(wanted);
  });

  it.each(invalid)('$name is refused: $code', async ({ receipt, code }) => {
    const judged = verifyReceipt(fromBase64url(receipt), genesis);
    await expect(judged).rejects.toMatchObject({ name: 'ReceiptError', code });
  });

  it('are worked through in docs/receipts.md: run `node test/interop/make-fixtures.ts`', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/receipts.md'), 'utf8');
    expect(page).toContain(workedExample(text('genesis.json'), valid[0]?.receipt ?? ''));
  });

  it('are refused for every reason that docs/receipts.md names', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/receipts.md'), 'utf8');
    const steps = page.slice(page.indexOf('## 5.'), page.indexOf('## 6.'));
    const named = new Set([...steps.matchAll(/\(`([a-z_]+)`/g)].map((match) => match[1]));
    const tested = new Set(invalid.map(({ code }) => code));
    expect([...tested].filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
    // A result that is certified but not canonical takes a faulty quorum to make.
    named.delete('result_malformed');
    expect([...named].filter((code) => !tested.has(code as string))).toEqual([]);
  });
});

/** The interpreter of the local network, or the system's, where it has `cryptography`. */
function findPython(): string | null {
  for (const python of [join(pythonFolder(), 'bin', 'python'), 'python3']) {
    if (spawnSync(python, ['-c', 'import cryptography']).status === 0) return python;
  }
  return null;
}

const python = findPython();
if (python === null) {
  console.warn('Skipped: no Python with `cryptography` is here; `npm start` makes one.');
}

describe.skipIf(python === null)('the second verifier', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cq-interop-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function judge(what: 'receipts' | 'export', genesisName: string, content: string): unknown[] {
    const path = join(folder, 'file');
    writeFileSync(path, content);
    const script = join(import.meta.dirname, 'verify.py');
    const out = execFileSync(python ?? '', [script, what, at(genesisName), path], {
      encoding: 'utf8',
    });
    return out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }

  it('takes what is good and refuses the rest, for the same reasons', () => {
    const all = [...valid, ...invalid];
    const verdicts = judge('receipts', 'genesis.json', all.map((one) => one.receipt).join('\n'));
    expect(verdicts).toHaveLength(all.length);
    all.forEach((one, index) => {
      const wanted = one.expect ? { good: true, ...one.expect } : { good: false, code: one.code };
      expect(verdicts[index], one.name).toMatchObject(wanted);
    });
  });

  it('takes the export, and refuses every change of it', () => {
    const whole = JSON.parse(text('export.json')) as {
      history: { decision: string; time: number; fn: string }[];
      permissions: { rights: string[] }[];
      records: unknown[];
      receipts: string[];
      proofs: { answer: string; query: string; validator: string }[];
      pseudonym: string;
      genesisHash: string;
    };
    const judged = (file: unknown) => judge('export', 'export-genesis.json', JSON.stringify(file));
    const { history, permissions, records } = whole;
    expect(history.length).toBeGreaterThan(3);
    expect(judged(whole)).toEqual([
      {
        good: true,
        history: history.length,
        permissions: permissions.length,
        records: records.length,
      },
    ]);
    const changes: [string, (copy: typeof whole) => void][] = [
      ['a hidden entry', (copy) => copy.history.pop()],
      ['an entry twice', (copy) => copy.history.push(copy.history[0]!)],
      ['a changed entry', (copy) => (copy.history[1]!.fn = 'record.dispute')],
      ['another time', (copy) => (copy.history[1]!.time += 1)],
      ['a wider permission', (copy) => copy.permissions[0]!.rights.push('read')],
      ['a hidden record', (copy) => copy.records.pop()],
      ['a missing receipt', (copy) => copy.receipts.shift()],
      ['missing proofs', (copy) => copy.proofs.splice(0)],
      ['one proof less', (copy) => copy.proofs.pop()],
      ['another validator', (copy) => (copy.proofs[0]!.validator = 'hospital-a')],
      ['another patient', (copy) => (copy.pseudonym = 'A'.repeat(43))],
      ['another network', (copy) => (copy.genesisHash = '00'.repeat(32))],
      [
        'another answer',
        (copy) => {
          const { answer } = copy.proofs[0]!;
          const middle = Math.floor(answer.length / 2);
          const other = answer[middle] === 'A' ? 'B' : 'A';
          copy.proofs[0]!.answer = answer.slice(0, middle) + other + answer.slice(middle + 1);
        },
      ],
    ];
    for (const [what, change] of changes) {
      const copy = structuredClone(whole);
      change(copy);
      if (JSON.stringify(copy) === JSON.stringify(whole)) continue;
      expect(judged(copy), what).toMatchObject([{ good: false }]);
    }
  });
});
