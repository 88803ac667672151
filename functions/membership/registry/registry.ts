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
 * answer alike. `unavailable` leaves the claim pending.
 */
export type RegistryVerdict = 'verified' | 'not_verified' | 'unavailable';

export interface Registry {
  verify(claim: ClinicianClaim): Promise<RegistryVerdict>;
}
