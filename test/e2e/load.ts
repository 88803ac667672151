/** A few seconds of `npm run load` on the network that runs: people, load, receipts, every ledger. */
import { describe, expect, it } from 'vitest';
import { kinds } from '../../bench/load/mix.ts';
import { reportText } from '../../bench/load/report.ts';
import { runLoad } from '../../bench/load/run.ts';
import { lineProgress } from '../../local/lib/progress.ts';
import type { World } from './support/world.ts';

const LOAD_MS = 240_000;

export function loadSuite(getWorld: () => World): void {
  describe('a small load', { timeout: LOAD_MS }, () => {
    it('is committed, and stands exactly once in every ledger', async () => {
      const { signal } = new AbortController();
      const report = await runLoad({
        folder: getWorld().layout.root,
        shape: { ratePerSecond: 5, seconds: 6, isRamp: false },
        ...{ bulk: 1, patients: 3, doctors: 2 },
        ...{ progress: lineProgress(() => undefined), signal, atOnce: signal },
      });
      expect(report.faults, reportText(report)).toEqual([]);
      expect(report.ledger?.faults).toEqual([]);
      expect(report.ledger?.validators).toHaveLength(4);
      expect(report.probes.every(({ ms }) => ms !== null)).toBe(true);
      // 68 of 100 are transactions, and a slow machine may refuse some: none may be lost.
      const sum = (name: 'sent' | 'done' | 'refused' | 'failed' | 'open'): number =>
        report.kinds.reduce((total, one) => total + one[name], 0);
      expect(sum('sent')).toBeGreaterThanOrEqual(28);
      expect(sum('done') + sum('refused') + sum('failed') + sum('open')).toBe(sum('sent'));
      expect(report.committed).toBeGreaterThan(10);
      expect(report.kinds.length).toBeGreaterThan(kinds.length / 2);
    });
  });
}
