/** The record with which a replica starts at height 0. */
import { appendToFrontier } from '../../../lib/ledger/merkle.ts';
import { initialState, type ReplicaState } from '../../../lib/pbft/state.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import { encodeRecord } from './record.ts';

export interface InitialReplica {
  genesis: Genesis;
  /** The validator whose replica this is. */
  self: string;
  header: BlockHeader;
  headerHash: Uint8Array;
  /** Null where the session key of genesis is not at hand: the replica then starts as a learner. */
  session: number | null;
  /** The incarnation in which it may have cast votes that it knows nothing of. @default none */
  forgot?: number | null;
}

export function initialReplicaState({
  genesis,
  self,
  header,
  headerHash,
  session,
  forgot = null,
}: InitialReplica): ReplicaState {
  const state = initialState({
    self,
    ledger: header.ledger,
    genesisHash: genesis.hash,
    genesisHeaderHash: headerHash,
    leaderOffset: 0,
    validators: genesis.validators,
    sessions: genesis.sessions.filter((session) => session.body.purpose === 'vote'),
    parameters: genesis.document.parameters,
    session,
    head: { header, hash: headerHash, certificate: null },
    frontier: appendToFrontier([], 0, headerHash),
  });
  return { ...state, forgot, learner: state.learner || forgot !== null };
}

export function initialReplicaBytes(start: InitialReplica): Uint8Array {
  return encodeRecord({ state: initialReplicaState(start), outbox: [], tick: null });
}
