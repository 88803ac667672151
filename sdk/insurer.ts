/** An insurer: opens what it was asked, settles it by its tariff, and answers, bound to the codes. */
import { randomBytes } from '../lib/crypto/random.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { type Claim, claimSchema } from '../lib/chaincode/claim-values.ts';
import {
  type ClaimAnswer,
  type ClaimRequest,
  decodeLetter,
  encodeLetter,
} from '../lib/connected/claim-content.ts';
import { type Policies, settleCodes, type Tariff, withPolicy } from '../lib/connected/tariff.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import type { Clinician } from './clinician.ts';
import { SdkError } from './errors.ts';
import { openLetter, sealLetter } from './letters.ts';
import { allEntries } from './pages.ts';
import { subjectOf } from './pharmacy.ts';
import type { CertifiedResult } from './proofs.ts';

const DAY_MS = 86_400_000;

export interface ReceivedClaim {
  readonly claim: Claim;
  /** The codes; null where nothing is there that opens and is what the ledger commits to. */
  readonly request: ClaimRequest | null;
  readonly problem: string | null;
}

/** All that this insurer was ever asked, oldest first; the codes of what is still open. */
export async function receivedClaims(insurer: Clinician): Promise<ReceivedClaim[]> {
  const { session, signer } = insurer;
  const call = { fn: 'claim.list', item: claimSchema, signer };
  const all = await allEntries(session.client, call, { fresh: true });
  const letters = new Map<string, { sealed: SealedText; seed: Uint8Array }>();
  for (const { signingKey, encryption } of await insurer.allKeys()) {
    for (const { letterId, sealed } of await session.custodian.letters(signingKey)) {
      letters.set(letterId, { sealed, seed: encryption.seed });
    }
  }
  return Promise.all(
    all.map(async (claim) => ({
      claim,
      ...(isOpen(claim, session.clock.now())
        ? await requestOf(insurer, claim, letters.get(claim.letterId))
        : { request: null, problem: null }),
    })),
  );
}

/** Whether it waits for an answer. */
export function isOpen({ answer, withdrawn, until }: Claim, time: number): boolean {
  return answer === null && withdrawn === null && time < until;
}

export interface Answered {
  readonly answer: ClaimAnswer;
  /** The book of policies as it is after a claim that is paid. */
  readonly policies: Policies;
  readonly result: CertifiedResult;
}

/** Settles and answers. Throws `mismatch` where what was asked is not there as it was committed to. */
export async function answerClaim(
  insurer: Clinician,
  { claim, request, problem }: ReceivedClaim,
  book: { readonly tariff: Tariff; readonly policies: Policies },
): Promise<Answered> {
  const { session, signer, keystore } = insurer;
  if (request === null) {
    throw new SdkError('mismatch', problem ?? 'It waits for no answer.', {
      nextStep: 'Answer nothing; whoever asked can ask again.',
      details: { claimId: claim.id },
    });
  }
  const { policy, ...settled } = settleCodes(book, request);
  const isEstimate = claim.kind === 'estimate';
  const validUntil = isEstimate ? session.clock.now() + book.tariff.estimateDays * DAY_MS : null;
  const answer: ClaimAnswer = {
    format: 'carequorum-claim-answer-1',
    ...{ claimId: claim.id, requestDigest: claim.requestDigest, currency: request.currency },
    ...settled,
    ...{ validUntil, tariff: book.tariff.name },
  };
  const { bytes, commitment } = encodeLetter('answer', answer, randomBytes(COMMITMENT_SALT_BYTES));
  const { sealed, digest } = await sealLetter(bytes, {
    ...{ network: session.client.name, purpose: 'claim-answer', about: claim.id },
    ...{ recipient: claim.answerTo, publicKey: request.replyKey },
  });
  const args = {
    ...{ claimId: claim.id, requestDigest: claim.requestDigest, decision: answer.decision },
    ...{ commitment, letterDigest: digest, ...(validUntil === null ? {} : { validUntil }) },
  };
  const result = await session.client.submit({ fn: 'claim.answer', args }, signer);
  const permit = { key: keystore.signingKey, receipt: result.receipt };
  await session.custodian.putLetter(sealed, permit);
  const isPaid = !isEstimate && answer.decision !== 'denied' && policy !== null;
  const policies = isPaid ? withPolicy(book.policies, policy) : book.policies;
  return { answer, policies, result };
}

async function requestOf(
  insurer: Clinician,
  claim: Claim,
  letter: { sealed: SealedText; seed: Uint8Array } | undefined,
): Promise<Pick<ReceivedClaim, 'request' | 'problem'>> {
  if (!letter) return { request: null, problem: 'The custodian has nothing for it.' };
  try {
    const bytes = await openLetter(letter.sealed, {
      ...{ network: insurer.session.client.name, purpose: 'claim-request', about: claim.id },
      ...{ recipient: subjectOf(insurer), seed: letter.seed, digest: claim.letterDigest },
    });
    const { content, commitment } = decodeLetter('request', bytes);
    const isBound =
      commitment === claim.requestDigest &&
      content.claimId === claim.id &&
      content.kind === claim.kind;
    if (isBound) return { request: content, problem: null };
    return { request: null, problem: 'The codes are not those that the ledger commits to.' };
  } catch (error) {
    const problem = error instanceof SdkError ? error.message : 'The letter is of another form.';
    return { request: null, problem };
  }
}
