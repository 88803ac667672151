/** Emergency access: a patient prepares it and keeps it alive; a clinician declares and reads. */
import { z } from 'zod';
import { handleDigest } from '../lib/chaincode/emergency.ts';
import {
  type Declaration,
  declarationSchema,
  type EmergencyReason,
  type EmergencyVerdict,
} from '../lib/chaincode/emergency-values.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { identityCommitment, type NamedPerson } from '../lib/membership/emergency.ts';
import type { Clinician } from './clinician.ts';
import {
  type EmergencySummary,
  NO_SUMMARY_TEXT,
  openSummary,
  sealSummary,
} from './emergency-summary.ts';
import { SdkError } from './errors.ts';
import {
  deliverEscrow,
  depositEscrow,
  eraseEscrow,
  escrowOwner,
  type EscrowOwner,
  escrowStanding,
  openEscrow,
} from './escrow.ts';
import { deliveryOfData, deliveryToData } from './escrow-delivery.ts';
import { reasonOf } from './http.ts';
import type { CallControl } from './network-client.ts';
import { allEntries, parseValue } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

/** How often a login looks whether the validators are still those of the deposit. */
const CHECK_MS = 3_600_000;
/** While a new deposit is handed over, a release of the one before may come too late. */
const RETRY_MS = 700;

export interface Prepared {
  /** What the card says, base64url. */
  readonly handle: string;
  readonly isNewCard: boolean;
  readonly result: CertifiedResult;
  /** Hospitals that did not take their share yet; the next login tries again. */
  readonly missing: readonly string[];
}

export interface PrepareOptions {
  /** The card before is void. */
  readonly newCard?: boolean | undefined;
  /** Only who has the card finds the summary. @default as before, at first by name as well */
  readonly cardOnly?: boolean | undefined;
}

/** Seals the summary, and puts its key into escrow. A first time, or `newCard`, makes a new card. */
export async function prepareEmergency(
  patient: Patient,
  summary: EmergencySummary,
  options: PrepareOptions = {},
): Promise<Prepared> {
  const known = patient.data.emergency;
  const isNewCard = options.newCard === true || known === undefined;
  const handle = isNewCard ? randomId() : known.handle;
  const secret = randomBytes(escrowBounds.secretBytes);
  const place = { network: patient.networkName, pseudonym: patient.pseudonym };
  const payload = await sealSummary(summary, secret, place);
  const checkedAt = patient.session.clock.now();
  const before = known?.atMembership ?? 'never';
  const isCardOnly = options.cardOnly ?? (before === 'never' && known !== undefined);
  const forgotten = before === 'never' ? 'never' : 'forget';
  const atMembership = isCardOnly ? forgotten : 'due';
  const base = { handle, summary, checkedAt, atMembership } as const;
  // Kept first: a card that the ledger names must never be forgotten here.
  await patient.keepEmergency({ ...base, checkedAt: 0, generation: 0, delivery: null });
  const { result, delivery } = await depositEscrow(
    escrowOwner(patient),
    {
      ...{ kind: 'emergency', fn: 'emergency.deposit', secret, payload },
      args: { handle: handleDigest(handle) },
    },
    (one) =>
      patient.keepEmergency({
        ...base,
        generation: one.generation,
        delivery: deliveryToData(one),
      }),
  );
  await tellMembership(patient);
  const missing = delivery.missing.map((one) => one.validator);
  return { handle, isNewCard, result, missing };
}

/** A service that is away is told at a later login: the card works without it. */
async function tellMembership(patient: Patient): Promise<void> {
  const { emergency, enrolment } = patient.data;
  const state = emergency?.atMembership;
  if (!emergency || !enrolment || (state !== 'due' && state !== 'forget')) return;
  try {
    await patient.session.membership.keepCard(
      enrolment.enrolmentId,
      patient.keystore.signingKey,
      state === 'due' ? handleDigest(emergency.handle) : null,
    );
  } catch (error) {
    if (!(error instanceof SdkError) || error.code === 'aborted') throw error;
    return;
  }
  const atMembership = state === 'due' ? 'told' : 'never';
  await patient.keepEmergency({ ...emergency, atMembership });
}

/** What a login did: nothing was due, a hospital got its share, all got new ones, or a new card. */
export type Maintained = 'none' | 'fine' | 'repaired' | 'renewed' | 'new-card' | 'withdrawn';

/**
 * Keeps emergency access alive: hands over what is missing, and deposits anew where the validators or
 * their keys changed, or a deposit broke off. A new pseudonym needs a new card.
 */
