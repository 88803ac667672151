/**
 * L18: own votes that this replica knows nothing of, in verified messages of its peers. Its tables
 * were restored to an older point, or another process has its key: it must not vote any more.
 */
import type { Message, ViewChange } from '../wire/messages.ts';
import type { Certificate, UnsignedVote } from '../wire/vote.ts';
import { sameHash } from './draft.ts';
import { mayVote, seatsAt } from './seats.ts';
import { selection } from './selection.ts';
import type { ReplicaState } from './state.ts';

type Statement = Omit<UnsignedVote, 'validator'>;

/** Whether a verified message shows a vote of this incarnation that is not in the state. */
export function showsForgotten(state: ReplicaState, message: Message): boolean {
  if (!mayVote(state)) return false;
  return ownStatements(state, message).some((one) => isForgotten(state, one));
}

function ownStatements(state: ReplicaState, message: Message): Statement[] {
  switch (message.type) {
    case 'vote':
    case 'pre-prepare':
      return message.vote.validator === state.self ? [message.vote] : [];
    case 'decided':
      return ownVote(state, message.certificate);
    case 'view-change':
      return inViewChange(state, message.viewChange);
    case 'new-view': {
      const { vote, viewChanges } = message.newView;
      const own = vote.validator === state.self ? [vote] : [];
      const { height } = selection(viewChanges);
      return [...own, ...viewChanges.flatMap((one) => inViewChange(state, one, height))];
    }
    case 'forward':
    case 'status':
      return [];
  }
}

/** Certificates below the own head, or below the highest of a new-view, were not verified. */
function inViewChange(state: ReplicaState, viewChange: ViewChange, fromHeight = 0): Statement[] {
  const { vote, head, prepared } = viewChange;
  const own = vote.validator === state.self ? [vote] : [];
  if (head.header.height < Math.max(fromHeight, state.head.header.height)) return own;
  return [
    ...own,
    ...(head.certificate ? ownVote(state, head.certificate) : []),
    ...(prepared ? ownVote(state, prepared.certificate) : []),
  ];
}

function ownVote(state: ReplicaState, { votes, ...statement }: Certificate): Statement[] {
  return votes.some((one) => one.validator === state.self) ? [statement] : [];
}

function isForgotten(state: ReplicaState, vote: Statement): boolean {
  const next = state.head.header.height + 1;
  if (vote.height < next) return false;
  const seat = seatsAt(state, vote.height).validators.find((one) => one.id === state.self);
  if (seat?.incarnation !== state.session) return false;
  if (vote.phase === 'view-change' || vote.phase === 'new-view') return vote.view > state.view;
  if (vote.height > next) return true;
  const { myPrepare, myCommit } = state.slot;
  const mine = vote.phase === 'prepare' ? myPrepare : myCommit;
  if (!mine || mine.view < vote.view) return true;
  return mine.view === vote.view && !sameHash(mine.hash, vote.hash);
}
