/** The list of licences that a state publishes: columns by a mapping, as each state has its own. */

import { z } from 'zod';
import { isSameName } from '../../../lib/membership/person-name.ts';
import { csvRows, ListFormatError } from './csv.ts';
import { columnsOf, dayOf, kept, type ListSource } from './list.ts';
import { comparable } from './nppes.ts';
import type { ClinicianClaim, RegistryVerdict } from './registry.ts';

const column = z.string().min(1).max(64);

/** How a state's file is read; part of the configuration. */
export const licenceMappingSchema = z.strictObject({
  /** Two letters. */
  state: z.string().regex(/^[A-Z]{2}$/),
  url: z.url({ protocol: /^https?$/ }),
  columns: z.strictObject({
    licence: column,
    first: column,
    middle: column,
    last: column,
    status: column,
    expires: column,
    type: column,
  }),
  /** Words of the status column that let practise. */
  active: z.array(z.string().min(1).max(64)).min(1).max(16),
  /** Kinds of licences that count; none is all. */
  types: z.array(z.string().min(1).max(128)).max(64),
});
export type LicenceMapping = z.infer<typeof licenceMappingSchema>;

/** Names of the columns of Washington State's open data set of health care providers. */
export const washington = {
  state: 'WA',
  columns: {
    licence: 'CredentialNumber',
    first: 'FirstName',
    middle: 'MiddleName',
    last: 'LastName',
    status: 'Status',
    expires: 'ExpirationDate',
    type: 'CredentialType',
  },
  active: ['ACTIVE', 'ACTIVE WITH CONDITIONS', 'ACTIVE WITH RESTRICTIONS'],
  types: [],
} as const;

interface Row {
  first: string;
  middle: string;
  last: string;
  isActive: boolean;
  /** First moment after the last day. */
  until: number;
}

const ROWS_MAX = 1_000_000;
const DAY_MS = 86_400_000;

export interface LicenceList {
  /** `verified` too for licences of other states, of which this list says nothing. */
  judge(claim: ClinicianClaim): Promise<RegistryVerdict>;
}

export function licenceList(
  mapping: LicenceMapping,
  source: ListSource,
  now: () => number,
): LicenceList {
  const rows = kept(source, (bytes) => readLicences(bytes, mapping), now);
  return {
    async judge(claim) {
      if (comparable(claim.state) !== mapping.state) return 'verified';
      const found = await rows();
      if (found === null) return 'unavailable';
      const own = (found.get(comparable(claim.licence)) ?? []).filter((row) =>
        isSameName(claim.name, row),
      );
      if (own.length === 0) return 'not_verified';
      return own.some((row) => row.isActive && now() < row.until) ? 'verified' : 'ended';
    },
  };
}

/** Licences by number. A row that does not fit makes the whole list void. */
export async function readLicences(
  bytes: AsyncIterable<Uint8Array>,
  { columns: names, active, types }: Pick<LicenceMapping, 'columns' | 'active' | 'types'>,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const found = new Map<string, Row[]>();
  const words = new Set(active.map((one) => one.toUpperCase()));
  const kinds = new Set(types.map((one) => one.toUpperCase()));
  let columns: Record<keyof typeof names, number> | null = null;
  let count = 0;
  for await (const row of csvRows(bytes)) {
    if (columns === null) {
      columns = columnsOf(row, names);
      continue;
    }
    const at = columns;
    const field = (name: keyof typeof names): string => row[at[name]] ?? '';
    if (kinds.size > 0 && !kinds.has(field('type').toUpperCase())) continue;
    const licence = comparable(field('licence'));
    if (licence === '') throw new ListFormatError('a row without a licence');
    // An active licence without an end would be valid for ever: none is.
    const isActive = words.has(field('status').toUpperCase());
    const until = isActive || field('expires') !== '' ? dayOf(field('expires')) + DAY_MS : 0;
    const person = { first: field('first'), middle: field('middle'), last: field('last') };
    found.set(licence, [...(found.get(licence) ?? []), { ...person, isActive, until }]);
    if ((count += 1) > ROWS_MAX) throw new ListFormatError('too many licences');
  }
  if (columns === null) throw new ListFormatError('there is no head');
  return found;
}
