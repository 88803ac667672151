// A membership service that lies with its real key: each lie is stopped, or seen by whom it harms.
import { KMSClient } from '@aws-sdk/client-kms';
import { dirname } from 'node:path';
import { kmsSigningKey } from '../../functions/aws/kms-signing-key.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { CertificateAuthority } from '../../lib/membership/certificates.ts';
import { fetchTransport } from '../../sdk/http.ts';
import { openSession } from '../../sdk/session.ts';
import { readDeployed } from '../lib/deploy.ts';
import { REGION, requireLoopback } from '../lib/environment.ts';
import { LocalError } from '../lib/errors.ts';
import { layoutOf } from '../lib/layout.ts';
import { endpointOf, readPlan } from '../lib/plan.ts';
import { playLies } from './lies.ts';
import type { Scenario, Stage } from './scenario.ts';

export const lyingCa: Scenario = {
  name: 'lying-ca',
  title: 'a membership service that lies makes no doctor, takes no identity, swaps no key',
  async run(stage) {
    const { steps, cast, network } = stage;
    steps.line('The membership service turns against everybody, with its real key.');
    const authority = await steps.run('The liar has the key of the authority', async () => {
      const value = await authorityOf(stage);
      return { value, proof: 'it signs with the KMS key of the membership account' };
    });
    const people = await steps.run('A patient and a doctor who trust the network', async () => {
      const { patient, registered } = await cast.patient();
      const { doctor } = await cast.doctor(cast.hospitals[0] ?? '');
      return { value: { patient, doctor }, proof: `block ${registered.height}` };
    });
    await playLies({
      ...{ steps, authority, ...people, hospitals: cast.hospitals },
      operator: (hospital) => cast.operator(hospital),
      session: (wrap = (same) => same) => openSession(network, { transport: wrap(fetchTransport) }),
    });
  },
};

/** The membership account of a local network signs for whoever runs the machine. */
async function authorityOf({ network, networkFile }: Stage): Promise<CertificateAuthority> {
  const layout = layoutOf(dirname(networkFile));
  const member = readPlan(layout)?.members.find((one) => one.kind === 'membership');
  const keyId = readDeployed(layout).outputs['membership']?.['CaKeyId'];
  if (!member || keyId === undefined) {
    throw new LocalError(
      'not_running',
      'Only a local network lends its authority’s key to a liar.',
      {
        cure: 'npm run demo -- --scenario lying-ca, without --network',
      },
    );
  }
  const endpoint = endpointOf(member);
  requireLoopback(endpoint);
  const credentials = {
    accessKeyId: member.account ?? '',
    secretAccessKey: 'local-network-only',
  };
  const kms = new KMSClient({ endpoint, credentials, region: REGION });
  const certificate = fromBase64url(network.genesis.document.membership.caCertificate);
  return { certificate, signer: await kmsSigningKey(kms, keyId) };
}
