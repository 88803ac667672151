/**
 * Terms that patients give often, as data. To add one: add an entry with a name of its own, words
 * that a patient understands, and terms; test/sdk/templates.test.ts checks that it can be granted.
 */
import type { Purpose, Right } from '../lib/chaincode/fields.ts';

export interface GrantTemplate {
  /** What is typed. */
  readonly name: string;
  /** What the patient would say. */
  readonly title: string;
  /** Whom it is meant for. */
  readonly suits: 'person' | 'team' | 'either';
  readonly rights: readonly Right[];
  readonly categories: readonly string[];
  /** Calendar months, or days, from now. */
  readonly lasts: { readonly months: number } | { readonly days: number };
  /** How many months back the data may be of; the present one is 0. @default all times */
  readonly dataMonths?: number;
  readonly purposes: readonly Exclude<Purpose, 'BTG'>[];
  /** With `share` only; the study is named when it is used. */
  readonly anonymise?: boolean;
}

const oncology = [
  'history-and-physical',
  'laboratory',
  'radiation-dose',
  'treatment-summary',
] as const;

export const grantTemplates: readonly GrantTemplate[] = [
  {
    name: 'radiation-oncology-team',
    title: 'My radiation oncology team for six months',
    suits: 'team',
    rights: ['read', 'write'],
    categories: oncology,
    lasts: { months: 6 },
    purposes: ['TREAT'],
  },
  {
    name: 'family-doctor',
    title: 'My family doctor for a year',
    suits: 'person',
    rights: ['read', 'write'],
    categories: ['history-and-physical', 'laboratory', 'treatment-summary'],
    lasts: { months: 12 },
    purposes: ['TREAT'],
  },
  {
    name: 'second-opinion',
    title: 'A second opinion: read what is there, for 30 days',
    suits: 'either',
    rights: ['read'],
    categories: oncology,
    lasts: { days: 30 },
    purposes: ['TREAT'],
  },
  {
    name: 'recent-results',
    title: 'Laboratory results of the last three months, for a week',
    suits: 'either',
    rights: ['read'],
    categories: ['laboratory'],
    lasts: { days: 7 },
    dataMonths: 3,
    purposes: ['TREAT'],
  },
  {
    name: 'send-me-results',
    title: 'May add laboratory results for 30 days, and read nothing',
    suits: 'either',
    rights: ['write'],
    categories: ['laboratory'],
    lasts: { days: 30 },
    purposes: ['TREAT'],
  },
  {
    name: 'study',
    title: 'My doctor may give what identifies nobody to a study, for a year',
    suits: 'person',
    rights: ['read', 'share'],
    categories: oncology,
    lasts: { months: 12 },
    purposes: ['TREAT', 'RESCH'],
    anonymise: true,
  },
];

export function templateNamed(name: string): GrantTemplate | null {
  return grantTemplates.find((one) => one.name === name) ?? null;
}

/** When a permission of this template ends if it is given now, and its first month of data. */
export function templateTimes(
  { lasts, dataMonths }: GrantTemplate,
  now: number,
): { until: number; dataFrom: string | undefined } {
  const until = 'days' in lasts ? now + lasts.days * DAY_MS : monthsLater(now, lasts.months);
  if (dataMonths === undefined) return { until, dataFrom: undefined };
  const first = new Date(now);
  first.setUTCDate(1);
  first.setUTCMonth(first.getUTCMonth() - dataMonths);
  return { until, dataFrom: first.toISOString().slice(0, 7) };
}

const DAY_MS = 86_400_000;

/** The same day so many months later, or the last one of a month that has no such day. */
function monthsLater(time: number, months: number): number {
  const date = new Date(time);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return date.getTime();
}
