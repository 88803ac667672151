/**
 * The one form of X.509 certificate that is issued here (RFC 5280): each set of fields has exactly
 * one encoding, and a certificate that is not that encoding of its own fields is refused.
 */

import { equalBytes, fromHex, fromUtf8, utf8 } from '../crypto/bytes.ts';
import { sha256 } from '../crypto/hash.ts';
import { derToRaw, rawToSpki, spkiToRaw } from '../crypto/p256.ts';
import { CertificateError } from './certificate-error.ts';
import { derElement, derPositiveInteger, DerReader, tags } from './der.ts';

/** What varies between certificates. */
export interface CertificateFields {
  /** Big-endian, positive, without leading zeros. */
  serial: Uint8Array;
  /** Common name of the issuer. */
  issuer: string;
  /** Common name of the holder. */
  subject: string;
  /** Milliseconds since 1970, whole seconds. */
  notBefore: number;
  notAfter: number;
  /** 65 bytes. */
  publicKey: Uint8Array;
  isAuthority: boolean;
  /** Key identifier of the issuer, 20 bytes. */
  authorityKeyId: Uint8Array;
  /** Value of the claims extension. */
  claims: Uint8Array;
}

/** Most bytes of a certificate that is read. */
export const CERTIFICATE_BYTES_MAX = 4_096;

/** Most bytes of a serial number (RFC 5280 §4.1.2.2). */
export const SERIAL_BYTES_MAX = 20;

const KEY_ID_BYTES = 20;
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const AUTHORITY_KEY_ID = 0x80;

/** UTCTime is used before this moment, GeneralizedTime from it on (RFC 5280 §4.1.2.5). */
const YEAR_2050_MS = Date.UTC(2050, 0, 1);

/** AlgorithmIdentifier of ecdsa-with-SHA256, without parameters (RFC 5758 §3.2). */
const ECDSA_WITH_SHA256 = fromHex('300a06082a8648ce3d040302');

const TRUE = derElement(tags.boolean, Uint8Array.of(0xff));

const oids = {
  commonName: fromHex('0603550403'),
  subjectKeyId: fromHex('0603551d0e'),
  keyUsage: fromHex('0603551d0f'),
  basicConstraints: fromHex('0603551d13'),
  authorityKeyId: fromHex('0603551d23'),
  /** 2.25 and the UUID bebf9888-2854-4d21-84f4-e12f7dde4a62 (ITU-T X.667). */
  claims: fromHex('06146982fdbfcca28585a2b4c384fab8a5f7eef99462'),
};

/** CA, path length 0; a leaf is the empty sequence, since FALSE is the default. */
const CONSTRAINTS_CA = fromHex('30060101ff020100');
const CONSTRAINTS_LEAF = fromHex('3000');
/** keyCertSign is bit 5, digitalSignature bit 0; unused bits are counted first. */
const USAGE_CA = fromHex('03020204');
const USAGE_LEAF = fromHex('03020780');

/** Key identifier: the leftmost 160 bits of SHA-256 of the point (RFC 7093 §2, method 1). */
export function keyIdentifier(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).subarray(0, KEY_ID_BYTES);
}

/** The DER of a TBSCertificate: what the authority signs. */
export function encodeTbs(fields: CertificateFields): Uint8Array {
  const { isAuthority } = fields;
  return derElement(
    tags.sequence,
    derElement(VERSION, derPositiveInteger(Uint8Array.of(2))),
    derPositiveInteger(fields.serial),
    ECDSA_WITH_SHA256,
    encodeName(fields.issuer),
    derElement(tags.sequence, encodeTime(fields.notBefore), encodeTime(fields.notAfter)),
    encodeName(fields.subject),
    rawToSpki(fields.publicKey),
    derElement(
      EXTENSIONS,
      derElement(
        tags.sequence,
        encodeExtension(
          oids.basicConstraints,
          true,
          isAuthority ? CONSTRAINTS_CA : CONSTRAINTS_LEAF,
        ),
        encodeExtension(oids.keyUsage, true, isAuthority ? USAGE_CA : USAGE_LEAF),
        encodeExtension(
          oids.subjectKeyId,
          false,
          derElement(tags.octetString, keyIdentifier(fields.publicKey)),
        ),
        encodeExtension(
          oids.authorityKeyId,
          false,
          derElement(tags.sequence, derElement(AUTHORITY_KEY_ID, fields.authorityKeyId)),
        ),
        encodeExtension(oids.claims, false, fields.claims),
      ),
    ),
  );
}

/** The certificate of a TBSCertificate and its signature r‖s. */
export function encodeCertificate(tbs: Uint8Array, signature: Uint8Array): Uint8Array {
  const value = derElement(
    tags.sequence,
    derPositiveInteger(signature.subarray(0, 32)),
    derPositiveInteger(signature.subarray(32)),
  );
  const bits = derElement(tags.bitString, Uint8Array.of(0), value);
  return derElement(tags.sequence, tbs, ECDSA_WITH_SHA256, bits);
}

/**
 * Reads a certificate. `signature` is r‖s, where S may be high, as X.509 does not normalise.
 * Throws `certificate_malformed`, and `certificate_claims` where the claims extension is missing.
 */
