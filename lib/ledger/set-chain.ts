/** Follows the validator set from genesis to a header, and judges certificates on the way. */
import { z } from 'zod';
import { equalBytes, toHex } from '../crypto/bytes.ts';
import { verifyP256, type VerifySignature } from '../crypto/p256.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerHash, headerSchema } from '../wire/header.ts';
import { MAIN_LEDGER } from '../wire/ledger.ts';
import { type SessionCertificate, sessionSigningBytes } from '../wire/session.ts';
import { verifySessionCertificate } from '../wire/session.ts';
import { quorumSize, type ValidatorSet, validatorsHash } from '../wire/validators.ts';
import { validatorSetSchema } from '../wire/validators.ts';
import { verifyCertificate } from '../wire/verify-certificate.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ReceiptError } from './errors.ts';

/** A set change: a header certified by the set before it, whose next set this is. */
export const setLinkSchema = z.strictObject({
  validators: validatorSetSchema,
  header: headerSchema,
  certificate: certificateSchema,
});
export type SetLink = z.infer<typeof setLinkSchema>;

/** A set in force from a height on, as a verifier may remember it from earlier receipts. */
export interface KnownSet {
  fromHeight: number;
  validatorsHash: Uint8Array;
  /** Block time of the header that made it the next set; of genesis for the first set. */
  sinceTime: number;
}

/** A set that was followed from genesis, with the session certificates that count in it. */
export interface FollowedSet {
  fromHeight: number;
  /** Block time of the header before its first. */
  sinceTime: number;
  validators: ValidatorSet;
  hash: Uint8Array;
  sessions: SessionCertificate[];
}

/** What a chain of sets is followed with: all of it unverified but the genesis. */
export interface SetChain {
  sessions: readonly SessionCertificate[];
  links: readonly SetLink[];
}

/** A session certificate, and by KMS key whether that key signed it: each is tried once. */
interface OfferedSession {
  certificate: SessionCertificate;
  judged: Map<string, boolean>;
}

/**
 * The sets from genesis on, each vouched for by the one before it. Throws `link_…` codes and
 * `bad_session`.
 */
export async function followSets(
  genesis: Genesis,
  chain: SetChain,
  verify: VerifySignature = verifyP256,
): Promise<FollowedSet[]> {
  const offered = offeredSessions(genesis, chain);
  const enter = (validators: ValidatorSet, start: SetStart): Promise<FollowedSet> =>
    enterSet(genesis, validators, start, offered, verify);
  const { createdAt } = genesis.document;
  const followed = [await enter(genesis.validators, { fromHeight: 0, sinceTime: createdAt })];
  for (const link of chain.links) {
    const current = followed.at(-1) as FollowedSet;
    await checkLink(genesis, link, current, verify);
    const { height, time } = link.header;
    followed.push(await enter(link.validators, { fromHeight: height + 1, sinceTime: time }));
  }
  if (!offered.every(({ judged }) => [...judged.values()].includes(true))) {
    throw new ReceiptError('bad_session', 'a session that no validator of the chain certified');
  }
  return followed;
}

/**
 * Throws `stale_set` where a set seen before is not the one that this chain has at its height, or
 * where a header from before that set is younger than it: times rise with heights, so keys of a
 * set that was replaced make nothing new. But a case ledger keeps its set while it is at rest.
 */
export function checkKnownSet(
  followed: readonly FollowedSet[],
  { ledger, time }: Pick<BlockHeader, 'ledger' | 'time'>,
  votedAt: number,
  known: KnownSet,
): void {
  if (votedAt < known.fromHeight) {
    if (ledger !== MAIN_LEDGER || time <= known.sinceTime) return;
    throw new ReceiptError('stale_set', `block ${votedAt} is younger than the set after it`);
  }
  const there = followed.findLast((set) => set.fromHeight <= known.fromHeight);
  if (!there || !equalBytes(there.hash, known.validatorsHash)) {
    throw new ReceiptError('stale_set', `the set at ${known.fromHeight} is known to be another`);
  }
}

/**
 * Whether the set in force certified this header: named steps, a code each. The votes' statement
 * covers genesis, ledger and set, so none of them can be taken for another. `votedAt`: the height
 * of the main ledger that says who votes, as `votingHeight` has it.
 */
