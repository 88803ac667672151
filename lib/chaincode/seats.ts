/** Seats of the validator set: their session keys, and the identities that go with them. */
import { equalBytes, fromBase64url } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { thumbprint } from '../crypto/p256.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { ACTIVATION_DELAY } from '../wire/governed.ts';
import {
  type SessionCertificate,
  sessionCertificateSchema,
  sessionCovers,
  verifySessionCertificate,
} from '../wire/session.ts';
import type { Validator, ValidatorSet } from '../wire/validators.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { ChaincodeContext } from './functions.ts';
import type { IdentityRole } from './roles.ts';
import type { DirectoryEntry, Hospital, Identity } from './values.ts';

/** A validator's new keys: what `GET /v1/bootstrap` of a validator shows. */
export interface SeatKeys {
  validator: string;
  kmsKey: Uint8Array;
  incarnation: number;
  /** Vote session, then read session. */
  sessions: SessionCertificate[];
}

/** Members, as those who approve see them: each validator with its operator, in seat order. */
export async function membersHash(reader: Reader, set: ValidatorSet): Promise<Uint8Array> {
  const members: [string, string][] = [];
  for (const { id } of set) members.push([id, (await hospitalOf(reader, id)).operator]);
  return taggedHash('members', encodeCbor(members));
}

export async function hospitalOf(reader: Reader, id: string): Promise<Hospital> {
  const hospital = await reader.get(cells.hospital(id));
  if (!hospital) throw new Error(`the hospital ${id} is missing of state`);
  return hospital;
}

export async function entryOf(reader: Reader, id: string): Promise<DirectoryEntry> {
  const entry = await reader.get(cells.directory(id));
  if (!entry) throw new Error(`the directory entry of ${id} is missing of state`);
  return entry;
}

/** The set as it will be in force two heights on. */
export async function setOf(reader: Pick<Reader, 'get'>): Promise<ValidatorSet> {
  const validators = await reader.get(cells.validators);
  if (!validators) throw new Error('the validators are missing of state');
  return validators;
}

/** @throws ChaincodeError `unknown_validator` */
export function seatOf(set: ValidatorSet, id: string): Validator {
  const seat = set.find((one) => one.id === id);
  if (!seat) throw new ChaincodeError('unknown_validator');
  return seat;
}

/**
 * Reads the two sessions that a KMS key certified for one incarnation of a validator, valid at
 * the height at which they start to count. @throws ChaincodeError `bad_session`
 */
export async function readSeatKeys(
  texts: { validator: string; kmsKey: Uint8Array; session: string; read: string },
  context: ChaincodeContext,
  height = context.height + ACTIVATION_DELAY,
): Promise<SeatKeys> {
  const { validator, kmsKey } = texts;
  const vote = decodeSession(texts.session);
  const read = decodeSession(texts.read);
  const { incarnation } = vote.body;
  const wanted = { validator, incarnation, height };
  const isVote = sessionCovers(vote.body, { ...wanted, purpose: 'vote' });
  const isRead = sessionCovers(read.body, { ...wanted, purpose: 'read' });
  if (!isVote || !isRead) throw new ChaincodeError('bad_session', 'for another seat or height');
  if (equalBytes(vote.body.key, read.body.key)) {
    throw new ChaincodeError('bad_session', 'one key for votes and for reads');
  }
  for (const one of [vote, read]) {
    const isOurs = one.body.network === context.network;
    if (!isOurs || !(await verifySessionCertificate(one, kmsKey, context.verify))) {
      throw new ChaincodeError('bad_session', 'not certified by the KMS key for this network');
    }
  }
  return { validator, kmsKey, incarnation, sessions: [vote, read] };
}

function decodeSession(text: string): SessionCertificate {
  try {
    const bytes = fromBase64url(text);
    return decodeWith(sessionCertificateSchema, bytes, chaincodeBounds.sessionCharsMax);
  } catch (cause) {
    throw new ChaincodeError('bad_session', 'not a session certificate', { cause });
  }
}

/** Writes the set, and the sessions of its seats in the order of the seats. */
export async function putSet(
  draft: Draft,
  set: ValidatorSet,
  changed: readonly SeatKeys[] = [],
): Promise<void> {
  const present = (await draft.get(cells.sessions)) ?? [];
  const sessions = set.flatMap(({ id }) => {
    const fresh = changed.find((one) => one.validator === id);
    return fresh?.sessions ?? present.filter((one) => one.body.validator === id);
  });
  draft.put(cells.validators, set);
  draft.put(cells.sessions, sessions);
}

/** The set with one seat changed. */
export function withSeat(set: ValidatorSet, id: string, change: Partial<Validator>): ValidatorSet {
  return set.map((one) => (one.id === id ? { ...one, ...change } : one));
}

/** An identity that comes with a seat. */
export interface SeatParty {
  role: IdentityRole;
  subject: string;
  /** Null for a party of the whole network. */
  hospital: string | null;
  name: string;
  publicKey: Uint8Array;
}

export function operatorParty(id: string, name: string, publicKey: Uint8Array): SeatParty {
  const subject = `operator-${id}`;
  return { role: 'operator', subject, hospital: id, name: `Operator of ${name}`, publicKey };
}

export function validatorParty(id: string, name: string, publicKey: Uint8Array): SeatParty {
  const subject = `validator-${id}`;
  return { role: 'validator', subject, hospital: id, name: `Validator of ${name}`, publicKey };
}

/**
 * Makes a key of a seat count. A key that counted for this party before may come back; any other
 * use of it is refused. @throws ChaincodeError `key_taken`
 */
export async function startIdentity(
  draft: Draft,
  party: SeatParty,
  { time, height }: ChaincodeContext,
): Promise<void> {
  const { role, subject, hospital, publicKey } = party;
  const kid = thumbprint(publicKey);
  const known = await draft.get(cells.identity(kid));
  const isBack = known?.role === role && known.subject === subject && known.status !== 'active';
  if (known && !isBack) throw new ChaincodeError('key_taken');
  const person = await draft.get(cells.subject(subject));
  if (person && (person.role !== role || person.status === 'active')) {
    throw new ChaincodeError('key_taken');
  }
  const identity: Identity = {
    ...party,
    encryptionKeyDigest: null,
    validUntil: null,
    serial: '',
    status: 'active',
    since: { time, height },
    ended: null,
    successor: null,
  };
  draft.put(cells.identity(kid), identity);
  draft.put(cells.subject(subject), { kid, role, hospital, status: 'active' });
}

/** Ends a key of a seat, so that it signs nothing more from here on. */
export async function endIdentity(
  draft: Draft,
  publicKey: Uint8Array,
  reason: string,
  { time, height }: ChaincodeContext,
): Promise<void> {
  const kid = thumbprint(publicKey);
  const identity = await draft.get(cells.identity(kid));
  if (!identity) throw new Error(`the identity ${kid} is missing of state`);
  const ended = { time, height, reason };
  draft.put(cells.identity(kid), { ...identity, status: 'revoked', ended });
  const { subject, role, hospital } = identity;
  draft.put(cells.subject(subject), { kid, role, hospital, status: 'revoked' });
}
