/** Releasing records to a study: read, cleaned, sealed, and recorded on the ledger. */
import { z } from 'zod';
import type { Study } from '../lib/chaincode/study-values.ts';
import type { MedicalRecord } from '../lib/chaincode/values.ts';
import { COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { randomBytes, randomId } from '../lib/crypto/random.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  digestOfSealed,
  fromSealedText,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { cleanDocument } from '../lib/research/clean.ts';
import type { Cleaned, RefusalCode } from '../lib/research/cleaned.ts';
import { packPayload, packRow } from '../lib/research/rows.ts';
import type { Clinician, ReceivedGrant } from './clinician.ts';
import { findGrantee, findIdentity, type Grantee } from './directory.ts';
import { SdkError } from './errors.ts';
import { parseValue } from './pages.ts';
import type { DocumentSink } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import { readDocument } from './read.ts';
import { recordsUnder } from './record-lists.ts';
import type { Share } from './seal.ts';
import { type Looker, studyById } from './studies.ts';

/** What became of one record. */
export type Released =
  | {
      readonly kind: 'released';
      readonly recordId: string;
      readonly releaseId: string;
      readonly result: CertifiedResult;
      readonly omitted: Extract<Cleaned, { kind: 'clean' }>['omitted'];
    }
  | {
      readonly kind: 'refused';
      readonly recordId: string;
      readonly code: RefusalCode | 'too_large';
      readonly why: string;
    };

/** Bytes of a document that is looked at whole. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;

/** The people of a study with the keys that are sealed to, proven by the ledger. */
export interface StudyPeople {
  readonly study: Study;
  readonly researcher: Grantee;
  readonly coordinator: Grantee;
}

/** Throws `not_found` or `mismatch`. */
export async function studyPeople(looker: Looker, studyId: string): Promise<StudyPeople> {
  const study = await studyById(looker, studyId);
  return {
    study,
    researcher: await granteeOf(looker, study.researcher),
    coordinator: await granteeOf(looker, study.coordinator),
  };
}

/**
 * Releases a record to a study: what cannot be cleaned is not released, and says why. Throws
 * `refused` where the patient did not let this doctor share it.
 */
export async function releaseRecord(
  doctor: Clinician,
  people: StudyPeople,
  record: MedicalRecord,
): Promise<Released> {
  const { session } = doctor;
  const name = await studyNameFor(doctor, people.study.id, record);
  const bytes = await contentOf(doctor, record);
  const cleaned = cleanDocument(bytes, new Date(session.clock.now()).getUTCFullYear());
  const recordId = record.id;
  if (cleaned.kind === 'refused') return { ...cleaned, recordId };
  const sealed = await seal(doctor, people, { cleaned, name });
  if (sealed === null) {
    const why = 'what is left of it is larger than one release may be';
    return { kind: 'refused', recordId, code: 'too_large', why };
  }
  const releaseId = randomId();
  const { row, payload, rowCommitment } = sealed;
  const args = {
    ...{ releaseId, studyId: people.study.id, recordId, rowCommitment },
    ...{ rowDigest: digestOfSealed(row), payloadDigest: digestOfSealed(payload) },
  };
  const result = await session.client.submit({ fn: 'release.submit', args }, doctor.signer);
  const permit = { key: doctor.keystore.signingKey, receipt: result.receipt };
  await session.custodian.putRelease({ row, payload }, permit);
  return { kind: 'released', recordId, releaseId, result, omitted: cleaned.omitted };
}

/** Records that this doctor may release to a study now, and nobody released before. */
export async function releasable(doctor: Clinician, study: Study): Promise<MedicalRecord[]> {
  const found = new Map<string, MedicalRecord>();
  const shared = (await doctor.liveGrants()).filter((one) => isFor(one, study.id));
  for (const { permission, share } of shared) {
    const tags = share.categories.filter(({ name }) => study.categories.includes(name));
    for (const { tag } of tags) {
      for (const record of await recordsUnder(doctor, permission, tag)) {
        const isWhole = record.stored !== null && record.erased === null;
        const isPresent = record.supersededBy === null && record.review !== 'disputed';
        if (isWhole && isPresent) found.set(record.id, record);
      }
    }
  }
  const known = await releasedBefore(doctor, study.id, [...found.keys()]);
  return [...found.values()].filter(({ id }) => !known.has(id));
}

const knownValue = z.object({ recordIds: z.array(z.string()) });
const KNOWN_PAGE = 50;

/** Records that went to the study before, by whomever. */
async function releasedBefore(
  { session, signer }: Clinician,
  studyId: string,
  recordIds: readonly string[],
): Promise<Set<string>> {
  const known = new Set<string>();
  for (let at = 0; at < recordIds.length; at += KNOWN_PAGE) {
    const args = { studyId, recordIds: recordIds.slice(at, at + KNOWN_PAGE) };
    const call = { fn: 'release.known', args };
    const value = await session.client.query(call, signer, { fresh: true });
    for (const id of parseValue(knownValue, value, call.fn).recordIds) known.add(id);
  }
  return known;
}

export function studyInfo(
  network: string,
  purpose: 'release-row' | 'release' | 'published-row',
  studyId: string,
  recipient: string,
): Uint8Array {
  return hpkeInfo({ network, purpose, subject: studyId, recipient });
}

/** Seals for a person of a study. */
export async function sealFor(
  { encryptionKey }: Grantee,
  info: Uint8Array,
  plaintext: Uint8Array,
): Promise<SealedText> {
  return toSealedText(await hpkeSeal(encryptionKey, { info, aad: new Uint8Array(), plaintext }));
}

/** Opens what was sealed to a person of a study, to the present key or to one before it. */
export async function openFor(
  clinician: Clinician,
  info: Uint8Array,
  sealed: SealedText,
): Promise<Uint8Array> {
  let failure: unknown;
  for (const { encryption } of (await clinician.allKeys()).reverse()) {
    try {
      const message = { ...fromSealedText(sealed), info, aad: new Uint8Array() };
      return await hpkeOpen(encryption.seed, message);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Both parts of a release; null where the data is too much. */
async function seal(
  doctor: Clinician,
  { study, researcher, coordinator }: StudyPeople,
  {
    cleaned,
    name,
  }: { cleaned: Extract<Cleaned, { kind: 'clean' }>; name: Share['study'] & object },
): Promise<{ row: SealedText; payload: SealedText; rowCommitment: string } | null> {
  const network = doctor.session.client.name;
  const { quasi, codes, format: kind, content, omitted } = cleaned;
  const told = {
    birthYear: study.quasi.includes('birth-year') ? quasi.birthYear : null,
    sex: study.quasi.includes('sex') ? quasi.sex : null,
    postcode: study.quasi.includes('postcode') ? quasi.postcode : null,
  };
  const packed = packRow(
    {
      format: 'carequorum-release-row-1',
      ...{ study: study.id, pseudonym: name.pseudonym, pseudonymSalt: name.salt, quasi: told },
      sensitive: study.sensitive.filter((code) => codes.includes(code)),
    },
    randomBytes(COMMITMENT_SALT_BYTES),
  );
  const text = JSON.stringify(content);
  const plaintext = await packPayload({
    format: 'carequorum-release-1',
    ...{ study: study.id, kind, content: text, omitted: [...omitted] },
  });
  if (plaintext.length > recordsBounds.releaseBytesMax - 64) return null;
  const rowInfo = studyInfo(network, 'release-row', study.id, study.coordinator);
  const info = studyInfo(network, 'release', study.id, study.researcher);
  return {
    row: await sealFor(coordinator, rowInfo, packed.bytes),
    payload: await sealFor(researcher, info, plaintext),
    rowCommitment: packed.commitment,
  };
}

/** The patient's name in the study, as a grant for it handed it over. */
async function studyNameFor(
  doctor: Clinician,
  studyId: string,
  record: MedicalRecord,
): Promise<Share['study'] & object> {
  const grants = (await doctor.grants()).filter((one) => isFor(one, studyId));
  const own = grants.filter(({ permission }) => permission.pseudonym === record.pseudonym);
  const name = own.findLast(({ share }) => share?.study?.id === studyId)?.share?.study;
  if (name) return name;
  throw new SdkError('not_found', `No patient let you release this record to ${studyId}.`, {
    nextStep: 'Ask the patient: `carequorum grant --rights read,share --study … --anonymise`.',
    details: { recordId: record.id },
  });
}

function isFor({ permission }: ReceivedGrant, studyId: string): boolean {
  return permission.rights.includes('share') && permission.study === studyId;
}

/** The document in memory: it is looked at whole. */
async function contentOf(doctor: Clinician, record: MedicalRecord): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const sink: DocumentSink = {
    write: async (bytes) => {
      chunks.push(bytes.slice());
    },
    keep: async () => 'memory',
    discard: async () => undefined,
  };
  if (record.ciphertextLength > DOCUMENT_BYTES_MAX) {
    throw new SdkError('bad_input', 'This record is too large to be cleaned.', {
      nextStep: 'Release smaller records.',
      details: { recordId: record.id },
    });
  }
  await readDocument(await doctor.reader('RESCH'), record, async () => sink);
  const bytes = new Uint8Array(chunks.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

async function granteeOf({ session, signer }: Looker, subject: string): Promise<Grantee> {
  const { name } = await findIdentity(session, signer, { subject });
  return findGrantee(session, signer, { name, subject });
}
