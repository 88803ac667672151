/** Ticks: hints judged against stored times. At rest there are none. */
import { faultyMax } from '../wire/validators.ts';
import { ownStatus } from './answer.ts';
import { type Draft, leaderNow } from './draft.ts';
import { noteHeight } from './behind.ts';
import { isAhead } from './proposal.ts';
import { startsAbove } from './selection.ts';
import type { ReplicaState } from './state.ts';
import { accuse } from './contradiction.ts';
import { signViewChange, startViewChange } from './view-change.ts';

/** Ticks come a second apart while work is pending: SQS delays are whole seconds. */
const tickMs = 1000;
/** This far from its time, an outstanding tick was lost, or the clock was moved. */
const tickLostMs = 5000;

/** `due`: the time for which the tick was armed, or null for the five-minute schedule. */
export function onTick(draft: Draft, due: number | null): void {
  const { state, now } = draft;
  const scheduled = due === null;
  if (!scheduled) {
    // One that came twice, or was given up. What the clock says now plays no part.
    if (due !== state.tickDueAt) return;
    state.tickDueAt = null;
  }
  if (scheduled) accuse(draft);
  if (!isBusy(state)) {
    if (scheduled) draft.send('all', ownStatus(state));
    return;
  }
  retransmit(draft);
  watchOldest(draft);
  if (state.learner) return;
  if (state.changing && state.quorumSince !== null && now - state.quorumSince >= state.timeoutMs) {
    startViewChange(draft, state.view + 1);
  }
}

/** L14: nothing moved since the last tick, so something may be lost: say what is here. */
function retransmit(draft: Draft): void {
  const { state } = draft;
  const mark = { height: state.head.header.height, view: state.view };
  const { height, view } = state.lastTick;
  const still = mark.height === height && mark.view === view;
  state.lastTick = mark;
  if (!still) return;
  draft.send('all', ownStatus(state));
  const mine = state.viewChanges.find(
    ({ view, vote }) => vote.validator === state.self && view === state.view,
  );
  if (state.changing && mine) draft.send('all', { type: 'view-change', viewChange: mine });
  // It may have joined as a learner.
  if (state.changing && !mine && !state.learner) signViewChange(draft);
  // A replica that waits for a view alone still gets its requests served by the others.
  if (state.changing && state.oldest) draft.outputs.push({ type: 'forward', to: 'all' });
  if (state.slot.decided) noteHeight(draft, mark.height + 1);
  askForMain(draft);
  if (startsAbove(state)) noteHeight(draft, (state.newView?.vote.height ?? 1) - 1);
  if (state.slot.wanted) state.slot.wanted = null;
}

/** L23: the main ledger is behind what a proposal or a decision of a case ledger pins. */
function askForMain({ state, outputs }: Draft): void {
  const { decided, proposal } = state.slot;
  for (const header of [decided?.header, proposal?.header]) {
    if (!header?.pin || !isAhead(state, header)) continue;
    outputs.push({ type: 'main-wanted', height: header.pin.height });
  }
}

/** L8, L9: the oldest request is told to everyone, then the leader is replaced, or all told again. */
function watchOldest(draft: Draft): void {
  const { state, now } = draft;
  const { oldest } = state;
  if (!oldest || state.changing) return;
  // No leader may propose before the interval between blocks is over. One interval counts, however
  // many blocks were made since: blocks for others never reset the timer.
  const { blockIntervalMs } = state.parameters;
  const allowed = Math.max(oldest.since, state.head.header.time + blockIntervalMs);
  const waited = now - Math.min(allowed, oldest.since + blockIntervalMs);
  if (waited >= state.timeoutMs) {
    if (!state.learner) return startViewChange(draft, state.view + 1);
    // It cannot replace the leader. What it told may be lost, so its wait begins anew.
    state.oldest = { ...oldest, since: now, told: false };
    return;
  }
  if (oldest.told || waited < state.timeoutMs / 3) return;
  state.oldest = { ...oldest, told: true };
  draft.outputs.push({ type: 'forward', to: 'all' });
}

/** L2: new requests go to the leader at once, a learner's own too: its rejoin is one. */
export function forwardToLeader(state: ReplicaState): string | null {
  if (state.changing) return null;
  const leader = leaderNow(state);
  return leader === state.self ? null : leader;
}

export function isBusy(state: ReplicaState): boolean {
  const { slot } = state;
  if (slot.decided !== null || startsAbove(state)) return true;
  // An honest validator has voted above a block that is missing here.
  if (state.next.commits.length > faultyMax(state.validators.length)) return true;
  // L23: nothing new is decided of a case that is closed.
  if (state.main?.isOpen === false) return false;
  if (slot.proposal !== null || state.oldest !== null) return true;
  return state.changing && state.quorumSince !== null;
}

/** Arms the next tick when work is pending and none is outstanding. */
export function scheduleTick(draft: Draft): void {
  const { state, now } = draft;
  if (!isBusy(state) || state.halted) return;
  const due = state.tickDueAt;
  if (due !== null && Math.abs(now - due) < tickLostMs) return;
  state.tickDueAt = now + tickMs;
  draft.outputs.push({ type: 'tick-at', time: state.tickDueAt });
}
