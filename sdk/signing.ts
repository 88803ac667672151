/** Builds and signs requests: by a key that the ledger knows, or by a patient's pair of keys. */
import { toBase64, utf8 } from '../lib/crypto/bytes.ts';
import { signJws } from '../lib/crypto/jws.ts';
import { type SigningKey, thumbprint } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { limits } from '../lib/limits.ts';
import {
  encodeRequest,
  jwsTypes,
  parseTransaction,
  type SignedRequest,
  type Transaction,
} from '../lib/wire/transaction.ts';
import { SdkError } from './errors.ts';

export type RequestKind = 'transaction' | 'query';

/** Who signs a request. A patient's signer takes a fresh one-time certificate for each. */
export interface RequestSigner {
  sign(request: SignedRequest, kind: RequestKind): Promise<string>;
  /** Parts with certificates that the ledger takes no more; what was refused is signed anew then. */
  renew?(): Promise<void>;
}

/** Arguments of a function of the chaincode. */
export type JsonArgs = SignedRequest['args'];

/** What a caller asks for; the rest of a request is filled in. */
export interface Call {
  readonly fn: string;
  readonly args: JsonArgs;
  /** @default `main` */
  readonly ledger?: string;
  /** Milliseconds until it can no longer be executed. @default 5 minutes */
  readonly validityMs?: number;
}

const VALIDITY_MS = 300_000;

/** Signs for a clinician, an operator or a service: one ES256 JWS. */
export function keySigner(key: SigningKey): RequestSigner {
  const kid = thumbprint(key.publicKey);
  return {
    sign: (request, kind) => signJws({ typ: jwsTypes[kind], kid }, encodeRequest(request), key),
  };
}

/** A one-time certificate with the key that it certifies. */
export interface OneTimeCertificate {
  readonly key: SigningKey;
  /** DER. */
  readonly certificate: Uint8Array;
}

/**
 * Signs for a patient: the owner key of the pseudonym inside, a one-time certificate outside.
 * `take` gives a certificate that was never used before.
 */
export function patientSigner(
  ownerKey: SigningKey,
  take: () => Promise<OneTimeCertificate>,
  renew: () => Promise<void> = () => Promise.resolve(),
): RequestSigner {
  const ownerKid = thumbprint(ownerKey.publicKey);
  return {
    renew,
    async sign(request, kind) {
      const oneTime = await take();
      const kid = thumbprint(oneTime.key.publicKey);
      const typ = kind === 'transaction' ? jwsTypes.ownedTransaction : jwsTypes.ownedQuery;
      const payload = encodeRequest({ ...request, tcert: kid });
      const inner = await signJws({ typ, kid: ownerKid }, payload, ownerKey);
      const header = { typ: jwsTypes[kind], kid, x5c: [toBase64(oneTime.certificate)] };
      return signJws(header, utf8(inner), oneTime.key);
    },
  };
}

/** Signs a call for a network; `now` in milliseconds. Throws `bad_input` where it is too large. */
export async function signCall(
  call: Call,
  {
    network,
    now,
    kind,
    signer,
  }: { network: string; now: number; kind: RequestKind; signer: RequestSigner },
): Promise<Transaction> {
  const validityMs = Math.min(call.validityMs ?? VALIDITY_MS, limits.validityMsMax);
  const compact = await signer.sign(
    {
      network,
      ledger: call.ledger ?? 'main',
      fn: call.fn,
      args: call.args,
      nonce: randomId(),
      issuedAt: now,
      expiresAt: now + validityMs,
    },
    kind,
  );
  if (compact.length > limits.transactionBytesMax) {
    throw new SdkError('bad_input', `${call.fn} is over ${limits.transactionBytesMax} bytes.`, {
      nextStep: 'Split it: fewer categories or records at once.',
    });
  }
  return parseTransaction(compact);
}
