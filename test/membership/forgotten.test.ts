/** Somebody whom the service forgot enrols again, and stays who the certificate says. */
import { beforeEach, describe, expect, it } from 'vitest';
import { itemKeys } from '../../functions/membership/enrolment.ts';
import {
  doctorIdentity,
  enrolFully,
  makePerson,
  makeService,
  type Person,
  type TestService,
} from './fixture.ts';

let service: TestService;
let ada: Person;
let held: { certificate: string; subject: string };
beforeEach(async () => {
  service = await makeService();
  ada = await makePerson('doctor', doctorIdentity);
  held = (await enrolFully(service, ada)).answer.body as typeof held;
  await forget();
});

/** What a restore to a point before everybody's enrolment leaves. */
async function forget(): Promise<void> {
  const names = service.store.keys().filter((name) => !name.startsWith('service '));
  await service.store.remove(
    names.map((name) => {
      const [pk = '', ...sk] = name.split(' ');
      return { pk, sk: sk.join(' ') };
    }),
  );
}

describe('who was forgotten', () => {
  it('keeps the subject that the certificate names, and is found again', async () => {
    const { certificate, subject } = held;
    const { answer } = await enrolFully(service, ada, { certificate });
    expect(answer.body).toMatchObject({ status: 'active', subject });
    const found = await service.call('GET', '/v1/directory?npi=1720377294');
    expect(found.body['entries']).toMatchObject([{ subject }]);
  });

  it('is somebody new without it', async () => {
    const { answer } = await enrolFully(service, ada);
    expect(answer.body['status']).toBe('active');
    expect(answer.body['subject']).not.toBe(held.subject);
  });

  it('is verified anew, as everybody is', async () => {
    service.registry.verdict = 'not_verified';
    const { answer } = await enrolFully(service, ada, { certificate: held.certificate });
    expect(answer.body['code']).toBe('not_verified');
  });
});

describe('a certificate is refused', () => {
  const codeOf = async (person: Person, certificate = held.certificate): Promise<unknown> =>
    (await enrolFully(service, person, { certificate })).answer.body['code'];

  it('with other keys', async () => {
    const thief = await makePerson('doctor', doctorIdentity);
    expect(await codeOf(thief)).toBe('invalid_request');
    const { encryption } = thief;
    expect(await codeOf({ ...ada, encryption })).toBe('invalid_request');
  });

  it.each([
    ['name', { name: 'Ada Other' }],
    ['hospital', { hospital: 'hospital-b' }],
  ])('for another %s', async (_what, change) => {
    const identity = { ...doctorIdentity, ...change };
    expect(await codeOf({ ...ada, identity })).toBe('invalid_request');
  });

  it('for another role', async () => {
    expect(await codeOf({ ...ada, role: 'nurse' })).toBe('invalid_request');
  });

  it('of another service, and one that is over', async () => {
    const other = await makeService();
    const answer = (await enrolFully(other, ada)).answer.body as typeof held;
    expect(await codeOf(ada, answer.certificate)).toBe('invalid_request');
    service.clock.now += 366 * 86_400_000;
    expect(await codeOf(ada)).toBe('certificate_expired');
  });

  it('where the person is known by a newer key', async () => {
    await service.store.insert(itemKeys.subject(held.subject), { id: 'A'.repeat(22) });
    expect(await codeOf(ada)).toBe('already_enrolled');
  });
});
