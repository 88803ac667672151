/** The JSON of a party that is not believed: never more of it is held than is asked for. */

import { concatBytes, fromUtf8 } from '../../lib/crypto/bytes.ts';

/** Throws RangeError where it is longer, SyntaxError or CryptoError where it is no JSON. */
export async function boundedJson({ body }: Response, bytesMax: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > bytesMax) throw new RangeError('the answer is too long');
    chunks.push(chunk);
  }
  return JSON.parse(fromUtf8(concatBytes(...chunks))) as unknown;
}
