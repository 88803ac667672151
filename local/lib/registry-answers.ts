// Answers of the stand-in registry, in the public form of NPPES version 2.1, about invented people.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isValidNpi } from '../../lib/membership/npi.ts';

export interface Clinician {
  readonly npi: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly credential: string;
  readonly taxonomy: { readonly code: string; readonly desc: string };
  readonly state: string;
  readonly license: string;
  /** A deactivated number answers like one that was never issued. */
  readonly active: boolean;
}

const RESULTS_MAX = 200;
const RESULTS_DEFAULT = 10;

/** Nine digits and the check digit that makes them a valid NPI. */
export function npiOf(nineDigits: string): string {
  const numbers = [...'0123456789'].map((digit) => nineDigits + digit);
  return numbers.find(isValidNpi) ?? '';
}

const ONCOLOGY = { code: '2085R0001X', desc: 'Radiology, Radiation Oncology' } as const;
const INTERNAL = { code: '207R00000X', desc: 'Internal Medicine' } as const;
const FAMILY = { code: '207Q00000X', desc: 'Family Medicine' } as const;
const EMERGENCY = { code: '207P00000X', desc: 'Emergency Medicine' } as const;
const NURSE = { code: '163W00000X', desc: 'Registered Nurse' } as const;
const PHARMACIST = { code: '183500000X', desc: 'Pharmacist' } as const;

/** Invented clinicians: numbers that start with 100000 and names of no known person. */
export const CLINICIANS: readonly Clinician[] = [
  clinician(1, 'Ada', 'Okonjo', 'M.D.', ONCOLOGY, 'NY', '900001'),
  clinician(2, 'Bruno', 'Castellan', 'M.D.', INTERNAL, 'NY', '900002'),
  clinician(3, 'Chandra', 'Veluri', 'M.D.', ONCOLOGY, 'CA', 'A900003'),
  clinician(4, 'Dalia', 'Nordqvist', 'D.O.', FAMILY, 'MA', '900004'),
  clinician(5, 'Emil', 'Harrowgate', 'M.D.', EMERGENCY, 'NY', '900005'),
  clinician(6, 'Farah', 'Lindemann', 'RN', NURSE, 'NY', '900006'),
  clinician(7, 'Goran', 'Whitlock', 'PHARMD', PHARMACIST, 'NY', '900007'),
  clinician(9, 'Ines', 'Marchetti', 'M.D.', ONCOLOGY, 'NY', '900009'),
  clinician(10, 'Jonas', 'Abeyta', 'M.D.', INTERNAL, 'NY', '900010'),
  clinician(11, 'Kira', 'Vossberg', 'M.D.', INTERNAL, 'NY', '900011'),
  clinician(12, 'Lorenz', 'Abara', 'M.D.', INTERNAL, 'NY', '900012'),
  clinician(13, 'Mirela', 'Tanaka', 'M.D.', INTERNAL, 'NY', '900013'),
  clinician(14, 'Nuno', 'Falkner', 'M.D.', EMERGENCY, 'NY', '900014'),
  clinician(15, 'Odile', 'Brannigan', 'M.D.', INTERNAL, 'NY', '900015'),
  clinician(16, 'Pavel', 'Ferreira', 'M.D.', ONCOLOGY, 'NY', '900016'),
  clinician(17, 'Quirin', 'Osei', 'M.D.', FAMILY, 'NY', '900017'),
  clinician(18, 'Renata', 'Lindqvist', 'M.D.', INTERNAL, 'NY', '900018'),
  clinician(19, 'Sanjay', 'Moreau', 'M.D.', EMERGENCY, 'NY', '900019'),
  clinician(20, 'Tove', 'Adeyemi', 'M.D.', INTERNAL, 'NY', '900020'),
  clinician(21, 'Ulrich', 'Castanho', 'M.D.', INTERNAL, 'NY', '900021'),
  clinician(22, 'Vesna', 'Whitcombe', 'M.D.', ONCOLOGY, 'NY', '900022'),
  clinician(23, 'Wanda', 'Ishikawa', 'M.D.', FAMILY, 'NY', '900023'),
  clinician(24, 'Xaver', 'Delacroix', 'M.D.', INTERNAL, 'NY', '900024'),
  clinician(25, 'Yolanda', 'Ostrander', 'M.D.', INTERNAL, 'NY', '900025'),
  { ...clinician(8, 'Hesper', 'Quillon', 'M.D.', INTERNAL, 'NY', '900008'), active: false },
];

