/** Years on: no date of a certificate can lock out the network or those who govern it. */
import { expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { parseCertificate, verifyAuthority } from '../../lib/membership/certificates.ts';
import { parametersHash } from '../../lib/wire/parameters.ts';
import { DAY, grantArgs, outcome, START, valueOf, World } from '../chaincode/world.ts';

const YEARS = 20;

async function later(): Promise<World> {
  const world = (await World.make()).fork();
  world.time = START + YEARS * 365 * DAY;
  return world;
}

it('the authority’s own certificate ran out, and nobody judges that', async () => {
  const world = await later();
  const authority = fromBase64url(world.network.genesis.document.membership.caCertificate);
  expect(parseCertificate(authority).notAfter).toBeLessThan(world.time);
  // Clients and services know the authority by its key and network.
  await expect(verifyAuthority(authority, 'local-test')).resolves.toBeDefined();
});

it('operators still govern, and validators still speak', async () => {
  const world = await later();
  const probe = await world.submit(world.operator(), 'governance.probe', { label: 'years' });
  expect(outcome(probe)).toBe('COMMITTED');
  const proposed = await world.submit(world.operator(), 'governance.propose', {
    change: { kind: 'parameters', set: { blockIntervalMs: 100 } },
    base: toBase64url(parametersHash(world.parameters)),
  });
  const { proposalId } = valueOf(proposed) as { proposalId: string };
  for (const index of [1, 2]) {
    const approved = await world.submit(world.operator(index), 'governance.approve', {
      proposalId,
    });
    expect(outcome(approved)).toBe('COMMITTED');
  }
  expect(world.upcoming.blockIntervalMs).toBe(100);
  // Judged for what it says, not refused as of somebody whose time is over.
  const rejoin = await world.submit(world.validator(), 'validator.rejoin', {
    ...{ session: 'AA', read: 'AA', shareKey: 'A'.repeat(1622), incarnation: 1 },
    validator: world.validator().hospital,
  });
  expect(outcome(rejoin)).toBe('bad_session');
});

it('new people enrol, old certificates are over, and whoever lapses ends', async () => {
  const early = await World.make();
  const old = await early.registered('doctor');
  const world = early.fork();
  world.time = START + YEARS * 365 * DAY;
  expect(
    outcome(await world.submit(old, 'identity.revoke', { kid: old.kid, reason: 'other' })),
  ).toBe('identity_expired');
  const doctor = await world.registered('doctor');
  const patient = await world.patient('born later');
  const granted = await world.submit(patient, 'permission.grant', grantArgs(world, doctor));
  expect(outcome(granted)).toBe('COMMITTED');
  const lapse = { subject: doctor.subject, reason: 'excluded' };
  expect(outcome(await world.submit(world.membership, 'identity.lapse', lapse))).toBe('COMMITTED');
});
