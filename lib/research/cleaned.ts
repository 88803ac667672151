/** What cleaning a document gives: what may leave, what was left out, or why nothing may leave. */
import type { JsonValue } from './json.ts';

/** What is known of a person beside the data: cut to what Safe Harbor lets stay. */
export interface Quasi {
  /** That of the oldest stands for all before it. */
  readonly birthYear: number | null;
  readonly sex: 'male' | 'female' | 'other' | null;
  /** Three digits. */
  readonly postcode: string | null;
}

export const noQuasi: Quasi = { birthYear: null, sex: null, postcode: null };

/** Why a document is not released; docs/research.md lists them. */
export type RefusalCode =
  | 'unknown_format'
  | 'scanned_document'
  | 'unstructured'
  | 'pixel_data'
  | 'several_patients'
  | 'not_readable'
  | 'nothing_left';

export type Cleaned =
  | {
      readonly kind: 'clean';
      readonly format: 'fhir' | 'dicom' | 'c-cda';
      readonly content: JsonValue;
      readonly quasi: Quasi;
      /** Codes of the document as SYSTEM|CODE. */
      readonly codes: readonly string[];
      /** What was left out and why, with how often. */
      readonly omitted: readonly Omission[];
    }
  | { readonly kind: 'refused'; readonly code: RefusalCode; readonly why: string };

interface Omission {
  readonly what: string;
  readonly count: number;
}

export function refused(code: RefusalCode, why: string): Cleaned {
  return { kind: 'refused', code, why };
}

/** Counts what is left out. */
export class Omissions {
  readonly #counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count);
  }

  list(): Omission[] {
    return [...this.#counts]
      .map(([what, count]) => ({ what, count }))
      .sort((a, b) => (a.what < b.what ? -1 : 1));
  }
}
