/** Squatted numbers, and names that are none. */
import { describe, expect, it } from 'vitest';
import { thumbprint } from '../../lib/crypto/p256.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { signMembershipRequest } from '../../lib/membership/requests.ts';
import { doctorIdentity, enrolFully, makePerson, makeService } from '../membership/fixture.ts';

describe('an NPI is public', () => {
  it('is free again once the enrolment that held it is revoked', async () => {
    const service = await makeService();
    const squatter = await makePerson('doctor', doctorIdentity);
    expect((await enrolFully(service, squatter)).answer.status).toBe(200);
    const { now } = service.clock;
    const payload = {
      network: 'local-test',
      issuedAt: now,
      expiresAt: now + 60_000,
      nonce: randomId(),
      kid: thumbprint(squatter.signing.publicKey),
      reason: 'registered-in-error' as const,
    };
    const operator = service.net.validators[0]?.operator as SigningKey;
    const request = await signMembershipRequest('cq-revoke', payload, operator);
    await service.call('POST', '/v1/revocations', { request });
    const people = await Promise.all([1, 2].map(() => makePerson('doctor', doctorIdentity)));
    const answers = await Promise.all(people.map((person) => enrolFully(service, person)));
    expect(answers.map(({ answer }) => answer.status).sort()).toEqual([200, 409]);
    const found = await service.call('GET', '/v1/directory?npi=1720377294');
    expect(found.body['entries']).toHaveLength(1);
  });
});

describe('the hospital of an enrolment', () => {
  it.each(['constructor', 'toString', 'valueOf', '__proto__'])('is not %s', async (hospital) => {
    const service = await makeService();
    const person = await makePerson('doctor', { ...doctorIdentity, hospital });
    const { answer } = await enrolFully(service, person);
    expect(answer.body['code']).toMatch(/invalid_(identity|request)/);
  });
});
