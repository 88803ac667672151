/** Executes a block's transactions on a head: the same for leader, replica and catch-up. */
import {
  execute,
  type Execution,
  type LedgerEvent,
  readHints,
  signerHints,
} from '../../../lib/chaincode/execute.ts';
import { ChaincodeError } from '../../../lib/chaincode/errors.ts';
import { endBlock, governedKeys, governedOf } from '../../../lib/chaincode/governed.ts';
import { resolveKeys } from '../../../lib/chaincode/resolve-keys.ts';
import { pruneSeen, recordSeen, wasSeen } from '../../../lib/chaincode/seen.ts';
import { equalBytes, toHex, utf8 } from '../../../lib/crypto/bytes.ts';
import { taggedHash } from '../../../lib/crypto/hash.ts';
import type { PageCache } from '../../../lib/ledger/page-cache.ts';
import { merkleRoot } from '../../../lib/ledger/merkle.ts';
import { updateTree } from '../../../lib/ledger/state-tree.ts';
import { OverlayView, TreeView } from '../../../lib/ledger/state-view.ts';
import { limits } from '../../../lib/limits.ts';
import { samePlain } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import { type BlockHeader, headerHash, type Pin } from '../../../lib/wire/header.ts';
import { parametersHash } from '../../../lib/wire/parameters.ts';
import { encodeResult, type TransactionResult } from '../../../lib/wire/result.ts';
import {
  checkRequest,
  parseTransaction,
  type Transaction,
  verifyTransaction,
} from '../../../lib/wire/transaction.ts';
import { validatorsHash, type ValidatorSet } from '../../../lib/wire/validators.ts';
import { upcomingOf } from '../../../lib/pbft/seats.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import type { Governed } from '../../../lib/wire/governed.ts';
import type { BlockEvent } from '../ports.ts';
import type { ValidatorRuntime } from '../runtime.ts';
import type { PinnedState } from './main-state.ts';

/** Why a transaction may not stand in a block at all (INVALID results are something else). */
export type BlockFault = 'malformed' | 'window' | 'unknown_signer' | 'bad_signature' | 'closed';

export interface ExecutedBlock {
  header: BlockHeader;
  hash: Uint8Array;
  transactions: string[];
  ids: string[];
  results: Uint8Array[];
  /** How many the chaincode refused, by code. */
  refused: Record<string, number>;
  events: BlockEvent[];
  pages: { id: string; bytes: Uint8Array }[];
  /** What governs the height after the next (of a case, the next), where this block changes it. */
  after: Governed | null;
}

export interface BlockPlan {
  view: number;
  proposer: string;
  time: number;
  historyRoot: Uint8Array;
  /** The block of the main ledger that a block of a case ledger pins; else null. */
  pin: Pin | null;
}

/** Where it says who is who: the own state of the main ledger, or the one that a case sees. */
export type People = Pick<PinnedState, 'view' | 'isOpen'> | null;

/** A view of the committed state at a replica's head: the same one while the head stays. */
export function headView(runtime: ValidatorRuntime, state: ReplicaState): TreeView {
  const { ledger, head } = state;
  const warm = runtime.warm.get(ledger);
  const kept = warm?.headView;
  if (kept && equalBytes(kept.hash, head.hash) && kept.view.size < limits.viewKeysMax) {
    return kept.view;
  }
  const view = newHeadView(runtime, state);
  if (warm) warm.headView = { hash: head.hash, view };
  return view;
}

function newHeadView(runtime: ValidatorRuntime, { ledger, head }: ReplicaState): TreeView {
  const reader = { pages: (ids: readonly string[]) => runtime.ports.pages.getPages(ledger, ids) };
  const base = { height: head.header.height, root: head.header.stateRoot };
  return new TreeView(base, reader, { cache: cacheOf(runtime, ledger) });
}

/** Pages are named by height and root alone: those of one ledger must not stand for another's. */
function cacheOf(runtime: ValidatorRuntime, ledger: string): PageCache {
  return runtime.warm.get(ledger)?.pages ?? runtime.cache;
}

/**
 * Checks one transaction against a head: signatures by keys that the ledger knows, window at
 * `time`. Answers null when it may stand in a block.
 */
