/** Signed requests to the membership service: JWS of one `typ` each over strict JSON. */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { type ParsedJws, parseJws, signJws, verifyJws } from '../crypto/jws.ts';
import { type SigningKey, thumbprint } from '../crypto/p256.ts';
import { limits } from '../limits.ts';
import { parseWith } from '../wire/codec.ts';
import { WireError } from '../wire/errors.ts';
import { networkField, thumbprintField, timeField, validatorIdField } from '../wire/fields.ts';
import { oneTimeWeeksMax } from './one-time.ts';
import { roleSchema } from './roles.ts';

/** Certificates of one batch. */
export const oneTimeCertificatesMax = 80;

const REQUEST_CHARS_MAX = 64 * 1024;
/** How far a request may lie in the future, milliseconds. */
const SKEW_MS_MAX = 60_000;

const nonceField = z.string().regex(/^[A-Za-z0-9_-]{22}$/);
const head = {
  network: networkField,
  issuedAt: timeField,
  expiresAt: timeField,
  /** 16 random bytes, base64url. */
  nonce: nonceField,
};
const idField = z.string().regex(/^[A-Za-z0-9_-]{22}$/);

/** Every kind of request by its JWS `typ`. */
export const requestSchemas = {
  /** By the key that is enrolled: it also vouches for the encryption key. */
  'cq-enrol': z.strictObject({
    ...head,
    role: roleSchema,
    /** `encryptionKeyDigest`, base64url. */
    encryptionKeyDigest: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  }),
  /** By the enrolled key. */
  'cq-enrol-status': z.strictObject({
    ...head,
    /** A question may be asked twice. */
    nonce: nonceField.optional(),
    enrolmentId: idField,
  }),
  /** By an enrolled patient's key. */
  'cq-tcert-request': z.strictObject({
    ...head,
    enrolmentId: idField,
    keys: z
      .array(
        z.strictObject({
          /** P-256 point, base64url. */
          publicKey: z.string().regex(/^[A-Za-z0-9_-]{87}$/),
          /** By this very key over `oneTimeKeyProofBytes`, base64url. */
          proof: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
          /** For how many weeks ahead; the present week where it is missing. */
          week: z.int().min(1).max(oneTimeWeeksMax).optional(),
        }),
      )
      .min(1)
      .max(oneTimeCertificatesMax),
  }),
  /** By the enrolled key: hands the enrolment over to a new key. */
  'cq-renew': z.strictObject({
    ...head,
    enrolmentId: idField,
    /** Thumbprint of the new key. */
    kid: thumbprintField,
  }),
  /** By the operator of the own hospital, who saw the person: a new key where the old is lost. */
  'cq-reenrol': z.strictObject({
    ...head,
    subject: idField,
    hospital: validatorIdField,
    kid: thumbprintField,
  }),
  /** By an enrolled patient's key: the digest of the emergency card that counts, null for none. */
  'cq-emergency-card': z.strictObject({
    ...head,
    enrolmentId: idField,
    handle: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/)
      .nullable(),
  }),
  /** By an operator: lets a person of a hospital enrol in a role that no registry lists. */
  'cq-invitation': z.strictObject({
    ...head,
    role: roleSchema,
    hospital: validatorIdField,
    /** Thumbprint of the key that is invited. */
    kid: thumbprintField,
  }),
  /** By an operator of the hospital, or by the key itself. */
  'cq-revoke': z.strictObject({
    ...head,
    /** Thumbprint of the key whose certificate ends. */
    kid: thumbprintField,
    reason: z.enum([
      'licence-lapsed',
      'left-hospital',
      'key-compromised',
      'own-request',
      'registered-in-error',
      'other',
    ]),
  }),
} as const;
export type RequestType = keyof typeof requestSchemas;
export type RequestPayload<T extends RequestType> = z.infer<(typeof requestSchemas)[T]>;

/** A parsed request; nothing says yet that its signature is good. */
export interface MembershipRequest<T extends RequestType> {
  kid: string;
  payload: RequestPayload<T>;
  jws: ParsedJws;
}

/** Signs a request. Throws WireError `malformed` on a payload that does not fit. */
export async function signMembershipRequest<T extends RequestType>(
  type: T,
  payload: RequestPayload<T>,
  key: SigningKey,
): Promise<string> {
  parseWith<unknown>(requestSchemas[type], payload);
  const kid = thumbprint(key.publicKey);
  return signJws({ typ: type, kid }, utf8(JSON.stringify(payload)), key);
}

/** Reads a request. Throws WireError or CryptoError. */
export function parseMembershipRequest<T extends RequestType>(
  type: T,
  compact: string,
): MembershipRequest<T> {
  const jws = parseJws(compact, REQUEST_CHARS_MAX);
  if (jws.header.typ !== type || jws.header.x5c) {
    throw new WireError('malformed', `the typ of this request is ${type}`);
  }
  const text = fromUtf8(jws.payload);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('malformed', 'the payload is not JSON', { cause });
  }
  if (JSON.stringify(value) !== text) {
    throw new WireError('not_canonical', 'the payload has blanks, duplicate keys or odd escapes');
  }
  const payload = parseWith<unknown>(requestSchemas[type], value) as RequestPayload<T>;
  return { kid: jws.header.kid, payload, jws };
}

/** Checks signature, network and window. Throws WireError with one code for each. */
export async function checkMembershipRequest(
  request: MembershipRequest<RequestType>,
  wanted: { publicKey: Uint8Array; network: string; now: number },
): Promise<void> {
  const { payload } = request;
  const isOwn = request.kid === thumbprint(wanted.publicKey);
  if (!isOwn || !(await verifyJws(request.jws, wanted.publicKey))) {
    throw new WireError('bad_signature', 'the request is not signed by this key');
  }
  if (payload.network !== wanted.network) {
    throw new WireError('wrong_network', `for ${payload.network}`);
  }
  const windowMsMax = 'hospital' in payload ? INVITATION_MS_MAX : limits.validityMsMax;
  if (payload.expiresAt - payload.issuedAt > windowMsMax) {
    throw new WireError('validity_too_long', 'the request is valid for too long');
  }
  if (payload.expiresAt <= wanted.now) throw new WireError('expired', 'sign it anew and resend');
  if (payload.issuedAt > wanted.now + SKEW_MS_MAX) {
    throw new WireError('not_yet_valid', 'issued in the future: check the clock');
  }
}

/** An invitation travels to a person by other means: it is good for two weeks at most. */
const INVITATION_MS_MAX = 14 * 86_400_000;

/** What each one-time key signs to prove that it is held. */
export function oneTimeKeyProofBytes(enrolmentId: string, nonce: string): Uint8Array {
  return taggedHash('tcert-key', utf8(enrolmentId), utf8(nonce));
}
