/** L15: what a status shows to be missing at a peer is sent to it, and no more. */
import type { MessageOf } from '../wire/messages.ts';
import { type Draft, sameHash } from './draft.ts';
import { selectedHere } from './selection.ts';
import { headerFor, isExecuted } from './slot.ts';
import type { ReplicaState, Slot } from './state.ts';

type Status = MessageOf<'status'>;

export function answerStatus(draft: Draft, from: string, status: Status): void {
  const { state } = draft;
  const height = state.head.header.height;
  if (status.height < height) return sendDecided(draft, from, status);
  if (status.height > height) return draft.send(from, ownStatus(state));
  if (
    status.view > state.view ||
    (status.view === state.view && state.changing && !status.changing)
  ) {
    draft.send(from, ownStatus(state));
  }
  sendView(draft, from, status);
  if (status.view === state.view && !state.changing && !status.changing) {
    sendVotes(draft, from, status, state.slot);
  }
  sendWanted(draft, from, status);
}

/** L14: a replica's own status. */
export function ownStatus(state: ReplicaState): Status {
  const { slot } = state;
  return {
    type: 'status',
    view: state.view,
    changing: state.changing,
    height: state.head.header.height,
    prepares: slot.prepares.filter((one) => one.view === state.view).map((one) => one.validator),
    commits: slot.commits.filter((one) => one.view === state.view).map((one) => one.validator),
    viewChanges: state.viewChanges
      .filter((one) => one.view === state.view)
      .map((one) => one.vote.validator),
    proposal: slot.proposal?.hash ?? null,
    wanted: slot.wanted,
  };
}

/** A peer behind gets the next block if it lacks one, else the head from which to catch up. */
function sendDecided(draft: Draft, from: string, status: Status): void {
  const { header, certificate, hash } = draft.state.head;
  if (!certificate) return;
  const next = status.height + 1 === header.height;
  const held = sameHash(status.proposal, hash) && !sameHash(status.wanted, hash);
  const body = next && !held ? hash : null;
  draft.send(from, { type: 'decided', header, certificate, transactions: null }, body);
}

function sendView(draft: Draft, from: string, status: Status): void {
  const { state } = draft;
  const behind = status.view < state.view || (status.view === state.view && status.changing);
  if (!behind) return;
  if (!state.changing && state.newView) {
    return draft.send(from, { type: 'new-view', newView: state.newView });
  }
  const mine = state.viewChanges.find((one) => one.vote.validator === state.self);
  const lacks = status.view < state.view || !status.viewChanges.includes(state.self);
  if (state.changing && mine && lacks) {
    draft.send(from, { type: 'view-change', viewChange: mine });
  }
}

function sendVotes(draft: Draft, from: string, status: Status, slot: Slot): void {
  const { self, view } = draft.state;
  const { proposal } = slot;
  if (proposal?.vote && !sameHash(status.proposal, proposal.hash)) {
    const { header, vote, hash } = proposal;
    draft.send(from, { type: 'pre-prepare', header, transactions: null, vote }, hash);
  }
  const mine = (one: { validator: string; view: number }) =>
    one.validator === self && one.view === view;
  const prepare = slot.prepares.find(mine);
  if (prepare && !status.prepares.includes(self)) draft.send(from, { type: 'vote', vote: prepare });
  const commit = slot.commits.find(mine);
  if (commit && !status.commits.includes(self)) draft.send(from, { type: 'vote', vote: commit });
}

/** A body asked for by hash travels with whatever carries its header. */
function sendWanted(draft: Draft, from: string, status: Status): void {
  const { slot } = draft.state;
  const { wanted } = status;
  if (!wanted) return;
  const { proposal } = slot;
  if (proposal?.vote && sameHash(proposal.hash, wanted) && sameHash(status.proposal, wanted)) {
    const { header, vote } = proposal;
    return draft.send(from, { type: 'pre-prepare', header, transactions: null, vote }, wanted);
  }
  if (!isExecuted(slot, wanted)) return;
  const selected = selectedHere(draft.state);
  const bound = selected && sameHash(selected.hash, wanted) ? selected.header : null;
  const header = headerFor(slot, wanted) ?? bound;
  const vote = slot.prepares.find((one) => sameHash(one.hash, wanted));
  if (!header || !vote) return;
  draft.send(from, { type: 'pre-prepare', header, transactions: null, vote }, wanted);
}