/** Answers a query string as the public registry would. */
export function answerQuery(query: URLSearchParams, extra: readonly object[] = []): object {
  if (query.get('version') !== '2.1') {
    return failure('18', 'Unsupported Version', 'version');
  }
  const number = query.get('number');
  if (number !== null && !/^\d{10}$/.test(number)) {
    return failure('06', 'NPI must be 10 digits', 'number');
  }
  const names = ['first_name', 'last_name', 'state', 'enumeration_type'].some((key) =>
    query.get(key),
  );
  if (number === null && !names) return failure('04', 'No valid search criteria provided', 'null');
  const limit = Math.min(
    Number(query.get('limit') ?? RESULTS_DEFAULT) || RESULTS_DEFAULT,
    RESULTS_MAX,
  );
  const records = [...CLINICIANS.filter(({ active }) => active).map(nppesRecord), ...extra];
  const results = records.filter((record) => matches(record, query)).slice(0, limit);
  return { result_count: results.length, results };
}

/** In the public form of the monthly report, as CSV: a title, a head, a row for each number. */
export function deactivatedList(): string {
  const rows = CLINICIANS.filter(({ active }) => !active).map(({ npi }) => `${npi},01/15/2024`);
  return ['Deactivated NPI Report (invented)', 'NPI,NPPES Deactivation Date', ...rows, ''].join(
    '\r\n',
  );
}

/** The one invented clinician of whom the simulator has reports. */
const REPORTED = 'Vossberg';
const npdbQuerySchema = z.looseObject({ npi: z.string() });

/** Answers for NPDB, which only registered entities may query: it says that it is none. */
export function simulateNpdb(body: string): object {
  const simulator = 'a simulator of CareQuorum: this is not the NPDB';
  let query: unknown;
  try {
    query = JSON.parse(body);
  } catch {
    return { simulator, error: 'not JSON' };
  }
  const parsed = npdbQuerySchema.safeParse(query);
  if (!parsed.success) return { simulator, error: 'no number' };
  const { npi } = parsed.data;
  const person = CLINICIANS.find((one) => one.npi === npi);
  return { simulator, npi, reports: person?.lastName === REPORTED ? 1 : 0 };
}

const recordSchema = z.looseObject({
  number: z.union([z.string(), z.int()]),
  basic: z.looseObject({ first_name: z.string(), last_name: z.string() }).partial(),
  addresses: z.array(z.looseObject({ state: z.string().optional() })).default([]),
});
const answerFileSchema = z.looseObject({ results: z.array(z.looseObject({})).default([]) });

/** Results of all answers (`*.json`) that lie in a folder. */
export function loadFixtures(folder: string): readonly object[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => {
      const content: unknown = JSON.parse(readFileSync(join(folder, name), 'utf8'));
      return answerFileSchema.parse(content).results;
    });
}

function matches(candidate: object, query: URLSearchParams): boolean {
  const parsed = recordSchema.safeParse(candidate);
  if (!parsed.success) return false;
  const { number, basic, addresses } = parsed.data;
  const states = addresses.map(({ state }) => state);
  const wantedState = query.get('state');
  return (
    (query.get('number') === null || query.get('number') === String(number)) &&
    nameMatches(basic.first_name, query.get('first_name')) &&
    nameMatches(basic.last_name, query.get('last_name')) &&
    (wantedState === null || states.includes(wantedState.toUpperCase()))
  );
}

/** Whole names, or a beginning that ends in `*`; case does not matter. */
function nameMatches(name: string | undefined, wanted: string | null): boolean {
  if (wanted === null || wanted === '') return true;
  const have = (name ?? '').toUpperCase();
  const want = wanted.toUpperCase();
  return want.endsWith('*') ? have.startsWith(want.slice(0, -1)) : have === want;
}

function nppesRecord(person: Clinician): object {
  const address = {
    country_code: 'US',
    country_name: 'United States',
    address_type: 'DOM',
    address_1: '1 EXAMPLE PLAZA',
    city: 'SAMPLETON',
    state: person.state,
    postal_code: '000000000',
    telephone_number: '555-555-0100',
  };
  return {
    created_epoch: '1577836800000',
    enumeration_type: 'NPI-1',
    last_updated_epoch: '1735689600000',
    number: person.npi,
    addresses: [
      { ...address, address_purpose: 'LOCATION' },
      { ...address, address_purpose: 'MAILING' },
    ],
    practiceLocations: [],
    basic: {
      first_name: person.firstName.toUpperCase(),
      last_name: person.lastName.toUpperCase(),
      credential: person.credential,
      sole_proprietor: 'NO',
      enumeration_date: '2020-01-01',
      last_updated: '2025-01-01',
      status: 'A',
    },
    taxonomies: [
      {
        ...person.taxonomy,
        taxonomy_group: '',
        state: person.state,
        license: person.license,
        primary: true,
      },
    ],
    identifiers: [],
    endpoints: [],
    other_names: [],
  };
}

function clinician(
  index: number,
  firstName: string,
  lastName: string,
  credential: string,
  taxonomy: Clinician['taxonomy'],
  state: string,
  license: string,
): Clinician {
  const npi = npiOf(`1000000${String(index).padStart(2, '0')}`);
  return { npi, firstName, lastName, credential, taxonomy, state, license, active: true };
}

function failure(number: string, description: string, field: string): object {
  return { Errors: [{ description, field, number }] };
}
