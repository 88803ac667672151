/** Records of a category under a permission: as a whole, or month by month where it has a period. */
import { z } from 'zod';
import type { MedicalRecord, Permission } from '../lib/chaincode/values.ts';
import { monthOf, monthRange } from './category-keys.ts';
import { allEntries, itemSchemas, parseValue } from './pages.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

/** Months that one query may ask for. */
const QUERY_MONTHS = 36;
/** Data older than this is asked for by a permission that is open at its start only. */
const EARLIEST_MONTH = '1990-01';

const monthsPage = z.object({
  items: z.array(itemSchemas.record),
  next: z.object({ month: z.string(), from: z.int() }).nullable(),
});

/** The whole category under an open permission, else month by month. */
export async function recordsUnder(
  { session, signer }: { session: Session; signer: RequestSigner },
  permission: Permission,
  categoryTag: string,
): Promise<MedicalRecord[]> {
  const { client } = session;
  const { pseudonym, dataFrom, dataUntil } = permission;
  const query = { fn: 'record.list', item: itemSchemas.record, signer };
  if (dataFrom === null && dataUntil === null) {
    const args = { pseudonym, categoryTag };
    return allEntries(client, { ...query, args }, { fresh: true });
  }
  const now = monthOf(session.clock.now());
  const found: MedicalRecord[] = [];
  for (const months of windows(dataFrom ?? EARLIEST_MONTH, dataUntil ?? now, QUERY_MONTHS)) {
    let from = 0;
    let start: string | null = months.from;
    while (start !== null) {
      const args = { pseudonym, categoryTag, months: { ...months, from: start }, from };
      const value = await client.query({ fn: query.fn, args }, signer, { fresh: true });
      const page = parseValue(monthsPage, value, query.fn);
      found.push(...page.items);
      start = page.next?.month ?? null;
      from = page.next?.from ?? 0;
    }
  }
  return found;
}

/** Ranges of at most `size` months that cover both ends. */
function windows(first: string, last: string, size: number): { from: string; until: string }[] {
  const all = monthRange(first, last);
  const cut: { from: string; until: string }[] = [];
  for (let start = 0; start < all.length; start += size) {
    const part = all.slice(start, start + size);
    cut.push({ from: part[0] as string, until: part.at(-1) as string });
  }
  return cut;
}
