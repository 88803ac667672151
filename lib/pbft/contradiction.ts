/** Blame: two votes of one validator for one slot, wherever they are seen (L21). */
import { validatorsHash } from '../wire/validators.ts';
import type { Certificate, Vote } from '../wire/vote.ts';
import { type Draft, sameHash } from './draft.ts';
import { seatsAt } from './seats.ts';
import type { ReplicaState } from './state.ts';

/** Whether two verified votes cannot both be of an honest validator. */
export function contradict(first: Vote, second: Vote): boolean {
  return (
    first.validator === second.validator &&
    first.phase === second.phase &&
    first.height === second.height &&
    first.view === second.view &&
    !sameHash(first.hash, second.hash)
  );
}

/** Compares a verified vote with the one held of the same slot; the first pair is kept. */
export function noteContradiction(draft: Draft, held: readonly Vote[], vote: Vote): void {
  const { state } = draft;
  const first = held.find((one) => contradict(one, vote));
  if (!first || vote.validator === state.self || isAccused(state, vote.validator)) return;
  const { validators } = seatsAt(state, vote.height);
  const incarnation = validators.find(({ id }) => id === vote.validator)?.incarnation;
  if (incarnation === undefined) return;
  const set = validatorsHash(validators);
  const contradiction = { first, second: vote, validatorsHash: set, incarnation };
  state.contradictions = [...state.contradictions, contradiction];
  draft.alarm('contradicting_votes', `${vote.validator} at height ${vote.height}`);
  draft.outputs.push({ type: 'accuse', contradiction });
}

/** The votes inside a verified certificate are compared with the ones held. */
export function noteCertificate(
  draft: Draft,
  held: readonly Vote[],
  { votes, ...statement }: Certificate,
): void {
  for (const one of votes) noteContradiction(draft, held, { ...statement, ...one });
}

/** Upon the five-minute schedule: an accusation is repeated until its validator is suspended, or is another incarnation. */
export function accuse(draft: Draft): void {
  for (const contradiction of draft.state.contradictions) {
    draft.outputs.push({ type: 'accuse', contradiction });
  }
}

/** A new set: whoever is suspended or has come back is accused no more. */
export function dropContradictions(state: ReplicaState): void {
  state.contradictions = state.contradictions.filter(({ first, incarnation }) => {
    const seat = state.validators.find(({ id }) => id === first.validator);
    return seat?.incarnation === incarnation && !seat.suspended;
  });
}

export function isAccused(state: ReplicaState, validator: string): boolean {
  return state.contradictions.some((one) => one.first.validator === validator);
}
