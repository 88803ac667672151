/** Revisions of category keys: which key of a category and month writers seal to now. */
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Draft } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { monthsOf, type Revisions } from './fields.ts';
import type { Epochs } from './values.ts';

/** The present revision of a month: 0 unless one was published. */
export function revisionOf(epochs: Epochs | null, month: string): number {
  return epochs?.find((one) => one.month === month)?.revision ?? 0;
}

/**
 * Publishes revisions. Numbers may be skipped, never repeated or lowered.
 * @throws ChaincodeError `revision_not_newer`, `too_many_revisions`
 */
export async function publishRevisions(
  draft: Draft,
  pseudonym: string,
  revisions: Revisions,
): Promise<void> {
  for (const { categoryTag, from, until, revision } of revisions) {
    const cell = cells.epoch(pseudonym, categoryTag);
    const months = new Map((await draft.get(cell))?.map((one) => [one.month, one.revision]));
    for (const month of monthsOf(from, until)) {
      if (revision <= (months.get(month) ?? 0)) throw new ChaincodeError('revision_not_newer');
      months.set(month, revision);
    }
    if (months.size > chaincodeBounds.revisedMonthsMax) {
      throw new ChaincodeError('too_many_revisions');
    }
    const sorted = [...months].sort(([a], [b]) => (a < b ? -1 : 1));
    draft.put(
      cell,
      sorted.map(([month, value]) => ({ month, revision: value })),
    );
  }
}
