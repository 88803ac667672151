/** X.509 certificates of people and roles (RFC 5280, P-256): the authority, ECerts and TCerts. */

import { z } from 'zod';
import { equalBytes, fromHex, toHex } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { PUBLIC_KEY_BYTES, type SigningKey, verifyP256AnyS } from '../crypto/p256.ts';
import { randomBytes } from '../crypto/random.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { hashField, networkField } from '../wire/fields.ts';
import { CertificateError, type CertificateErrorCode } from './certificate-error.ts';
import { namedRoles, roleSchema } from './roles.ts';
import {
  type CertificateFields,
  decodeCertificate,
  encodeCertificate,
  encodeTbs,
  keyIdentifier,
  SERIAL_BYTES_MAX,
} from './x509-profile.ts';

const ONE_TIME_NAME = 'one-time certificate';
const CLAIMS_BYTES_MAX = 1_024;
const SERIAL_BYTES = 16;
const CA_DAYS = 3_653;
const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;

const claimsSchema = z
  .strictObject({
    version: z.literal(1),
    kind: z.enum(['ca', 'ecert', 'tcert']),
    network: networkField,
    role: roleSchema.optional(),
    /** Random id of the enrolment: never in a one-time certificate. */
    subject: z.string().min(1).max(64).optional(),
    /** Id of the validator whose hospital answers for the holder. */
    hospital: z.string().min(1).max(64).optional(),
    /** Only of roles that act under their own name, never of a patient. */
    name: z.string().min(1).max(200).optional(),
    /** `encryptionKeyDigest` of the holder's X-Wing key. */
    encryptionKeyDigest: hashField.optional(),
  })
  .superRefine((claims, context) => {
    const complain = (message: string) => context.addIssue({ code: 'custom', message });
    const personal = [claims.subject, claims.hospital, claims.name, claims.encryptionKeyDigest];
    if ((claims.kind === 'ca') !== (claims.role === undefined)) complain('role of the wrong kind');
    if (claims.kind !== 'ecert' && personal.some((value) => value !== undefined)) {
      complain(`a ${claims.kind} names no person`);
    }
    if (claims.kind === 'ecert' && claims.subject === undefined) complain('an ecert has a subject');
    if (claims.name !== undefined && (!claims.role || !namedRoles.has(claims.role))) {
      complain('this role has no name in certificates');
    }
  });
/** What a certificate says about its holder. `version` and absent members are left out. */
export type CertificateClaims = Omit<z.infer<typeof claimsSchema>, 'version'>;

/** A certificate that has the right form; nothing says yet who signed it. */
export interface ParsedCertificate {
  /** Uncompressed P-256 point, 65 bytes. */
  publicKey: Uint8Array;
  claims: CertificateClaims;
  /** Lower-case hexadecimal, as many as 20 bytes. */
  serial: string;
  /** First and last valid moment, milliseconds since 1970, whole seconds. */
  notBefore: number;
  notAfter: number;
  /** Key identifier of the issuer (RFC 5280 §4.2.1.1), hexadecimal. */
  authorityKeyId: string;
  isAuthority: boolean;
}

/** Who issues: the authority's DER certificate and its key, wherever that is. */
export interface CertificateAuthority {
  certificate: Uint8Array;
  signer: SigningKey;
}

/** What is to be certified; times in milliseconds, cut to whole seconds. */
export interface CertificateRequest {
  ca: CertificateAuthority;
  publicKey: Uint8Array;
  claims: CertificateClaims;
  /** Hexadecimal; see `randomSerial`. */
  serial: string;
  notBefore: number;
  notAfter: number;
}

/** A fresh serial number: 127 random bits, positive, as hexadecimal. */
export function randomSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  // The top byte stays between 0x40 and 0x7f: positive and minimal in DER, so of one length.
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return toHex(bytes);
}

/** The digest of an X-Wing public key (1,216 bytes) that certificates and the ledger hold. */
export function encryptionKeyDigest(encryptionKey: Uint8Array): Uint8Array {
  return taggedHash('encryption-key', encryptionKey);
}

