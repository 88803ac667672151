/** A researcher's download: data of people without names, each datum with where it came from. */
import { z } from 'zod';
import { type ReleaseEntry, releaseEntrySchema } from '../lib/chaincode/study-values.ts';
import { digestOfRows } from '../lib/records/release-rows.ts';
import { digestOfSealed, type SealedText } from '../lib/records/sealed.ts';
import { studyCommitment } from '../lib/research/participation.ts';
import {
  type PublishedRow,
  type ReleasePayload,
  unpackPayload,
  unpackPublishedRow,
} from '../lib/research/rows.ts';
import type { Clinician } from './clinician.ts';
import { SdkError } from './errors.ts';
import { parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import { openFor, studyInfo } from './releases.ts';

/** Cleaned data of one record, with what the ledger proves of its source. */
interface Datum {
  readonly sequence: number;
  readonly payload: ReleasePayload;
  readonly source: ReleaseEntry['source'];
  readonly releasedBy: ReleaseEntry['releasedBy'];
}

/** One person of a publication. */
export interface PublishedPatient {
  readonly row: PublishedRow;
  readonly data: readonly Datum[];
}

export interface FetchedPublication {
  readonly patients: readonly PublishedPatient[];
  /** The certified decision, with the receipt that opened it. */
  readonly access: CertifiedResult;
}

const accessValue = z.object({
  rowsDigest: z.string(),
  members: z.array(z.object({ participant: z.string(), releases: z.array(z.int()) })),
});

/**
 * Fetches a publication. Every datum is compared with its entry on the ledger, which names the
 * hospital and the role of whoever registered the record. Throws `refused`, `mismatch` or
 * `not_readable`.
 */
export async function fetchPublication(
  researcher: Clinician,
  studyId: string,
  batch: number,
): Promise<FetchedPublication> {
  const { session, signer, keystore } = researcher;
  const call = { fn: 'release.access', args: { studyId, batch } };
  const access = await session.client.submit(call, signer);
  const { rowsDigest, members: wanted } = parseValue(accessValue, access.value, call.fn);
  const permit = { key: keystore.signingKey, receipt: access.receipt };
  const { members, digests } = await session.custodian.publication(permit);
  if (members.length > 0 && digestOfRows(digests) !== rowsDigest) {
    throw mismatch('The custodian gives other rows than the coordinator published.');
  }
  const named = new Map(digests.map(({ participant, digest }) => [participant, digest]));
  const permitted = new Map(wanted.map((one) => [one.participant, one.releases]));
  const sequences = members.flatMap(({ releases }) => releases.map((one) => one.sequence));
  const entries = await entriesOf(researcher, { studyId, batch }, sequences);
  const patients: PublishedPatient[] = [];
  for (const { participant, row, releases } of members) {
    if (named.get(participant) !== digestOfSealed(row) || !permitted.has(participant)) {
      throw mismatch('The custodian gives a row that is not of this publication.');
    }
    const opened = unpackPublishedRow(await open(researcher, 'published-row', studyId, row));
    const data: Datum[] = [];
    for (const { sequence, payload } of releases) {
      const entry = entries.get(sequence);
      data.push(
        await datumOf(researcher, { studyId, participant, opened, sequence, payload, entry }),
      );
    }
    patients.push({ row: opened, data });
  }
  return { patients, access };
}

const entriesValue = z.object({
  items: z.array(releaseEntrySchema.extend({ sequence: z.int() })),
});
const ENTRIES_PAGE = 100;

/** Entries of the ledger, proven, by their numbers. */
async function entriesOf(
  { session, signer }: Clinician,
  publication: { studyId: string; batch: number },
  sequences: readonly number[],
): Promise<Map<number, ReleaseEntry>> {
  const found = new Map<number, ReleaseEntry>();
  for (let at = 0; at < sequences.length; at += ENTRIES_PAGE) {
    const args = { ...publication, sequences: sequences.slice(at, at + ENTRIES_PAGE) };
    const call = { fn: 'release.entries', args };
    const value = await session.client.query(call, signer, { fresh: true });
    for (const { sequence, ...entry } of parseValue(entriesValue, value, call.fn).items) {
      found.set(sequence, entry);
    }
  }
  return found;
}

interface Unproven {
  studyId: string;
  participant: string;
  opened: PublishedRow;
  sequence: number;
  payload: SealedText;
  entry: ReleaseEntry | undefined;
}

/** Opens one datum, if it is what the ledger names, of the one whom the row names. */
async function datumOf(researcher: Clinician, one: Unproven): Promise<Datum> {
  const { studyId, participant, opened, sequence, payload, entry } = one;
  const name = { pseudonym: opened.pseudonym, salt: opened.pseudonymSalt };
  const isProven =
    entry?.participant === participant &&
    entry.payloadDigest === digestOfSealed(payload) &&
    entry.commitment === studyCommitment(studyId, name);
  if (!entry || !isProven) {
    throw mismatch(`Release ${sequence} is not what the ledger names.`);
  }
  const bytes = await open(researcher, 'release', studyId, payload);
  const { source, releasedBy } = entry;
  return { sequence, payload: await unpackPayload(bytes), source, releasedBy };
}

async function open(
  researcher: Clinician,
  purpose: 'release' | 'published-row',
  studyId: string,
  sealed: SealedText,
): Promise<Uint8Array> {
  const { session, data } = researcher;
  const info = studyInfo(session.client.name, purpose, studyId, data.enrolment?.subject ?? '');
  try {
    return await openFor(researcher, info, sealed);
  } catch (cause) {
    throw new SdkError('not_readable', 'This keystore does not open what was published.', {
      nextStep: 'It was sealed to another key: tell the coordinator of the study.',
      cause,
    });
  }
}

function mismatch(message: string): SdkError {
  return new SdkError('mismatch', message, {
    nextStep: 'Use none of it; tell the coordinator and the custodian.',
  });
}
