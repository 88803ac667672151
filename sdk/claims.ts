/** Estimates and claims as patients, clinicians and pharmacists ask for them: codes alone. */
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { type Claim, claimSchema, type Service } from '../lib/chaincode/claim-values.ts';
import {
  type ClaimAnswer,
  type ClaimLine,
  claimRequestSchema,
  decodeLetter,
  encodeLetter,
} from '../lib/connected/claim-content.ts';
import { letterBox } from '../lib/records/letter-box.ts';
import { Clinician } from './clinician.ts';
import { findGrantee, type LedgerIdentity, type PersonQuery } from './directory.ts';
import { SdkError } from './errors.ts';
import { openLetter, replySecrets, sealLetter } from './letters.ts';
import { allEntries } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

const DAY_MS = 86_400_000;
/** How long an insurer may take, unless the asker says otherwise. */
const ANSWER_MS = 30 * DAY_MS;

/** Who asks: a patient, or a clinician with the patient's consent. */
export type Asking = Patient | Clinician;

/** What goes to the insurer. It gets nothing else. */
export interface Codes {
  /** What the insurer knows the policy by. */
  readonly policy: string;
  readonly currency: string;
  readonly lines: readonly ClaimLine[];
}

export interface AskTerms extends Codes {
  readonly insurer: PersonQuery;
  /** The insurer answers before. */
  readonly until?: number | undefined;
}

/** By whose consent somebody else than the patient asks. */
export interface Consent {
  /** Of a clinician: the patient who gave a permission for payment. */
  readonly pseudonym?: string | undefined;
  /** Of a pharmacist: a prescription whose patient lets this insurer be billed. */
  readonly prescriptionId?: string | undefined;
}

export interface AskedClaim {
  readonly claimId: string;
  readonly insurer: LedgerIdentity;
  readonly result: CertifiedResult;
}

/** Asks what codes would cost. */
export function askEstimate(
  asking: Asking,
  terms: AskTerms,
  { pseudonym, prescriptionId }: Consent = {},
): Promise<AskedClaim> {
  const extra = {
    ...(pseudonym === undefined ? {} : { pseudonym }),
    ...(prescriptionId === undefined ? {} : { prescriptionId }),
  };
  return ask(asking, terms, { kind: 'estimate', extra });
}

/** Claims one service, once. */
export function submitClaim(
  asking: Asking,
  terms: AskTerms,
  { service, estimateId }: { service: Service; estimateId?: string | undefined },
): Promise<AskedClaim> {
  const extra = { service: { ...service }, ...(estimateId === undefined ? {} : { estimateId }) };
  return ask(asking, terms, { kind: 'claim', extra });
}

/** Takes an unanswered question back; the custodian forgets both letters. */
export async function withdrawClaim(asking: Asking, claimId: string): Promise<CertifiedResult> {
  const { session, signer, key } = askerOf(asking);
  const call = { fn: 'claim.withdraw', args: { claimId } };
  const result = await session.client.submit(call, signer);
  await session.custodian.withdrawLetters({ key, receipt: result.receipt });
  return result;
}

export interface AnsweredClaim {
  readonly claim: Claim;
  /** The insurer's word as the ledger binds it; null where there is none, or it does not open. */
  readonly answer: ClaimAnswer | null;
  /** Why an answer that the ledger has cannot be shown; else null. */
  readonly problem: string | null;
}

/** All estimates and claims of the asker, oldest first, with their answers. */
export async function listClaims(asking: Asking): Promise<AnsweredClaim[]> {
  const { session, signer } = askerOf(asking);
  const pseudonyms = asking instanceof Clinician ? [undefined] : await asking.pseudonyms();
  const found: AnsweredClaim[] = [];
  for (const pseudonym of pseudonyms) {
    const args = pseudonym === undefined ? {} : { pseudonym };
    const call = { fn: 'claim.list', args, item: claimSchema, signer };
    for (const claim of await allEntries(session.client, call, { fresh: true })) {
      found.push({ claim, ...(await answerOf(asking, claim)) });
    }
  }
  return found;
}

/** The certified end of an estimate decides, not what a letter says of it. */
export function holdsUntil({ answer }: Claim, time: number): boolean {
  return answer?.decision === 'estimated' && time < (answer.validUntil ?? 0);
}

