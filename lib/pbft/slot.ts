/** Small questions about a slot: which votes count, which header a hash stands for. */
import type { BlockHeader } from '../wire/header.ts';
import type { Vote } from '../wire/vote.ts';
import { sameHash } from './draft.ts';
import type { ReplicaState, Slot } from './state.ts';

/** The slot of head + 1 or of head + 2; null for all other heights. */
export function slotAt(state: ReplicaState, height: number): Slot | null {
  const first = state.head.header.height + 1;
  if (height === first) return state.slot;
  return height === first + 1 ? state.next : null;
}

export function includesHash(list: readonly Uint8Array[], hash: Uint8Array): boolean {
  return list.some((one) => sameHash(one, hash));
}

export function isExecuted(slot: Slot, hash: Uint8Array): boolean {
  return slot.executed.some((one) => sameHash(one.hash, hash));
}

/**
 * Keeps one vote per validator: that of the higher view. A second vote for another hash in the
 * same view is ignored here (it is evidence, not progress).
 */
export function withVote(votes: readonly Vote[], vote: Vote): Vote[] {
  const earlier = votes.find((one) => one.validator === vote.validator);
  if (earlier && earlier.view >= vote.view) return [...votes];
  return [...votes.filter((one) => one !== earlier), vote];
}

/** The header behind a hash, wherever in the slot it is known from. */
export function headerFor(slot: Slot, hash: Uint8Array): BlockHeader | null {
  if (slot.decided?.header && sameHash(slot.decided.certificate.hash, hash))
    return slot.decided.header;
  if (slot.proposal && sameHash(slot.proposal.hash, hash)) return slot.proposal.header;
  if (slot.prepared && sameHash(slot.prepared.certificate.hash, hash)) return slot.prepared.header;
  return null;
}
