/**
 * Cleans a document of what identifies its patient, by what it is; what it cannot clean, it
 * refuses.
 */
import { cleanCcda, isClinicalDocument } from './ccda.ts';
import { type Cleaned, refused } from './cleaned.ts';
import { cleanDicom, isDicom } from './dicom.ts';
import { cleanFhir } from './fhir.ts';
import { isObject } from './json.ts';

/** Cleans the bytes of a record; `now` is the year of the release, which ages are counted to. */
export function cleanDocument(bytes: Uint8Array, now: number): Cleaned {
  if (isDicom(bytes)) return cleanDicom(bytes, now);
  if (startsWith(bytes, '%PDF-')) {
    return refused(
      'scanned_document',
      'it is a PDF: text and pictures for people, in which names may stand anywhere',
    );
  }
  const text = textOf(bytes);
  if (text === null) {
    return refused('unknown_format', 'it is neither FHIR JSON, nor C-CDA, nor DICOM RT');
  }
  if (isClinicalDocument(text)) return cleanCcda(text, now);
  const json = jsonOf(text);
  if (isObject(json) && typeof json['resourceType'] === 'string') return cleanFhir(json, now);
  return refused(
    'unknown_format',
    'it is free text or of another form than FHIR JSON, C-CDA or DICOM RT, so nobody can clean it',
  );
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((character, at) => bytes[at] === character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
