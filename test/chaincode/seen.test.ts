/** Replay protection: once for each key and nonce, over window boundaries, and pruned. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  pruneSeen,
  recordSeen,
  seenKeys,
  seenWindowMs,
  wasSeen,
} from '../../lib/chaincode/seen.ts';
import { keys } from '../../lib/chaincode/keys.ts';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { OverlayView, RecordingView } from '../../lib/ledger/state-view.ts';
import { limits } from '../../lib/limits.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import type { Signer } from '../../lib/wire/transaction.ts';
import { text32 } from './world.ts';

const KID = text32('a key');
const SKEW = 60_000;

function signed(nonce: string, expiresAt: number, signer: Signer = { kind: 'key', kid: KID }) {
  return { nonce: toBase64url(sha256(utf8(nonce)).subarray(0, 16)), expiresAt, signer };
}

function store() {
  const state = new Map<string, Uint8Array>();
  const apply = (writes: readonly { key: string; value: Uint8Array | null }[]) => {
    for (const { key, value } of writes) {
      if (value) state.set(key, value);
      else state.delete(key);
    }
  };
  return { state, apply, get: async (key: string) => state.get(key) };
}

describe('wasSeen', () => {
  it('knows a nonce of a key, and of this key only', async () => {
    const ledger = store();
    const transaction = signed('n', 1_000_000);
    expect(await wasSeen(ledger, transaction)).toBe(false);
    ledger.apply(await recordSeen(ledger, transaction));
    expect(await wasSeen(ledger, transaction)).toBe(true);
    expect(await wasSeen(ledger, signed('other', 1_000_000))).toBe(false);
    const other: Signer = { kind: 'key', kid: text32('another key') };
    expect(await wasSeen(ledger, signed('n', 1_000_000, other))).toBe(false);
  });

  it('counts a patient’s nonce for the owner key, whatever one-time key is used', async () => {
    const ledger = store();
    const patient = (tcertKid: string): Signer => ({
      kind: 'patient',
      ownerKid: KID,
      tcertKid,
      tcert: new Uint8Array(),
    });
    ledger.apply(await recordSeen(ledger, signed('n', 1_000, patient(text32('one')))));
    expect(await wasSeen(ledger, signed('n', 1_000, patient(text32('two'))))).toBe(true);
  });

  it('holds over window boundaries for all that can be valid together', async () => {
    const moment = fc.integer({ min: 0, max: 40 * seenWindowMs });
    const ahead = fc.integer({ min: 1, max: limits.validityMsMax + SKEW });
    await fc.assert(
      fc.asyncProperty(moment, ahead, ahead, async (now, first, second) => {
        const ledger = store();
        ledger.apply(await recordSeen(ledger, signed('n', now + first)));
        ledger.apply(await pruneSeen(ledger, now));
        expect(await wasSeen(ledger, signed('n', now + second))).toBe(true);
      }),
      {
        numRuns: 150,
        examples: [
          [seenWindowMs - 1, 1, limits.validityMsMax + SKEW],
          [seenWindowMs - 1, limits.validityMsMax + SKEW, 1],
          [seenWindowMs, 1, limits.validityMsMax + SKEW],
          [0, seenWindowMs, 1],
        ],
      },
    );
  });

  it('is true where a shard is full, so that no value grows over its bound', async () => {
    const ledger = store();
    const transaction = signed('n', 1_000);
    const [key] = seenKeys(transaction);
    ledger.state.set(key!, encodeCbor(new Uint8Array(4_000 * 16 - 16)));
    expect(await wasSeen(ledger, transaction)).toBe(false);
    ledger.state.set(key!, encodeCbor(new Uint8Array(4_000 * 16)));
    expect(await wasSeen(ledger, transaction)).toBe(true);
    await expect(recordSeen(ledger, transaction)).rejects.toThrow();
  });

  it('reads what `seenKeys` names', async () => {
    const transaction = signed('n', 5 * seenWindowMs);
    const view = new RecordingView(store());
    await wasSeen(view, transaction);
    expect(view.keys()).toEqual(seenKeys(transaction));
    expect(seenKeys(signed('n', 1))).toHaveLength(2);
  });
});

describe('pruneSeen', () => {
  it('leaves nothing of windows that are over, and keeps the others', async () => {
    const ledger = store();
    for (let index = 0; index < 40; index += 1) {
      ledger.apply(await recordSeen(ledger, signed(`${index}`, 10 + (index % 2) * seenWindowMs)));
    }
    const kept = signed('1', 10 + seenWindowMs);
    ledger.apply(await pruneSeen(ledger, seenWindowMs - 1));
    expect(await wasSeen(ledger, signed('0', 10))).toBe(true);
    ledger.apply(await pruneSeen(ledger, seenWindowMs));
    expect([...ledger.state.keys()].filter((key) => key.startsWith('seen/0/'))).toEqual([]);
    expect(await wasSeen(ledger, kept)).toBe(true);
    ledger.apply(await pruneSeen(ledger, 2 * seenWindowMs));
    expect([...ledger.state.keys()]).toEqual([keys.seenCursor]);
  });

  it('deletes a bounded number at once, goes on, and writes nothing when done', async () => {
    const ledger = store();
    for (let index = 0; index < 700; index += 1) {
      ledger.apply(await recordSeen(ledger, signed(`${index}`, 10)));
    }
    const shards = [...ledger.state.keys()].filter((key) => /^seen\/0\/\d/.test(key)).length;
    expect(shards).toBeGreaterThan(512);
    const deleted: number[] = [];
    for (let block = 0; block < 3; block += 1) {
      const writes = await pruneSeen(ledger, seenWindowMs);
      deleted.push(writes.filter(({ key }) => /^seen\/0\/\d/.test(key)).length);
      ledger.apply(writes);
    }
    expect(deleted).toEqual([256, 256, shards - 512]);
    expect(await pruneSeen(ledger, seenWindowMs)).toEqual([]);
  });

  it('stays bounded with one large block in each window', async () => {
    const ledger = store();
    let most = 0;
    for (let window = 0; window < 12; window += 1) {
      const overlay = new OverlayView(ledger);
      for (let index = 0; index < 600; index += 1) {
        const transaction = signed(`${window} ${index}`, window * seenWindowMs + 10);
        overlay.apply(await recordSeen(overlay, transaction));
      }
      overlay.apply(await pruneSeen(overlay, window * seenWindowMs));
      ledger.apply(overlay.writes());
      most = Math.max(most, ledger.state.size);
    }
    expect(most).toBeLessThan(5 * 600);
  });
});
