/** The terms of a permission: what it covers, and whether some terms lie within others. */
import { z } from 'zod';
import { timeField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { grantPurposeField, labelField, monthField, rightField, tagField } from './fields.ts';

/** Terms as a permission holds them. */
export const termsShape = {
  rights: z.array(rightField).max(3),
  categories: z.array(tagField).max(chaincodeBounds.categoriesMax),
  /** Valid in from ≤ block time < until. */
  from: timeField,
  until: timeField,
  /** First and last month of the data covered; null is open. */
  dataFrom: monthField.nullable(),
  dataUntil: monthField.nullable(),
  purposes: z.array(grantPurposeField),
  /** Only with the right `share`. */
  study: labelField.nullable(),
  anonymise: z.boolean().nullable(),
} as const;

export type Terms = { [Name in keyof typeof termsShape]: z.infer<(typeof termsShape)[Name]> };

/** Terms that no longer hold, with what took their place, and when. */
export const earlierTermsSchema = z.strictObject({
  ...termsShape,
  /** Version of the permission that these were the terms of, last. */
  version: z.int().min(1),
  change: z.enum(['narrowed', 'extended']),
  changed: z.strictObject({ time: timeField, height: z.int().min(0) }),
});

/** The terms alone of whatever holds them. */
export function termsOf(one: Terms): Terms {
  const { rights, categories, from, until, dataFrom, dataUntil, purposes, study, anonymise } = one;
  return { rights, categories, from, until, dataFrom, dataUntil, purposes, study, anonymise };
}

/** Whether whatever `inner` permits is permitted by `outer`, too. */
export function liesWithin(inner: Terms, outer: Terms): boolean {
  return (
    isSubset(inner.rights, outer.rights) &&
    isSubset(inner.categories, outer.categories) &&
    isSubset(inner.purposes, outer.purposes) &&
    inner.from >= outer.from &&
    inner.until <= outer.until &&
    (inner.dataFrom ?? FIRST_MONTH) >= (outer.dataFrom ?? FIRST_MONTH) &&
    (inner.dataUntil ?? LAST_MONTH) <= (outer.dataUntil ?? LAST_MONTH) &&
    sharesWithin(inner, outer)
  );
}

/** Why these cannot be the terms of a permission, or null. */
export function flawOf({ rights, from, until, dataFrom, dataUntil }: Terms): string | null {
  if (from >= until) return 'it ends before it starts';
  if (dataFrom !== null && dataUntil !== null && dataFrom > dataUntil) {
    return 'the period of data ends before it starts';
  }
  return rights.includes('share') && !rights.includes('read') ? '`share` requires `read`' : null;
}

const FIRST_MONTH = '0000-01';
const LAST_MONTH = '9999-12';

/** To the same study; anonymised releases lie within those that need not be. */
function sharesWithin(inner: Terms, outer: Terms): boolean {
  if (!inner.rights.includes('share')) return inner.study === null && inner.anonymise === null;
  const isAsPrivate = inner.anonymise === true || outer.anonymise === false;
  return inner.study === outer.study && isAsPrivate;
}

function isSubset(inner: readonly string[], outer: readonly string[]): boolean {
  return inner.every((one) => outer.includes(one));
}
