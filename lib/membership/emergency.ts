/** The commitment by which a clinician without a card says who the patient is. */
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';
import { canonicalName } from './person-name.ts';

/** How a person is told apart where there is no card. */
export interface NamedPerson {
  readonly name: string;
  /** As 1961-04-23. */
  readonly birthDate: string;
}

/** What `emergency.declare` puts on the ledger; nobody learns the name from it without the salt. */
export function identityCommitment({ name, birthDate }: NamedPerson, salt: Uint8Array): string {
  const text = `${canonicalName(name)} ${birthDate}`;
  return toBase64url(commit('emergency-identity', salt, utf8(text)));
}
