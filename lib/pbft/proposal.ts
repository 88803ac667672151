/** L4: checks of a proposal that need no execution. */
import { frontierRoot } from '../ledger/merkle.ts';
import type { BlockHeader } from '../wire/header.ts';
import { parametersHash } from '../wire/parameters.ts';
import { leaderOf, validatorsHash } from '../wire/validators.ts';
import { type Draft, sameHash } from './draft.ts';
import { selectedHere, startsAbove } from './selection.ts';
import { upcomingOf } from './seats.ts';
import type { Proposal, ReplicaState } from './state.ts';

/** Why a proposal may not be voted for, or null. */
export function proposalFault(draft: Draft, proposal: Proposal): string | null {
  const { state } = draft;
  const { header } = proposal;
  if (header.ledger !== state.ledger) return 'ledger';
  if (header.height !== state.head.header.height + 1) return 'height';
  if (!sameHash(header.previousHash, state.head.hash)) return 'previousHash';
  if (!sameHash(header.historyRoot, frontierRoot(state.frontier))) return 'historyRoot';
  if (!sameHash(header.validatorsHash, validatorsHash(state.validators))) return 'validatorsHash';
  const next = validatorsHash(upcomingOf(state).validators);
  if (!sameHash(header.nextValidatorsHash, next)) return 'nextValidatorsHash';
  if (!sameHash(header.paramsHash, parametersHash(state.parameters))) return 'paramsHash';
  if (header.time <= state.head.header.time) return 'time is not after its parent';
  return viewFault(state, proposal) ?? (selectedHere(state) ? null : clockFault(draft, header));
}

/**
 * What this view allows: the header that it is bound to, else one of this view and its leader. Asked
 * of every proposal, also of a header that was executed in an earlier view.
 */
export function viewFault(state: ReplicaState, proposal: Proposal): string | null {
  const { header } = proposal;
  if (startsAbove(state)) return 'below the height at which the view starts';
  const selected = selectedHere(state);
  if (selected)
    return sameHash(selected.hash, proposal.hash) ? null : 'not what the view is bound to';
  if (header.view !== proposal.view) return 'view';
  const leader = leaderOf(state.validators, proposal.view, state.leaderOffset).id;
  return header.proposer === leader ? null : 'proposer';
}

/** A fresh proposal is near this replica's clock. */
function clockFault(draft: Draft, header: BlockHeader): string | null {
  const { state, now } = draft;
  const { clockSkewMsMax, blockIntervalMs } = state.parameters;
  if (Math.abs(header.time - now) > clockSkewMsMax) return 'time is far from the clock';
  if (header.time < state.head.header.time + blockIntervalMs) return 'before its interval';
  return null;
}
