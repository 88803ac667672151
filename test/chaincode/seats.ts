/** New keys of a validator as its API shows them. */
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type SessionBody, sessionSigningBytes } from '../../lib/wire/session.ts';
import { NETWORK } from './world.ts';

/** What goes with a seat into arguments: keys that a KMS key certified for one incarnation. */
export async function seatTexts(
  validator: string,
  kms: SigningKey,
  incarnation: number,
  change: Partial<SessionBody> = {},
): Promise<{ session: string; read: string; shareKey: string }> {
  const certify = async (purpose: SessionBody['purpose']): Promise<string> => {
    const { publicKey } = await generateSigningKey();
    const body: SessionBody = {
      ...{ network: NETWORK, validator, incarnation, purpose, key: publicKey },
      ...{ fromHeight: 0, untilHeight: 2 ** 40 },
      ...change,
    };
    return toBase64url(encodeCbor({ body, signature: await kms.sign(sessionSigningBytes(body)) }));
  };
  return {
    session: await certify('vote'),
    read: await certify('read'),
    shareKey: toBase64url(new Uint8Array(1_216)),
  };
}

/** The same with the KMS key itself, where that changes too. */
export async function keyTexts(...of: Parameters<typeof seatTexts>) {
  return { kmsKey: toBase64url(of[1].publicKey), ...(await seatTexts(...of)) };
}
