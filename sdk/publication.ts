/** Publications of category keys: what writers seal to, under a root that the ledger holds. */
import { toBase64url } from '../lib/crypto/bytes.ts';
import type { Epochs } from '../lib/chaincode/values.ts';
import {
  type CategoryKey,
  categoryKeysRoot,
  compareCategoryKeys,
} from '../lib/records/category-keys.ts';
import {
  categoryKeyPair,
  categoryTag,
  MONTHS_AHEAD,
  monthRange,
  monthsFrom,
} from './category-keys.ts';

/** Revised months by category tag; months that are not named have revision 0. */
export type Revisions = ReadonlyMap<string, Epochs>;

export interface Publication {
  readonly keys: CategoryKey[];
  /** As the ledger takes it, base64url. */
  readonly root: string;
  /** First month. */
  readonly from: string;
}

export function revisionAt(revisions: Revisions, tag: string, month: string): number {
  return revisions.get(tag)?.find((one) => one.month === month)?.revision ?? 0;
}

/** The public keys of all categories for two years from `month` on, in the order of the tree. */
export async function makePublication(
  root: Uint8Array,
  {
    network,
    categories,
    month,
    revisions,
  }: { network: string; categories: readonly string[]; month: string; revisions: Revisions },
): Promise<Publication> {
  const keys: CategoryKey[] = [];
  for (const category of categories) {
    const tag = categoryTag(root, category);
    for (const each of monthsFrom(month, MONTHS_AHEAD)) {
      const revision = revisionAt(revisions, tag, each);
      const { publicKey } = await categoryKeyPair(root, {
        network,
        category,
        month: each,
        revision,
      });
      keys.push({ categoryTag: tag, month: each, revision, publicKey });
    }
  }
  keys.sort(compareCategoryKeys);
  return { keys, root: toBase64url(categoryKeysRoot(keys)), from: month };
}

/** A range of months of one category that gets a new revision. */
export interface RevisedRange {
  categoryTag: string;
  from: string;
  until: string;
  revision: number;
}

/** New revisions for all months of a range: one above the highest that any of them has. */
export function reviseRange(
  revisions: Revisions,
  tags: readonly string[],
  months: { from: string; until: string },
): { ranges: RevisedRange[]; revised: Revisions } {
  const revised = new Map(revisions);
  const all = monthRange(months.from, months.until);
  const ranges = tags.map((tag) => {
    const known = revisions.get(tag) ?? [];
    const revision = Math.max(0, ...all.map((month) => revisionAt(revisions, tag, month))) + 1;
    const kept = known.filter((one) => !all.includes(one.month));
    revised.set(tag, [...kept, ...all.map((month) => ({ month, revision }))]);
    return { categoryTag: tag, ...months, revision };
  });
  return { ranges, revised };
}
