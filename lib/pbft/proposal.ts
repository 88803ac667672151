/** L4: checks of a proposal that need no execution. */
import { frontierRoot } from '../ledger/merkle.ts';
import type { BlockHeader } from '../wire/header.ts';
import { limits } from '../limits.ts';
import { MAIN_LEDGER } from '../wire/ledger.ts';
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
  const pin = pinFault(state, header);
  if (pin) return pin;
  const next = validatorsHash(upcomingOf(state).validators);
  // Of a case ledger it follows from the pin: execution computes it.
  const isNext = header.pin !== null || sameHash(header.nextValidatorsHash, next);
  if (!isNext) return 'nextValidatorsHash';
  if (!sameHash(header.paramsHash, parametersHash(state.parameters))) return 'paramsHash';
  if (header.time <= state.head.header.time) return 'time is not after its parent';
  const fault = viewFault(state, proposal);
  return (
    fault ?? (selectedHere(state) ? null : (clockFault(draft, header) ?? lagFault(state, header)))
  );
}

/** L23: what a case ledger pins never goes back; the main ledger pins nothing. */
function pinFault({ ledger, head }: ReplicaState, { pin }: BlockHeader): string | null {
  if (ledger === MAIN_LEDGER) return pin === null ? null : 'pin';
  const before = head.header.pin;
  if (!pin || !before) return 'pin';
  if (pin.height < before.height) return 'what is pinned goes back';
  const isSame = pin.height > before.height || sameHash(pin.hash, before.hash);
  return isSame ? null : 'another block is pinned';
}

/** L23: a fresh proposal pins what is about the head of the main ledger, of a case that is open. */
function lagFault({ main }: ReplicaState, { pin }: BlockHeader): string | null {
  if (!main || !pin) return null;
  if (!main.isOpen) return 'the case is closed';
  return main.height - pin.height > limits.pinLagMax ? 'what is pinned is old' : null;
}

/** L23: the pinned block of the main ledger is not committed here yet. */
export function isAhead({ main }: ReplicaState, { pin }: BlockHeader): boolean {
  return main !== null && pin !== null && pin.height > main.height;
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
