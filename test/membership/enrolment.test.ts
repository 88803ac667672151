/** Enrolment: both keys prove themselves, clinicians are verified, nothing of a patient shows. */
import { describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { encryptionKeyDigest, verifyCertificate } from '../../lib/membership/certificates.ts';
import { signMembershipRequest } from '../../lib/membership/requests.ts';
import { tellLapses } from '../../functions/membership/lapse.ts';
import { recheckActive } from '../../functions/membership/recheck-active.ts';
import { recheckPending } from '../../functions/membership/recheck.ts';
import { npiOf } from '../../local/lib/registry-answers.ts';
import {
  doctorIdentity,
  enrolBody,
  enrolFully,
  head,
  makePerson,
  makeService,
  openChallenge,
} from './fixture.ts';

describe('before genesis', () => {
  it('answers 503 but for bootstrap, health and the description', async () => {
    const service = await makeService({ install: false });
    const ada = await makePerson('doctor', doctorIdentity);
    const refused = await service.call('POST', '/v1/enrolments', await enrolBody(service, ada));
    expect(refused.status).toBe(503);
    expect(refused.body['code']).toBe('not_initialised');
    expect(refused.headers['retry-after']).toBe('2');
    expect((await service.call('GET', '/v1/directory?npi=1720377294')).status).toBe(503);
    expect((await service.call('GET', '/v1/openapi.json')).status).toBe(200);
    const health = await service.call('GET', '/v1/health');
    expect(health.body['initialised']).toBe(false);
  });

  it('makes the authority once', async () => {
    const service = await makeService({ install: false });
    const [first, second] = await Promise.all([
      service.call('GET', '/v1/bootstrap'),
      service.call('GET', '/v1/bootstrap'),
    ]);
    expect(first.body['caCertificate']).toBe(second.body['caCertificate']);
  });

  it('refuses a document with another authority', async () => {
    const service = await makeService({ install: false });
    const answer = await service.call('POST', '/v1/genesis', service.net.signed);
    expect(answer.body['code']).toBe('wrong_party');
  });

  it('refuses a document that an operator has not signed, or of other operators', async () => {
    const service = await makeService();
    const { document, signatures } = service.net.signed;
    const short = { document, signatures: signatures.slice(1) };
    expect((await service.call('POST', '/v1/genesis', short)).body['code']).toBe('bad_signature');
    const other = await makeService();
    const answer = await service.call('POST', '/v1/genesis', other.net.signed);
    expect(answer.body['code']).toBe('wrong_operators');
    expect((await service.call('POST', '/v1/genesis', service.net.signed)).status).toBe(200);
  });
});

describe('enrolment', () => {
  it('gives a verified doctor a certificate with both keys', async () => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const { answer } = await enrolFully(service, ada);
    expect(answer.status).toBe(200);
    const parsed = await verifyCertificate(
      fromBase64url(answer.body['certificate'] as string),
      fromBase64url(service.net.genesis.document.membership.caCertificate),
      service.clock.now,
      { network: 'local-test', kind: 'ecert' },
    );
    expect(parsed.publicKey).toEqual(ada.signing.publicKey);
    expect(parsed.claims).toMatchObject({
      role: 'doctor',
      name: 'Ada Okonjo',
      hospital: 'hospital-a',
      subject: answer.body['subject'],
      encryptionKeyDigest: encryptionKeyDigest(ada.encryption.publicKey),
    });
  });

  it('leaves a doctor pending while the registry is down, and goes on by schedule', async () => {
    const service = await makeService();
    service.registry.verdict = 'unavailable';
    const ada = await makePerson('doctor', doctorIdentity);
    const { id, answer } = await enrolFully(service, ada);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({ status: 'pending', reason: 'registry_unavailable' });
    expect(await recheckPending(service.context)).toMatchObject({ pending: 1, active: 0 });
    service.registry.verdict = 'verified';
    expect(await recheckPending(service.context)).toMatchObject({ active: 1 });
    expect(await recheckPending(service.context)).toMatchObject({ active: 0 });
    const request = { ...head(service), enrolmentId: id };
    const jws = await signMembershipRequest('cq-enrol-status', request, ada.signing);
    const status = await service.call('GET', `/v1/enrolments/${id}`, undefined, {
      Authorization: `CQ-Enrolment ${jws}`,
    });
    expect(status.body['status']).toBe('active');
    expect(status.body['certificate']).toBeTypeOf('string');
  });

  it('refuses a doctor whom the registry does not confirm, also later', async () => {
    const service = await makeService();
    service.registry.verdict = 'unavailable';
    const { id, proof } = await enrolFully(service, await makePerson('doctor', doctorIdentity));
    service.registry.verdict = 'not_verified';
    expect(await recheckPending(service.context)).toMatchObject({ refused: 1 });
    service.registry.verdict = 'verified';
    const again = await service.call('POST', `/v1/enrolments/${id}/proof`, { answer: proof });
    expect(again.status).toBe(403);
    expect(again.body['code']).toBe('not_verified');
  });

  it('takes the right answer again, and the same request again', async () => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const { id, answer, proof } = await enrolFully(service, ada);
    const again = await service.call('POST', `/v1/enrolments/${id}/proof`, { answer: proof });
    expect(again.body['certificate']).toBe(answer.body['certificate']);
    const repeated = await enrolFully(service, ada);
    expect(repeated.id).toBe(id);
    expect(repeated.answer.body['certificate']).toBe(answer.body['certificate']);
  });

  it('refuses a second enrolment of the same number with another key', async () => {
    const service = await makeService();
    await enrolFully(service, await makePerson('doctor', doctorIdentity));
    const { answer } = await enrolFully(service, await makePerson('doctor', doctorIdentity));
    expect(answer.status).toBe(409);
    expect(answer.body['code']).toBe('already_enrolled');
  });

  it('lets two enrolments of one number race: one wins', async () => {
    const service = await makeService();
    const people = await Promise.all([1, 2, 3].map(() => makePerson('doctor', doctorIdentity)));
    const answers = await Promise.all(people.map((person) => enrolFully(service, person)));
    const statuses = answers.map(({ answer }) => answer.status).sort();
    expect(statuses).toEqual([200, 409, 409]);
  });

  it('refuses a wrong answer, and counts them', async () => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const begun = await service.call('POST', '/v1/enrolments', await enrolBody(service, ada));
    const path = `/v1/enrolments/${begun.body['enrolmentId'] as string}/proof`;
    const wrong = { answer: toBase64url(new Uint8Array(32)) };
    for (let attempt = 0; attempt < 5; attempt += 1) {
      expect((await service.call('POST', path, wrong)).body['code']).toBe('wrong_answer');
    }
    const right = { answer: await openChallenge(ada, begun) };
    expect((await service.call('POST', path, right)).body['code']).toBe('too_many_attempts');
  });

  it('refuses an answer after a quarter of an hour', async () => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const begun = await service.call('POST', '/v1/enrolments', await enrolBody(service, ada));
    service.clock.now += 15 * 60_000;
    const path = `/v1/enrolments/${begun.body['enrolmentId'] as string}/proof`;
    const answer = { answer: await openChallenge(ada, begun) };
    expect((await service.call('POST', path, answer)).body['code']).toBe('challenge_over');
  });

  it('keeps names of patients out of the store, the log and the certificate', async () => {
    const service = await makeService();
    const name = 'Quirina Zabriskie';
    const patient = await makePerson('patient', { name, birthDate: '1971-02-03' });
    const { answer } = await enrolFully(service, patient);
    expect(answer.status).toBe(200);
    const certificate = fromBase64url(answer.body['certificate'] as string);
    const seen = [
      service.store.dump(),
      JSON.stringify(service.lines),
      Buffer.from(certificate).toString('latin1'),
      JSON.stringify(answer.body),
    ].join('\n');
    expect(seen).not.toMatch(/quirina|zabriskie|1971/i);
    const directory = await service.call('GET', `/v1/directory?name=${encodeURIComponent(name)}`);
    expect(directory.body['entries']).toEqual([]);
  });

  it('refuses the same patient twice, by name and birth date', async () => {
    const service = await makeService();
    const identity = { name: 'Quirina Zabriskie', birthDate: '1971-02-03' };
    await enrolFully(service, await makePerson('patient', identity));
    const other = { ...identity, name: 'ZABRISKIE, Quirina' };
    const { answer } = await enrolFully(service, await makePerson('patient', other));
    expect(answer.body['code']).toBe('already_enrolled');
  });

  it('lets an operator of the configuration enrol, and nobody else as one', async () => {
    const service = await makeService();
    const stranger = await makePerson('operator');
    expect((await enrolFully(service, stranger)).answer.body['code']).toBe('role_denied');
    const { operator } = service.net.validators[1] as { operator: typeof stranger.signing };
    const { answer } = await enrolFully(service, { ...stranger, signing: operator });
    expect(answer.status).toBe(200);
  });

  it('takes nurses by registry or by invitation of their own hospital', async () => {
    const service = await makeService();
    const nurse = await makePerson('nurse', { name: 'Farah Lindemann', hospital: 'hospital-a' });
    const waiting = await enrolFully(service, nurse);
    expect(waiting.answer.body).toEqual({ status: 'pending', reason: 'review' });
    const invited = await makePerson('nurse', { name: 'Farah L', hospital: 'hospital-a' });
    const invitation = async (index: number) => {
      const { operator, id } = service.net.validators[index] as (typeof service.net.validators)[0];
      const kid = thumbprint(invited.signing.publicKey);
      const payload = { ...head(service), role: 'nurse' as const, hospital: 'hospital-a', kid };
      expect(id).toBeTypeOf('string');
      return signMembershipRequest('cq-invitation', payload, operator);
    };
    const foreign = { operatorInvitation: await invitation(1) };
    expect((await enrolFully(service, invited, foreign)).answer.body['code']).toBe(
      'wrong_invitation',
    );
    const own = { operatorInvitation: await invitation(0) };
    expect((await enrolFully(service, invited, own)).answer.status).toBe(200);
  });

  it.each<[string, object, string]>([
    ['no body', { request: undefined }, 'invalid_request'],
    ['another role than signed', { role: 'nurse' }, 'invalid_request'],
    ['a doctor without a number', { identity: { name: 'X' } }, 'invalid_identity'],
    ['a bad number', { identity: { ...doctorIdentity, npi: '1720377295' } }, 'invalid_identity'],
    ['no licence', { identity: { ...doctorIdentity, licence: undefined } }, 'invalid_identity'],
    [
      'an unknown hospital',
      { identity: { ...doctorIdentity, hospital: 'x9' } },
      'invalid_identity',
    ],
    ['an unknown member', { identity: { ...doctorIdentity, admin: true } }, 'invalid_request'],
    ['a signature by another', { signingKey: '' }, 'bad_signature'],
  ])('refuses %s', async (_name, change, code) => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const other = await makePerson('doctor', doctorIdentity);
    const signingKey =
      'signingKey' in change ? { signingKey: toBase64url(other.signing.publicKey) } : {};
    const body = { ...(await enrolBody(service, ada)), ...change, ...signingKey };
    const answer = await service.call('POST', '/v1/enrolments', body);
    expect(answer.body['code']).toBe(code);
    expect(answer.status).toBeLessThan(500);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('refuses a stale request and one for another network', async () => {
    const service = await makeService();
    const ada = await makePerson('doctor', doctorIdentity);
    const body = await enrolBody(service, ada);
    service.clock.now += 301_000;
    expect((await service.call('POST', '/v1/enrolments', body)).body['code']).toBe('expired');
    const digest = toBase64url(encryptionKeyDigest(ada.encryption.publicKey));
    const claim = { role: 'doctor' as const, encryptionKeyDigest: digest };
    const payload = { ...head(service), ...claim, network: 'local-other' };
    const request = await signMembershipRequest('cq-enrol', payload, ada.signing);
    const answer = await service.call('POST', '/v1/enrolments', { ...body, request });
    expect(answer.body['code']).toBe('wrong_network');
  });
});

