/** The rows of one publication as they travel, and the digest by which the ledger names them all. */
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';

/** A participant, and the digest of what is sealed to the researcher about the one. */
interface RowDigest {
  readonly participant: string;
  readonly digest: string;
}

/** `rowsDigest` of the ledger, over the rows in the order of participants. */
export function digestOfRows(rows: readonly RowDigest[]): string {
  const sorted = rows.toSorted((a, b) => (a.participant < b.participant ? -1 : 1));
  const parts = sorted.flatMap(({ participant, digest }) => [utf8(participant), utf8(digest)]);
  return toBase64url(taggedHash('release-rows', ...parts));
}
