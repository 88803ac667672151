/**
 * The rules of Safe Harbor, 45 CFR 164.514(b)(2): which identifiers go, and what may stay of
 * some.
 */

/** The 18 identifiers, by the letter of the rule; docs/research.md says what becomes of each. */
export const safeHarborIdentifiers = {
  A: 'names',
  B: 'places smaller than a state; of a postcode three digits may stay',
  C: 'dates but for the year, and ages over 89',
  D: 'telephone numbers',
  E: 'fax numbers',
  F: 'e-mail addresses',
  G: 'social security numbers',
  H: 'medical record numbers',
  I: 'health plan beneficiary numbers',
  J: 'account numbers',
  K: 'certificate and licence numbers',
  L: 'vehicle identifiers and plates',
  M: 'device identifiers and serial numbers',
  N: 'addresses of the web',
  O: 'addresses of the internet',
  P: 'biometric identifiers',
  Q: 'photographs of the face and comparable images',
  R: 'any other number, characteristic or code that is unique',
} as const;

/** Ages above this are one group. */
const AGE_MAX = 89;

/**
 * The first three digits of ZIP codes in which 20,000 people or fewer live, by the census that the
 * guidance of the department of health names.
 */
const RESTRICTED = new Set(
  '036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893'.split(' '),
);

/** Three digits of a ZIP code, `000` where they are of few people; null of what is none. */
export function shortPostcode(text: unknown): string | null {
  const digits =
    typeof text === 'string' ? /^\s*(\d{3})\d{2}(?:-?\d{4})?\s*$/.exec(text)?.[1] : null;
  if (!digits) return null;
  return RESTRICTED.has(digits) ? '000' : digits;
}

/** The year of a date as FHIR, DICOM or HL7 v3 write it; null of what is none. */
function rawYear(text: unknown): number | null {
  const year = typeof text === 'string' ? /^\s*((?:18|19|20)\d{2})(?!\d)/.exec(text)?.[1] : null;
  const compact =
    typeof text === 'string' ? /^\s*((?:18|19|20)\d{2})(?:0[1-9]|1[0-2])/.exec(text)?.[1] : null;
  const found = year ?? compact;
  return found ? Number(found) : null;
}

/** The year of an event. One that shows an age over 89 is left out. */
export function eventYear(text: unknown, now: number): number | null {
  const year = rawYear(text);
  return year === null || year < now - AGE_MAX || year > now + 20 ? null : year;
}

/** The year of birth; who may be over 89 is in the one group of `oldestYear`. */
export function birthYear(text: unknown, now: number): number | null {
  const year = rawYear(text);
  if (year === null || year > now) return null;
  return Math.max(year, oldestYear(now));
}

/** Stands for this year of birth and all before it. */
function oldestYear(now: number): number {
  return now - AGE_MAX - 1;
}

/** An age in years; null above 89. */
export function allowedAge(years: number): number | null {
  return years > AGE_MAX ? null : years;
}
