/** The list of deactivated numbers that NPPES publishes each month, as CSV. */

import { isValidNpi } from '../../../lib/membership/npi.ts';
import { csvRows, ListFormatError } from './csv.ts';
import { columnsOf, dayOf, hasColumns, kept, type ListSource } from './list.ts';

const COLUMNS = { npi: 'NPI', deactivated: 'NPPES Deactivation Date' } as const;
const REACTIVATION = 'NPI Reactivation Date';
/** The report has a title above its head. */
const TITLE_ROWS_MAX = 5;
const NUMBERS_MAX = 2_000_000;

/** Whether a number is deactivated now; null while the list cannot be had. */
export interface DeactivationList {
  has(npi: string): Promise<boolean | null>;
}

export function deactivationList(source: ListSource, now: () => number): DeactivationList {
  const numbers = kept(source, (bytes) => readDeactivations(bytes, now), now);
  return {
    async has(npi) {
      const found = await numbers();
      return found && found.has(npi);
    },
  };
}

/**
 * Numbers that are deactivated at present. One row that does not fit makes the whole list void: a
 * wrong or cut file must never pass for one that names nobody.
 */
export async function readDeactivations(
  bytes: AsyncIterable<Uint8Array>,
  now: () => number,
): Promise<ReadonlySet<string>> {
  const numbers = new Set<string>();
  let columns: { npi: number; deactivated: number; reactivated: number | null } | null = null;
  let titles = 0;
  for await (const row of csvRows(bytes)) {
    if (columns === null) {
      if (!hasColumns(row, Object.values(COLUMNS))) {
        if ((titles += 1) > TITLE_ROWS_MAX) throw new ListFormatError('there is no head');
        continue;
      }
      const reactivated = hasColumns(row, [REACTIVATION])
        ? columnsOf(row, { at: REACTIVATION }).at
        : null;
      columns = { ...columnsOf(row, COLUMNS), reactivated };
      continue;
    }
    const npi = row[columns.npi] ?? '';
    if (!isValidNpi(npi)) throw new ListFormatError('a row without a number');
    const deactivated = dayOf(row[columns.deactivated] ?? '');
    const again = columns.reactivated === null ? '' : (row[columns.reactivated] ?? '');
    const isBack = again !== '' && dayOf(again) >= deactivated;
    if (!isBack && deactivated <= now()) numbers.add(npi);
    if (numbers.size > NUMBERS_MAX) throw new ListFormatError('too many numbers');
  }
  if (columns === null) throw new ListFormatError('there is no head');
  return numbers;
}
