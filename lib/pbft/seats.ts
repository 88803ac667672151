/** Who votes at which height: a set acts two heights after the block that changed it. */
import { equalBytes } from '../crypto/bytes.ts';
import type { Governed } from '../wire/governed.ts';
import { MAIN_LEDGER } from '../wire/ledger.ts';
import { validatorsHash, type ValidatorSet } from '../wire/validators.ts';
import type { ReplicaState, Seats } from './state.ts';

/**
 * The set by which a vote of this height is judged. Of heights further away than head and head + 2
 * the nearest known set is taken: the signed bytes name the set, so a wrong guess only refuses.
 */
export function seatsAt(state: ReplicaState, height: number): Seats {
  const next = state.head.header.height + 1;
  if (height < next) return state.previous ?? state;
  return height === next ? state : (state.upcoming ?? state);
}

/** What governs head + 2. */
export function upcomingOf(state: ReplicaState): Governed {
  const { validators, sessions, parameters } = state;
  return state.upcoming ?? { validators, sessions, parameters };
}

/** L18: a seat of this set that is not suspended, and a session key of its incarnation. */
export function mayVote(state: ReplicaState): boolean {
  const { session, forgot, self } = state;
  const seat = state.validators.find((one) => one.id === self);
  if (!seat || seat.suspended || session === null) return false;
  return session === seat.incarnation && session !== forgot;
}

/** L18: with the session key at hand, certified for this incarnation; null without one. */
export function withSession(state: ReplicaState, session: number | null): ReplicaState {
  if (state.session === session) return state;
  const next = { ...state, session };
  return { ...next, learner: !mayVote(next) };
}

export function sameSet(a: ValidatorSet, b: ValidatorSet): boolean {
  return a === b || equalBytes(validatorsHash(a), validatorsHash(b));
}

/** Everyone who votes on head + 1 or will on head + 2, but for this validator itself. */
export function peersOf(state: ReplicaState): string[] {
  const ids = new Set(state.validators.map((one) => one.id));
  for (const { id } of state.upcoming?.validators ?? []) ids.add(id);
  ids.delete(state.self);
  return [...ids];
}

/**
 * Moves what governs by one height: `after` is what the new head makes govern head + 2. On a case
 * ledger it governs head + 1: what governs the main ledger at the height that the head pins.
 */
export function moveGoverned(state: ReplicaState, after: Governed | null): void {
  const { validators, sessions } = state;
  const isCase = state.ledger !== MAIN_LEDGER;
  const next = isCase ? after : state.upcoming;
  state.previous = next ? { validators, sessions } : null;
  if (next) {
    state.validators = next.validators;
    state.sessions = next.sessions.filter(({ body }) => body.purpose === 'vote');
    state.parameters = next.parameters;
  }
  state.upcoming = isCase ? null : after;
}
