/** Headers of DICOM RT objects, cleaned by an allow-list; in the manner of PS3.15 annex E. */
import dicomParser, { type DataSet } from 'dicom-parser';
import { type Cleaned, Omissions, type Quasi, refused } from './cleaned.ts';
import { dicomRules, type DicomRule } from './dicom-rules.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { birthYear, eventYear, shortPostcode } from './safe-harbor.ts';

const PIXEL_DATA = 'x7fe00010';
const MODALITY = 'x00080060';
const BIRTH_DATE = 'x00100030';
const SEX = 'x00100040';
/** Items of one sequence, and numbers of one value. */
const ITEMS_MAX = 5_000;
const VALUES_MAX = 64;
const DEPTH_MAX = 8;

/** Objects of radiotherapy: their headers are plans and doses, and show no body. */
const modalities = new Set(['RTPLAN', 'RTDOSE', 'RTSTRUCT', 'RTRECORD', 'RTINTENT']);
/** Words of a code string that PS3.3 defines are in capitals. */
const word = /^[A-Z][A-Z0-9_ ]{0,15}$/;

/** Whether bytes start as a DICOM file does. */
export function isDicom(bytes: Uint8Array): boolean {
  return [0x44, 0x49, 0x43, 0x4d].every((byte, at) => bytes[128 + at] === byte);
}

export function cleanDicom(bytes: Uint8Array, now: number): Cleaned {
  let dataSet: DataSet;
  try {
    dataSet = dicomParser.parseDicom(bytes);
  } catch {
    return refused('not_readable', 'it is a DICOM file that cannot be read');
  }
  const modality = stringOf(dataSet, MODALITY) ?? '';
  if (!modalities.has(modality)) {
    return refused(
      'pixel_data',
      'it is an image or a document in DICOM: pictures of a body and what is written into them ' +
        'cannot be cleaned here; headers of radiotherapy objects can',
    );
  }
  const omissions = new Omissions();
  const kept = cleanSet(dataSet, dicomRules, { now, omissions, depth: 0 });
  if (dataSet.elements[PIXEL_DATA]) omissions.add('pixel data');
  const content: JsonObject = {
    ...kept,
    PatientIdentityRemoved: 'YES',
    // Basic profile; pixel data, visible features and structured content cleaned: (0012,0064).
    DeidentificationMethodCodes: ['113100', '113101', '113102', '113104'],
  };
  const codes = [`DICOM|${modality}`];
  const quasi = quasiOf(dataSet, now);
  return { kind: 'clean', format: 'dicom', content, quasi, codes, omitted: omissions.list() };
}

function quasiOf(dataSet: DataSet, now: number): Quasi {
  const sex = stringOf(dataSet, SEX);
  return {
    birthYear: birthYear(stringOf(dataSet, BIRTH_DATE), now),
    sex: sex === 'M' ? 'male' : sex === 'F' ? 'female' : sex === 'O' ? 'other' : null,
    postcode: shortPostcode(null),
  };
}

interface Cleaning {
  now: number;
  omissions: Omissions;
  depth: number;
}

function cleanSet(
  dataSet: DataSet,
  rules: Readonly<Record<string, DicomRule>>,
  cleaning: Cleaning,
): JsonObject {
  const kept: JsonObject = {};
  for (const tag of Object.keys(dataSet.elements)) {
    const rule = rules[tag];
    if (!rule) {
      if (tag !== PIXEL_DATA) cleaning.omissions.add(omissionOf(tag));
      continue;
    }
    const value = rule.items
      ? itemsOf(dataSet, tag, rule.items, cleaning)
      : valueOf(dataSet, tag, rule, cleaning.now);
    if (value === null)
      cleaning.omissions.add(`${rule.name}: not of a form that is known to be safe`);
    else kept[rule.name] = value;
  }
  return kept;
}

function itemsOf(
  dataSet: DataSet,
  tag: string,
  rules: Readonly<Record<string, DicomRule>>,
  cleaning: Cleaning,
): JsonValue | null {
  if (cleaning.depth >= DEPTH_MAX) return null;
  const items = (dataSet.elements[tag]?.items ?? []).slice(0, ITEMS_MAX);
  const deeper = { ...cleaning, depth: cleaning.depth + 1 };
  return items.flatMap((item) => (item.dataSet ? [cleanSet(item.dataSet, rules, deeper)] : []));
}

function valueOf(dataSet: DataSet, tag: string, rule: DicomRule, now: number): JsonValue | null {
  switch (rule.kind) {
    case 'word': {
      const text = stringOf(dataSet, tag);
      return text !== null && word.test(text) ? text : null;
    }
    case 'class': {
      // UIDs of the standard name a kind of object; all others name an object of a hospital.
      const text = stringOf(dataSet, tag);
      return text !== null && /^1\.2\.840\.10008\.[0-9.]{1,50}$/.test(text) ? text : null;
    }
    case 'year':
      return eventYear(stringOf(dataSet, tag), now);
    case 'decimal': {
      const parts = (stringOf(dataSet, tag) ?? '').split('\\').slice(0, VALUES_MAX);
      const numbers = parts.map((one) => (one.trim() === '' ? NaN : Number(one)));
      if (numbers.some((one) => !Number.isFinite(one))) return null;
      return numbers.length === 1 ? (numbers[0] ?? null) : numbers;
    }
    case 'count':
      return dataSet.uint16(tag) ?? null;
    case 'sequence':
      // Its items are cleaned one by one, never taken as a value.
      return null;
  }
}

function stringOf(dataSet: DataSet, tag: string): string | null {
  return dataSet.string(tag)?.trim() ?? null;
}

function omissionOf(tag: string): string {
  const group = Number.parseInt(tag.slice(1, 5), 16);
  return group % 2 === 1 ? 'private elements' : 'elements that are not known to be safe';
}
