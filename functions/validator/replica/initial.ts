/** The record with which a replica starts at height 0. */
import { appendToFrontier } from '../../../lib/ledger/merkle.ts';
import { initialState, type ReplicaState, type Timing } from '../../../lib/pbft/state.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';
import type { BlockHeader } from '../../../lib/wire/header.ts';
import { encodeRecord } from './record.ts';

export interface InitialReplica {
  genesis: Genesis;
  /** The validator whose replica this is. */
  self: string;
  header: BlockHeader;
  headerHash: Uint8Array;
}

export function initialReplicaState({
  genesis,
  self,
  header,
  headerHash,
}: InitialReplica): ReplicaState {
  const timing: Timing = genesis.document.parameters;
  return initialState(
    {
      self,
      ledger: header.ledger,
      genesisHash: genesis.hash,
      genesisHeaderHash: headerHash,
      leaderOffset: 0,
      validators: genesis.validators,
      sessions: genesis.sessions.filter((session) => session.body.purpose === 'vote'),
      head: { header, hash: headerHash, certificate: null },
      frontier: appendToFrontier([], 0, headerHash),
    },
    timing,
  );
}

export function initialReplicaBytes(start: InitialReplica): Uint8Array {
  return encodeRecord({ state: initialReplicaState(start), outbox: [], tickSeconds: 0 });
}
