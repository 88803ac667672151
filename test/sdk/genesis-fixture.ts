/** A made-up network with real keys: parties that answer the ceremony, and their operators. */
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, thumbprint, type SigningKey } from '../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { sessionSigningBytes, type SessionBody } from '../../lib/wire/session.ts';

export interface FixtureValidator {
  id: string;
  name: string;
  url: string;
  kms: SigningKey;
  operator: SigningKey & { kid: string };
  voteKey: SigningKey;
  readKey: SigningKey;
  bootstrap: unknown;
}

export const network = 'local-test';

export async function makeValidator(index: number): Promise<FixtureValidator> {
  const id = `hospital-${'abcdefgh'[index]}`;
  const [kms, operator, voteKey, readKey, share] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    xWingKeyPair(),
  ]);
  const certificate = async (purpose: 'vote' | 'read', key: SigningKey): Promise<string> => {
    const body: SessionBody = {
      network,
      validator: id,
      incarnation: 0,
      purpose,
      key: key.publicKey,
      fromHeight: 0,
      untilHeight: 2 ** 40,
    };
    const signature = await kms.sign(sessionSigningBytes(body));
    return toBase64url(encodeCbor({ body, signature }));
  };
  return {
    id,
    name: `Hospital ${index}`,
    url: `http://${id}.test`,
    kms,
    operator: Object.assign(operator, { kid: thumbprint(operator.publicKey) }),
    voteKey,
    readKey,
    bootstrap: {
      validator: id,
      kmsKey: toBase64url(kms.publicKey),
      session: { certificate: await certificate('vote', voteKey) },
      read: { certificate: await certificate('read', readKey) },
      shareKey: toBase64url(share.publicKey),
      apiUrl: `http://${id}.test`,
    },
  };
}
