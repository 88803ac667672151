/**
 * Classes of patients who cannot be told apart: k-anonymity with l-diversity by strict partitioning
 * (Mondrian: LeFevre et al., ICDE 2006), over all hospitals at once.
 */
import type { QuasiIdentifier } from '../chaincode/study-values.ts';
import type { Quasi } from './cleaned.ts';

/** One patient as it is counted. */
export interface Counted {
  /** The handle on the ledger: the same one for whatever hospital released. */
  readonly participant: string;
  readonly quasi: Quasi;
  /** Findings of the study that the patient has. */
  readonly sensitive: readonly string[];
  /**
   * What the proofs of source tell of the patient's data: which hospitals, and how many records.
   * Whoever knows where somebody was treated knows it, so that in a class it is the same for all.
   */
  readonly shape: string;
}

export interface CountingRule {
  readonly k: number;
  readonly l: number;
  readonly quasi: readonly QuasiIdentifier[];
}

/** What is told of every patient of a class; null tells nothing. */
export interface Box {
  /** First and last year of birth. */
  readonly birthYear: readonly [number, number] | null;
  readonly sex: 'male' | 'female' | 'other' | null;
  /** Digits that all have in common, at most three. */
  readonly postcode: string | null;
}

export interface PatientClass {
  readonly box: Box;
  readonly members: readonly Counted[];
}

/** Stands for patients who have none of the findings. */
const NOTHING = 'none';
const POSTCODE_DIGITS = 3;

/** Classes of k patients or more, each with l findings or more; who fits in none is held back. */
export function partition(
  patients: readonly Counted[],
  rule: CountingRule,
): { classes: PatientClass[]; held: Counted[] } {
  const shapes = partsBy(patients.toSorted(compare), ({ shape }) => shape);
  const work = shapes.filter((group) => isSafe(group, rule));
  const held = shapes.filter((group) => !isSafe(group, rule)).flat();
  const groups: Counted[][] = [];
  for (let group = work.pop(); group; group = work.pop()) {
    const parts = split(group, rule);
    if (parts) work.push(...parts);
    else groups.push(group);
  }
  const classes = groups.map((members) => ({ box: boxOf(members, rule), members }));
  return { classes: classes.sort((a, b) => compare(firstOf(a), firstOf(b))), held };
}

/** Whether these may be told as one class. */
export function isSafe(members: readonly Counted[], { k, l }: CountingRule): boolean {
  const patients = new Set(members.map(({ participant }) => participant)).size;
  const shapes = new Set(members.map(({ shape }) => shape)).size;
  return patients >= k && shapes === 1 && isDiverse(members, l);
}

/**
 * l different findings, and for each of them l − 1 others among those who do not have it: so no
 * finding is common to all, and nobody who knows that one does not apply is left with fewer than
 * l − 1.
 */
function isDiverse(members: readonly Counted[], l: number): boolean {
  if (l <= 1) return true;
  const sets = members.map(({ sensitive }) => (sensitive.length === 0 ? [NOTHING] : sensitive));
  const all = new Set(sets.flat());
  if (all.size < l) return false;
  return [...all].every((value) => {
    const without = sets.filter((one) => !one.includes(value));
    return new Set(without.flat()).size >= l - 1;
  });
}

/** Parts that are all safe, by the attribute that tells most; null where there are none. */
function split(group: readonly Counted[], rule: CountingRule): Counted[][] | null {
  const ways = [
    ...(rule.quasi.includes('birth-year') ? [byYear(group)] : []),
    ...(rule.quasi.includes('postcode') ? [[byPostcode(group)]] : []),
    ...(rule.quasi.includes('sex') ? [[bySex(group)]] : []),
  ];
  for (const candidates of ways.sort((a, b) => spread(b) - spread(a))) {
    for (const parts of candidates) {
      if (parts.length > 1 && parts.every((part) => isSafe(part, rule))) return parts;
    }
  }
  return null;
}

/** Cuts between two years, the nearest to the middle first; who has none is a part of its own. */
function byYear(group: readonly Counted[]): Counted[][][] {
  const known = group.filter(({ quasi }) => quasi.birthYear !== null);
  if (known.length < group.length) {
    return [[known, group.filter(({ quasi }) => quasi.birthYear === null)]];
  }
  const sorted = group.toSorted((a, b) => yearOf(a) - yearOf(b) || compare(a, b));
  const years = [...new Set(sorted.map(yearOf))];
  const middle = sorted.length / 2;
  return years
    .slice(1)
    .map((year) => sorted.findIndex((one) => yearOf(one) >= year))
    .sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle) || a - b)
    .map((at) => [sorted.slice(0, at), sorted.slice(at)]);
}

function bySex(group: readonly Counted[]): Counted[][] {
  return partsBy(group, ({ quasi }) => quasi.sex ?? '');
}

/** By the first digit in which they differ. */
function byPostcode(group: readonly Counted[]): Counted[][] {
  const common = commonPrefix(group).length;
  return partsBy(group, ({ quasi }) => (quasi.postcode ?? '').slice(0, common + 1));
}

function partsBy(group: readonly Counted[], keyOf: (one: Counted) => string): Counted[][] {
  const parts = new Map<string, Counted[]>();
  for (const one of group) parts.set(keyOf(one), [...(parts.get(keyOf(one)) ?? []), one]);
  return [...parts.values()];
}

/** More parts, or years further apart, come first: they keep most of what is told. */
function spread(candidates: readonly Counted[][][]): number {
  return candidates.length > 1 ? 2 + candidates.length : (candidates[0]?.length ?? 0) - 1;
}

function boxOf(members: readonly Counted[], { quasi }: CountingRule): Box {
  const years = members.map(({ quasi: { birthYear } }) => birthYear);
  const isYear = quasi.includes('birth-year') && years.every((year) => year !== null);
  const sexes = new Set(members.map((one) => one.quasi.sex));
  const [sex = null] = sexes;
  const prefix = commonPrefix(members);
  const known = years.filter((year) => year !== null);
  return {
    birthYear: isYear ? [Math.min(...known), Math.max(...known)] : null,
    sex: quasi.includes('sex') && sexes.size === 1 ? sex : null,
    postcode: quasi.includes('postcode') && prefix !== '' ? prefix : null,
  };
}

function commonPrefix(members: readonly Counted[]): string {
  const [first = '', ...others] = members.map(({ quasi }) => quasi.postcode ?? '');
  let length = Math.min(first.length, POSTCODE_DIGITS);
  while (length > 0 && others.some((one) => one.slice(0, length) !== first.slice(0, length))) {
    length -= 1;
  }
  return first.slice(0, length);
}

function yearOf({ quasi }: Counted): number {
  return quasi.birthYear ?? 0;
}

function compare(a: Counted, b: Counted): number {
  return a.participant < b.participant ? -1 : a.participant > b.participant ? 1 : 0;
}

function firstOf({ members }: PatientClass): Counted {
  return members[0] as Counted;
}