describe('the schedule', () => {
  const HOUR = 3_600_000;
  async function withDoctors(count: number) {
    const service = await makeService();
    for (let index = 0; index < count; index += 1) {
      const npi = npiOf(`17203${String(index).padStart(4, '0')}`);
      const person = await makePerson('doctor', { ...doctorIdentity, npi });
      expect((await enrolFully(service, person)).answer.status).toBe(200);
    }
    return service;
  }

  it('looks a doctor up once a day, and ends whom the registry denies for most of a day', async () => {
    const service = await withDoctors(1);
    const { context, registry, clock, lapses } = service;
    const asked = registry.asked;
    await recheckActive(context);
    expect(registry.asked).toBe(asked);
    clock.now += 24 * HOUR;
    registry.verdict = 'not_verified';
    expect(await recheckActive(context)).toMatchObject({ doubted: 1, lapsed: 0 });
    clock.now += 24 * HOUR;
    registry.verdict = 'verified';
    expect(await recheckActive(context)).toMatchObject({ confirmed: 1 });
    registry.verdict = 'not_verified';
    clock.now += 24 * HOUR;
    expect(await recheckActive(context)).toMatchObject({ doubted: 1 });
    clock.now += 24 * HOUR;
    expect(await recheckActive(context)).toMatchObject({ lapsed: 1 });
    expect(await recheckActive(context)).toMatchObject({ lapsed: 0 });
    // The ledger is told until it answers, also where it was away.
    lapses.answer = 'unavailable';
    expect(await tellLapses(context)).toBe(0);
    lapses.answer = 'done';
    expect(await tellLapses(context)).toBe(1);
    expect(await tellLapses(context)).toBe(0);
    expect(lapses.told).toHaveLength(2);
    expect(lapses.told[0]).toMatch(/ licence-lapsed$/);
    const found = await service.call('GET', `/v1/directory?name=Ada%20Okonjo`);
    expect(found.body['entries']).toEqual([]);
  });

  it('ends nobody while the registry is down, or denies or ends everybody at once', async () => {
    const { context, registry, clock } = await withDoctors(12);
    for (const verdict of ['unavailable', 'not_verified', 'not_verified', 'ended'] as const) {
      clock.now += 24 * HOUR;
      registry.verdict = verdict;
      expect(await recheckActive(context)).toMatchObject({ lapsed: 0, isStopped: true });
    }
    registry.verdict = 'verified';
    expect(await recheckActive(context)).toMatchObject({ confirmed: 12, isStopped: false });
  });
});
