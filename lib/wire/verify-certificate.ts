/** Checks a certificate against a validator set and the session keys known for it. */
import { verifyP256, type VerifySignature } from '../crypto/p256.ts';
import { sessionHeight } from './ledger.ts';
import { sessionCovers, type SessionCertificate } from './session.ts';
import { quorumSize, type ValidatorSet } from './validators.ts';
import { type Certificate, type Vote, type VoteContext, voteSigningBytes } from './vote.ts';

/** Session certificates that were verified against the KMS keys of the set. */
export type KnownSessions = readonly SessionCertificate[];

/** Whether a session key of the vote's validator, certified for its height, made the signature. */
export async function verifyVote(
  vote: Vote,
  context: VoteContext,
  set: ValidatorSet,
  sessions: KnownSessions,
  verify: VerifySignature = verifyP256,
): Promise<boolean> {
  const seat = set.find((one) => one.id === vote.validator);
  if (!seat || seat.suspended) return false;
  const wanted = {
    validator: seat.id,
    incarnation: seat.incarnation,
    purpose: 'vote' as const,
    height: sessionHeight(context.ledger, vote.height),
  };
  const bytes = voteSigningBytes(context, vote);
  for (const session of sessions) {
    if (!sessionCovers(session.body, wanted)) continue;
    if (await verify(session.body.key, bytes, vote.signature)) return true;
  }
  return false;
}

/** Whether a quorum of distinct, unsuspended validators of the set signed this one statement. */
export async function verifyCertificate(
  certificate: Certificate,
  context: VoteContext,
  set: ValidatorSet,
  sessions: KnownSessions,
  verify: VerifySignature = verifyP256,
): Promise<boolean> {
  const distinct = new Set(certificate.votes.map((vote) => vote.validator));
  if (distinct.size !== certificate.votes.length) return false;
  if (distinct.size < quorumSize(set.length)) return false;
  const { phase, height, view, hash } = certificate;
  const checks = certificate.votes.map((one) =>
    verifyVote({ phase, height, view, hash, ...one }, context, set, sessions, verify),
  );
  return (await Promise.all(checks)).every(Boolean);
}
