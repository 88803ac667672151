/** One-time certificates tell nobody but the service whose they are, or which belong together. */
import { describe, expect, it } from 'vitest';
import { fromBase64url, fromHex, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { decodeCertificate, encodeTbs } from '../../lib/membership/x509-profile.ts';
import { oneTimeKeyProofBytes, signMembershipRequest } from '../../lib/membership/requests.ts';
import { enrolFully, head, makePerson, makeService, type TestService } from './fixture.ts';

const EACH = 50;

async function certificatesOf(service: TestService, name: string) {
  const patient = await makePerson('patient', { name, birthDate: '1961-04-23' });
  const { id, answer } = await enrolFully(service, patient);
  const payload = { ...head(service), enrolmentId: id };
  const statement = oneTimeKeyProofBytes(id, payload.nonce);
  const keys = await Promise.all(
    Array.from({ length: EACH }, async () => {
      const key = await generateSigningKey();
      const proof = toBase64url(await key.sign(statement));
      return { publicKey: toBase64url(key.publicKey), proof };
    }),
  );
  const request = await signMembershipRequest(
    'cq-tcert-request',
    { ...payload, keys },
    patient.signing,
  );
  const issued = await service.call('POST', '/v1/certificates', { request });
  const ecert = fromBase64url(answer.body['certificate'] as string);
  const tcerts = (issued.body['certificates'] as string[]).map(fromBase64url);
  return { patient, ecert, tcerts };
}

/** A certificate with another's key and serial number; that it holds nothing else is checked. */
function skeleton(der: Uint8Array, like: Uint8Array): string {
  const { fields, tbs } = decodeCertificate(der);
  expect(Buffer.from(encodeTbs(fields)).equals(tbs)).toBe(true);
  const { serial, publicKey } = decodeCertificate(like).fields;
  return Buffer.from(encodeTbs({ ...fields, serial, publicKey })).toString('hex');
}

describe('one-time certificates', () => {
  it('of two people are alike in all but key, serial number and signature', async () => {
    const service = await makeService();
    const [anna, bert] = [
      await certificatesOf(service, 'Anna'),
      await certificatesOf(service, 'Bert'),
    ];
    // Within one day, whoever asks, and whenever: the same bytes.
    service.clock.now += 3_600_000;
    const late = await certificatesOf(service, 'Carla');
    const all = [...anna.tcerts, ...bert.tcerts, ...late.tcerts];
    expect(new Set(all.map((der) => skeleton(der, all[0]!))).size).toBe(1);
    const lengths = (ders: Uint8Array[]) => [...new Set(ders.map(({ length }) => length))];
    expect(Math.max(...lengths(all)) - Math.min(...lengths(all))).toBeLessThanOrEqual(2);
  });

  it('share no byte string with the enrolment certificate of their holder', async () => {
    const service = await makeService();
    const { patient, ecert, tcerts } = await certificatesOf(service, 'Anna');
    const { serial, claims, publicKey } = parseCertificate(ecert);
    for (const der of tcerts) {
      const text = Buffer.from(der).toString('latin1');
      for (const secret of [
        Buffer.from(fromHex(serial)).toString('latin1'),
        claims.subject ?? '',
        Buffer.from(publicKey).subarray(1).toString('latin1'),
        Buffer.from(claims.encryptionKeyDigest ?? []).toString('latin1'),
        Buffer.from(patient.encryption.publicKey).toString('latin1').slice(0, 32),
      ]) {
        expect(secret.length).toBeGreaterThan(8);
        expect(text).not.toContain(secret);
      }
    }
  });

  it('have serial numbers and keys that tell nothing of their batch', async () => {
    const service = await makeService();
    const [anna, bert] = [
      await certificatesOf(service, 'Anna'),
      await certificatesOf(service, 'Bert'),
    ];
    const bits = (ders: Uint8Array[]) =>
      ders.map((der) => {
        const { serial } = parseCertificate(der);
        return [...fromHex(serial)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
      });
    const [a, b] = [bits(anna.tcerts), bits(bert.tcerts)];
    expect(new Set([...a, ...b]).size).toBe(2 * EACH);
    const distance = (one: string, two: string) =>
      [...one].filter((bit, at) => bit !== two[at]).length;
    const mean = (pairs: number[]) => pairs.reduce((sum, one) => sum + one, 0) / pairs.length;
    const within = a.flatMap((one, at) => a.slice(at + 1).map((two) => distance(one, two)));
    const across = a.flatMap((one) => b.map((two) => distance(one, two)));
    // 126 free bits differ in half of them: two means of over a thousand pairs, five sigma apart.
    for (const found of [mean(within), mean(across)]) {
      expect(Math.abs(found - 63)).toBeLessThan(2);
    }
  });

  it('leave traces at the service that are of no use without its keys', async () => {
    const service = await makeService();
    const { tcerts } = await certificatesOf(service, 'Anna');
    const dump = service.store.dump();
    for (const der of tcerts) {
      const { serial, publicKey } = parseCertificate(der);
      expect(dump).not.toContain(serial);
      expect(dump).not.toContain(Buffer.from(fromHex(serial)).toString('latin1'));
      expect(dump).not.toContain(Buffer.from(publicKey).subarray(1).toString('latin1'));
    }
  });
});
