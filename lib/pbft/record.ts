/** Records verified messages in the state; draws no conclusions. */
import { headerHash } from '../wire/header.ts';
import type { Message, MessageOf, ViewChange } from '../wire/messages.ts';
import { leaderOf } from '../wire/validators.ts';
import type { Vote } from '../wire/vote.ts';
import { showsForgotten } from './amnesia.ts';
import { answerStatus } from './answer.ts';
import { noteHeight } from './behind.ts';
import { noteCertificate, noteContradiction } from './contradiction.ts';
import { type Draft, sameHash } from './draft.ts';
import { invariant } from './errors.ts';
import { seatsAt } from './seats.ts';
import { slotAt, withVote } from './slot.ts';
import type { Slot } from './state.ts';
import { enterView, recordViewChange } from './view-change.ts';

export function recordMessage(draft: Draft, from: string, message: Message): void {
  if (showsForgotten(draft.state, message)) forget(draft);
  switch (message.type) {
    case 'forward':
      // The step keeps requests in the mempool before it applies.
      return;
    case 'pre-prepare':
      return recordPrePrepare(draft, message);
    case 'vote':
      return recordVote(draft, message.vote);
    case 'view-change':
      notePrepared(draft, message.viewChange);
      return recordViewChange(draft, message.viewChange);
    case 'new-view':
      return enterView(draft, message.newView);
    case 'status':
      return answerStatus(draft, from, message);
    case 'decided':
      return recordDecided(draft, message);
  }
}

/** L4: the first proposal of a view at a height counts; one for the next height waits its turn. */
function recordPrePrepare(draft: Draft, message: MessageOf<'pre-prepare'>): void {
  const { header, vote } = message;
  const slot = slotAt(draft.state, header.height);
  if (!slot) return noteHeight(draft, header.height);
  const { state } = draft;
  noteContradiction(draft, slot.prepares, vote);
  slot.prepares = withVote(slot.prepares, vote);
  const { validators } = seatsAt(state, header.height);
  if (vote.validator !== leaderOf(validators, vote.view, state.leaderOffset).id) return;
  if (state.changing || vote.view !== state.view || slot.proposal?.view === vote.view) return;
  slot.proposal = { view: vote.view, header, hash: headerHash(header), vote };
  for (const other of slot.prepares) showLeadersVote(draft, slot, other);
}

function recordVote(draft: Draft, vote: Vote): void {
  const slot = slotAt(draft.state, vote.height);
  if (!slot) return noteHeight(draft, vote.height);
  if (vote.phase === 'prepare') {
    noteContradiction(draft, slot.prepares, vote);
    slot.prepares = withVote(slot.prepares, vote);
    showLeadersVote(draft, slot, vote);
  }
  if (vote.phase === 'commit') {
    noteContradiction(draft, slot.commits, vote);
    slot.commits = withVote(slot.commits, vote);
  }
}

/** L21: whoever prepared another header of this view is shown what the leader said here. */
function showLeadersVote(draft: Draft, slot: Slot, other: Vote): void {
  const { proposal } = slot;
  if (!proposal?.vote || proposal.view !== other.view) return;
  if (sameHash(proposal.hash, other.hash)) return;
  const { validator } = other;
  if (validator === proposal.vote.validator || validator === draft.state.self) return;
  draft.send(validator, { type: 'vote', vote: proposal.vote });
}

/** L21: a prepared certificate says what others voted for. */
function notePrepared(draft: Draft, { prepared }: ViewChange): void {
  const slot = prepared && slotAt(draft.state, prepared.header.height);
  if (slot) noteCertificate(draft, slot.prepares, prepared.certificate);
}

/** L18: own votes are not remembered, so none is cast any more in this incarnation. */
function forget(draft: Draft): void {
  const { state } = draft;
  const incarnation = state.session;
  invariant(incarnation !== null, 'only who may vote can have forgotten votes');
  state.forgot = incarnation;
  state.learner = true;
  draft.alarm('votes_forgotten', `height ${state.head.header.height}`);
}

/** L16: a commit certificate is final whatever view it is from. */
function recordDecided(draft: Draft, message: MessageOf<'decided'>): void {
  const { header, certificate } = message;
  const slot = slotAt(draft.state, header.height);
  if (!slot) return noteHeight(draft, header.height);
  if (slot === draft.state.next) noteHeight(draft, header.height);
  if (slot.decided?.header) return;
  if (slot.decided && !sameHash(slot.decided.certificate.hash, certificate.hash)) {
    return draft.halt('execution_contradicts_certificate', `two certificates at ${header.height}`);
  }
  noteCertificate(draft, slot.commits, certificate);
  slot.decided = { header, certificate };
  if (sameHash(slot.wanted, certificate.hash) && message.transactions) slot.wanted = null;
}
