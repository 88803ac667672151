/** Own votes: cast once per phase and view, stored before they are sent, never contradicted. */
import type { Vote } from '../wire/vote.ts';
import { type Draft, leaderNow, sameHash } from './draft.ts';
import { withVote } from './slot.ts';
import type { Proposal } from './state.ts';
import { recordOwnNewView, recordOwnViewChange } from './view-change.ts';

/** L5: prepare what was executed. */
export function castPrepare(draft: Draft, proposal: Proposal): void {
  const { state } = draft;
  const mine = state.slot.myPrepare;
  if (state.learner) return;
  if (mine && mine.view >= state.view) return contradiction(draft, mine, proposal);
  state.slot.myPrepare = { view: state.view, hash: proposal.hash };
  const height = proposal.header.height;
  draft.sign({ phase: 'prepare', height, view: state.view, hash: proposal.hash });
}

/** L6: commit what a quorum prepared. */
export function castCommit(draft: Draft, proposal: Proposal): void {
  const { state } = draft;
  const mine = state.slot.myCommit;
  if (state.learner) return;
  if (mine && mine.view >= state.view) return contradiction(draft, mine, proposal);
  const height = proposal.header.height;
  state.slot.myCommit = { view: state.view, hash: proposal.hash };
  state.votedHeight = Math.max(state.votedHeight, height);
  draft.sign({ phase: 'commit', height, view: state.view, hash: proposal.hash });
}

/** L19: being asked to vote against an own stored vote means something is badly wrong. */
function contradiction(
  draft: Draft,
  mine: { view: number; hash: Uint8Array },
  proposal: Proposal,
): void {
  if (mine.view !== draft.state.view || sameHash(mine.hash, proposal.hash)) return;
  draft.halt('own_vote_contradicted', `height ${proposal.header.height}, view ${mine.view}`);
}

/** The signature has come back: the vote counts here and goes to everyone. */
export function recordOwnVote(draft: Draft, vote: Vote): void {
  const { state } = draft;
  if (vote.phase === 'view-change') return recordOwnViewChange(draft, vote);
  if (vote.phase === 'new-view') return recordOwnNewView(draft, vote);
  if (vote.height !== state.head.header.height + 1) return;
  const { slot } = state;
  if (vote.phase === 'commit') {
    slot.commits = withVote(slot.commits, vote);
    draft.send('all', { type: 'vote', vote });
    return;
  }
  slot.prepares = withVote(slot.prepares, vote);
  const { proposal } = slot;
  const leads = leaderNow(state) === state.self && proposal && sameHash(proposal.hash, vote.hash);
  if (!leads) return draft.send('all', { type: 'vote', vote });
  slot.proposal = { ...proposal, vote };
  const { header } = proposal;
  draft.send('all', { type: 'pre-prepare', header, transactions: null, vote }, proposal.hash);
}
