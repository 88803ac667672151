/** A made-up network with real keys: genesis document, operators, sessions, authority. */
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { type XWingKeyPair, xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { issueAuthority, randomSerial } from '../../lib/membership/certificates.ts';
import {
  type Genesis,
  genesisJwsType,
  genesisSigningText,
  parseGenesis,
  type SignedGenesis,
} from '../../lib/wire/genesis.ts';
import { defaultParameters, type Parameters } from '../../lib/wire/parameters.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { encodeRequest, jwsTypes } from '../../lib/wire/transaction.ts';

export interface TestValidator {
  id: string;
  operator: SigningKey;
  kms: SigningKey;
  vote: SigningKey;
  read: SigningKey;
}

/** One that keeps shares of patients' secrets. */
export interface ShareHolder extends TestValidator {
  share: XWingKeyPair;
}

export interface TestNetwork {
  genesis: Genesis;
  signed: SignedGenesis;
  validators: ShareHolder[];
  authority: SigningKey;
  custodian: SigningKey;
}

export async function makeNetwork(
  n: number,
  parameters: Partial<Parameters> = {},
  createdAt = 1_700_000_000_000,
): Promise<TestNetwork> {
  const network = 'local-test';
  const [authority, custodian] = await Promise.all([generateSigningKey(), generateSigningKey()]);
  const validators = await Promise.all(
    Array.from({ length: n }, (_, index) => makeValidator(index)),
  );
  const session = async (one: TestValidator, purpose: 'vote' | 'read') => {
    const range = { incarnation: 0, fromHeight: 0, untilHeight: 2 ** 40 };
    const key = one[purpose].publicKey;
    const body = { network, validator: one.id, purpose, key, ...range };
    const signature = await one.kms.sign(sessionSigningBytes(body));
    return { key: toBase64url(key), ...range, signature: toBase64url(signature) };
  };
  const serial = randomSerial();
  const certificate = await issueAuthority({
    network,
    signer: authority,
    serial,
    notBefore: createdAt,
  });
  const document = {
    format: 'carequorum-genesis-1',
    network,
    createdAt,
    validators: await Promise.all(
      validators.map(async (one) => ({
        id: one.id,
        name: `Hospital ${one.id}`,
        kmsKey: toBase64url(one.kms.publicKey),
        operatorKey: toBase64url(one.operator.publicKey),
        session: await session(one, 'vote'),
        read: await session(one, 'read'),
        shareKey: toBase64url(one.share.publicKey),
        apiUrl: `http://${one.id}.test`,
      })),
    ),
    membership: { caCertificate: toBase64url(certificate), apiUrl: 'http://membership.test' },
    custodian: { key: toBase64url(custodian.publicKey), apiUrl: 'http://records.test' },
    parameters: { ...defaultParameters, ...parameters },
  };
  const text = JSON.stringify(document);
  const genesis = parseGenesis(text);
  const payload = utf8(genesisSigningText(genesis));
  const signatures = await Promise.all(
    validators.map(({ operator }) =>
      signJws({ typ: genesisJwsType, kid: thumbprint(operator.publicKey) }, payload, operator),
    ),
  );
  return { genesis, signed: { document: text, signatures }, validators, authority, custodian };
}

async function makeValidator(index: number): Promise<ShareHolder> {
  const [operator, kms, vote, read, share] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
    xWingKeyPair(),
  ]);
  const letter = index < 26 ? String.fromCharCode(97 + index) : String(index);
  return { id: `hospital-${letter}`, operator, kms, vote, read, share };
}

/** A probe transaction of an operator, as compact JWS. */
export async function probe(
  operator: SigningKey,
  label: string,
  issuedAt: number,
  overrides: Record<string, unknown> = {},
): Promise<string> {
  const request = {
    network: 'local-test',
    ledger: 'main',
    fn: 'governance.probe',
    args: { label },
    nonce: randomId(),
    issuedAt,
    expiresAt: issuedAt + 600_000,
    ...overrides,
  };
  const kid = thumbprint(operator.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, encodeRequest(request), operator);
}
