/** What a grant hands over, sealed to whom it is for: only what is granted, and no more. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import type { Right } from '../lib/chaincode/fields.ts';
import { lookupKey, monthOf, monthRange } from './category-keys.ts';
import { SdkError } from './errors.ts';
import type { Patient } from './patient.ts';
import { type Revisions, revisionAt } from './publication.ts';
import type { Recipient } from './recipients.ts';
import { sealShare, type Share, SHARE_SEEDS_MAX } from './seal.ts';
import type { SealedText } from '../lib/records/sealed.ts';

type ShareSeed = Share['categories'][number]['seeds'][number];

/** The terms that say what a share holds. */
export interface SealTerms {
  readonly rights: readonly Right[];
  /** Names of categories. */
  readonly categories: readonly string[];
  readonly until: number;
  /** With `share`: the study, which the patient has joined. */
  readonly study?: string | null | undefined;
}

/** Seeds beyond this many months are not handed over; nobody knows the keys of then. */
const MONTHS_MAX = 240;
/** The end of the year 9999: months have four digits of year. */
const LAST_TIME = 253_402_300_799_000;

export interface SealedGrant {
  readonly sealed: SealedText;
  /** As the ledger takes it. */
  readonly args: { shareDigest: string; teamEpoch?: number };
}

/** Seals what these terms hand over. Throws `bad_input` where it would be too much at once. */
export async function sealGrant(
  patient: Patient,
  permissionId: string,
  { terms, to, revisions }: { terms: SealTerms; to: Recipient; revisions: Revisions },
): Promise<SealedGrant> {
  const share = shareOf(patient, permissionId, terms, revisions);
  const { id: grantee, encryptionKey: publicKey, teamEpoch } = to;
  const network = patient.networkName;
  const { sealed, digest } = await sealShare(share, { publicKey, network, grantee });
  const args = { shareDigest: digest, ...(teamEpoch === null ? {} : { teamEpoch }) };
  return { sealed, args };
}

/** Months in which a reader may meet records: from the registration to the end of the grant. */
export function seededMonths(patient: Patient, { until }: { until: number }): string[] {
  const now = monthOf(patient.session.clock.now());
  const first = patient.data.registered?.month ?? now;
  const last = lastMonthOf(until);
  return monthRange(first, last < now ? now : last).slice(0, MONTHS_MAX);
}

/** The month of the last moment before `until`. */
export function lastMonthOf(until: number): string {
  return monthOf(Math.min(until, LAST_TIME) - 1);
}

/** Pseudonym and tags for every right; lookup key and seeds only with `read`. */
function shareOf(
  patient: Patient,
  permissionId: string,
  terms: SealTerms,
  revisions: Revisions,
): Share {
  const isReader = terms.rights.includes('read');
  const months = isReader ? seededMonths(patient, terms) : [];
  const now = monthOf(patient.session.clock.now());
  const categories = terms.categories.map((name) => {
    const tag = patient.tag(name);
    const seeds = months.flatMap((month) => {
      const newest = revisionAt(revisions, tag, month);
      // Records of months to come can only be under the newest key; those of the past, under any.
      const oldest = month > now ? newest : 0;
      return Array.from({ length: newest - oldest + 1 }, (_, index): ShareSeed => {
        const revision = oldest + index;
        return [month, revision, patient.seed(name, { month, revision })];
      });
    });
    return { name, tag, seeds };
  });
  const count = categories.reduce((sum, one) => sum + one.seeds.length, 0);
  if (count > SHARE_SEEDS_MAX) {
    throw new SdkError('bad_input', 'This grant would hand over too many keys at once.', {
      nextStep: 'Grant fewer categories or a shorter time.',
    });
  }
  const study = studyOf(patient, terms);
  return {
    format: 'carequorum-share-1',
    permissionId,
    pseudonym: patient.pseudonym,
    patient: patient.data.uii.name ?? '',
    lookupKey: isReader ? lookupKey(patient.root) : null,
    ...(study === null ? {} : { study }),
    categories,
  };
}

/** The patient's name in the study that is shared to. */
function studyOf(patient: Patient, { rights, study }: SealTerms): Share['study'] | null {
  if (!rights.includes('share') || study === undefined || study === null) return null;
  const name = patient.data.studies?.[study];
  if (!name) return null;
  return { id: study, pseudonym: name.pseudonym, salt: fromBase64url(name.salt) };
}
