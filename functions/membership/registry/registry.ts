/** The port to a registry of clinicians. */

/** What a clinician claims. */
export interface ClinicianClaim {
  npi: string;
  name: string;
  /** Two letters. */
  state: string;
  licence: string;
}

/**
 * `not_verified` says no more: a number that was never issued, a deactivated one and a wrong name
 * answer alike. `ended` is the word of a list that names this very number or licence as ended.
 * `unavailable` and `review` (a person has to look) leave the claim pending.
 */
export type RegistryVerdict = 'verified' | 'not_verified' | 'ended' | 'review' | 'unavailable';

export interface Registry {
  verify(claim: ClinicianClaim): Promise<RegistryVerdict>;
}