/** By this a certificate names its issuer (RFC 5280 §4.2.1.1): of a 65-byte key, hexadecimal. */
export function authorityKeyId(publicKey: Uint8Array): string {
  return toHex(keyIdentifier(publicKey));
}

/** The authority's self-signed certificate for a network, DER; valid for ten years. */
export async function issueAuthority(request: {
  network: string;
  signer: SigningKey;
  serial: string;
  notBefore: number;
}): Promise<Uint8Array> {
  const { network, signer, serial, notBefore } = request;
  const name = authorityName(network);
  return sign(signer, {
    serial: serialBytes(serial),
    issuer: name,
    subject: name,
    notBefore: wholeSecond(notBefore),
    notAfter: wholeSecond(notBefore + CA_DAYS * DAY_MS),
    publicKey: signer.publicKey,
    isAuthority: true,
    authorityKeyId: keyIdentifier(signer.publicKey),
    claims: encodeClaims({ kind: 'ca', network }),
  });
}

/**
 * Issues a leaf certificate, DER. All one-time certificates have the same subject and times widened to
 * whole days, so that those of different people look alike.
 * @throws CertificateError `certificate_claims`, or `certificate_wrong_authority` where the
 *   signer is not the certificate's
 */
export async function issueCertificate(request: CertificateRequest): Promise<Uint8Array> {
  const { ca, publicKey, claims, serial } = request;
  const authority = parseCertificate(ca.certificate);
  if (!authority.isAuthority || !equalBytes(ca.signer.publicKey, authority.publicKey)) {
    throw new CertificateError('certificate_wrong_authority', 'the signer is not the authority');
  }
  if (claims.kind === 'ca' || claims.network !== authority.claims.network) {
    throw new CertificateError('certificate_claims', 'not a leaf of the network of this authority');
  }
  const { notBefore, notAfter } = claims.kind === 'tcert' ? wholeDays(request) : request;
  return sign(ca.signer, {
    serial: serialBytes(serial),
    issuer: authorityName(claims.network),
    subject: subjectName(claims),
    notBefore: wholeSecond(notBefore),
    notAfter: wholeSecond(notAfter),
    publicKey,
    isAuthority: false,
    authorityKeyId: keyIdentifier(authority.publicKey),
    claims: encodeClaims(claims),
  });
}

/**
 * Reads a DER certificate of the forms above; the signature is judged by `verifyCertificate`.
 * @throws CertificateError `certificate_malformed`, `certificate_claims`
 */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  return describe(decodeCertificate(der).fields);
}

/**
 * Checks a leaf at `timeMs` against its authority, given as a 65-byte key or as DER: form, use,
 * issuer, signature, validity, then what is `wanted`. Revocation is on the ledger, not here.
 * @throws CertificateError with one code for each step
 */
export async function verifyCertificate(
  der: Uint8Array,
  authority: Uint8Array,
  timeMs: number,
  wanted: { network?: string; kind?: 'ecert' | 'tcert' } = {},
): Promise<ParsedCertificate> {
  const decoded = decodeCertificate(der);
  const parsed = describe(decoded.fields);
  const { claims } = parsed;
  if (parsed.isAuthority) fail('certificate_wrong_use', 'not a leaf');
  const authorityKey = authority.length === PUBLIC_KEY_BYTES ? authority : keyOf(authority);
  if (parsed.authorityKeyId !== authorityKeyId(authorityKey)) {
    fail('certificate_wrong_authority', 'issued by another authority');
  }
  await checkSignature(decoded, authorityKey);
  if (timeMs < parsed.notBefore) fail('certificate_not_yet_valid', 'not valid yet');
  if (timeMs >= parsed.notAfter + SECOND_MS) fail('certificate_expired', 'no longer valid');
  if (wanted.network !== undefined && claims.network !== wanted.network) {
    fail('certificate_wrong_network', `for the network ${claims.network}`);
  }
  if (wanted.kind !== undefined && claims.kind !== wanted.kind) {
    fail('certificate_wrong_kind', `a certificate of kind ${claims.kind}`);
  }
  return parsed;
}

/**
 * Checks an authority's self-signed certificate and its network.
 * @throws CertificateError
 */
