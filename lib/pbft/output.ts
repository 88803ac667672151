/**
 * What a replica wants done. Order matters to the caller: everything staged is durable BEFORE
 * the state is saved, and the state is saved BEFORE any message is sent.
 */
import type { BlockHeader } from '../wire/header.ts';
import type { Message } from '../wire/messages.ts';
import type { Governed } from '../wire/governed.ts';
import type { Certificate, UnsignedVote } from '../wire/vote.ts';
import type { Contradiction } from './state.ts';

/** A validator's id, or `all` for every peer (no validator has an id of `all`). */
export type Recipient = string;

export type Output =
  /** Send AFTER the state that caused it is saved. `withBody`: attach the body of this header hash. */
  | { type: 'send'; to: Recipient; message: Message; withBody: Uint8Array | null }
  /** Sign an own vote and answer with `signed` within the step. */
  | { type: 'sign'; vote: UnsignedVote }
  /** L3: choose pending transactions, execute them on the head, answer with `built`. */
  | { type: 'build'; view: number; height: number; historyRoot: Uint8Array }
  /** L5: execute the body of this header on the head and stage it, answer with `executed`. */
  | { type: 'execute'; header: BlockHeader; hash: Uint8Array }
  /**
   * L7: the block is final; write it under its height BEFORE the state is saved, and the set that
   * votes from the next height on where it is another.
   */
  | {
      type: 'commit';
      header: BlockHeader;
      hash: Uint8Array;
      certificate: Certificate;
      entered: Governed | null;
    }
  /** L8: hand pending requests to the leader, or the oldest to everyone. */
  | { type: 'forward'; to: Recipient }
  /** Blocks from `fromHeight` on are held by peers; fetch them outside the actor. */
  | { type: 'catch-up'; fromHeight: number; toHeight: number }
  /** L23: the main ledger is to be fetched up to this height. */
  | { type: 'main-wanted'; height: number }
  /** L21: submit a transaction that accuses this validator, unless one is pending. */
  | { type: 'accuse'; contradiction: Contradiction }
  /** A tick is wanted at this time. */
  | { type: 'tick-at'; time: number }
  /** L20: an operator must look; after `halt` the replica does nothing more. */
  | { type: 'alarm'; code: AlarmCode; detail: string };

export type AlarmCode =
  | 'contradicting_votes'
  | 'votes_forgotten'
  | 'execution_contradicts_certificate'
  | 'own_vote_contradicted'
  | 'proposal_refused'
  | 'view_changed';
