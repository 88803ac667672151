/** L17: a replica far behind takes a certified head with its state, in the place of all blocks. */
import { headerHash } from '../wire/header.ts';
import { dropContradictions } from './contradiction.ts';
import { type Draft, sameHash } from './draft.ts';
import { invariant } from './errors.ts';
import type { Input } from './input.ts';
import { mayVote } from './seats.ts';
import { emptySlot } from './state.ts';
import { enterSet } from './view-change.ts';

/**
 * Never backwards. Own votes are at the height after the old head at most, which is committed now:
 * nothing is forgotten that could be contradicted.
 */
export function installSnapshot(draft: Draft, input: Extract<Input, { type: 'snapshot' }>): void {
  const { state } = draft;
  const { head, frontier, validators, sessions, parameters, upcoming, previous } = input;
  if (head.header.height <= state.head.header.height) return;
  invariant(sameHash(headerHash(head.header), head.hash), 'a head is named by its hash');
  const isSameSet = input.setFromHeight === state.setFromHeight;
  Object.assign(state, { head, frontier, validators, sessions, parameters, upcoming, previous });
  state.slot = emptySlot();
  state.next = emptySlot();
  state.learner = !mayVote(state);
  state.timeoutMs = parameters.requestTimeoutMs;
  state.catchUpNotBefore = 0;
  if (isSameSet) return;
  dropContradictions(state);
  enterSet(draft);
  // The view that this set has reached was entered at a height that was skipped here.
  state.setFromHeight = input.setFromHeight;
}
