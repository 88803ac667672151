/** A replica of four with made-up keys, and inputs for it; signatures are not looked at here. */
import { apply } from '../../lib/pbft/apply.ts';
import type { Input } from '../../lib/pbft/input.ts';
import { initialState, type ReplicaState } from '../../lib/pbft/state.ts';
import { defaultParameters, parametersHash } from '../../lib/wire/parameters.ts';
import { appendToFrontier, frontierRoot } from '../../lib/ledger/merkle.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { validatorsHash, type ValidatorSet } from '../../lib/wire/validators.ts';
import type { Vote } from '../../lib/wire/vote.ts';

export const parameters = { ...defaultParameters, requestTimeoutMs: 4000 };
export const ids = ['va', 'vb', 'vc', 'vd'];
export const set: ValidatorSet = ids.map((id, index) => ({
  id,
  kmsKey: new Uint8Array(65).fill(index),
  incarnation: 0,
  suspended: false,
}));
export const zero = new Uint8Array(32);
export const now = 1_000_000;

export function genesis(): BlockHeader {
  return {
    protocolVersion: 1,
    ledger: 'main',
    height: 0,
    view: 0,
    proposer: 'va',
    previousHash: zero,
    transactionsRoot: zero,
    resultsRoot: zero,
    stateRoot: zero,
    time: now - 1000,
    validatorsHash: validatorsHash(set),
    nextValidatorsHash: validatorsHash(set),
    paramsHash: parametersHash(parameters),
    historyRoot: zero,
    pin: null,
  };
}

export function replica(self: string): ReplicaState {
  const header = genesis();
  const hash = headerHash(header);
  return initialState({
    self,
    ledger: 'main',
    genesisHash: zero,
    genesisHeaderHash: hash,
    leaderOffset: 0,
    validators: set,
    sessions: [],
    parameters,
    session: 0,
    head: { header, hash, certificate: null },
    frontier: appendToFrontier([], 0, hash),
  });
}

export function headerAfter(
  state: ReplicaState,
  overrides: Partial<BlockHeader> = {},
): BlockHeader {
  const { header, hash } = state.head;
  return {
    ...header,
    height: header.height + 1,
    view: state.view,
    proposer: ids[state.view % 4] ?? '',
    previousHash: hash,
    time: now,
    historyRoot: frontierRoot(state.frontier),
    pin: null,
    ...overrides,
  };
}

export function vote(
  validator: string,
  phase: Vote['phase'],
  header: BlockHeader,
  view = header.view,
): Vote {
  const signature = new Uint8Array(64);
  return { phase, height: header.height, view, hash: headerHash(header), validator, signature };
}

export const message = (
  from: string,
  one: Extract<Input, { type: 'message' }>['message'],
): Input => ({
  type: 'message',
  from,
  message: one,
});

/** Applies inputs in order, signing at once whatever is asked; answers what came out. */
export function run(state: ReplicaState, inputs: readonly Input[], at = now) {
  const said: string[] = [];
  let current = state;
  const feed = (input: Input): void => {
    const transition = apply(current, input, at);
    current = transition.state;
    for (const output of transition.outputs) {
      said.push(
        output.type === 'sign'
          ? `sign ${output.vote.phase} v${output.vote.view}`
          : output.type === 'send'
            ? `send ${output.message.type} to ${output.to}`
            : output.type,
      );
      if (output.type === 'sign') {
        feed({ type: 'signed', vote: { ...output.vote, signature: new Uint8Array(64) } });
      }
    }
  };
  inputs.forEach(feed);
  return { state: current, said };
}

export const prePrepare = (header: BlockHeader, view = header.view): Input => {
  const leader = ids[view % 4] ?? '';
  const leaders = vote(leader, 'prepare', header, view);
  return message(leader, { type: 'pre-prepare', header, transactions: null, vote: leaders });
};
export const executed = (header: BlockHeader): Input => ({
  type: 'executed',
  hash: headerHash(header),
  outcome: 'ok',
  after: null,
});
