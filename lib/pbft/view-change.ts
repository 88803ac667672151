/** View change and new view: how a quorum replaces a leader without losing what may be decided. */
import type { NewView, ViewChange } from '../wire/messages.ts';
import { newViewDigest, viewChangeDigest } from '../wire/messages.ts';
import { faultyMax, quorumSize } from '../wire/validators.ts';
import type { Vote } from '../wire/vote.ts';
import { noteHeight } from './behind.ts';
import { type Draft, leaderNow, sameHash } from './draft.ts';
import { sameSet, seatsAt } from './seats.ts';
import { selection } from './selection.ts';
import type { ReplicaState } from './state.ts';

/** L9: stop voting in the present view and ask for another. */
export function startViewChange(draft: Draft, view: number): void {
  const { state } = draft;
  if (view <= state.view) return;
  state.timeoutMs = Math.min(state.timeoutMs * 2, state.parameters.viewTimeoutMsMax);
  state.view = view;
  state.changing = true;
  state.quorumSince = null;
  state.newView = null;
  state.slot.proposal = null;
  state.next.proposal = null;
  if (!state.learner) signViewChange(draft);
}

export function signViewChange(draft: Draft): void {
  const { view, head } = draft.state;
  const hash = viewChangeDigest(ownContent(draft.state));
  draft.sign({ phase: 'view-change', height: head.header.height + 1, view, hash });
}

/**
 * L22: another set votes from here on, and begins anew in view 0. View-changes and new-views of the
 * old set are gone: its quorums say nothing about what the new set may commit.
 */
export function enterSet(draft: Draft): void {
  const { state, now } = draft;
  const height = state.head.header.height + 1;
  state.setFromHeight = height;
  state.viewChanges = state.viewChanges.filter((one) => one.vote.height >= height);
  state.view = 0;
  state.changing = false;
  state.newView = null;
  state.quorumSince = null;
  if (state.slot.proposal?.view !== 0) state.slot.proposal = null;
  if (state.oldest) state.oldest = { ...state.oldest, since: now, told: false };
}

/** The signed view-change is kept, for repetition, and told to everyone. */
export function recordOwnViewChange(draft: Draft, vote: Vote): void {
  const { state } = draft;
  if (!state.changing || vote.view !== state.view) return;
  const content = ownContent(state);
  // The head has moved while this was signed; it was not sent, so another may take its place.
  const isOld = vote.height !== state.head.header.height + 1;
  if (isOld || !sameHash(vote.hash, viewChangeDigest(content))) {
    if (!state.learner) signViewChange(draft);
    return;
  }
  const viewChange: ViewChange = { view: vote.view, ...content, vote };
  state.viewChanges = withViewChange(state.viewChanges, viewChange);
  draft.send('all', { type: 'view-change', viewChange });
}

export function recordViewChange(draft: Draft, viewChange: ViewChange): void {
  const { state } = draft;
  if (viewChange.view < state.view) return;
  const alreadyIn = viewChange.view === state.view && !state.changing;
  if (alreadyIn && state.newView) {
    draft.send(viewChange.vote.validator, { type: 'new-view', newView: state.newView });
  }
  if (alreadyIn) return;
  state.viewChanges = withViewChange(state.viewChanges, viewChange);
}

/** L10, L11: join those who are ahead; lead the view that a quorum asks for. */
export function advanceViewChange(draft: Draft): void {
  const { state } = draft;
  const target = joinTarget(state);
  if (target !== null) startViewChange(draft, target);
  if (!state.changing) return;
  const quorum = quorumSize(state.validators.length);
  // Who asks for a later view has left this one for good: it counts for the timer, not for the view.
  if (askersFrom(state, state.view).length < quorum) return;
  state.quorumSince ??= draft.now;
  const supporters = supportersOf(state);
  if (supporters.length < quorum) return;
  if (leaderNow(state) !== state.self || state.learner) return;
  // The own one is among them, so that the new view starts at the own head or above it.
  const chosen = [...supporters]
    .sort((a, b) => Number(isOwn(state, b)) - Number(isOwn(state, a)))
    .slice(0, quorum);
  const { height } = selection(chosen);
  if (height > state.head.header.height) return askForHead(draft, chosen, height);
  const hash = newViewDigest({ view: state.view, viewChanges: chosen });
  if (state.newView?.view === state.view) return;
  state.newView = {
    view: state.view,
    viewChanges: chosen,
    vote: unsignedMark(state, height + 1, hash),
  };
  draft.sign({ phase: 'new-view', height: height + 1, view: state.view, hash });
}

