/** Feeds inputs to the state machine and does what it asks for within the step. */
import { toBase64url, toHex } from '../../../lib/crypto/bytes.ts';
import { apply } from '../../../lib/pbft/apply.ts';
import { peersOf, seatsAt } from '../../../lib/pbft/seats.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import { contextOf } from '../../../lib/pbft/verify.ts';
import type { Input } from '../../../lib/pbft/input.ts';
import type { Output } from '../../../lib/pbft/output.ts';
import { equalBytes } from '../../../lib/crypto/bytes.ts';
import type { BlockHeader, Pin } from '../../../lib/wire/header.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import { type UnsignedVote, voteSigningBytes } from '../../../lib/wire/vote.ts';
import {
  checkBody,
  type ExecutedBlock,
  executeBlock,
  headView,
  stageBlock,
  transactionFault,
} from './execute-block.ts';
import { accuse } from './accuse.ts';
import { keepHistory } from './history.ts';
import { isMissing, pinnedState } from './main-state.ts';
import { committedFromPending, nextBlockTime, peopleOf, requestsOf } from './pending.ts';
import type { OutboxMessage } from './record.ts';
import type { Run } from './run.ts';

type OutputOf<T extends Output['type']> = Extract<Output, { type: T }>;

/** Applies one input; outputs that need an answer are answered before this returns. */
export async function feed(run: Run, input: Input): Promise<void> {
  const { state, outputs } = apply(run.state, input, run.runtime.clock());
  run.state = state;
  for (const output of outputs) await perform(run, output);
}

async function perform(run: Run, output: Output): Promise<void> {
  switch (output.type) {
    case 'send':
      return queueMessage(run, output);
    case 'sign':
      return sign(run, output.vote);
    case 'build':
      return build(run, output);
    case 'execute':
      return executeProposal(run, output);
    case 'commit':
      return commit(run, output);
    case 'forward':
      run.forwardToAll ||= output.to === 'all';
      return;
    case 'catch-up':
      run.catchUp = { fromHeight: output.fromHeight, toHeight: output.toHeight };
      return;
    case 'main-wanted':
      run.mainWanted = Math.max(run.mainWanted, output.height);
      return;
    case 'accuse':
      return accuse(run, output.contradiction);
    case 'tick-at':
      run.tickAt = output.time;
      return;
    case 'alarm':
      run.runtime.log({
        event: 'alarm',
        ledger: run.ledger,
        code: output.code,
        detail: output.detail,
      });
      return;
  }
}

/** A peer is told each thing once a step, however often it asked: what it may owe is bounded. */
function queueMessage(run: Run, output: OutputOf<'send'>): void {
  const peers = output.to === 'all' ? peersOf(run.state) : [output.to];
  const { message, withBody } = output;
  const key = toBase64url(encodeCbor({ message, withBody }));
  const one = run.said.get(key) ?? { message, withBody };
  run.said.set(key, one);
  for (const peer of peers) {
    const queued = run.outgoing.get(peer) ?? new Map<string, OutboxMessage>();
    if (!queued.has(key)) queued.set(key, one);
    run.outgoing.set(peer, queued);
  }
}

async function sign(run: Run, vote: UnsignedVote): Promise<void> {
  const { signer } = run.runtime;
  if (!signer || !isCounted(run.state, vote.height, signer.publicKey)) return;
  const signature = await signer.sign(voteSigningBytes(contextOf(run.state, vote.height), vote));
  run.runtime.log({ event: 'voted', ledger: run.ledger, phase: vote.phase, height: vote.height });
  await feed(run, { type: 'signed', vote: { ...vote, signature } });
}

/**
 * L18: whether peers know this key at a height. Keys of one incarnation may have been made twice;
 * a vote by another than the ledger's would count here and nowhere else.
 */
function isCounted(state: ReplicaState, height: number, key: Uint8Array): boolean {
  return seatsAt(state, height).sessions.some(
    ({ body }) => body.validator === state.self && equalBytes(body.key, key),
  );
}

