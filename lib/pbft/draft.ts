/** A copy of the state that one step may change, with the outputs that it collects. */
import { equalBytes } from '../crypto/bytes.ts';
import { leaderOf } from '../wire/validators.ts';
import type { Message } from '../wire/messages.ts';
import type { UnsignedVote } from '../wire/vote.ts';
import type { AlarmCode, Output, Recipient } from './output.ts';
import type { ReplicaState } from './state.ts';

export interface Draft {
  readonly state: ReplicaState;
  readonly now: number;
  readonly outputs: Output[];
  send(to: Recipient, message: Message, withBody?: Uint8Array | null): void;
  sign(vote: Omit<UnsignedVote, 'validator'>): void;
  alarm(code: AlarmCode, detail: string): void;
  /** Stops the replica for good: an operator must look. */
  halt(code: AlarmCode, detail: string): void;
}

/** Slots are copied one level deep; their arrays are replaced, never changed in place. */
export function draftOf(before: ReplicaState, now: number): Draft {
  const state = { ...before, slot: { ...before.slot }, next: { ...before.next } };
  const outputs: Output[] = [];
  const alarm = (code: AlarmCode, detail: string): void => {
    outputs.push({ type: 'alarm', code, detail });
  };
  return {
    state,
    now,
    outputs,
    alarm,
    send: (to, message, withBody = null) => outputs.push({ type: 'send', to, message, withBody }),
    sign: (vote) => outputs.push({ type: 'sign', vote: { ...vote, validator: state.self } }),
    halt: (code, detail) => {
      state.halted = `${code}: ${detail}`;
      alarm(code, detail);
    },
  };
}

export function leaderNow(state: ReplicaState): string {
  return leaderOf(state.validators, state.view, state.leaderOffset).id;
}

export function sameHash(
  a: Uint8Array | null | undefined,
  b: Uint8Array | null | undefined,
): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b);
}