export async function checkCertified(
  genesis: Genesis,
  header: BlockHeader,
  certificate: Certificate,
  set: FollowedSet,
  verify: VerifySignature = verifyP256,
  votedAt: number = header.height,
): Promise<void> {
  if (!equalBytes(header.validatorsHash, set.hash) || votedAt < set.fromHeight) {
    throw new ReceiptError('header_wrong_set', 'the header is not of the set in force');
  }
  if (header.height === 0) {
    throw new ReceiptError('not_certified', 'height 0 is given by genesis and never voted');
  }
  if (certificate.phase !== 'commit') {
    throw new ReceiptError('certificate_wrong_phase', 'only commit votes make a block final');
  }
  if (certificate.height !== header.height) {
    throw new ReceiptError('certificate_wrong_height', 'the votes are for another height');
  }
  if (!equalBytes(certificate.hash, headerHash(header))) {
    throw new ReceiptError('certificate_wrong_hash', 'the votes are for another header');
  }
  checkVoters(certificate, set.validators);
  const context = {
    genesisHash: genesis.hash,
    ledger: header.ledger,
    validatorsHash: set.hash,
  };
  if (!(await verifyCertificate(certificate, context, set.validators, set.sessions, verify))) {
    throw new ReceiptError('bad_vote', 'a vote is not signed by a certified session key');
  }
}

function checkVoters(certificate: Certificate, validators: ValidatorSet): void {
  const voters = new Set(certificate.votes.map((vote) => vote.validator));
  if (voters.size !== certificate.votes.length) {
    throw new ReceiptError('duplicate_vote', 'two votes of one validator');
  }
  if (voters.size < quorumSize(validators.length)) {
    throw new ReceiptError('too_few_votes', `${voters.size} votes are not a quorum`);
  }
  for (const voter of voters) {
    const seat = validators.find((one) => one.id === voter);
    if (!seat || seat.suspended) {
      throw new ReceiptError('ineligible_vote', `${voter} has no vote in this set`);
    }
  }
}

async function checkLink(
  genesis: Genesis,
  link: SetLink,
  current: FollowedSet,
  verify: VerifySignature,
): Promise<void> {
  const { header, certificate, validators } = link;
  if (header.ledger !== MAIN_LEDGER) {
    throw new ReceiptError('wrong_ledger', 'a set change of another ledger');
  }
  // Height 0 is given, not voted; each later change is above the one before it.
  if (header.height < Math.max(1, current.fromHeight)) {
    throw new ReceiptError('link_out_of_order', `a set change at ${header.height}`);
  }
  if (!equalBytes(header.validatorsHash, current.hash)) {
    throw new ReceiptError('link_wrong_set', `the header at ${header.height} is of another set`);
  }
  try {
    await checkCertified(genesis, header, certificate, current, verify);
  } catch (cause) {
    const message = `the set change at ${header.height} is not certified`;
    throw new ReceiptError('link_not_certified', message, { cause });
  }
  if (!equalBytes(header.nextValidatorsHash, validatorsHash(validators))) {
    throw new ReceiptError('link_wrong_next_set', `at ${header.height} another set is next`);
  }
}

type SetStart = Pick<FollowedSet, 'fromHeight' | 'sinceTime'>;

/** A set as a verifier remembers it. */
export function knownSetOf({ fromHeight, hash, sinceTime }: FollowedSet): KnownSet {
  return { fromHeight, validatorsHash: hash, sinceTime };
}

/** A set with the sessions that its KMS keys certified. */
async function enterSet(
  genesis: Genesis,
  validators: ValidatorSet,
  start: SetStart,
  offered: readonly OfferedSession[],
  verify: VerifySignature,
): Promise<FollowedSet> {
  const sessions: SessionCertificate[] = [];
  for (const one of offered) {
    const { network, validator, incarnation } = one.certificate.body;
    const seat = validators.find((other) => other.id === validator);
    if (seat?.incarnation !== incarnation || network !== genesis.document.network) continue;
    const by = toHex(seat.kmsKey);
    const isGood =
      one.judged.get(by) ?? (await verifySessionCertificate(one.certificate, seat.kmsKey, verify));
    one.judged.set(by, isGood);
    if (isGood) sessions.push(one.certificate);
  }
  return { ...start, validators, hash: validatorsHash(validators), sessions };
}

/** The sessions of genesis, true as genesis is, and those that came along, each but once. */
function offeredSessions(genesis: Genesis, chain: SetChain): OfferedSession[] {
  const texts = new Set<string>();
  for (const { body } of chain.sessions) texts.add(toHex(sessionSigningBytes(body)));
  if (texts.size !== chain.sessions.length) {
    throw new ReceiptError('bad_session', 'a session comes twice');
  }
  const given = genesis.sessions.map((certificate) => {
    const seat = genesis.validators.find((one) => one.id === certificate.body.validator);
    return { certificate, judged: new Map(seat ? [[toHex(seat.kmsKey), true]] : []) };
  });
  const brought = chain.sessions.map((certificate) => ({
    certificate,
    judged: new Map<string, boolean>(),
  }));
  return [...given, ...brought];
}
