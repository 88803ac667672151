/** When refusals over HTTP are believed: of more than f validators, and for long enough. */
import { faultyMax } from '../lib/wire/validators.ts';
import { type HttpAnswer, problemError, problemOf } from './http.ts';
import type { SdkError } from './errors.ts';

/** A validator may lag behind a block that the client has seen; after this time, that is no excuse. */
const LAG_MS = 1_500;

/** What no later block can change: these count at once. */
const final: ReadonlySet<string> = new Set([
  'malformed',
  'not_canonical',
  'too_large',
  'wrong_network',
  'wrong_ledger',
  'bad_signature',
  'expired',
  'validity_too_long',
  'bad_arguments',
  'unknown_function',
]);

/** Collects the refusals of one request. */
export class Refusals {
  readonly #answers = new Map<string, { answer: HttpAnswer; firstAt: number }>();
  readonly #validators: number;

  constructor(validators: number) {
    this.#validators = validators;
  }

  note(validator: string, answer: HttpAnswer, now: number): void {
    const firstAt = this.#answers.get(validator)?.firstAt ?? now;
    this.#answers.set(validator, { answer, firstAt });
  }

  /** It did what was asked after all. */
  forget(validator: string): void {
    this.#answers.delete(validator);
  }

  /** The error to throw once one honest validator at least must be among those that refuse. */
  verdict(now: number): SdkError | null {
    const counted = [...this.#answers].filter(
      ([, { answer, firstAt }]) => final.has(problemOf(answer).code) || now - firstAt >= LAG_MS,
    );
    const [first] = counted;
    if (!first || counted.length <= faultyMax(this.#validators)) return null;
    return problemError(first[1].answer, first[0]);
  }
}