export async function transactionFault(
  runtime: ValidatorRuntime,
  view: TreeView,
  transaction: Transaction,
  at: { time: number; state: Pick<ReplicaState, 'ledger' | 'parameters'>; people: People },
): Promise<BlockFault | null> {
  const { network } = runtime.genesis.document;
  const { ledger, parameters } = at.state;
  if (transaction.kind !== 'transaction') return 'malformed';
  if (at.people?.isOpen === false) return 'closed';
  try {
    const skewMsMax = parameters.clockSkewMsMax;
    checkRequest(transaction, { network, ledger, now: at.time, skewMsMax });
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return 'window';
  }
  let keys;
  try {
    const people = at.people?.view ?? view;
    keys = await resolveKeys(people, transaction, { network, time: at.time });
  } catch (error) {
    // A table that does not answer says nothing about the transaction: the step is repeated.
    if (!(error instanceof ChaincodeError)) throw error;
    return 'unknown_signer';
  }
  if (runtime.verified.has(transaction.compact, keys)) return null;
  if (!(await verifyTransaction(transaction, keys, runtime.verify))) return 'bad_signature';
  runtime.verified.add(transaction.compact, keys);
  return null;
}

/** Null where it is no transaction. */
export function tryParse(compact: string): Transaction | null {
  try {
    return parseTransaction(compact);
  } catch {
    return null;
  }
}

/** Parses and checks a body that a peer proposed; null when it may not stand in a block. */
export async function checkBody(
  runtime: ValidatorRuntime,
  state: ReplicaState,
  compacts: readonly string[],
  time: number,
  people: People,
): Promise<Transaction[] | null> {
  const { blockTransactionsMax, blockBytesMax } = state.parameters;
  const bytes = compacts.reduce((sum, compact) => sum + compact.length, 0);
  if (compacts.length > blockTransactionsMax || bytes > blockBytesMax) return null;
  const view = headView(runtime, state);
  const known = runtime.warm.get(state.ledger)?.pending.byCompact;
  const parsed = compacts.map((compact) => known?.get(compact)?.transaction ?? tryParse(compact));
  const transactions = parsed.filter((one) => one !== null);
  if (transactions.length < parsed.length) return null;
  await view.prefetch(transactions.flatMap(readHints));
  await people?.view.prefetch(transactions.flatMap(signerHints));
  const at = { time, state, people };
  const faults = await Promise.all(
    transactions.map((transaction) => transactionFault(runtime, view, transaction, at)),
  );
  return faults.every((fault) => fault === null) ? transactions : null;
}

/**
 * Executes checked transactions in order and computes the header that commits to them. With
 * `dropReplays` (a leader) replays are left out, and what is above the bound of effects; else (a
 * replica) either makes the answer null. `pinned`: the main ledger at the plan's pin.
 */
export async function executeBlock(
  runtime: ValidatorRuntime,
  state: ReplicaState,
  candidates: readonly Transaction[],
  plan: BlockPlan,
  dropReplays: boolean,
  pinned: PinnedState | null = null,
): Promise<ExecutedBlock | null> {
  const { network } = runtime.genesis.document;
  const { ledger, head, parameters } = state;
  const height = head.header.height + 1;
  const place = { network, ledger, height, time: plan.time };
  const genesisHash = runtime.genesis.hash;
  const main = pinned?.view ?? null;
  const context = { ...place, parameters, genesisHash, verify: runtime.verify, main };
  const base = headView(runtime, state);
  await base.prefetch(candidates.flatMap(readHints));
  await main?.prefetch(candidates.flatMap(signerHints));
  const overlay = new OverlayView(base);
  const taken: Transaction[] = [];
  const results: Uint8Array[] = [];
  const events: BlockEvent[] = [];
  const refused: Record<string, number> = {};
  let effectBytes = 0;
  for (const transaction of candidates) {
    if (effectBytes >= limits.blockEffectBytesMax) {
      // A small body can have large effects: what remains waits for the next block.
      if (dropReplays) break;
      return null;
    }
    if (await wasSeen(overlay, transaction)) {
      if (dropReplays) continue;
      return null;
    }
    const execution = await execute(overlay, transaction, context);
    if (execution.status === 'COMMITTED') {
      overlay.apply(execution.writes);
      const index = taken.length;
      events.push(...execution.events.map((event) => publicEvent(event, transaction.id, index)));
    } else {
      refused[execution.code] = (refused[execution.code] ?? 0) + 1;
    }
    overlay.apply(await recordSeen(overlay, transaction));
    taken.push(transaction);
    const result = encodeResult(resultOf(transaction.id, execution));
    results.push(result);
    effectBytes += result.length + writtenBytes(execution);
  }
  if (taken.length === 0) return null;
  overlay.apply(await pruneSeen(overlay, plan.time));
  overlay.apply(await endBlock(overlay, context));
  const reader = { pages: (ids: readonly string[]) => runtime.ports.pages.getPages(ledger, ids) };
  const treeBase = { height: head.header.height, root: head.header.stateRoot };
  const cache = cacheOf(runtime, ledger);
  const { root, pages } = await updateTree(treeBase, height, overlay.writes(), reader, { cache });
  const transactions = taken.map((transaction) => transaction.compact);
  const ids = taken.map((transaction) => transaction.id);
  const roots = { stateRoot: root, resultsRoot: merkleRoot(results) };
  const { validators } = pinned?.governed ?? upcomingOf(state);
  const header = headerOf(state, plan, transactions, { ...roots, validators });
  const after = pinned ? governedByPin(state, pinned) : await governedAfter(overlay);
  const hash = headerHash(header);
  return { header, hash, transactions, ids, results, refused, events, pages, after };
}