/** L3: the leader's block of the oldest valid requests. */
async function build(run: Run, wanted: OutputOf<'build'>): Promise<void> {
  const { runtime, state } = run;
  const stale = state.slot.proposal ?? state.slot.decided;
  if (stale || state.head.header.height + 1 !== wanted.height || state.view !== wanted.view) return;
  const { blockTransactionsMax, blockBytesMax } = state.parameters;
  const countMax = Math.min(blockTransactionsMax, run.warm.pace.size);
  const since = runtime.clock();
  const time = nextBlockTime(run);
  const waiting = [];
  let bytes = 0;
  for (const { transaction } of run.warm.pending.entries) {
    bytes += transaction.compact.length;
    if (waiting.length >= countMax || bytes > blockBytesMax) break;
    waiting.push(transaction);
  }
  // What was good when it was read may not be at the block's time, or on this head.
  const at = { time, state, people: peopleOf(run) };
  const head = headView(runtime, state);
  const faults = await Promise.all(waiting.map((one) => transactionFault(runtime, head, one, at)));
  const candidates = waiting.filter((_, index) => faults[index] === null);
  const { view, historyRoot } = wanted;
  const pin = pinNow(run);
  const plan = { view, proposer: state.self, time, historyRoot, pin };
  const pinned = pin && (await pinnedState(runtime, run.ledger, pin));
  const isReady = candidates.length > 0 && (pin === null) === (pinned === null);
  const block = isReady ? await executeBlock(runtime, state, candidates, plan, true, pinned) : null;
  if (block) {
    await stageBlock(runtime, run.ledger, block);
    run.warm.bodies.set(toHex(block.hash), block.transactions, block.refused);
    run.warm.pace.built(toHex(block.hash), waiting.length, since);
  }
  const built = block && { header: block.header, hash: block.hash, after: block.after };
  await feed(run, { type: 'built', built });
}

/** L5: executes a proposed or certified body and compares the header that comes out. */
async function executeProposal(run: Run, wanted: OutputOf<'execute'>): Promise<void> {
  const { runtime, state } = run;
  const { header, hash } = wanted;
  if (header.height !== state.head.header.height + 1) return;
  const named = toHex(hash);
  const body =
    run.warm.bodies.get(named) ?? (await runtime.ports.blocks.body(run.ledger, hash))?.transactions;
  if (!body) return feed(run, { type: 'executed', hash, outcome: 'missing' });
  let block: ExecutedBlock | null;
  try {
    block = await executed(run, header, body);
  } catch (error) {
    // L23: a later step tries again, once the worker has brought what is lacking.
    if (header.pin === null || !isMissing(error)) throw error;
    runtime.log({ event: 'dropped', ledger: run.ledger, reason: 'main state', from: state.self });
    return feed(run, { type: 'executed', hash, outcome: 'missing' });
  }
  if (!block || !equalBytes(block.hash, hash)) {
    return feed(run, { type: 'executed', hash, outcome: 'mismatch' });
  }
  await stageBlock(runtime, run.ledger, block);
  run.warm.bodies.set(named, body, block.refused);
  return feed(run, { type: 'executed', hash, outcome: 'ok', after: block.after });
}

/** L5, L23: what a header's body makes; null where it may not stand in a block, or not on this pin. */
async function executed(
  { runtime, state, ledger }: Run,
  { view, proposer, time, historyRoot, pin }: BlockHeader,
  body: readonly string[],
): Promise<ExecutedBlock | null> {
  const pinned = pin && (await pinnedState(runtime, ledger, pin));
  if ((pin === null) !== (ledger === MAIN_LEDGER) || (pin && !pinned)) return null;
  const transactions = await checkBody(runtime, state, body, time, pinned);
  const plan = { view, proposer, time, historyRoot, pin };
  return transactions && executeBlock(runtime, state, transactions, plan, false, pinned);
}

/** L23: the head of the main ledger here; null on that one itself. */
function pinNow({ main }: Run): Pin | null {
  return main && { height: main.head.height, hash: main.head.headerHash };
}

/** L7: the certified header is written before the head moves; it is true whoever reads it. */
async function commit(run: Run, output: OutputOf<'commit'>): Promise<void> {
  const { runtime, ledger } = run;
  const { header, hash, certificate, entered } = output;
  await runtime.ports.blocks.putCertified(ledger, header, hash, certificate);
  await keepHistory(runtime.ports.blocks, header, hash);
  if (entered) {
    const { validators, sessions } = entered;
    const link = { validators, header, certificate };
    const fromHeight = header.height + 1;
    await runtime.ports.blocks.putLink(ledger, { fromHeight, link, sessions });
  }
  const body =
    run.warm.bodies.get(toHex(hash)) ??
    (await runtime.ports.blocks.body(ledger, hash))?.transactions;
  const count = body?.length ?? 0;
  run.warm.pace.decided(toHex(hash), runtime.clock(), run.state.parameters.requestTimeoutMs);
  runtime.log({
    event: 'committed',
    ledger,
    height: header.height,
    view: certificate.view,
    transactions: count,
    refusals: run.warm.bodies.refused(toHex(hash)),
    ...requestsOf(run, body ?? []),
  });
  await committedFromPending(run, body ?? []);
}
