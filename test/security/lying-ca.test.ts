/** The scenario `lying-ca`, played in one process: each lie is stopped, or seen by whom it harms. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { playLies } from '../../local/scenarios/lies.ts';
import { Steps } from '../../local/scenarios/steps.ts';
import { openSession } from '../../sdk/session.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.close());

it('a membership service that lies is stopped or seen, each time', async () => {
  const steps = new Steps(() => undefined);
  const patient = await world.patient('Anna Müller', ['laboratory']);
  const doctor = await world.doctor('Ada Okonjo', 0, '1000000012');
  const { clock } = world.session();
  await playLies({
    steps,
    authority: {
      certificate: fromBase64url(world.net.genesis.document.membership.caCertificate),
      signer: world.net.authority,
    },
    ...{ patient, doctor },
    hospitals: world.net.validators.map(({ id }) => id),
    operator: async (hospital) =>
      world.operator(world.net.validators.findIndex(({ id }) => id === hospital)),
    session: (wrap = (same) => same) =>
      openSession(world.network, { transport: wrap(world.transport), clock }),
  });
  expect(steps.all.filter(({ isGood }) => !isGood)).toEqual([]);
  expect(steps.all.map(({ title }) => title.split(':')[0])).toEqual([
    'It makes a doctor',
    'It sends the certificate to the operator of another hospital',
    'A doctor whom a hospital vouches for',
    'It takes over an identity, with an operator whom it deceived',
    'It reports the device lost',
    'It swaps an encryption key',
    'It gives itself one-time certificates for a patient',
    'It calls a certificate of its own a patient’s, of another role',
    'It ends a doctor',
    'It brings the lapsed doctor back, with an operator whom it deceived',
  ]);
  for (const { proof } of steps.all) expect(proof).toMatch(/block|hospitals|ledger|sealed/);
});
