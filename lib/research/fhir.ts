/** FHIR R4 resources and bundles, cleaned: what is not known to be safe does not pass. */
import { type Cleaned, noQuasi, Omissions, type Quasi, refused } from './cleaned.ts';
import { safeCode, safeConcept, safeNumber, safeQuantity, safeWord } from './codes.ts';
import { fhirRules, type Rule } from './fhir-rules.ts';
import { isObject, type JsonObject, type JsonValue, objectsOf, textOf } from './json.ts';
import { allowedAge, birthYear, eventYear, shortPostcode } from './safe-harbor.ts';

/** Resources within resources. */
const DEPTH_MAX = 6;
/** Resources of one document. */
const RESOURCES_MAX = 50_000;

/** Cleans a resource or a bundle; `now` is the year in which it is released. */
export function cleanFhir(document: JsonObject, now: number): Cleaned {
  const resources = resourcesOf(document, 0);
  const patients = resources.filter((one) => one['resourceType'] === 'Patient');
  if (patients.length > 1) {
    return refused('several_patients', 'it is about several patients: release each on its own');
  }
  const cleaner = new Cleaner(now);
  const content = resources.flatMap((one) => cleaner.resource(one) ?? []);
  if (content.length === 0) {
    const left = cleaner.omissions.list().map(({ what }) => what);
    return refused('nothing_left', `nothing of it is known to be safe (${left.join('; ')})`);
  }
  const [patient] = patients;
  const quasi = patient ? quasiOf(patient, now) : noQuasi;
  const codes = [...cleaner.codes].sort();
  const omitted = cleaner.omissions.list();
  return { kind: 'clean', format: 'fhir', content, quasi, codes, omitted };
}

/** The resources of a bundle and of what they contain, each on its own. */
function resourcesOf(value: JsonValue | undefined, depth: number): JsonObject[] {
  if (!isObject(value) || depth > DEPTH_MAX) return [];
  const { entry, contained, parameter, ...own } = value;
  const inner = [
    ...objectsOf(entry).map((one) => one['resource']),
    ...objectsOf(parameter).map((one) => one['resource']),
    ...objectsOf(contained),
  ];
  const isBundle = own['resourceType'] === 'Bundle' || own['resourceType'] === 'Parameters';
  const found = inner.flatMap((one) => resourcesOf(one, depth + 1));
  return (isBundle ? found : [own, ...found]).slice(0, RESOURCES_MAX);
}

function quasiOf(patient: JsonObject, now: number): Quasi {
  const gender = patient['gender'];
  const sex =
    gender === 'male' || gender === 'female' ? gender : gender === 'other' ? gender : null;
  const postcodes = objectsOf(patient['address']).map((one) => shortPostcode(one['postalCode']));
  return {
    birthYear: birthYear(patient['birthDate'], now),
    sex,
    postcode: postcodes.find((one) => one !== null) ?? null,
  };
}

class Cleaner {
  readonly omissions = new Omissions();
  readonly codes = new Set<string>();
  readonly #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  resource(resource: JsonObject): JsonObject | null {
    const type = textOf(resource['resourceType']) ?? '';
    const rules = fhirRules[type];
    if (!rules) {
      this.omissions.add(omissionOf(type));
      return null;
    }
    this.#tellText(type, resource);
    const kept = this.#object(resource, rules);
    const isEmpty = Object.keys(kept).length === 0;
    // The patient is there without a word: who it is, is what must not be told.
    if (isEmpty && type !== 'Patient') {
      this.omissions.add(`${type}: no element of it is known to be safe`);
      return null;
    }
    return type === 'Patient' && isEmpty ? null : { resourceType: type, ...kept };
  }

  #tellText(type: string, resource: JsonObject): void {
    if (resource['text'] !== undefined)
      this.omissions.add('narrative text, which nobody can clean');
    if (resource['note'] !== undefined) this.omissions.add('notes in free text');
    if (resource['presentedForm'] !== undefined) {
      this.omissions.add(`${type}: an attached document, which nobody can clean`);
    }
  }

  #object(from: JsonObject, rules: Readonly<Record<string, Rule>>): JsonObject {
    const kept: JsonObject = {};
    for (const [name, rule] of Object.entries(rules)) {
      const value = from[name];
      if (value === undefined) continue;
      const cleaned = Array.isArray(value)
        ? value.map((one) => this.#value(one, rule)).filter((one) => one !== null)
        : this.#value(value, rule);
      const isNothing = cleaned === null || (Array.isArray(cleaned) && cleaned.length === 0);
      if (!isNothing) kept[name] = cleaned;
    }
    return kept;
  }

  #value(value: JsonValue, rule: Rule): JsonValue | null {
    if (typeof rule === 'object') {
      if (!isObject(value)) return null;
      const kept = this.#object(value, rule);
      return Object.keys(kept).length === 0 ? null : kept;
    }
    switch (rule) {
      case 'concept':
        return this.#noted(safeConcept(value));
      case 'coding': {
        const code = isObject(value) ? safeCode(value['system'], value['code']) : null;
        return code && this.#noted({ coding: [{ ...code }] }) && { ...code };
      }
      case 'quantity':
        return safeQuantity(value);
      case 'age':
        return ageOf(value);
      case 'word':
        return safeWord(value);
      case 'number':
        return safeNumber(value);
      case 'flag':
        return typeof value === 'boolean' ? value : null;
      case 'year':
        return eventYear(value, this.#now);
      case 'extension':
        return this.#extension(value);
    }
  }

  /** Of published implementation guides alone, and of those the coded and counted values. */
  #extension(value: JsonValue): JsonObject | null {
    if (!isObject(value)) return null;
    const url = textOf(value['url']) ?? '';
    if (!guides.test(url) && !/^[A-Za-z][A-Za-z-]{0,31}$/.test(url)) return null;
    const kept = this.#object(value, extensionRules);
    return Object.keys(kept).length === 0 ? null : { url, ...kept };
  }

  #noted(concept: JsonObject | null): JsonObject | null {
    for (const { system, code } of objectsOf(concept?.['coding'])) {
      this.codes.add(`${textOf(system) ?? ''}|${textOf(code) ?? ''}`);
    }
    return concept;
  }
}

const guides = new RegExp(
  '^http://hl7\\.org/fhir/us/(?:mcode|codex-radiation-therapy)/StructureDefinition/[a-z0-9-]{1,80}$',
);

const extensionRules: Readonly<Record<string, Rule>> = {
  extension: 'extension',
  valueCodeableConcept: 'concept',
  valueQuantity: 'quantity',
  valueInteger: 'number',
  valueUnsignedInt: 'number',
  valuePositiveInt: 'number',
};

function ageOf(value: JsonValue): JsonObject | null {
  const kept = safeQuantity(value);
  const years = kept?.['value'];
  return typeof years === 'number' && allowedAge(years) !== null ? kept : null;
}

function omissionOf(type: string): string {
  const named = /^[A-Z][A-Za-z]{2,39}$/.test(type) ? type : 'what is no FHIR resource';
  const isDocument = ['Binary', 'DocumentReference', 'Media', 'Composition'].includes(type);
  return isDocument
    ? `${named}: a document, which nobody can clean`
    : `${named}: not known to be safe`;
}
