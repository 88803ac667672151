/** What `/v1/health` tells of a replica: no keys, no transactions. */
import { leaderOf } from '../../../lib/wire/validators.ts';
import { decodeRecord } from './record.ts';

export interface ReplicaSummary {
  height: number;
  view: number;
  leader: string;
  changingView: boolean;
  learner: boolean;
  /** Empty while the replica runs, else why it stopped. */
  halted: string;
  pending: boolean;
}

export function replicaSummary(bytes: Uint8Array): ReplicaSummary {
  const { state } = decodeRecord(bytes);
  return {
    height: state.head.header.height,
    view: state.view,
    leader: leaderOf(state.validators, state.view, state.leaderOffset).id,
    changingView: state.changing,
    learner: state.learner,
    halted: state.halted,
    pending: state.oldest !== null,
  };
}

/** Whether it votes: then it remembers all that it voted for. */
export function isVoting(bytes: Uint8Array): boolean {
  const { state } = decodeRecord(bytes);
  return !state.learner && state.halted === '';
}
