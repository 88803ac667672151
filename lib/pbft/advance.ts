/** Draws the conclusions that the recorded facts allow, until none is left. */
import { appendToFrontier, frontierRoot } from '../ledger/merkle.ts';
import { type BlockHeader, headerHash } from '../wire/header.ts';
import { certificateFrom } from '../wire/vote.ts';
import { dropContradictions } from './contradiction.ts';
import { type Draft, leaderNow, sameHash } from './draft.ts';
import { invariant } from './errors.ts';
import { castCommit, castPrepare } from './own-votes.ts';
import { isAhead, proposalFault, viewFault } from './proposal.ts';
import { selectedHere } from './selection.ts';
import { mayVote, moveGoverned, sameSet } from './seats.ts';
import { headerFor, includesHash, isExecuted } from './slot.ts';
import { emptySlot, type ReplicaState } from './state.ts';
import { advanceViewChange, enterSet } from './view-change.ts';

/** `afterBuild`: the step has just built, so building again at once would loop. */
export function advance(draft: Draft, afterBuild: boolean): void {
  // Two heights at most can be decided from what one state holds: this one and the next.
  for (let round = 0; round < 3; round += 1) {
    if (draft.state.halted) return;
    certify(draft);
    if (!decide(draft)) break;
  }
  if (draft.state.halted) return;
  advanceViewChange(draft);
  if (draft.state.changing) return;
  proposeIfLeader(draft, afterBuild);
  vote(draft);
}

/** L7: a quorum of commit votes of one view, whichever view. */
function certify(draft: Draft): void {
  const { state } = draft;
  const { slot } = state;
  if (slot.decided) return;
  const height = state.head.header.height + 1;
  for (const { view, hash } of slot.commits) {
    const wanted = { phase: 'commit' as const, height, view, hash };
    const certificate = certificateFrom(slot.commits, wanted, state.validators);
    if (certificate) {
      slot.decided = { header: headerFor(slot, hash), certificate };
      return;
    }
  }
}

/** L7: a certified block whose body is durable and executed becomes the head. */
function decide(draft: Draft): boolean {
  const { state } = draft;
  const { slot } = state;
  if (!slot.decided) return false;
  const { certificate } = slot.decided;
  const header = headerFor(slot, certificate.hash);
  if (!header) {
    askForBody(draft, certificate.hash);
    return false;
  }
  if (includesHash(slot.refused, certificate.hash)) {
    draft.halt('execution_contradicts_certificate', `height ${header.height}`);
    return false;
  }
  if (!sameHash(header.previousHash, state.head.hash)) {
    draft.halt('execution_contradicts_certificate', `parent of height ${header.height}`);
    return false;
  }
  if (!isExecuted(slot, certificate.hash)) {
    execute(draft, header, certificate.hash);
    return false;
  }
  const { hash } = certificate;
  const entered = isSetChange(header) ? state.upcoming : null;
  draft.outputs.push({ type: 'commit', header, hash, certificate, entered });
  moveHead(draft, { header, hash: certificate.hash, certificate });
  return true;
}

/** The height after this header has another set than it. */
function isSetChange(header: BlockHeader): boolean {
  return !sameHash(header.validatorsHash, header.nextValidatorsHash);
}

/** L7: the next height begins, under what governs it. */
function moveHead(draft: Draft, head: ReplicaState['head']): void {
  const { state } = draft;
  invariant(head.header.height === state.head.header.height + 1, 'heads advance one by one');
  invariant(sameHash(headerHash(head.header), head.hash), 'a head is named by its hash');
  state.frontier = appendToFrontier(state.frontier, head.header.height, head.hash);
  const executed = state.slot.executed.find((one) => sameHash(one.hash, head.hash));
  state.head = head;
  state.slot = state.next;
  state.next = emptySlot();
  const { proposal } = state.slot;
  // A proposal that came early belongs to the view in which it came.
  if (proposal && proposal.view !== state.view) state.slot.proposal = null;
  const before = state.validators;
  moveGoverned(state, executed?.after ?? null);
  state.learner = !mayVote(state);
  shrinkTimeout(state);
  if (sameSet(before, state.validators)) return;
  dropContradictions(state);
  enterSet(draft);
}

/** A commit halves what view changes had doubled, within the parameters now in force. */
function shrinkTimeout(state: ReplicaState): void {
  const { requestTimeoutMs, viewTimeoutMsMax } = state.parameters;
  const halved = Math.floor(state.timeoutMs / 2);
  state.timeoutMs = Math.min(Math.max(halved, requestTimeoutMs), viewTimeoutMsMax);
}

/** L3: the leader proposes as soon as nothing is in flight and something waits. */
function proposeIfLeader(draft: Draft, afterBuild: boolean): void {
  const { state } = draft;
  if (state.learner || leaderNow(state) !== state.self) return;
  if (state.slot.proposal || state.slot.decided) return;
  const { view } = state;
  const height = state.head.header.height + 1;
  const selected = selectedHere(state);
  if (selected) {
    state.slot.proposal = { view, header: selected.header, hash: selected.hash, vote: null };
    return;
  }
  if (!state.oldest || afterBuild || state.main?.isOpen === false) return;
  if (draft.now < state.head.header.time + state.parameters.blockIntervalMs) return;
  draft.outputs.push({ type: 'build', view, height, historyRoot: historyRoot(state) });
}

/** L5, L6: execute, then prepare; prepared by a quorum, then commit. */
function vote(draft: Draft): void {
  const { state } = draft;
  const { slot } = state;
  const { proposal } = slot;
  if (!proposal || proposal.view !== state.view || slot.decided) return;
  if (includesHash(slot.refused, proposal.hash)) return;
  if (slot.faulted?.view === state.view && sameHash(slot.faulted.hash, proposal.hash)) return;
  const executed = isExecuted(slot, proposal.hash);
  const fault = executed ? viewFault(state, proposal) : proposalFault(draft, proposal);
  if (fault) {
    draft.alarm('proposal_refused', fault);
    slot.faulted = { view: state.view, hash: proposal.hash };
    return;
  }
  if (!executed) return execute(draft, proposal.header, proposal.hash);
  castPrepare(draft, proposal);
  const height = state.head.header.height + 1;
  const wanted = { phase: 'prepare' as const, height, view: state.view, hash: proposal.hash };
  const certificate = certificateFrom(slot.prepares, wanted, state.validators);
  if (!certificate) return;
  slot.prepared = { header: proposal.header, certificate };
  castCommit(draft, proposal);
}

function execute(draft: Draft, header: ReplicaState['head']['header'], hash: Uint8Array): void {
  if (sameHash(draft.state.slot.wanted, hash) || isAhead(draft.state, header)) return;
  draft.outputs.push({ type: 'execute', header, hash });
}

function askForBody(draft: Draft, hash: Uint8Array): void {
  draft.state.slot.wanted = hash;
}

export function historyRoot(state: ReplicaState): Uint8Array {
  return frontierRoot(state.frontier);
}
