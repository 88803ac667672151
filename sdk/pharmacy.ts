/** A pharmacist: opens what patients gave, compares it with the ledger, and hands out once. */
import { z } from 'zod';
import {
  type Dispensing,
  dispensingSchema,
  type Prescription,
  prescriptionSchema,
} from '../lib/chaincode/prescription-values.ts';
import { objectionToFill } from '../lib/chaincode/prescription-fill.ts';
import {
  contentCommitment,
  decodeContent,
  type OpenedContent,
  openedDigest,
} from '../lib/connected/prescription-content.ts';
import { randomId } from '../lib/crypto/random.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import type { Clinician } from './clinician.ts';
import { SdkError } from './errors.ts';
import { openLetter } from './letters.ts';
import { allEntries } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';

const DAY_MS = 86_400_000;
const receivedSchema = z.object({
  prescription: prescriptionSchema,
  dispensing: dispensingSchema,
});

export interface ReceivedPrescription {
  readonly prescription: Prescription;
  readonly dispensing: Dispensing;
  /** Null where nothing is there that opens and is what was prescribed. */
  readonly opened: OpenedContent | null;
  /** Why not, in words; null where it is opened. */
  readonly problem: string | null;
}

/** Prescriptions that patients gave and did not take back, newest last, each compared. */
export async function receivedPrescriptions(
  pharmacist: Clinician,
): Promise<ReceivedPrescription[]> {
  const { session, signer } = pharmacist;
  const call = { fn: 'prescription.received', item: receivedSchema, signer };
  const all = await allEntries(session.client, call, { fresh: true });
  const letters = new Map<string, { sealed: SealedText; seed: Uint8Array }>();
  for (const { signingKey, encryption } of await pharmacist.allKeys()) {
    for (const { letterId, sealed } of await session.custodian.letters(signingKey)) {
      letters.set(letterId, { sealed, seed: encryption.seed });
    }
  }
  const live = all.filter(({ dispensing }) => dispensing.recalled === null);
  return Promise.all(
    live.map(async (one) => ({
      ...one,
      ...(await opened(pharmacist, one, letters.get(one.dispensing.letterId))),
    })),
  );
}

/**
 * Hands out, whole or a part. What is signed shows the patient that the right content was opened.
 * Throws `mismatch` before anything is signed where the letter is not what was prescribed.
 */
export async function fillPrescription(
  pharmacist: Clinician,
  received: ReceivedPrescription,
  quantity: number,
): Promise<{ fillId: string; result: CertifiedResult }> {
  const { prescription } = received;
  if (received.opened === null) {
    throw new SdkError('mismatch', received.problem ?? 'The prescription does not open.', {
      nextStep: 'Hand nothing out. Ask the patient to give it again, then the prescriber.',
      details: { prescriptionId: prescription.id },
    });
  }
  const fillId = randomId();
  const subject = subjectOf(pharmacist);
  const args = {
    ...{ prescriptionId: prescription.id, fillId, quantity },
    dispensedBefore: prescription.dispensed,
    opened: openedDigest(received.opened, { fillId, pharmacist: subject }),
  };
  const { session, signer } = pharmacist;
  const result = await session.client.submit({ fn: 'prescription.fill', args }, signer);
  return { fillId, result };
}

/** Units that may be handed out now, and why none. */
export function fillableNow(
  prescription: Prescription,
  time: number,
): { units: number; reason: string | null; nextAt: number | null } {
  const { quantity, dispensed, fillBegan, intervalMs } = prescription;
  const units = quantity - (dispensed % quantity);
  const wanted = { time, quantity: units, dispensedBefore: dispensed };
  const reason = objectionToFill(prescription, wanted);
  const isEarly = reason === 'refill_too_early' && fillBegan !== null;
  const nextAt = isEarly ? fillBegan.time + intervalMs : null;
  return { units: reason === null ? units : 0, reason, nextAt };
}

export function subjectOf(person: Clinician): string {
  const subject = person.data.enrolment?.subject;
  if (subject !== undefined) return subject;
  throw new SdkError('wrong_keystore', 'This keystore is not enrolled.', {
    nextStep: 'Enrol first: `carequorum enrol`.',
  });
}

async function opened(
  pharmacist: Clinician,
  { prescription, dispensing }: z.infer<typeof receivedSchema>,
  letter: { sealed: SealedText; seed: Uint8Array } | undefined,
): Promise<Pick<ReceivedPrescription, 'opened' | 'problem'>> {
  if (!letter) return { opened: null, problem: 'The custodian has nothing for it.' };
  try {
    const bytes = await openLetter(letter.sealed, {
      ...{ network: pharmacist.session.client.name, purpose: 'prescription' },
      ...{ about: prescription.id, recipient: subjectOf(pharmacist) },
      ...{ seed: letter.seed, digest: dispensing.letterDigest },
    });
    const found = decodeContent(bytes);
    return isOf(prescription, found)
      ? { opened: found, problem: null }
      : { opened: null, problem: 'It is not what the doctor prescribed: somebody changed it.' };
  } catch (error) {
    if (error instanceof SdkError) return { opened: null, problem: error.message };
    return { opened: null, problem: 'The letter is of another form.' };
  }
}

/** The commitment binds the content; the counts that are read must be those that are counted. */
function isOf(prescription: Prescription, found: OpenedContent): boolean {
  const { content } = found;
  return (
    content.prescriptionId === prescription.id &&
    contentCommitment(found) === prescription.commitment &&
    content.quantity === prescription.quantity &&
    content.fills === prescription.fills &&
    content.intervalDays * DAY_MS === prescription.intervalMs
  );
}
