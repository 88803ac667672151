/**
 * C-CDA documents, cleaned: coded entries pass; narrative, names and bodies that are no XML do
 * not.
 */
import { XMLParser } from 'fast-xml-parser';
import { type Cleaned, Omissions, type Quasi, refused } from './cleaned.ts';
import { safeCode, safeNumber, safeUnit } from './codes.ts';
import { isObject, type JsonObject, type JsonValue, objectsOf, textOf } from './json.ts';
import { birthYear, eventYear, shortPostcode } from './safe-harbor.ts';

const BYTES_MAX = 16 * 1024 * 1024;
const DEPTH_MAX = 64;
const ENTRIES_MAX = 20_000;

const statements = new Set([
  'act',
  'encounter',
  'observation',
  'organizer',
  'procedure',
  'substanceAdministration',
  'supply',
]);
const moods = new Set(['EVN', 'INT', 'RQO', 'PRMS', 'PRP', 'GOL']);

/** Whether a text is an XML document of HL7 v3. */
export function isClinicalDocument(text: string): boolean {
  return /<(?:\w+:)?ClinicalDocument[\s>]/.test(text.slice(0, 4_096));
}

export function cleanCcda(text: string, now: number): Cleaned {
  if (text.length > BYTES_MAX) return refused('not_readable', 'it is too large to be looked at');
  // Entities are a way to make a parser work without end: none is in a clinical document.
  if (text.includes('<!DOCTYPE') || text.includes('<!ENTITY')) {
    return refused('not_readable', 'it declares a document type, which no C-CDA document does');
  }
  const document = parse(text);
  if (!document) return refused('not_readable', 'it is XML that cannot be read');
  const component = child(document, 'component');
  if (child(component, 'nonXMLBody')) {
    return refused(
      'unstructured',
      'its body is a text or a scan in an envelope, not coded entries',
    );
  }
  const targets = objectsOf(document['recordTarget']);
  if (targets.length > 1) return refused('several_patients', 'it is about several patients');
  const cleaner = new Cleaner(now);
  cleaner.walk(child(component, 'structuredBody'), 0);
  if (cleaner.entries.length === 0) {
    return refused('unstructured', 'it has narrative alone, and no coded entry that may stay');
  }
  const codes = [...cleaner.codes].sort();
  const omitted = cleaner.omissions.list();
  const quasi = quasiOf(targets[0], now);
  return { kind: 'clean', format: 'c-cda', content: cleaner.entries, quasi, codes, omitted };
}

function parse(text: string): JsonObject | null {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    removeNSPrefix: true,
    parseTagValue: false,
    parseAttributeValue: false,
    processEntities: false,
  });
  try {
    const parsed: unknown = parser.parse(text);
    const root = isObject(parsed) ? parsed['ClinicalDocument'] : undefined;
    return isObject(root) ? root : null;
  } catch {
    return null;
  }
}

function quasiOf(target: JsonObject | undefined, now: number): Quasi {
  const role = child(target, 'patientRole');
  const patient = child(role, 'patient');
  const gender = textOf(child(patient, 'administrativeGenderCode')?.['@code']);
  const addresses = objectsOf(role?.['addr']);
  const postcodes = addresses.map((one) => shortPostcode(one['postalCode']));
  return {
    birthYear: birthYear(child(patient, 'birthTime')?.['@value'], now),
    sex: gender === 'M' ? 'male' : gender === 'F' ? 'female' : gender === 'UN' ? 'other' : null,
    postcode: postcodes.find((one) => one !== null) ?? null,
  };
}

class Cleaner {
  readonly entries: JsonValue[] = [];
  readonly codes = new Set<string>();
  readonly omissions = new Omissions();
  readonly #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  /** Finds clinical statements wherever they are; whatever else there is, is passed over. */
  walk(value: JsonValue | undefined, depth: number): void {
    if (depth > DEPTH_MAX) return;
    if (Array.isArray(value)) {
      for (const one of value) this.walk(one, depth + 1);
      return;
    }
    if (!isObject(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'text') this.omissions.add('narrative text, which nobody can clean');
      else if (name.startsWith('@')) continue;
      else {
        if (statements.has(name)) for (const one of objectsOf(inner)) this.#statement(name, one);
        this.walk(inner, depth + 1);
      }
    }
  }

  #statement(kind: string, from: JsonObject): void {
    if (this.entries.length >= ENTRIES_MAX) return;
    const mood = textOf(from['@moodCode']);
    const product = child(
      child(child(from, 'consumable'), 'manufacturedProduct'),
      'manufacturedMaterial',
    );
    const code = this.#code(from['code']) ?? this.#code(product?.['code']);
    const values = objectsOf(from['value']).flatMap((one) => this.#measured(one) ?? []);
    if (!code && values.length === 0) {
      this.omissions.add(`${kind}: without a code that is known to be safe`);
      return;
    }
    const year = this.#year(from['effectiveTime']);
    const dose = this.#measured(child(from, 'doseQuantity'));
    this.entries.push({
      kind,
      ...(mood !== null && moods.has(mood) ? { mood } : {}),
      ...(code ? { code } : {}),
      ...(values.length > 0 ? { value: values } : {}),
      ...(dose ? { dose } : {}),
      ...(year === null ? {} : { year }),
    });
  }

  #measured(value: JsonObject | null): JsonObject | null {
    if (!value) return null;
    const code = this.#code(value);
    if (code) return { code };
    const number = safeNumber(Number(textOf(value['@value']) ?? NaN));
    if (number === null || (textOf(value['@value']) ?? '').trim() === '') return null;
    const unit = safeUnit(value['@unit']);
    return { value: number, ...(unit === null ? {} : { unit }) };
  }

  /** The code, or the first of its translations that may stay. */
  #code(value: JsonValue | undefined): JsonObject | null {
    for (const one of objectsOf(value)) {
      for (const each of [one, ...objectsOf(one['translation'])]) {
        const safe = safeCode(each['@codeSystem'], each['@code']);
        if (!safe) continue;
        this.codes.add(`${safe.system}|${safe.code}`);
        return { ...safe };
      }
    }
    return null;
  }

  #year(value: JsonValue | undefined): number | null {
    for (const one of objectsOf(value)) {
      const texts = [one['@value'], child(one, 'low')?.['@value'], child(one, 'high')?.['@value']];
      for (const text of texts) {
        const year = eventYear(text, this.#now);
        if (year !== null) return year;
      }
    }
    return null;
  }
}

function child(value: JsonObject | null | undefined, name: string): JsonObject | null {
  return objectsOf(value?.[name])[0] ?? null;
}
