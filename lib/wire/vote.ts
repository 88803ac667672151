/** Votes and certificates: what validators sign, and when a quorum has signed it. */
import { z } from 'zod';
import { equalBytes } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from './codec.ts';
import { hashField, heightField, signatureField, validatorIdField, viewField } from './fields.ts';
import { quorumSize, type ValidatorSet } from './validators.ts';

export const phaseSchema = z.enum(['prepare', 'commit', 'view-change', 'new-view']);
export type Phase = z.infer<typeof phaseSchema>;

export const voteSchema = z.strictObject({
  phase: phaseSchema,
  height: heightField,
  /** The view in which the vote is cast; not always that of the header. */
  view: viewField,
  /** Header hash, or the digest of a view-change or new-view. */
  hash: hashField,
  validator: validatorIdField,
  signature: signatureField,
});
export type Vote = z.infer<typeof voteSchema>;
export type UnsignedVote = Omit<Vote, 'signature'>;

export const certificateSchema = z.strictObject({
  phase: z.enum(['prepare', 'commit']),
  height: heightField,
  view: viewField,
  hash: hashField,
  votes: z
    .array(z.strictObject({ validator: validatorIdField, signature: signatureField }))
    .max(limits.validatorsMax),
});
/** A quorum of votes of distinct validators with one view; never hashed into a block. */
export type Certificate = z.infer<typeof certificateSchema>;

/** What a signature is bound to besides the vote itself. */
export interface VoteContext {
  genesisHash: Uint8Array;
  ledger: string;
  validatorsHash: Uint8Array;
}

/** The bytes that a session key signs: (phase, genesis, ledger, set, height, view, hash). */
export function voteSigningBytes(
  context: VoteContext,
  vote: Omit<UnsignedVote, 'validator'>,
): Uint8Array {
  const { phase, height, view, hash } = vote;
  const { genesisHash, ledger, validatorsHash } = context;
  return taggedHash(
    'vote',
    encodeCbor({ phase, genesisHash, ledger, validatorsHash, height, view, hash }),
  );
}

/** The certificate of these votes if they reach a quorum of unsuspended validators, else null. */
export function certificateFrom(
  votes: readonly Vote[],
  wanted: { phase: 'prepare' | 'commit'; height: number; view: number; hash: Uint8Array },
  set: ValidatorSet,
): Certificate | null {
  const chosen = new Map<string, Uint8Array>();
  for (const vote of votes) {
    if (vote.phase !== wanted.phase || vote.height !== wanted.height) continue;
    if (vote.view !== wanted.view || !equalBytes(vote.hash, wanted.hash)) continue;
    const seat = set.find((one) => one.id === vote.validator);
    if (seat && !seat.suspended) chosen.set(vote.validator, vote.signature);
  }
  if (chosen.size < quorumSize(set.length)) return null;
  const entries = [...chosen].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...wanted,
    votes: entries
      .slice(0, quorumSize(set.length))
      .map(([validator, signature]) => ({ validator, signature })),
  };
}
