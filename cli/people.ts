/** People and records by name: who acted, and whose records. */
import type { MedicalRecord } from '../lib/chaincode/values.ts';
import { type Clinician, type ReceivedGrant } from '../sdk/clinician.ts';
import {
  findGrantee,
  findIdentity,
  type LedgerIdentity,
  type PersonQuery,
} from '../sdk/directory.ts';
import { SdkError } from '../sdk/errors.ts';
import type { Session } from '../sdk/session.ts';
import type { RequestSigner } from '../sdk/signing.ts';
import type { Person } from './context.ts';

/** Identities of subjects, each proven by the ledger; unknown ones are left out. */
export async function identitiesOf(
  session: Session,
  signer: RequestSigner,
  subjects: Iterable<string>,
): Promise<ReadonlyMap<string, LedgerIdentity>> {
  const found = new Map<string, LedgerIdentity>();
  for (const subject of new Set(subjects)) {
    try {
      found.set(subject, await findIdentity(session, signer, { subject }));
    } catch (error) {
      if (!(error instanceof SdkError) || error.code !== 'not_found') throw error;
    }
  }
  return found;
}

export function personText({
  name,
  role,
  hospital,
}: Pick<LedgerIdentity, 'name' | 'role' | 'hospital'>): string {
  if (role === 'custodian') return 'the custodian';
  return `${name} (${hospital === null ? role : `${role}, ${hospital}`})`;
}

/** A patient as a clinician knows one: by what was granted. */
export interface KnownPatient {
  readonly pseudonym: string;
  /** What the patient wants to be called; may be empty. */
  readonly name: string;
  readonly grants: readonly ReceivedGrant[];
}

export async function knownPatients(clinician: Clinician): Promise<KnownPatient[]> {
  const byPseudonym = new Map<string, ReceivedGrant[]>();
  for (const one of await clinician.grants({ reload: true })) {
    const { pseudonym } = one.permission;
    byPseudonym.set(pseudonym, [...(byPseudonym.get(pseudonym) ?? []), one]);
  }
  return [...byPseudonym].map(([pseudonym, grants]) => {
    const name = grants.findLast(({ share }) => share !== null && share.patient !== '');
    return { pseudonym, name: name?.share?.patient ?? '', grants };
  });
}

/** The patient whom a pseudonym, its start or a name means. Throws `not_found` or `bad_input`. */
export function patientNamed(known: readonly KnownPatient[], wanted: string): KnownPatient {
  const folded = wanted.normalize('NFKC').toLowerCase();
  const fitting = known.filter(
    ({ pseudonym, name }) =>
      pseudonym.startsWith(wanted) || name.normalize('NFKC').toLowerCase() === folded,
  );
  const [first, ...others] = fitting;
  if (first && others.length === 0) return first;
  if (first) {
    throw new SdkError('bad_input', `«${wanted}» means ${fitting.length} patients.`, {
      nextStep: 'Give the pseudonym: `carequorum records` lists those of your patients.',
    });
  }
  throw new SdkError('not_found', `No patient «${wanted}» gave you a permission.`, {
    nextStep: 'See with `carequorum records` who did, or ask the patient to grant.',
  });
}

/** An NPI of ten digits, or a full name. */
export function personQuery(text: string): PersonQuery {
  return /^\d{10}$/.test(text) ? { npi: text } : { name: text };
}

/** A clinician by NPI or full name, proven by the ledger. Throws as `findGrantee` does. */
export async function clinicianNamed(
  { session, signer }: { session: Session; signer: RequestSigner },
  wanted: string,
): Promise<LedgerIdentity> {
  return (await findGrantee(session, signer, personQuery(wanted))).identity;
}

/** The one whose id starts with `wanted`. Throws `not_found` or `bad_input`. */
export function byId<T extends { readonly id: string }>(
  all: readonly T[],
  wanted: string,
  { what, listedBy }: { what: string; listedBy: string },
): T {
  const fitting = all.filter(({ id }) => id.startsWith(wanted));
  const [first, ...others] = fitting;
  if (first && others.length === 0) return first;
  const isMany = first !== undefined;
  throw new SdkError(
    isMany ? 'bad_input' : 'not_found',
    isMany ? `${fitting.length} ids start with ${wanted}.` : `There is no ${what} ${wanted}.`,
    { nextStep: isMany ? 'Give more of the id.' : `See \`${listedBy}\`.` },
  );
}

/** Names of categories by tag, from what was granted. */
export function grantedNames(grants: readonly ReceivedGrant[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { share } of grants) {
    for (const { tag, name } of share?.categories ?? []) names.set(tag, name);
  }
  return names;
}

/** Records that a set of terms covers. */
export function coveredBy(
  records: readonly MedicalRecord[],
  terms: {
    readonly tags: ReadonlySet<string>;
    readonly dataFrom?: string | null | undefined;
    readonly dataUntil?: string | null | undefined;
  },
): MedicalRecord[] {
  return records.filter(
    ({ categoryTag, dataMonth, supersededBy }) =>
      terms.tags.has(categoryTag) &&
      supersededBy === null &&
      dataMonth >= (terms.dataFrom ?? '') &&
      dataMonth <= (terms.dataUntil ?? '9999-12'),
  );
}

/** Session and signer of whoever holds the keystore. */
export function holderOf(person: Person): { session: Session; signer: RequestSigner } {
  switch (person.kind) {
    case 'patient':
      return person.patient;
    case 'clinician':
      return person.clinician;
    case 'operator':
      return person.operator;
  }
}