/** L11: the leader has signed its new-view and enters it. */
export function recordOwnNewView(draft: Draft, vote: Vote): void {
  const { state } = draft;
  if (!state.newView || vote.view !== state.view || !state.changing) return;
  const newView: NewView = { ...state.newView, vote };
  draft.send('all', { type: 'new-view', newView });
  enter(draft, newView);
}

/** L13: a verified new-view is entered unless a later view was asked for. */
export function enterView(draft: Draft, newView: NewView): void {
  const { state } = draft;
  if (newView.view < state.view) return;
  if (newView.view === state.view && !state.changing) return;
  const { height } = selection(newView.viewChanges);
  // A view of another set than votes here begins where that set does.
  if (sameSet(seatsAt(state, height + 1).validators, state.validators)) enter(draft, newView);
  if (height > state.head.header.height) askForHead(draft, newView.viewChanges, height);
}

function enter(draft: Draft, newView: NewView): void {
  const { state, now } = draft;
  state.view = newView.view;
  state.changing = false;
  state.newView = newView;
  state.quorumSince = null;
  state.viewChanges = state.viewChanges.filter((one) => one.view > newView.view);
  state.slot.proposal = null;
  state.next.proposal = null;
  if (state.oldest) state.oldest = { ...state.oldest, since: now, told: false };
  draft.alarm('view_changed', `view ${newView.view}`);
}

/** The head that others certified: its body is fetched, then the view change goes on. */
function askForHead(draft: Draft, viewChanges: readonly ViewChange[], height: number): void {
  const { state } = draft;
  const own = state.head.header.height;
  const best = viewChanges.find((one) => one.head.header.height === height)?.head;
  if (height === own + 1 && best?.certificate && !state.slot.decided) {
    state.slot.decided = { header: best.header, certificate: best.certificate };
  }
  noteHeight(draft, height);
}

/** L10: f+1 validators ask for later views, so an honest one does: join the smallest. */
function joinTarget(state: ReplicaState): number | null {
  const later = state.viewChanges
    .filter((one) => !isOwn(state, one) && one.view > state.view && hasVote(state, one))
    .map((one) => one.view)
    .sort((a, b) => a - b);
  if (later.length < faultyMax(state.validators.length) + 1) return null;
  return later[0] ?? null;
}

/** L9: who asks for a view or for later ones. */
function askersFrom(state: ReplicaState, view: number): ViewChange[] {
  return state.viewChanges.filter((one) => one.view >= view && hasVote(state, one));
}

function supportersOf(state: ReplicaState): ViewChange[] {
  return askersFrom(state, state.view)
    .filter((one) => one.view === state.view)
    .sort((a, b) => (a.vote.validator < b.vote.validator ? -1 : 1));
}

function isOwn(state: ReplicaState, one: ViewChange): boolean {
  return one.vote.validator === state.self;
}

function hasVote(state: ReplicaState, one: ViewChange): boolean {
  const seat = state.validators.find(({ id }) => id === one.vote.validator);
  return seat !== undefined && !seat.suspended;
}

function ownContent(state: ReplicaState): Pick<ViewChange, 'head' | 'prepared'> {
  const { header, certificate } = state.head;
  return { head: { header, certificate }, prepared: state.slot.prepared };
}

/** Marks that the new-view of this view is being signed; replaced by the signed vote at once. */
function unsignedMark(state: ReplicaState, height: number, hash: Uint8Array): Vote {
  const signature = new Uint8Array(64);
  return { phase: 'new-view', height, view: state.view, hash, validator: state.self, signature };
}

function withViewChange(list: readonly ViewChange[], added: ViewChange): ViewChange[] {
  const { validator } = added.vote;
  const earlier = list.find((one) => one.vote.validator === validator);
  if (earlier && earlier.view > added.view) return [...list];
  const isOlder = earlier?.view === added.view && earlier.vote.height >= added.vote.height;
  if (isOlder) return [...list];
  return [...list.filter((one) => one !== earlier), added];
}
