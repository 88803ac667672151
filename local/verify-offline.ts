// Verifies receipts in a process of its own that has the genesis document and nothing else.
// Usage: node local/verify-offline.ts GENESIS RECEIPTS   (one receipt a line, base64url)
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { verifyReceipt } from '../lib/ledger/verify-receipt.ts';
import { parseGenesis } from '../lib/wire/genesis.ts';

/** What the program prints, as JSON. */
export interface OfflineVerdict {
  readonly verified: number;
  /** Distinct transactions among them. */
  readonly transactions: number;
  readonly failures: readonly { readonly line: number; readonly reason: string }[];
  readonly heights: { readonly from: number; readonly to: number } | null;
}

const OUTPUT_BYTES_MAX = 10_000_000;
const run = promisify(execFile);

/**
 * Has receipts verified by a process without environment, in a folder that holds the genesis
 * document and the receipts alone. Throws where that process fails.
 */
export async function verifyInOwnProcess(
  genesisDocument: string,
  receipts: readonly Uint8Array[],
): Promise<OfflineVerdict> {
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-offline-'));
  try {
    writeFileSync(join(folder, 'genesis.json'), genesisDocument);
    writeFileSync(join(folder, 'receipts.txt'), receipts.map(toBase64url).join('\n'));
    const script = join(import.meta.dirname, 'verify-offline.ts');
    const args = [script, 'genesis.json', 'receipts.txt'];
    const options = { cwd: folder, env: {}, maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await run(process.execPath, args, options).catch((error: unknown) => {
      // A verdict with failures comes with exit code 1 and its output.
      if (error instanceof Error && 'stdout' in error && error.stdout) return error as never;
      throw error;
    });
    return JSON.parse(stdout) as OfflineVerdict;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(genesisPath: string, receiptsPath: string): Promise<OfflineVerdict> {
  const genesis = parseGenesis(readFileSync(genesisPath, 'utf8'));
  const lines = readFileSync(receiptsPath, 'utf8').split('\n').filter(Boolean);
  const failures: { line: number; reason: string }[] = [];
  const ids = new Set<string>();
  const heights: number[] = [];
  for (const [index, line] of lines.entries()) {
    try {
      const { result, height } = await verifyReceipt(fromBase64url(line), genesis);
      ids.add(result.id);
      heights.push(height);
    } catch (error) {
      failures.push({ line: index + 1, reason: String(error) });
    }
  }
  return {
    verified: heights.length,
    transactions: ids.size,
    failures,
    heights: heights.length ? { from: Math.min(...heights), to: Math.max(...heights) } : null,
  };
}

if (import.meta.main) {
  // Nothing here may reach a network: the genesis document alone must do.
  globalThis.fetch = () => Promise.reject(new Error('this program is offline'));
  const [genesisPath = '', receiptsPath = ''] = process.argv.slice(2);
  const verdict = await main(genesisPath, receiptsPath);
  console.log(JSON.stringify(verdict));
  process.exitCode = verdict.failures.length === 0 ? 0 : 1;
}
