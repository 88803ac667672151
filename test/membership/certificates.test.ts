/** Certificates: every refusal has its own code, and other tools agree on what is issued. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type CertificateClaims,
  encryptionKeyDigest,
  issueAuthority,
  issueCertificate,
  parseCertificate,
  randomSerial,
  verifyAuthority,
  verifyCertificate,
} from '../../lib/membership/certificates.ts';
import type { CertificateErrorCode } from '../../lib/membership/certificate-error.ts';
import { encodeCertificate, encodeTbs, keyIdentifier } from '../../lib/membership/x509-profile.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { concatBytes, fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, rawToSpki } from '../../lib/crypto/p256.ts';

const network = 'local-test';
const now = Date.parse('2026-11-23T12:34:56.789Z');
const day = 86_400_000;
const signer = await generateSigningKey();
const holder = await generateSigningKey();
const certificate = await issueAuthority({
  network,
  signer,
  serial: randomSerial(),
  notBefore: now,
});
const ca = { certificate, signer };
const doctor: CertificateClaims = {
  kind: 'ecert',
  network,
  role: 'doctor',
  subject: 'c-17',
  hospital: 'north',
  name: 'Zoë Ångström',
  encryptionKeyDigest: encryptionKeyDigest(new Uint8Array(1216)),
};

async function issue(claims: CertificateClaims = doctor, times = {}): Promise<Uint8Array> {
  const request = { ca, publicKey: holder.publicKey, claims, serial: randomSerial() };
  return issueCertificate({ ...request, notBefore: now, notAfter: now + 30 * day, ...times });
}

function flip(der: Uint8Array, at: number): Uint8Array {
  const out = new Uint8Array(der);
  out[at] = (out[at] as number) ^ 1;
  return out;
}

async function refusal(work: Promise<unknown>): Promise<CertificateErrorCode | 'taken'> {
  return work.then(
    () => 'taken' as const,
    (error: { code: CertificateErrorCode }) => error.code,
  );
}

/** A certificate of the authority's key with these claims bytes, whatever they say. */
async function withClaims(claims: Uint8Array, options: { isAuthority?: boolean } = {}) {
  const tbs = encodeTbs({
    serial: fromHex(randomSerial()),
    issuer: `CareQuorum CA ${network}`,
    subject: 'c-17',
    notBefore: 1_795_000_000_000,
    notAfter: 1_796_000_000_000,
    publicKey: holder.publicKey,
    isAuthority: options.isAuthority ?? false,
    authorityKeyId: keyIdentifier(signer.publicKey),
    claims,
  });
  return encodeCertificate(tbs, await signer.sign(tbs));
}

describe('issueCertificate', () => {
  it('gives back what it was told', async () => {
    const parsed = await verifyCertificate(await issue(), certificate, now, {
      network,
      kind: 'ecert',
    });
    expect(parsed.claims).toEqual(doctor);
    expect(parsed.publicKey).toEqual(holder.publicKey);
    expect(parsed.notBefore).toBe(Date.parse('2026-11-23T12:34:56Z'));
  });

  it('issues what OpenSSL reads and verifies', async () => {
    const leaf = new X509Certificate(await issue());
    const root = new X509Certificate(certificate);
    const rootKey = createPublicKey({
      key: Buffer.from(rawToSpki(signer.publicKey)),
      format: 'der',
      type: 'spki',
    });
    expect(root.ca).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.verify(rootKey)).toBe(true);
    expect(leaf.subject).toBe('CN=c-17');
    expect(leaf.issuer).toBe(`CN=CareQuorum CA ${network}`);
  });

  it('writes GeneralizedTime from 2050 on', async () => {
    const notAfter = Date.parse('2051-02-03T04:05:06Z');
    const der = await issue(doctor, { notAfter });
    expect(parseCertificate(der).notAfter).toBe(notAfter);
    expect(new X509Certificate(der).validTo).toBe('Feb  3 04:05:06 2051 GMT');
  });

  it('keeps one-time certificates alike: whole days, one subject, role only', async () => {
    const claims = { kind: 'tcert', network, role: 'patient' } as const;
    const [first, second] = [
      await issue(claims),
      await issue(claims, { notBefore: now + 3_600_000 }),
    ];
    const [a, b] = [parseCertificate(first), parseCertificate(second)];
    expect(a.notBefore).toBe(Date.parse('2026-11-23T00:00:00Z'));
    expect(a.notAfter).toBe(Date.parse('2026-12-23T23:59:59Z'));
    expect([b.notBefore, b.notAfter]).toEqual([a.notBefore, a.notAfter]);
    expect(a.claims).toEqual(claims);
    expect(a.serial).not.toBe(b.serial);
    expect(new X509Certificate(first).subject).toBe(new X509Certificate(second).subject);
  });

  it.each<[string, CertificateClaims]>([
    ['a patient with a name', { kind: 'ecert', network, role: 'patient', subject: 's', name: 'N' }],
    [
      'a one-time certificate with a subject',
      { kind: 'tcert', network, role: 'patient', subject: 's' },
    ],
    ['a leaf without a role', { kind: 'ecert', network, subject: 's' }],
    ['an authority', { kind: 'ca', network }],
    ['another network', { ...doctor, network: 'local-other' }],
  ])('refuses %s', async (_name, claims) => {
    expect(await refusal(issue(claims))).toBe('certificate_claims');
  });

  it('refuses a signer that is not the authority', async () => {
    const work = issueCertificate({
      ca: { certificate, signer: holder },
      publicKey: holder.publicKey,
      claims: doctor,
      serial: randomSerial(),
      notBefore: now,
      notAfter: now + day,
    });
    expect(await refusal(work)).toBe('certificate_wrong_authority');
  });
});

