/** Categories of records: a short name that only patient and grantees know. */
import { utf8 } from '../lib/crypto/bytes.ts';
import { SdkError } from './errors.ts';

/** What an oncology department shares (Dubovitskaya et al. 2017), and what it falls back to. */
export const DEFAULT_CATEGORY = 'history-and-physical';
export const standardCategories: readonly string[] = [
  'history-and-physical',
  'laboratory',
  'radiation-dose',
  'treatment-summary',
];

/** Treatment of substance use: 42 CFR Part 2 follows such records to whoever gets them. */
export const SUBSTANCE_USE_CATEGORY = 'substance-use-treatment';

const PART_2_NOTICE =
  'PROTECTED BY 42 CFR PART 2 (treatment of substance use): use it for what the patient agreed to, and pass ' +
  'it on to nobody unless the patient’s consent or that law allows it.';

/** What whoever reads a category has to be told, or null. It covers names that start so. */
export function redisclosureNotice(category: string): string | null {
  return category.startsWith(SUBSTANCE_USE_CATEGORY) ? PART_2_NOTICE : null;
}

const CATEGORY_BYTES_MAX = 64;

/**
 * The canonical name of a category: NFKC, lower case, blanks as hyphens, so that a folder
 * "Radiation Dose" and `radiation-dose` are one. Throws `bad_input` on an empty or long name.
 */
export function categoryName(text: string): string {
  const name = text
    .normalize('NFKC')
    .toLowerCase()
    .trim()
    .replaceAll(/[\s_-]+/gu, '-')
    .replaceAll(/[\p{C}]/gu, '');
  if (name === '' || name === '-' || utf8(name).length > CATEGORY_BYTES_MAX) {
    throw new SdkError('bad_input', `«${text.slice(0, 80)}» cannot name a category.`, {
      nextStep: `Use 1 to ${CATEGORY_BYTES_MAX} letters, digits and hyphens.`,
    });
  }
  return name;
}

/**
 * The category of a document by its content, or null where it says nothing. `start` is its
 * first part, at least 4 KB where it has that many.
 */
export function categoryOfContent(fileName: string, start: Uint8Array): string | null {
  const isDicom = start.length >= 132 && latin(start.subarray(128, 132)) === 'DICM';
  if (isDicom || /\.dcm$/i.test(fileName)) return 'radiation-dose';
  const text = `${fileName}\n${latin(start)}`;
  for (const [category, pattern] of patterns) if (pattern.test(text)) return category;
  return null;
}

/** First match wins; LOINC codes of document and section types where a document has them. */
const patterns: readonly (readonly [string, RegExp])[] = [
  [
    'laboratory',
    /\b(?:11502-2|30954-2|26436-6)\b|laborator(?:y|io)|lab[ _-]?results?|metabolic[ _-]panel/i,
  ],
  [
    'radiation-dose',
    /radiation[ _-]dose|dose[ _-](?:report|summary)|\b(?:rtdose|rtplan|rtstruct)\b/i,
  ],
  ['treatment-summary', /treatment[ _-]summary|course[ _-]summary|\b(?:18761-7|11488-4)\b/i],
  [
    'history-and-physical',
    /history[ _-]and[ _-]physical|history (?:&|&amp;) physical|\b34117-2\b/i,
  ],
];

function latin(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, 8_192)) text += String.fromCharCode(byte);
  return text;
}
