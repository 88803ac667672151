/** One-time certificates, directory and revocation over the API. */
import { describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { verifyCertificate } from '../../lib/membership/certificates.ts';
import { oneTimeKeyProofBytes, signMembershipRequest } from '../../lib/membership/requests.ts';
import {
  doctorIdentity,
  enrolFully,
  head,
  makePerson,
  makeService,
  type Person,
  type TestService,
} from './fixture.ts';

async function batch(
  service: TestService,
  person: Pick<Person, 'signing'>,
  enrolmentId: string,
  keys: readonly SigningKey[],
  change: { proofBy?: SigningKey; nonce?: string } = {},
): Promise<string> {
  const payload = { ...head(service), enrolmentId };
  const nonce = change.nonce ?? payload.nonce;
  const statement = oneTimeKeyProofBytes(enrolmentId, payload.nonce);
  const proven = await Promise.all(
    keys.map(async (key) => ({
      publicKey: toBase64url(key.publicKey),
      proof: toBase64url(await (change.proofBy ?? key).sign(statement)),
    })),
  );
  return signMembershipRequest(
    'cq-tcert-request',
    { ...payload, nonce, keys: proven },
    person.signing,
  );
}

async function freshKeys(count: number): Promise<SigningKey[]> {
  return Promise.all(Array.from({ length: count }, () => generateSigningKey()));
}

describe('POST /v1/certificates', () => {
  it('issues certificates that share nothing but role, network and days', async () => {
    const service = await makeService();
    const patient = await makePerson('patient', { name: 'Quirina Zabriskie' });
    const { id } = await enrolFully(service, patient);
    const keys = await freshKeys(5);
    const request = await batch(service, patient, id, keys);
    const answer = await service.call('POST', '/v1/certificates', { request });
    expect(answer.status).toBe(200);
    const authority = fromBase64url(service.net.genesis.document.membership.caCertificate);
    const certificates = answer.body['certificates'] as string[];
    const parsed = await Promise.all(
      certificates.map((text) =>
        verifyCertificate(fromBase64url(text), authority, service.clock.now, { kind: 'tcert' }),
      ),
    );
    expect(parsed.map((one) => one.publicKey)).toEqual(keys.map((key) => key.publicKey));
    expect(new Set(parsed.map((one) => one.serial)).size).toBe(5);
    for (const one of parsed) {
      expect(one.claims).toEqual({ kind: 'tcert', network: 'local-test', role: 'patient' });
      expect(one.notBefore % 86_400_000).toBe(0);
    }
    // The nonce is kept, and a keyed trace of each: neither keys nor serial numbers.
    const kept = (kind: string) => service.store.keys().filter((key) => key.startsWith(kind));
    expect([kept('nonce#').length, kept('trace#').length]).toEqual([1, keys.length]);
    const dump = service.store.dump();
    for (const one of parsed) expect(dump).not.toContain(one.serial);
  });

  it('refuses a replay, a key without its proof, a key twice, and other people', async () => {
    const service = await makeService();
    const patient = await makePerson('patient');
    const { id } = await enrolFully(service, patient);
    const keys = await freshKeys(2);
    const code = async (request: string) =>
      (await service.call('POST', '/v1/certificates', { request })).body['code'];
    const good = await batch(service, patient, id, keys);
    expect(await code(good)).toBeUndefined();
    expect(await code(good)).toBe('replayed');
    const [first] = keys as [SigningKey];
    expect(await code(await batch(service, patient, id, keys, { proofBy: first }))).toBe(
      'bad_key_proof',
    );
    expect(await code(await batch(service, patient, id, [first, first]))).toBe('invalid_request');
    expect(await code(await batch(service, patient, id, [patient.signing]))).toBe(
      'invalid_request',
    );
    const stranger = await makePerson('patient');
    expect(await code(await batch(service, stranger, id, keys))).toBe('bad_signature');
    expect(await code(await batch(service, patient, 'A'.repeat(22), keys))).toBe(
      'unknown_enrolment',
    );
    const doctor = await makePerson('doctor', doctorIdentity);
    const enrolled = await enrolFully(service, doctor);
    expect(await code(await batch(service, doctor, enrolled.id, keys))).toBe('not_enrolled');
  });
});

describe('GET /v1/directory', () => {
  it('finds by number and by any spelling of the name, for active clinicians', async () => {
    const service = await makeService();
    const doctor = await makePerson('doctor', { ...doctorIdentity, name: 'Dr. Zoë Ångström' });
    const { answer } = await enrolFully(service, doctor);
    for (const query of [
      'npi=1720377294',
      'name=ANGSTROM%20ZOE',
      'name=zoe%20angstrom&role=doctor',
    ]) {
      const found = await service.call('GET', `/v1/directory?${query}`);
      expect(found.body['entries']).toEqual([
        {
          subject: answer.body['subject'],
          name: 'Dr. Zoë Ångström',
          role: 'doctor',
          hospital: 'hospital-a',
          npi: '1720377294',
          kid: thumbprint(doctor.signing.publicKey),
          certificate: answer.body['certificate'],
          encryptionKey: toBase64url(doctor.encryption.publicKey),
        },
      ]);
    }
    const other = await service.call('GET', '/v1/directory?npi=1720377294&role=nurse');
    expect(other.body['entries']).toEqual([]);
  });

  it.each([
    '',
    '?role=doctor',
    '?npi=123',
    '?npi=1720377294&name=x',
    '?name=.',
    '?npi=1720377294&role=king',
  ])('refuses %s', async (query) => {
    const service = await makeService();
    const answer = await service.call('GET', `/v1/directory${query}`);
    expect(answer.status).toBe(400);
  });
});

describe('POST /v1/revocations', () => {
  it('lets the operator of the hospital or the holder end a certificate', async () => {
    for (const by of ['operator', 'holder'] as const) {
      const service = await makeService();
      const doctor = await makePerson('doctor', doctorIdentity);
      await enrolFully(service, doctor);
      const kid = thumbprint(doctor.signing.publicKey);
      const operator = service.net.validators[0]?.operator as SigningKey;
      const signer = by === 'operator' ? operator : doctor.signing;
      const payload = { ...head(service), kid, reason: 'left-hospital' as const };
      const request = await signMembershipRequest('cq-revoke', payload, signer);
      const answer = await service.call('POST', '/v1/revocations', { request });
      expect(answer.body).toMatchObject({ kid, status: 'revoked', revokedAt: service.clock.now });
      const found = await service.call('GET', '/v1/directory?npi=1720377294');
      expect(found.body['entries']).toEqual([]);
      expect((await enrolFully(service, doctor)).answer.body['code']).toBe('already_enrolled');
      expect((await service.call('POST', '/v1/revocations', { request })).status).toBe(200);
    }
  });

  it('refuses operators of other hospitals, strangers and unknown keys alike', async () => {
    const service = await makeService();
    const doctor = await makePerson('doctor', doctorIdentity);
    await enrolFully(service, doctor);
    const stranger = await generateSigningKey();
    const operator = service.net.validators[1]?.operator as SigningKey;
    const kid = thumbprint(doctor.signing.publicKey);
    const unknown = thumbprint(stranger.publicKey);
    for (const [signer, target] of [
      [operator, kid],
      [stranger, kid],
      [operator, unknown],
    ] as const) {
      const payload = { ...head(service), kid: target, reason: 'other' as const };
      const request = await signMembershipRequest('cq-revoke', payload, signer);
      const answer = await service.call('POST', '/v1/revocations', { request });
      expect(answer.body['code']).toBe('not_permitted');
    }
  });
});