export async function maintainEmergency(patient: Patient): Promise<Maintained> {
  const data = patient.data.emergency;
  if (!data) return 'none';
  const now = patient.session.clock.now();
  let done: Maintained = 'fine';
  let { delivery } = data;
  let isStale = false;
  if (delivery) {
    const rest = await deliverEscrow(escrowOwner(patient), deliveryOfData(delivery));
    ({ isStale } = rest);
    if (rest.missing.length < delivery.missing.length) done = 'repaired';
    delivery = deliveryToData(rest);
    await patient.keepEmergency({ ...data, delivery });
  }
  await tellMembership(patient);
  if (!isStale && now - data.checkedAt < CHECK_MS) return done;
  const { escrow, isCurrent } = await escrowStanding(escrowOwner(patient), 'emergency');
  if (escrow?.ended) {
    await patient.keepEmergency(undefined);
    return 'withdrawn';
  }
  if (!isStale && isCurrent && escrow?.generation === data.generation) {
    await patient.keepEmergency({ ...(patient.data.emergency ?? data), delivery, checkedAt: now });
    return done;
  }
  try {
    const { isNewCard } = await prepareEmergency(patient, data.summary);
    return isNewCard ? 'new-card' : 'renewed';
  } catch (error) {
    // The card is of an earlier pseudonym, or was replaced elsewhere.
    if (!['handle_taken', 'handle_void'].includes(reasonOf(error) ?? '')) throw error;
    await prepareEmergency(patient, data.summary, { newCard: true });
    return 'new-card';
  }
}

/** Ends emergency access: the card is void, and hospitals erase; gives those that did not answer. */
export async function withdrawEmergency(
  patient: Patient,
): Promise<{ result: CertifiedResult; left: readonly string[] }> {
  const call = { fn: 'emergency.withdraw', args: {} };
  const result = await patient.session.client.submit(call, patient.signer);
  return { result, left: await forgetEmergency(patient, result) };
}

/**
 * What follows from a transaction that ended what the patient has in escrow, for good: validators
 * erase, the membership service forgets the card, and so does the keystore. Gives the validators that
 * did not answer; what they still hold is released to nobody.
 */
export async function forgetEmergency(
  patient: Patient,
  result: Pick<CertifiedResult, 'receipt' | 'value'>,
): Promise<string[]> {
  const left = await eraseEnded(escrowOwner(patient), result);
  const { emergency } = patient.data;
  if (!emergency) return left;
  if (emergency.atMembership !== 'never') {
    await patient.keepEmergency({ ...emergency, atMembership: 'forget' });
    await tellMembership(patient);
  }
  await patient.keepEmergency(undefined);
  return left;
}

const endedValue = z.object({ escrows: z.array(z.object({ escrowId: z.string() })) });

/**
 * Has every present validator erase what the receipt of a transaction ended (a withdrawal, a
 * rotation, an erasure). Gives those that did not.
 */
export async function eraseEnded(
  owner: Omit<EscrowOwner, 'signer'>,
  { receipt, value }: Pick<CertifiedResult, 'receipt' | 'value'>,
): Promise<string[]> {
  const { escrows } = endedValue.parse(value);
  const holders = owner.session.client.validators.map(({ id }) => id);
  const left = await Promise.all(
    escrows.map(({ escrowId }) => eraseEscrow(owner, { receipt, escrowId, holders })),
  );
  return [...new Set(left.flat())];
}

const declaredValue = z.object({
  declarationId: z.string(),
  until: z.int(),
  status: z.enum(['open', 'unbound']),
});

export interface Declared {
  readonly declarationId: string;
  /** Until when the summary can be opened, milliseconds. */
  readonly until: number;
  readonly result: CertifiedResult;
}

/** Declares an emergency by what the patient's card says. Throws `refused`. */
export async function declareByCard(
  { session, signer }: Clinician,
  { handle, reason }: { handle: string; reason: EmergencyReason },
): Promise<Declared> {
  const args = { declarationId: randomId(), reason, handle };
  const result = await withoutSummary(() =>
    session.client.submit({ fn: 'emergency.declare', args }, signer),
  );
  return declaredOf(result);
}

/**
 * Declares an emergency about somebody who has no card at hand. The ledger gets a commitment alone;
 * the membership service names the card there. Throws `refused`, or `problem` with `no_card`.
 */
