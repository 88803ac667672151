/** People of the ledger: found by the directory, believed only as far as the ledger proves. */
import { z } from 'zod';
import { equalBytes, fromBase64url } from '../lib/crypto/bytes.ts';
import { encryptionKeyDigest } from '../lib/membership/certificates.ts';
import { canonicalName } from '../lib/membership/person-name.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import type { DirectoryEntry } from './membership-client.ts';
import { parseValue } from './pages.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

const identityValue = z.object({
  kid: z.string(),
  role: z.string(),
  subject: z.string(),
  hospital: z.string().nullable(),
  name: z.string(),
  publicKey: z.string(),
  encryptionKeyDigest: z.string().nullable(),
  validUntil: z.int().nullable(),
  /** `suspended`: the device was reported lost, and a new key waits. */
  status: z.enum(['active', 'suspended', 'renewed', 'revoked']),
  since: z.object({ time: z.int(), height: z.int() }),
  /** How the subject came to this key; null for the first. */
  origin: z.object({ kid: z.string(), how: z.enum(['renewed', 're-enrolled']) }).nullable(),
});
/** An identity as the ledger has it. */
export type LedgerIdentity = z.infer<typeof identityValue>;

/** A clinician to whom something can be sealed. */
export interface Grantee {
  readonly identity: LedgerIdentity;
  /** X-Wing public key whose digest the ledger has. */
  readonly encryptionKey: Uint8Array;
}

/** How a person names a clinician: by NPI, by full name, by subject or by key thumbprint. */
export interface PersonQuery {
  readonly npi?: string | undefined;
  readonly name?: string | undefined;
  readonly subject?: string | undefined;
}

/** The identity of a key or subject. Throws `not_found`. */
export async function findIdentity(
  { client }: Session,
  signer: RequestSigner,
  wanted: { kid: string } | { subject: string },
): Promise<LedgerIdentity> {
  try {
    const value = await client.query({ fn: 'identity.get', args: wanted }, signer, { fresh: true });
    return parseValue(identityValue, value, 'identity.get');
  } catch (cause) {
    if (reasonOf(cause) !== 'unknown_identity') throw cause;
    throw new SdkError('not_found', 'The ledger knows no such person.', {
      nextStep: 'An operator of their hospital approves them first: `carequorum approve`.',
      cause,
    });
  }
}

/**
 * Finds a clinician and proves what matters: the ledger has the identity, active, of the name that
 * was asked for, and the digest of the encryption key that the directory gave. Numbers are not on
 * the ledger: who asks by NPI compares the name. Throws `not_found` or `mismatch`.
 */
export async function findGrantee(
  session: Session,
  signer: RequestSigner,
  wanted: PersonQuery,
): Promise<Grantee> {
  const found = await candidates(session, wanted);
  const first = one(found, wanted);
  const identity = await findIdentity(session, signer, { subject: first.subject });
  // Old and new key of a person stand side by side for a while: the ledger says which counts.
  const entry = found.find(({ kid }) => kid === identity.kid) ?? first;
  if (identity.status !== 'active') {
    const state = identity.status === 'suspended' ? 'waits for a new key' : 'is no longer active';
    throw new SdkError('not_found', `${identity.name} ${state} on the ledger.`, {
      nextStep: 'Ask their hospital.',
    });
  }
  const names = [entry.name, wanted.name ?? entry.name, identity.name].map(canonicalName);
  if (new Set(names).size > 1) throw anotherPerson(identity, entry);
  const encryptionKey = fromBase64url(entry.encryptionKey);
  const proven = identity.encryptionKeyDigest && fromBase64url(identity.encryptionKeyDigest);
  if (!proven || !equalBytes(proven, encryptionKeyDigest(encryptionKey))) {
    throw new SdkError(
      'mismatch',
      `The directory gives another key for ${identity.name} than the ledger.`,
      {
        nextStep: 'Grant nothing, and tell the operators: the membership service errs or lies.',
        details: { subject: entry.subject },
      },
    );
  }
  return { identity, encryptionKey };
}

function anotherPerson({ name }: LedgerIdentity, { subject }: DirectoryEntry): SdkError {
  return new SdkError('mismatch', `The directory names somebody who is ${name} on the ledger.`, {
    nextStep: 'Grant nothing, and tell the operators: the membership service errs or lies.',
    details: { subject },
  });
}

async function candidates(
  { membership }: Session,
  { npi, name }: PersonQuery,
): Promise<DirectoryEntry[]> {
  if (npi !== undefined) return membership.directory({ npi });
  if (name !== undefined) return membership.directory({ name });
  throw new SdkError('bad_input', 'Nothing says who is meant.', {
    nextStep: 'Give an NPI of ten digits or the full name with --to.',
  });
}

function one(entries: readonly DirectoryEntry[], wanted: PersonQuery): DirectoryEntry {
  const fitting = entries.filter(
    (entry) => wanted.subject === undefined || entry.subject === wanted.subject,
  );
  const [first, ...others] = fitting;
  if (first && others.every(({ subject }) => subject === first.subject)) return first;
  if (!first) {
    throw new SdkError('not_found', 'The directory knows nobody of this name or number.', {
      nextStep: 'Check the spelling, or ask them to enrol: `carequorum enrol --role doctor`.',
    });
  }
  throw new SdkError('bad_input', `${fitting.length} people have this name.`, {
    nextStep: 'Give the NPI instead of the name.',
    details: { people: fitting.map(({ name, hospital, npi }) => ({ name, hospital, npi })) },
  });
}
