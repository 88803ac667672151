/** L12: what a quorum of view-changes binds the new view to. */
import type { BlockHeader } from '../wire/header.ts';
import type { ViewChange } from '../wire/messages.ts';
import type { ReplicaState } from './state.ts';

export interface Selection {
  /** The highest certified head among the view-changes. */
  height: number;
  /** The prepared certificate of the highest view at height + 1, or null: propose afresh. */
  prepared: ViewChange['prepared'];
}

/** A pure function of the view-changes, so that every replica checks what the leader chose. */
export function selection(viewChanges: readonly ViewChange[]): Selection {
  const height = Math.max(0, ...viewChanges.map((one) => one.head.header.height));
  let prepared: ViewChange['prepared'] = null;
  for (const { prepared: candidate } of viewChanges) {
    if (!candidate || candidate.header.height !== height + 1) continue;
    if (!prepared || candidate.certificate.view > prepared.certificate.view) prepared = candidate;
  }
  return { height, prepared };
}

/** The header that this view must propose at head + 1, if its new-view speaks of that height. */
export function selectedHere(
  state: ReplicaState,
): { header: BlockHeader; hash: Uint8Array } | null {
  if (!state.newView || state.newView.view !== state.view) return null;
  const { height, prepared } = selection(state.newView.viewChanges);
  if (!prepared || height !== state.head.header.height) return null;
  return { header: prepared.header, hash: prepared.certificate.hash };
}

/** L13: whether this view starts above the head: below its start a replica only catches up. */
export function startsAbove(state: ReplicaState): boolean {
  if (!state.newView || state.newView.view !== state.view) return false;
  return selection(state.newView.viewChanges).height > state.head.header.height;
}