function headerOf(
  state: ReplicaState,
  plan: BlockPlan,
  transactions: readonly string[],
  made: { stateRoot: Uint8Array; resultsRoot: Uint8Array; validators: ValidatorSet },
): BlockHeader {
  const { stateRoot, resultsRoot, validators } = made;
  return {
    protocolVersion: 1,
    ledger: state.ledger,
    height: state.head.header.height + 1,
    ...plan,
    previousHash: state.head.hash,
    transactionsRoot: transactionsRoot(transactions),
    stateRoot,
    resultsRoot,
    validatorsHash: validatorsHash(state.validators),
    nextValidatorsHash: validatorsHash(validators),
    paramsHash: parametersHash(state.parameters),
  };
}

function resultOf(id: string, execution: Execution): TransactionResult {
  return execution.status === 'COMMITTED'
    ? { id, status: 'COMMITTED', code: '', value: execution.value }
    : { id, status: 'INVALID', code: execution.code, value: null };
}

function writtenBytes(execution: Execution): number {
  if (execution.status === 'INVALID') return 0;
  return execution.writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
}

function publicEvent(event: LedgerEvent, transactionId: string, index: number): BlockEvent {
  return { index, topic: event.topic, tag: eventTag(event.audience, transactionId) };
}

export function transactionsRoot(transactions: readonly string[]): Uint8Array {
  return merkleRoot(transactions.map(utf8));
}

/** Lets only those who know audience and transaction recognise an event. */
function eventTag(audience: string, transactionId: string): string {
  return toHex(taggedHash('event', utf8(audience), utf8(transactionId)).slice(0, 16));
}

/** What the block makes govern the height after the next; null where it writes nothing of it. */
async function governedAfter(overlay: OverlayView): Promise<Governed | null> {
  const written = new Set(overlay.writes().map(({ key }) => key));
  if (!governedKeys.some((key) => written.has(key))) return null;
  return governedOf(overlay);
}

/** L23: what governs a case from the next block on; null where that is the same as now. */
function governedByPin(state: ReplicaState, { governed }: PinnedState): Governed | null {
  const { validators, sessions, parameters } = state;
  const votes = governed.sessions.filter(({ body }) => body.purpose === 'vote');
  const next = { ...governed, sessions: votes };
  return samePlain({ validators, sessions, parameters }, next) ? null : next;
}

/** Makes a block durable before anyone votes for it; idempotent, seen by no reader yet. */
export async function stageBlock(
  runtime: ValidatorRuntime,
  ledger: string,
  block: ExecutedBlock,
): Promise<void> {
  const { blocks, pages } = runtime.ports;
  const { header, hash, transactions, results, ids, events } = block;
  await Promise.all([
    blocks.stageBody(ledger, header.height, hash, { transactions, results }, ids),
    events.length > 0 ? blocks.stageEvents(ledger, hash, events) : undefined,
    pages.putPages(ledger, block.pages),
  ]);
}
