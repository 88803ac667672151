// What the operators of the hospitals decide together, as each of them would from its own keystore.
import { approveProposal, parseBundle, propose, type Change } from '../../sdk/governance.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { sessionCertificateSchema } from '../../lib/wire/session.ts';
import { LocalError } from '../lib/errors.ts';
import { operatorAt, type Seat } from './seats.ts';
import { type Stage, until } from './stage.ts';

export type Bundle = ReturnType<typeof parseBundle>;

const BUNDLE_MS = 120_000;
const REQUEST_MS = 5_000;
const CERTIFICATE_BYTES_MAX = 1_024;

/** The validator's new keys, from its own bootstrap endpoint, once it has made them. */
export async function awaitBundle(
  stage: Stage,
  before: Seat,
  isKmsKeyLost: boolean,
): Promise<Bundle> {
  const { victim, network } = stage;
  const url = network.validators.find(({ id }) => id === victim.id)?.url ?? '';
  const wait = { withinMs: BUNDLE_MS, what: `${victim.id} shows no new keys` };
  return stage.phase('New keys at its bootstrap endpoint', (step) =>
    until(stage, wait, async () => {
      const bundle = await bundleAt(url);
      if (!bundle || (bundle.kmsKey !== before.kmsKey) !== isKmsKeyLost) return null;
      const { incarnation } = sessionOf(bundle);
      step.result(`KMS key ${bundle.kmsKey.slice(0, 12)}…, sessions of incarnation ${incarnation}`);
      return incarnation > before.incarnation ? bundle : null;
    }),
  );
}

async function bundleAt(url: string): Promise<Bundle | null> {
  try {
    const signal = AbortSignal.timeout(REQUEST_MS);
    const response = await fetch(`${url}/v1/bootstrap`, { signal });
    return response.ok ? parseBundle(await response.text()) : null;
  } catch {
    return null;
  }
}

function sessionOf(bundle: Bundle): { readonly incarnation: number } {
  const bytes = fromBase64url(bundle.session.certificate);
  return decodeWith(sessionCertificateSchema, bytes, CERTIFICATE_BYTES_MAX).body;
}

/** One operator proposes and others approve, until a quorum has decided. */
export async function decideTogether(
  stage: Stage,
  change: Change,
  { hospitals, title }: { readonly hospitals: readonly string[]; readonly title: string },
): Promise<void> {
  const { signal } = stage;
  // Through another hospital than the victim, which may not answer yet.
  const preferred = stage.others[0]?.id ?? '';
  await stage.phase(title, async (step) => {
    const [first, ...following] = hospitals.map((id) => operatorAt(stage, id, preferred));
    if (!first) throw new RangeError('nobody decides');
    let outcome = await propose(first, change, { signal });
    const names = [first.hospital];
    for (const operator of following) {
      if (outcome.status !== 'open') break;
      outcome = await approveProposal(operator, outcome.proposalId, { signal });
      names.push(operator.hospital);
    }
    if (outcome.status !== 'done') {
      throw new LocalError('not_proven', `The operators' decision is ${outcome.status}.`);
    }
    step.result(`approved by ${names.join(', ')}; acts at height ${outcome.actsAt ?? 0}`);
  });
}