export async function declareByName(
  clinician: Clinician,
  { person, reason }: { person: NamedPerson; reason: EmergencyReason },
): Promise<Declared> {
  const { session, signer, keystore } = clinician;
  const salt = randomBytes(COMMITMENT_SALT_BYTES);
  const declarationId = randomId();
  const args = { declarationId, reason, identity: identityCommitment(person, salt) };
  return withoutSummary(async () => {
    const { receipt } = await session.client.submit({ fn: 'emergency.declare', args }, signer);
    const asked = { receipt, person, salt };
    const bound = await session.membership.bindEmergency(asked, keystore.signingKey);
    if (bound === null) return accessAgain(clinician, declarationId);
    const result = await session.client.certified(bound);
    const { status, value } = result;
    const isOurs = declaredValue.safeParse(value).data?.declarationId === declarationId;
    if (status === 'COMMITTED' && isOurs) return declaredOf(result);
    return accessAgain(clinician, declarationId);
  });
}

/** Opens once more under a declaration of one's own that is not over. Throws `refused`. */
export async function accessAgain(
  { session, signer }: Clinician,
  declarationId: string,
): Promise<Declared> {
  const call = { fn: 'emergency.access', args: { declarationId } };
  return declaredOf(await withoutSummary(() => session.client.submit(call, signer)));
}

export interface ReadSummary {
  readonly summary: EmergencySummary;
  /** Hospitals whose shares opened it. */
  readonly from: readonly string[];
  /** Hospitals that gave what is not theirs to give. */
  readonly liars: readonly string[];
}

/**
 * Opens the summary with the shares of n − f hospitals. There is no other answer than a summary: where
 * it does not come, the error says that nothing may be concluded from that.
 */
export async function readSummary(
  clinician: Clinician,
  { result, declarationId }: Declared,
): Promise<ReadSummary> {
  return withoutSummary(async () => {
    try {
      return await open(clinician, result);
    } catch (error) {
      if (!isBetweenDeposits(error)) throw error;
      await clinician.session.clock.sleep(RETRY_MS);
      const again = await accessAgain(clinician, declarationId);
      return open(clinician, again.result);
    }
  });
}

const patientValue = z.object({ pseudonym: z.string() });

async function open(clinician: Clinician, result: CertifiedResult): Promise<ReadSummary> {
  const { session, keystore } = clinician;
  const { signingKey: key, encryption } = keystore;
  const { secret, payload, from, liars } = await openEscrow({ session, key, encryption }, result);
  const { pseudonym } = parseValue(patientValue, result.value, 'emergency.declare');
  const place = { network: session.client.name, pseudonym };
  return { summary: await openSummary(payload, secret, place), from, liars };
}

/** Some hospitals hold the deposit before the one that the receipt names, or after it. */
function isBetweenDeposits(error: unknown): boolean {
  if (!(error instanceof SdkError)) return false;
  const failures = error.details['failures'];
  const words = Array.isArray(failures) ? failures.join(' ') : '';
  return /escrow_(missing|superseded)/.test(words);
}

/** Whatever goes wrong, nobody may take it for an empty summary. */
async function withoutSummary<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SdkError) || error.message.includes(NO_SUMMARY_TEXT)) throw error;
    const { code, nextStep, details, cause } = error;
    const options = { nextStep, details, cause: cause ?? error };
    throw new SdkError(code, `${error.message} ${NO_SUMMARY_TEXT}`, options);
  }
}

function declaredOf(result: CertifiedResult): Declared {
  const { declarationId, until } = parseValue(declaredValue, result.value, 'emergency.declare');
  return { declarationId, until, result };
}

const listedSchema = declarationSchema.extend({ isOver: z.boolean(), isOverdue: z.boolean() });
/** A declaration, with what follows from the time. */
export type ListedDeclaration = Declaration & { isOver: boolean; isOverdue: boolean };

/** Declarations that the signer may see, oldest first, without a gap. */
export async function listDeclarations(
  { client }: Session,
  signer: RequestSigner,
  control: CallControl = {},
): Promise<ListedDeclaration[]> {
  const query = { fn: 'emergency.list', item: listedSchema, signer };
  return allEntries(client, query, { ...control, fresh: true });
}

/** Says whether a declaration was justified. Throws `refused`. */
export async function reviewDeclaration(
  { client }: Session,
  signer: RequestSigner,
  review: { declarationId: string; verdict: EmergencyVerdict },
): Promise<CertifiedResult> {
  return client.submit({ fn: 'emergency.review', args: { ...review } }, signer);
}