export async function verifyAuthority(
  der: Uint8Array,
  network: string,
): Promise<ParsedCertificate> {
  const decoded = decodeCertificate(der);
  const parsed = describe(decoded.fields);
  if (!parsed.isAuthority) fail('certificate_wrong_use', 'not the certificate of an authority');
  await checkSignature(decoded, parsed.publicKey);
  if (parsed.claims.network !== network) {
    fail('certificate_wrong_network', `for the network ${parsed.claims.network}`);
  }
  return parsed;
}

async function checkSignature(
  { tbs, signature }: { tbs: Uint8Array; signature: Uint8Array },
  authorityKey: Uint8Array,
): Promise<void> {
  if (!(await verifyP256AnyS(authorityKey, tbs, signature))) {
    fail('certificate_bad_signature', 'the signature does not fit');
  }
}

async function sign(signer: SigningKey, fields: CertificateFields): Promise<Uint8Array> {
  const tbs = encodeTbs(fields);
  return encodeCertificate(tbs, await signer.sign(tbs));
}

function describe(fields: CertificateFields): ParsedCertificate {
  const claims = decodeClaims(fields.claims);
  const { publicKey, notBefore, notAfter, isAuthority } = fields;
  if (isAuthority !== (claims.kind === 'ca')) fail('certificate_claims', 'kind and use differ');
  if (fields.issuer !== authorityName(claims.network)) fail('certificate_claims', 'issuer');
  if (fields.subject !== (isAuthority ? fields.issuer : subjectName(claims)))
    fail('certificate_claims', 'name and subject differ');
  return {
    publicKey,
    claims,
    serial: toHex(fields.serial),
    notBefore,
    notAfter,
    authorityKeyId: toHex(fields.authorityKeyId),
    isAuthority,
  };
}

function keyOf(authority: Uint8Array): Uint8Array {
  const parsed = parseCertificate(authority);
  if (!parsed.isAuthority) fail('certificate_wrong_use', 'a leaf is no authority');
  return parsed.publicKey;
}

function authorityName(network: string): string {
  return `CareQuorum CA ${network}`;
}

/** The same name for every one-time certificate, as RFC 5280 validators want one. */
function subjectName(claims: CertificateClaims): string {
  return claims.subject ?? ONE_TIME_NAME;
}

function encodeClaims(claims: CertificateClaims): Uint8Array {
  const present = Object.entries(claims).filter(([, value]) => value !== undefined);
  const checked = claimsSchema.safeParse({ version: 1, ...Object.fromEntries(present) });
  if (!checked.success) {
    throw new CertificateError('certificate_claims', checked.error.issues[0]?.message ?? 'claims');
  }
  return encodeCbor(checked.data);
}

function decodeClaims(bytes: Uint8Array): CertificateClaims {
  try {
    const claims: Partial<z.infer<typeof claimsSchema>> & CertificateClaims = decodeWith(
      claimsSchema,
      bytes,
      CLAIMS_BYTES_MAX,
    );
    delete claims.version;
    return claims;
  } catch (cause) {
    throw new CertificateError('certificate_claims', 'the claims cannot be taken', { cause });
  }
}

function serialBytes(serial: string): Uint8Array {
  const bytes = fromHex(serial);
  const isFit = bytes.length > 0 && bytes.length <= SERIAL_BYTES_MAX && bytes[0] !== 0;
  if (!isFit) fail('certificate_malformed', 'not a serial number');
  return bytes;
}

/** From the start of the first day to the last second of the last, UTC. */
function wholeDays(times: { notBefore: number; notAfter: number }): {
  notBefore: number;
  notAfter: number;
} {
  return {
    notBefore: Math.floor(times.notBefore / DAY_MS) * DAY_MS,
    notAfter: Math.ceil(times.notAfter / DAY_MS) * DAY_MS - SECOND_MS,
  };
}

function wholeSecond(timeMs: number): number {
  return timeMs - (timeMs % SECOND_MS);
}

function fail(code: CertificateErrorCode, message: string): never {
  throw new CertificateError(code, message);
}
