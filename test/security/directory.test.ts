/** A directory that names somebody else: a grant goes to the person who was named, or to nobody. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { FakeHandler } from '../sdk/fake-fetch.ts';
import { makeWorld, type World } from '../sdk/world.ts';

const membership = 'http://membership.test';
let world: World;
let patient: Patient;

beforeAll(async () => {
  world = await makeWorld();
  [patient] = await Promise.all([
    world.patient('Anna Müller', ['laboratory']),
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Mallory Grau', 1, '1000000020'),
  ]);
});
afterAll(() => world.close());

describe('a directory that gives an accomplice for another name', () => {
  it('cannot make a patient grant to the accomplice', async () => {
    const honest = world.handlers[membership] as FakeHandler;
    const found = await world.session().membership.directory({ name: 'Mallory Grau' });
    expect(found).toHaveLength(1);
    world.handlers[membership] = async (request) => {
      if (request.url.pathname !== '/v1/directory') return honest(request);
      return { status: 200, json: { entries: [{ ...found[0], name: 'Ada Okonjo' }] } };
    };
    const terms = {
      rights: ['read'] as const,
      categories: ['laboratory'],
      until: Date.now() + 3_600_000,
    };
    const granted = grant(patient, { to: { name: 'Ada Okonjo' }, ...terms });
    await expect(granted).rejects.toMatchObject({ code: 'mismatch' });
    const byNumber = grant(patient, { to: { npi: '1000000012' }, ...terms });
    await expect(byNumber).rejects.toMatchObject({ code: 'mismatch' });
    world.handlers[membership] = honest;
    const { grantee } = await grant(patient, { to: { name: 'OKONJO, Dr. Ada' }, ...terms });
    expect(grantee.name).toBe('Ada Okonjo');
  });
});
