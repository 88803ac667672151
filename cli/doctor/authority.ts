/** Looks whether the membership service certifies by the key that the operators put into force. */
import { z } from 'zod';
import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { AuthorityInForce } from '../../sdk/authorities.ts';
import { plural } from '../output.ts';
import { ANSWER_MS_MAX, ask, type PartiesCheck } from './ask.ts';
import { type Finding, findings } from './finding.ts';

const shownSchema = z.object({
  caCertificate: z.string().max(16_384),
  nextCertificate: z.string().max(16_384).optional(),
});

/** The keys that the service shows, null where it shows none. */
interface Shown {
  readonly first: Uint8Array;
  readonly next: Uint8Array | null;
}

const ceremony = 'docs/governance.md says how its keys are changed.';

/**
 * Whether the key in force, which the ledger proves from genesis on, is one that the service holds.
 * The dates of an authority's own certificate mean nothing, and are not looked at.
 */
export async function checkAuthority(check: PartiesCheck): Promise<Finding[]> {
  const ca = findings('authority', 'membership');
  const present = await inForce(check);
  if (typeof present === 'string') {
    const says = `has a key in force that no validator proves now: ${present}`;
    return [ca.skipped(says, 'Look again once a quorum of hospitals answers.')];
  }
  return [ca.ok(`has ${nameOf(present)} in force`), ...(await checkHeld(check, present))];
}

/** What is in force, or why nobody proves it. */
async function inForce({ session, signal }: PartiesCheck): Promise<AuthorityInForce | string> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
  try {
    return await session.authorities.inForce({ signal: patience });
  } catch (error) {
    if (!(error instanceof SdkError) || signal.aborted) throw error;
    return error.code === 'aborted' ? `nothing in ${ANSWER_MS_MAX / 1000} seconds` : error.message;
  }
}

function nameOf({ publicKey, since, former }: AuthorityInForce): string {
  if (former.length === 0) return 'the key of genesis';
  const kid = thumbprint(publicKey).slice(0, 10);
  const before = plural(former.length, 'key is', 'keys are');
  return `the key ${kid}…, by the operators since block ${since} (${before} retired)`;
}

async function checkHeld(check: PartiesCheck, present: AuthorityInForce): Promise<Finding[]> {
  const ca = findings('authority_keys', 'membership');
  const shown = await shownKeys(check);
  // That it does not answer is found elsewhere.
  if (!shown) return [ca.skipped('does not show its keys')];
  const { document } = check.session.network.genesis;
  const ofGenesis = keyOf(document.membership.caCertificate);
  if (!equalBytes(shown.first, ofGenesis)) {
    const step = 'Correct the address of membership in the network file, or ask its operator.';
    return [ca.wrong('does not hold the key of genesis: it is another service', step)];
  }
  const { first, next } = shown;
  if (next && equalBytes(next, present.publicKey)) return [ca.ok('holds the key in force')];
  if (equalBytes(first, present.publicKey)) {
    return [
      next === null
        ? ca.ok('holds the key in force')
        : ca.ok('holds the key in force, and a next one that the operators have not put in'),
    ];
  }
  return [
    next === null
      ? ca.wrong('does not hold the key in force: nothing that it certifies counts', ceremony)
      : ca.warning('shows another key than the one in force as its newest', ceremony),
  ];
}

async function shownKeys(check: PartiesCheck): Promise<Shown | null> {
  const answer = await ask(check, `${check.session.network.membershipUrl}/v1/bootstrap`);
  if (typeof answer === 'string' || answer.status !== 200) return null;
  const shown = shownSchema.safeParse(answer.json).data;
  if (!shown) return null;
  const { caCertificate, nextCertificate } = shown;
  try {
    const next = nextCertificate === undefined ? null : keyOf(nextCertificate);
    return { first: keyOf(caCertificate), next };
  } catch {
    return null;
  }
}

function keyOf(certificate: string): Uint8Array {
  return parseCertificate(fromBase64url(certificate)).publicKey;
}
