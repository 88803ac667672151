/** Studies: registered, approved and closed in the open; joined and left by patients. */
import { z } from 'zod';
import {
  participantSchema,
  releaseSchema,
  type Study,
  studySchema,
  type studyTerms,
} from '../lib/chaincode/study-values.ts';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { type StudyName, studyCommitment } from '../lib/research/participation.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import type { CallControl } from './network-client.ts';
import { allEntries, parseValue } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

export interface Looker {
  readonly session: Session;
  readonly signer: RequestSigner;
}

export type StudyTerms = { [Name in keyof typeof studyTerms]: z.infer<(typeof studyTerms)[Name]> };

const participationSchema = participantSchema.extend({
  studyId: z.string(),
  participant: z.string(),
});
export type Participation = z.infer<typeof participationSchema>;

const ownReleaseSchema = releaseSchema.extend({ published: z.boolean() });
/** A release of one's own record, as the patient sees it. */
type OwnRelease = z.infer<typeof ownReleaseSchema>;

/** A researcher registers a study; it opens once a quorum of hospitals approved it. */
export async function registerStudy(
  { session, signer }: Looker,
  studyId: string,
  terms: StudyTerms,
): Promise<CertifiedResult> {
  const { categories, quasi, sensitive, ...others } = terms;
  const lists = {
    categories: [...categories],
    quasi: [...quasi],
    sensitive: [...sensitive],
  };
  const call = { fn: 'study.register', args: { studyId, ...others, ...lists } };
  return session.client.submit(call, signer);
}

/** An operator approves, naming by its digest what the hospital's ethics committee decided. */
export async function approveStudy(
  { session, signer }: Looker,
  studyId: string,
  ethicsDigest: string,
): Promise<CertifiedResult> {
  const call = { fn: 'study.approve', args: { studyId, ethicsDigest } };
  return session.client.submit(call, signer);
}

/** Ends a study for good. */
export async function closeStudy(
  { session, signer }: Looker,
  studyId: string,
): Promise<CertifiedResult> {
  return session.client.submit({ fn: 'study.close', args: { studyId } }, signer);
}

/** Throws `not_found`. */
export async function studyById({ session, signer }: Looker, studyId: string): Promise<Study> {
  const call = { fn: 'study.get', args: { studyId } };
  try {
    const value = await session.client.query(call, signer, { fresh: true });
    return parseValue(studySchema, value, call.fn);
  } catch (cause) {
    if (reasonOf(cause) !== 'unknown_study') throw cause;
    throw new SdkError('not_found', `There is no study «${studyId}».`, {
      nextStep: 'See which there are: `carequorum study list`.',
      cause,
    });
  }
}

export async function allStudies(
  { session, signer }: Looker,
  control: CallControl = {},
): Promise<Study[]> {
  const query = { fn: 'study.list', item: studySchema, signer };
  return allEntries(session.client, query, { ...control, fresh: true });
}

/** How the patient takes part in a study; null where not at all. */
export async function participationIn(
  { session, signer }: Looker,
  studyId: string,
): Promise<Participation | null> {
  const call = { fn: 'study.mine', args: { studyId } };
  try {
    const value = await session.client.query(call, signer, { fresh: true });
    return parseValue(participationSchema, value, call.fn);
  } catch (error) {
    if (reasonOf(error) === 'not_joined') return null;
    throw error;
  }
}

/**
 * Takes part in a study, under a random name that is made once and kept for as long as the study
 * lasts. Null where the patient does already. Throws `not_found` or `refused`.
 */
export async function joinStudy(
  patient: Patient,
  studyId: string,
): Promise<CertifiedResult | null> {
  await studyById(patient, studyId);
  const commitment = studyCommitment(studyId, await studyNameOf(patient, studyId));
  const call = { fn: 'study.join', args: { studyId, commitment } };
  try {
    return await patient.session.client.submit(call, patient.signer);
  } catch (error) {
    if (reasonOf(error) === 'already_joined') return null;
    throw error;
  }
}

/** Leaves a study: nothing more is released, published or given out, and the custodian forgets. */
export async function leaveStudy(patient: Patient, studyId: string): Promise<CertifiedResult> {
  const { session, signer, ownerKey: key } = patient;
  const result = await session.client.submit({ fn: 'study.withdraw', args: { studyId } }, signer);
  await session.custodian.withdrawReleases({ key, receipt: result.receipt });
  return result;
}

/** Every release of the patient's records, under earlier pseudonyms too, oldest first. */
export async function ownReleases(
  patient: Patient,
  control: CallControl = {},
): Promise<OwnRelease[]> {
  const { session, signer } = patient;
  const found: OwnRelease[] = [];
  for (const pseudonym of await patient.pseudonyms()) {
    const query = { fn: 'release.mine', args: { pseudonym }, item: ownReleaseSchema, signer };
    found.push(...(await allEntries(session.client, query, { ...control, fresh: true })));
  }
  return found;
}

/** The name of the patient in a study, made and kept before anybody hears of it. */
async function studyNameOf(patient: Patient, studyId: string): Promise<StudyName> {
  const known = knownStudyName(patient, studyId);
  if (known) return known;
  const made = { pseudonym: randomId(), salt: randomBytes(COMMITMENT_SALT_BYTES) };
  const kept = { pseudonym: made.pseudonym, salt: toBase64url(made.salt) };
  await patient.update({ studies: { ...patient.data.studies, [studyId]: kept } });
  return made;
}

function knownStudyName(patient: Patient, studyId: string): StudyName | null {
  const known = patient.data.studies?.[studyId];
  return known ? { pseudonym: known.pseudonym, salt: fromBase64url(known.salt) } : null;
}
