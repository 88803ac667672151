/** Times as people type them: dates, moments and durations. */
import { InvalidArgumentError } from 'commander';

/** A moment, or so much after now; milliseconds. */
export type When =
  | { readonly kind: 'moment'; readonly time: number }
  | { readonly kind: 'duration'; readonly ms: number };

const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};
/** A thousand years: what is longer is a typing error. */
const DURATION_MS_MAX = 1_000 * 365 * 86_400_000;

const FORMS = 'Give a date (2027-01-01), a time (2027-01-01T08:30Z) or a duration (180d, 6h, 30m).';

/** Parses `180d`, `6h`, `2027-01-01` (its start, UTC) or `2027-01-01T08:30Z`. */
export function parseWhen(text: string): When {
  const duration = /^(\d{1,7})(s|m|h|d|w)$/.exec(text);
  if (duration) {
    const ms = Number(duration[1]) * (unitMs[duration[2] as string] as number);
    if (ms === 0 || ms > DURATION_MS_MAX) throw new InvalidArgumentError(FORMS);
    return { kind: 'duration', ms };
  }
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isMoment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})$/.test(text);
  const time = isDate || isMoment ? Date.parse(text) : Number.NaN;
  // 31 February is a date of March to `Date.parse`, and an error to a person.
  const isReal = !isDate || (!Number.isNaN(time) && isoDate(time) === text);
  if (Number.isNaN(time) || !isReal) throw new InvalidArgumentError(FORMS);
  return { kind: 'moment', time };
}

export function timeOf(when: When, now: number): number {
  return when.kind === 'moment' ? when.time : now + when.ms;
}

/** Parses a month as 2026-11. */
export function parseMonth(text: string): string {
  if (/^\d{4}-(?:0[1-9]|1[0-2])$/.test(text)) return text;
  throw new InvalidArgumentError('Give a month as 2026-11.');
}

/** Parses a day as 1961-04-23. */
export function parseDay(text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time) && isoDate(time) === text) return text;
  throw new InvalidArgumentError('Give a date as 1961-04-23.');
}

/** A time for people, UTC. */
export function timeText(time: number): string {
  const text = new Date(time).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

function isoDate(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** A span of time in the largest unit that fits it. */
export function spanText(ms: number): string {
  const units = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1_000],
  ] as const;
  const [name, size] = units.find((unit) => ms >= unit[1]) ?? ['second', 1_000];
  const count = Math.round(ms / size);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
