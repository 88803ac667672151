/** Verifies clinicians against NPPES, the public registry of the United States (API version 2.1). */

import { z } from 'zod';
import { isValidNpi } from '../../../lib/membership/npi.ts';
import { isSameName } from '../../../lib/membership/person-name.ts';
import type { ClinicianClaim, Registry, RegistryVerdict } from './registry.ts';

const TIMEOUT_MS = 2_000;
const ANSWER_CHARS_MAX = 1_000_000;
const LICENCE_CHARS_MIN = 3;

const text = z.string().max(500);
/** Older captures have JSON integers where newer ones have strings. */
const numberField = z.union([text, z.int()]).transform(String);

const nameSchema = z.looseObject({
  first_name: text.optional(),
  last_name: text.optional(),
  middle_name: text.optional(),
});
const entrySchema = z.looseObject({
  number: numberField,
  enumeration_type: text,
  basic: nameSchema.extend({ status: text.optional() }),
  other_names: z.array(nameSchema).default([]),
  taxonomies: z
    .array(z.looseObject({ state: text.nullish(), license: text.nullish() }))
    .default([]),
});
type Entry = z.infer<typeof entrySchema>;

/** An answer with `Errors` and without `results` does not fit: the registry did not answer. */
const answerSchema = z.looseObject({
  result_count: z.int().min(0),
  results: z.array(z.unknown()).max(200),
});

/** `fetch`, or a stand-in. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The registry at `baseUrl`, asked with a time-out of two seconds. */
export function nppesRegistry(baseUrl: string, fetchUrl: Fetch = fetch): Registry {
  const base = baseUrl.replace(/\/+$/, '');
  return {
    async verify(claim) {
      if (!isValidNpi(claim.npi)) return 'not_verified';
      const url = `${base}/api/?version=2.1&number=${claim.npi}`;
      const answer = await ask(fetchUrl, url);
      return answer === null ? 'unavailable' : judge(answer, claim);
    },
  };
}

/** The results, or null where the registry is down, slow or answers in another form. */
async function ask(fetchUrl: Fetch, url: string): Promise<unknown[] | null> {
  try {
    const response = await fetchUrl(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) return null;
    const body = await response.text();
    if (body.length > ANSWER_CHARS_MAX) return null;
    const parsed = answerSchema.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data.results : null;
  } catch {
    return null;
  }
}

function judge(results: readonly unknown[], claim: ClinicianClaim): RegistryVerdict {
  for (const result of results) {
    const parsed = entrySchema.safeParse(result);
    if (parsed.success && isVerified(parsed.data, claim)) return 'verified';
  }
  return 'not_verified';
}

/** A person, active, of this name, with this licence in this state. */
function isVerified(entry: Entry, claim: ClinicianClaim): boolean {
  if (entry.number !== claim.npi || entry.enumeration_type !== 'NPI-1') return false;
  if (entry.basic.status !== 'A') return false;
  const names = [entry.basic, ...entry.other_names];
  const hasName = names.some((name) =>
    isSameName(claim.name, {
      first: name.first_name ?? '',
      last: name.last_name ?? '',
      middle: name.middle_name,
    }),
  );
  const licence = comparable(claim.licence);
  if (!hasName || !isLicence(licence)) return false;
  return entry.taxonomies.some(
    (one) =>
      comparable(one.license ?? '') === licence &&
      comparable(one.state ?? '') === comparable(claim.state),
  );
}

/** `NA` and the like stand in the registry where no licence is given: they prove nothing. */
function isLicence(licence: string): boolean {
  return licence.length >= LICENCE_CHARS_MIN && /\d/.test(licence);
}

/** Letters and digits alone, in capitals. */
export function comparable(value: string): string {
  return value.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}
