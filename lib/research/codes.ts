/** Codes that may stay: of public terminologies alone, and only in the form that those have. */
import { isObject, type JsonObject, objectsOf } from './json.ts';

/** A system by its URI, its OID in HL7 v3, and the form of its codes. */
const systems: readonly { uri: string; oid?: string; form: RegExp }[] = [
  { uri: 'http://snomed.info/sct', oid: '2.16.840.1.113883.6.96', form: /^[1-9]\d{5,17}$/ },
  { uri: 'http://loinc.org', oid: '2.16.840.1.113883.6.1', form: /^(?:L[APG])?\d{1,7}-\d$/ },
  {
    uri: 'http://www.nlm.nih.gov/research/umls/rxnorm',
    oid: '2.16.840.1.113883.6.88',
    form: /^[1-9]\d{0,7}$/,
  },
  {
    uri: 'http://hl7.org/fhir/sid/icd-10-cm',
    oid: '2.16.840.1.113883.6.90',
    form: /^[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?$/,
  },
  { uri: 'http://hl7.org/fhir/sid/icd-10', form: /^[A-Z]\d\d(?:\.\d{1,2})?$/ },
  { uri: 'http://hl7.org/fhir/sid/cvx', oid: '2.16.840.1.113883.12.292', form: /^\d{1,3}$/ },
  { uri: 'http://hl7.org/fhir/sid/ndc', form: /^\d{4,5}-\d{3,4}-\d{1,2}$/ },
];

/** Systems of HL7 itself: their codes are short words. */
const wordSystems =
  /^http:\/\/(?:terminology\.hl7\.org\/CodeSystem|hl7\.org\/fhir)\/[A-Za-z0-9/-]{1,80}$/;
const word = /^(?:[a-z][a-z-]{0,39}|[A-Z]{1,8}\d{0,2})$/;
/** Words of status and kind in FHIR: a word that is none of these may be a name. */
const fhirWords = new Set(
  (
    'active amended appended arrived available biologic cancelled completed corrected directive ' +
    'draft ended entered-in-error environment filler-order final finished food health-unknown ' +
    'high in-progress inactive instance-order intended intolerance allergy low medication mild ' +
    'moderate not-done on-hold onleave option order original-order partial plan planned ' +
    'preliminary preparation proposal reflex-order registered revoked severe stopped triaged ' +
    'unable-to-assess unknown'
  ).split(' '),
);
/** Numbers from here on may be those of a person. */
const NUMBER_MAX = 10_000_000;
/** Terms of UCUM that medicine uses; what is none may be a name, and an annotation is free text. */
const terms = [
  '%|1|10[*^]\\d{1,2}',
  '[kcdhmunpfMG]?(?:g|l|L|m|mol|eq|U|Pa|Hz|J|W|Gy|Sv|Bq|V|A|s|cal|osm|Ci)',
  'min|h|d|wk|mo|a|Cel|deg|MU|kat|m?m\\[Hg\\]',
  "\\[(?:iU|in_i|lb_av|oz_av|degF|ft_i|pH|arb'U|ppb|ppm)\\]",
];
const term = new RegExp(`^(?:${terms.join('|')})\\d?$`);

const byUri = new Map(systems.map((one) => [one.uri, one]));
const byOid = new Map(systems.flatMap((one) => (one.oid ? [[one.oid, one] as const] : [])));

interface SafeCode {
  readonly system: string;
  readonly code: string;
}

/** The code if it may stay; its display is text that somebody wrote, and never does. */
export function safeCode(system: unknown, code: unknown): SafeCode | null {
  if (typeof system !== 'string' || typeof code !== 'string') return null;
  const known = byUri.get(system) ?? byOid.get(system);
  if (known)
    return known.form.test(code) && isChecked(known.uri, code) ? { system: known.uri, code } : null;
  return wordSystems.test(system) && word.test(code) ? { system, code } : null;
}

/** The codings of a CodeableConcept that may stay; null where none does. */
export function safeConcept(value: unknown): JsonObject | null {
  if (!isObject(value)) return null;
  const coding = objectsOf(value['coding']).flatMap(({ system, code }) => {
    const safe = safeCode(system, code);
    return safe ? [{ ...safe }] : [];
  });
  return coding.length === 0 ? null : { coding };
}

/** A number with a unit of UCUM. */
export function safeQuantity(value: unknown): JsonObject | null {
  if (!isObject(value)) return null;
  const { value: number, code, unit: named, comparator } = value;
  const safe = safeNumber(number);
  if (safe === null) return null;
  const text = typeof code === 'string' ? code : named;
  const measured = safeUnit(text);
  const kept = measured === null ? {} : { code: measured };
  const sign = typeof comparator === 'string' && /^[<>]=?$/.test(comparator) ? { comparator } : {};
  return { value: safe, ...sign, ...kept };
}

/** A unit of UCUM, or null. */
export function safeUnit(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 24) return null;
  return value.split(/[/.]/).every((one, at) => term.test(one) || (at === 0 && one === ''))
    ? value
    : null;
}

/** A number that counts or measures; one as long as a telephone number does not stay. */
export function safeNumber(value: unknown): number | null {
  const isSafe =
    typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < NUMBER_MAX;
  return isSafe ? value : null;
}

/** A word of FHIR such as a status. */
export function safeWord(value: unknown): string | null {
  return typeof value === 'string' && fhirWords.has(value) ? value : null;
}

/** SNOMED CT and LOINC end in a check digit: a number of a person that is put there seldom fits. */
function isChecked(system: string, code: string): boolean {
  if (system === 'http://snomed.info/sct') return verhoeff(code) === 0;
  return true;
}

const dihedral = [
  '0123456789',
  '1234067895',
  '2340178956',
  '3401289567',
  '4012395678',
  '5987604321',
  '6598710432',
  '7659821043',
  '8765932104',
  '9876543210',
];
const permutation = [
  '0123456789',
  '1576283094',
  '5803796142',
  '8916043527',
  '9453126870',
  '4286573901',
  '2793806415',
  '7046913258',
];

/** The check of Verhoeff, which identifiers of SNOMED CT pass with 0. */
function verhoeff(digits: string): number {
  let check = 0;
  [...digits].reverse().forEach((digit, at) => {
    const moved = Number(permutation[at % 8]?.[Number(digit)]);
    check = Number(dihedral[check]?.[moved]);
  });
  return check;
}
