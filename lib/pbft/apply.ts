/**
 * The replica's state machine: PBFT (Castro and Liskov, OSDI 1999) with one height in flight.
 * `apply` records what an input says; `advance` then draws every conclusion that the recorded
 * facts allow. Both are pure: time is an argument. Line numbers (L…) refer to docs/pbft.md.
 */
import { advance } from './advance.ts';
import { ownStatus } from './answer.ts';
import { noteAhead } from './behind.ts';
import { type Draft, draftOf, sameHash } from './draft.ts';
import type { Input } from './input.ts';
import type { Output } from './output.ts';
import { installSnapshot } from './install.ts';
import { recordMessage } from './record.ts';
import { recordOwnVote } from './own-votes.ts';
import { isExecuted, includesHash } from './slot.ts';
import type { ReplicaState } from './state.ts';
import { onTick, scheduleTick } from './timers.ts';

export interface Transition {
  state: ReplicaState;
  outputs: Output[];
}

/** The next state and what is to be done; `now` in milliseconds. */
export function apply(state: ReplicaState, input: Input, now: number): Transition {
  if (state.halted) return { state, outputs: [] };
  const draft = draftOf(state, now);
  record(draft, input);
  advance(draft, input.type === 'built');
  scheduleTick(draft);
  return { state: draft.state, outputs: draft.outputs };
}

/** One switch: every input is recorded here and nowhere else. */
function record(draft: Draft, input: Input): void {
  const { state } = draft;
  switch (input.type) {
    case 'message':
      return recordMessage(draft, input.from, input.message);
    case 'pending':
      return recordPending(draft, input.oldest);
    case 'built':
      return recordBuilt(draft, input.built);
    case 'executed':
      return recordExecuted(draft, input);
    case 'body':
      if (sameHash(state.slot.wanted, input.hash)) state.slot.wanted = null;
      return;
    case 'ahead':
      return noteAhead(draft, input.height);
    case 'snapshot':
      return installSnapshot(draft, input);
    case 'signed':
      return recordOwnVote(draft, input.vote);
    case 'tick':
      return onTick(draft, input.due);
  }
}

/** L1: the timer belongs to the oldest request, whoever else makes progress meanwhile. */
function recordPending(draft: Draft, oldest: string | null): void {
  const { state, now } = draft;
  if (oldest === null) state.oldest = null;
  else if (state.oldest?.id !== oldest) state.oldest = { id: oldest, since: now, told: false };
}

/** L3: the leader's own proposal; its body was executed and staged while it was built. */
function recordBuilt(draft: Draft, built: Extract<Input, { type: 'built' }>['built']): void {
  const { state } = draft;
  if (built === null) return;
  if (state.changing || state.slot.proposal) return;
  if (built.header.height !== state.head.header.height + 1 || built.header.view !== state.view)
    return;
  const { hash, after } = built;
  state.slot.executed = [...state.slot.executed, { hash, after }];
  state.slot.proposal = { view: state.view, header: built.header, hash: built.hash, vote: null };
}

function recordExecuted(draft: Draft, input: Extract<Input, { type: 'executed' }>): void {
  const { slot } = draft.state;
  if (input.outcome === 'missing') {
    slot.wanted = input.hash;
    draft.send('all', ownStatus(draft.state));
    return;
  }
  const { hash } = input;
  if (input.outcome === 'ok') {
    if (isExecuted(slot, hash)) return;
    slot.executed = [...slot.executed, { hash, after: input.after }];
    return;
  }
  if (!includesHash(slot.refused, hash)) slot.refused = [...slot.refused, hash];
  draft.alarm('proposal_refused', 'execution differs');
}
