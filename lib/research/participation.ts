/** The name that a patient has in one study, and in no other: random, and committed to. */
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';

/** What a patient keeps for a study, and seals to those who may release to it. */
export interface StudyName {
  /** 16 random bytes, base64url. */
  readonly pseudonym: string;
  /** Salt of the commitment, 32 bytes. */
  readonly salt: Uint8Array;
}

/** As the ledger has it. */
export function studyCommitment(studyId: string, { pseudonym, salt }: StudyName): string {
  return toBase64url(commit('study-pseudonym', salt, utf8(`${studyId} ${pseudonym}`)));
}
