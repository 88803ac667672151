/** When one-time certificates are valid: calendar weeks, the same for everybody. */

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

/** Weeks after the present one for which a patient may hold certificates. */
export const oneTimeWeeksMax = 5;
/** How far a certificate reaches into the weeks beside its own: no clock falls between two. */
const SPILL_MS = DAY_MS;
/** How long after its making a certificate can still be valid, at most. */
export const oneTimeAheadMsMax = (oneTimeWeeksMax + 1) * WEEK_MS + SPILL_MS;

/**
 * First and last moment of certificates for the week that is `ahead` of the one at `timeMs`. Weeks
 * are counted from 1970 and not from the asking: dates do not tell when one was made, or with which.
 */
export function oneTimeWindow(
  timeMs: number,
  ahead: number,
): { notBefore: number; notAfter: number } {
  const week = Math.floor(timeMs / WEEK_MS) + ahead;
  return { notBefore: week * WEEK_MS - SPILL_MS, notAfter: (week + 1) * WEEK_MS + SPILL_MS };
}