export function decodeCertificate(der: Uint8Array): {
  fields: CertificateFields;
  tbs: Uint8Array;
  signature: Uint8Array;
} {
  if (der.length > CERTIFICATE_BYTES_MAX) throw malformed('the certificate is too large');
  try {
    const outer = new DerReader(der);
    const body = new DerReader(outer.take(tags.sequence));
    outer.end();
    const tbs = body.takeWhole(tags.sequence);
    expect(body.takeWhole(tags.sequence), ECDSA_WITH_SHA256, 'not ECDSA with SHA-256');
    const bits = body.take(tags.bitString);
    body.end();
    if (bits[0] !== 0) throw malformed('odd signature bits');
    const signature = derToRaw(bits.subarray(1));
    const fields = decodeTbs(new DerReader(tbs).take(tags.sequence));
    expect(encodeTbs(fields), tbs, 'not in the form that is issued here');
    expect(encodeCertificate(tbs, signature), der, 'not in its shortest form');
    return { fields, tbs, signature };
  } catch (cause) {
    if (cause instanceof CertificateError) throw cause;
    throw new CertificateError('certificate_malformed', 'a field cannot be read', { cause });
  }
}

/** Takes the fields out; what is constant is left to the comparison with their encoding. */
function decodeTbs(content: Uint8Array): CertificateFields {
  const reader = new DerReader(content);
  reader.take(VERSION);
  const serial = unsigned(reader.take(tags.integer));
  reader.take(tags.sequence);
  const issuer = decodeName(reader.take(tags.sequence));
  const validity = new DerReader(reader.take(tags.sequence));
  const notBefore = decodeTime(validity);
  const notAfter = decodeTime(validity);
  const subject = decodeName(reader.take(tags.sequence));
  const publicKey = spkiToRaw(reader.takeWhole(tags.sequence));
  const extensions = decodeExtensions(reader.take(EXTENSIONS));
  const authority = new DerReader(extensions.authorityKeyId);
  return {
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    isAuthority: equalBytes(extensions.basicConstraints, CONSTRAINTS_CA),
    authorityKeyId: new DerReader(authority.take(tags.sequence)).take(AUTHORITY_KEY_ID),
    claims: extensions.claims,
  };
}

function decodeExtensions(content: Uint8Array): {
  basicConstraints: Uint8Array;
  authorityKeyId: Uint8Array;
  claims: Uint8Array;
} {
  const list = new DerReader(new DerReader(content).take(tags.sequence));
  const find = (oid: Uint8Array, values: [Uint8Array, Uint8Array][]): Uint8Array | undefined =>
    values.find(([name]) => equalBytes(name, oid))?.[1];
  const values: [Uint8Array, Uint8Array][] = [];
  while (list.peek() !== undefined) {
    const extension = new DerReader(list.take(tags.sequence));
    const oid = extension.takeWhole(tags.oid);
    if (extension.peek() === tags.boolean) extension.take(tags.boolean);
    values.push([oid, extension.take(tags.octetString)]);
  }
  const basicConstraints = find(oids.basicConstraints, values);
  const authorityKeyId = find(oids.authorityKeyId, values);
  const claims = find(oids.claims, values);
  if (!claims) throw new CertificateError('certificate_claims', 'role and network are not said');
  if (!basicConstraints || !authorityKeyId) throw malformed('an extension is missing');
  return { basicConstraints, authorityKeyId, claims };
}

function encodeExtension(oid: Uint8Array, isCritical: boolean, value: Uint8Array): Uint8Array {
  const critical = isCritical ? TRUE : new Uint8Array(0);
  return derElement(tags.sequence, oid, critical, derElement(tags.octetString, value));
}

function encodeName(commonName: string): Uint8Array {
  const value = derElement(tags.utf8String, utf8(commonName));
  const attribute = derElement(tags.sequence, oids.commonName, value);
  return derElement(tags.sequence, derElement(tags.set, attribute));
}

function decodeName(content: Uint8Array): string {
  const set = new DerReader(new DerReader(content).take(tags.set));
  const attribute = new DerReader(set.take(tags.sequence));
  attribute.take(tags.oid);
  return fromUtf8(attribute.take(tags.utf8String));
}

function encodeTime(timeMs: number): Uint8Array {
  const digits = new Date(timeMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return timeMs < YEAR_2050_MS
    ? derElement(tags.utcTime, utf8(digits.slice(2)))
    : derElement(tags.generalizedTime, utf8(digits));
}

function decodeTime(reader: DerReader): number {
  const isUtc = reader.peek() === tags.utcTime;
  const text = fromUtf8(reader.take(isUtc ? tags.utcTime : tags.generalizedTime));
  const digits = isUtc ? `20${text}` : text;
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? [];
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!Number.isSafeInteger(timeMs)) throw malformed('a time is not one');
  return timeMs;
}

function unsigned(content: Uint8Array): Uint8Array {
  const value = content[0] === 0 && content.length > 1 ? content.subarray(1) : content;
  if (value.length > SERIAL_BYTES_MAX) throw malformed('the serial number is too long');
  return value;
}

function expect(actual: Uint8Array, wanted: Uint8Array, message: string): void {
  if (!equalBytes(actual, wanted)) throw malformed(message);
}

function malformed(message: string): CertificateError {
  return new CertificateError('certificate_malformed', message);
}