async function ask(
  asking: Asking,
  { insurer: wanted, until, policy, currency, lines }: AskTerms,
  plan: { kind: Claim['kind']; extra: Readonly<Record<string, string | Service>> },
): Promise<AskedClaim> {
  const { session, signer, key, root } = askerOf(asking);
  const { identity: insurer, encryptionKey } = await findGrantee(session, signer, wanted);
  const claimId = randomId();
  const secrets = replySecrets(root, { network: session.client.name, claimId });
  const { publicKey: replyKey } = await xWingKeyPair(secrets.seed);
  const parsed = claimRequestSchema.safeParse({
    format: 'carequorum-claim-1',
    ...{ claimId, kind: plan.kind, policy, currency, lines, replyKey },
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new SdkError('bad_input', `${issue?.path.join('.')}: ${issue?.message}.`, {
      nextStep: 'An insurer gets codes and amounts alone: no words, no names.',
    });
  }
  const letter = encodeLetter('request', parsed.data, randomBytes(COMMITMENT_SALT_BYTES));
  const network = session.client.name;
  const { sealed, digest } = await sealLetter(letter.bytes, {
    ...{ network, purpose: 'claim-request', about: claimId },
    ...{ recipient: insurer.subject, publicKey: encryptionKey },
  });
  const args = {
    ...{ claimId, insurer: insurer.subject, requestDigest: letter.commitment },
    ...{ letterId: randomId(), letterDigest: digest },
    ...{ answerId: randomId(), answerTo: letterBox(secrets.secret) },
    until: until ?? session.clock.now() + ANSWER_MS,
    ...plan.extra,
  };
  const fn = plan.kind === 'estimate' ? 'claim.estimate' : 'claim.submit';
  const result = await session.client.submit({ fn, args }, signer);
  await session.custodian.putLetter(sealed, { key, receipt: result.receipt });
  return { claimId, insurer, result };
}

/** The answer in the box of a claim, compared with what the insurer signed on the ledger. */
async function answerOf(
  asking: Asking,
  claim: Claim,
): Promise<{ answer: ClaimAnswer | null; problem: string | null }> {
  const given = claim.answer;
  const { session, key, roots } = askerOf(asking);
  const ids = { network: session.client.name, claimId: claim.id };
  // Keys may have been renewed since, and a patient cannot open what a pharmacy asked.
  const secrets = (await roots()).map((root) => replySecrets(root, ids));
  const own = secrets.find((one) => letterBox(one.secret) === claim.answerTo);
  if (given === null || !own) return { answer: null, problem: null };
  const { seed, secret } = own;
  const letters = await session.custodian.letters(key, secret);
  const letter = letters.find(({ letterId }) => letterId === claim.answerId);
  if (!letter) return { answer: null, problem: 'The custodian does not have the answer.' };
  try {
    const bytes = await openLetter(letter.sealed, {
      ...{ network: session.client.name, purpose: 'claim-answer', about: claim.id },
      ...{ recipient: claim.answerTo, seed, digest: given.letterDigest },
    });
    const { content, commitment } = decodeLetter('answer', bytes);
    const isBound =
      commitment === given.commitment &&
      content.claimId === claim.id &&
      content.requestDigest === claim.requestDigest &&
      content.decision === given.decision &&
      content.validUntil === given.validUntil;
    if (isBound) return { answer: content, problem: null };
    return { answer: null, problem: 'The letter says something else than the insurer signed.' };
  } catch (error) {
    const problem = error instanceof SdkError ? error.message : 'The letter is of another form.';
    return { answer: null, problem };
  }
}

interface Asker {
  readonly session: Session;
  readonly signer: RequestSigner;
  /** Proves possession to the custodian. */
  readonly key: SigningKey;
  /** What answers are derived from. */
  readonly root: Uint8Array;
  /** That, and those of before. */
  readonly roots: () => Promise<Uint8Array[]>;
}

function askerOf(asking: Asking): Asker {
  const { session, signer } = asking;
  if (asking instanceof Clinician) {
    const { signingKey: key, encryption } = asking.keystore;
    const roots = async () => (await asking.allKeys()).map((one) => one.encryption.seed);
    return { session, signer, key, root: encryption.seed, roots };
  }
  const { root, ownerKey: key } = asking;
  return { session, signer, key, root, roots: () => Promise.resolve([root]) };
}
