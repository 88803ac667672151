/** What `carequorum doctor` finds: about what, how bad, in words, and what to do about it. */

export type Verdict = 'ok' | 'skipped' | 'warning' | 'wrong';

export interface Finding {
  /** What was looked at, for programs: `genesis`, `clock`, … */
  readonly check: string;
  /** A party's id, a file, or this machine. */
  readonly about: string;
  readonly verdict: Verdict;
  readonly says: string;
  /** Empty where nothing is to do. */
  readonly nextStep: string;
}

/** Makes the findings of one check about one thing. */
export function findings(check: string, about: string) {
  const of =
    (verdict: Verdict) =>
    (says: string, nextStep = ''): Finding => ({ check, about, verdict, says, nextStep });
  return { ok: of('ok'), skipped: of('skipped'), warning: of('warning'), wrong: of('wrong') };
}