describe('verifyCertificate', () => {
  it('refuses another authority, also one of the same name', async () => {
    const other = await generateSigningKey();
    const fake = await issueAuthority({
      network,
      signer: other,
      serial: randomSerial(),
      notBefore: now,
    });
    const der = await issue();
    expect(await refusal(verifyCertificate(der, fake, now))).toBe('certificate_wrong_authority');
    expect(await refusal(verifyCertificate(der, other.publicKey, now))).toBe(
      'certificate_wrong_authority',
    );
  });

  it('refuses a signature by another key under the right key identifier', async () => {
    const other = await generateSigningKey();
    const claims = encodeCbor({ version: 1, ...doctor });
    const tbs = encodeTbs({
      serial: fromHex(randomSerial()),
      issuer: `CareQuorum CA ${network}`,
      subject: 'c-17',
      notBefore: 1_700_000_000_000,
      notAfter: 2_000_000_000_000,
      publicKey: holder.publicKey,
      isAuthority: false,
      authorityKeyId: keyIdentifier(signer.publicKey),
      claims,
    });
    const der = encodeCertificate(tbs, await other.sign(tbs));
    expect(await refusal(verifyCertificate(der, certificate, now))).toBe(
      'certificate_bad_signature',
    );
  });

  it('judges time by whole seconds, both ends included', async () => {
    const der = await issue();
    const { notBefore, notAfter } = parseCertificate(der);
    const at = (time: number) => refusal(verifyCertificate(der, certificate, time));
    expect(await at(notBefore)).toBe('taken');
    expect(await at(notBefore - 1)).toBe('certificate_not_yet_valid');
    expect(await at(notAfter + 999)).toBe('taken');
    expect(await at(notAfter + 1_000)).toBe('certificate_expired');
  });

  it('refuses the authority as a leaf and a leaf as the authority', async () => {
    const leaf = await issue();
    expect(await refusal(verifyCertificate(certificate, certificate, now))).toBe(
      'certificate_wrong_use',
    );
    expect(await refusal(verifyCertificate(leaf, leaf, now))).toBe('certificate_wrong_use');
    expect(await refusal(verifyAuthority(leaf, network))).toBe('certificate_wrong_use');
  });

  it('refuses another network and another kind', async () => {
    const der = await issue();
    expect(await refusal(verifyCertificate(der, certificate, now, { network: 'local-x' }))).toBe(
      'certificate_wrong_network',
    );
    expect(await refusal(verifyCertificate(der, certificate, now, { kind: 'tcert' }))).toBe(
      'certificate_wrong_kind',
    );
    expect(await refusal(verifyAuthority(certificate, 'local-x'))).toBe(
      'certificate_wrong_network',
    );
  });

  it.each([
    ['not CBOR', new Uint8Array([0xff])],
    [
      'an unknown role',
      encodeCbor({ version: 1, kind: 'ecert', network, role: 'king', subject: 's' }),
    ],
    ['an unknown member', encodeCbor({ version: 1, ...doctor, admin: true })],
    ['another version', encodeCbor({ version: 2, ...doctor })],
    ['a leaf that says it is the authority', encodeCbor({ version: 1, kind: 'ca', network })],
    ['another subject than its name', encodeCbor({ version: 1, ...doctor, subject: 'c-18' })],
  ])('refuses claims that are %s', async (_name, claims) => {
    const der = await withClaims(claims);
    expect(await refusal(verifyCertificate(der, certificate, now))).toBe('certificate_claims');
  });

  it('refuses a certificate without the claims extension', async () => {
    const der = await issue();
    const oid = fromHex('06146982fdbfcca28585a2b4c384fab8a5f7eef99462');
    const hex = toHex(der);
    const at = hex.indexOf(toHex(oid)) / 2;
    const error = await refusal(
      verifyCertificate(flip(der, at + oid.length - 1), certificate, now),
    );
    expect(error).toBe('certificate_claims');
  });

  it('refuses every single flipped bit', async () => {
    const der = await issue();
    for (let at = 0; at < der.length; at += 1) {
      const code = await refusal(verifyCertificate(flip(der, at), certificate, now));
      expect(code, `byte ${at}`).not.toBe('taken');
    }
  });

  it('refuses bytes before, after and instead', async () => {
    const der = await issue();
    const odd = [concatBytes(der, new Uint8Array(1)), der.subarray(1), new Uint8Array(0)];
    odd.push(new Uint8Array(5_000), der.subarray(0, -1), concatBytes(new Uint8Array(1), der));
    for (const bytes of odd) {
      expect(await refusal(verifyCertificate(bytes, certificate, now))).toBe(
        'certificate_malformed',
      );
    }
  });
});

describe('randomSerial', () => {
  it('is positive, unique and of one length', () => {
    const serials = Array.from({ length: 500 }, randomSerial);
    expect(new Set(serials).size).toBe(500);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  });
});
