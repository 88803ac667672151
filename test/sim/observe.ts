/** What a replica's step changed: new blocks for the checkers, events for the model. */
import { decode } from '@ipld/dag-cbor';
import { toHex } from '../../lib/crypto/bytes.ts';
import type { BlockBody } from '../../lib/ports.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import type { Certificate, Vote } from '../../lib/wire/vote.ts';
import { ledger, type SimNode } from './node.ts';
import type { TransactionResult } from '../../lib/wire/result.ts';
import type { World } from './world.ts';

/** A block that has become part of a replica's ledger. */
export interface NewBlock {
  header: BlockHeader;
  hash: Uint8Array;
  certificate: Certificate;
  body: BlockBody;
}

export async function observe(world: World, node: SimNode): Promise<void> {
  const state = await node.state();
  if (!state) return;
  const { observed } = node;
  const height = state.head.header.height;
  if (height < observed.height) {
    world.fail('durability', `${node.name} went from height ${observed.height} to ${height}`);
  }
  while (observed.height < height) {
    const block = await blockAt(world, node, observed.height + 1);
    observed.height += 1;
    for (const [index, compact] of block.body.transactions.entries()) {
      if (observed.executed.has(compact)) {
        world.fail('validity', `${node.name} executed a transaction twice at ${observed.height}`);
      }
      observed.executed.add(compact);
      if (isRefused(block.body.results[index])) observed.refused.add(compact);
    }
    world.cases.noteMain(block.header, block.body.transactions);
    tellCommit(world, node, block);
    for (const one of world.checkers) await one.onBlock?.(node, block);
  }
  tellChanges(world, node, state);
  tellVotes(world, node, () => true);
  for (const one of world.checkers) await one.onStep?.(node, state);
}

/** Ordered, and without effect: its operator had no seat any more, or another was first. */
function isRefused(result: Uint8Array | undefined): boolean {
  const { status } = decode<TransactionResult>(result ?? new Uint8Array());
  return status === 'INVALID';
}

async function blockAt(world: World, node: SimNode, height: number): Promise<NewBlock> {
  const { blocks } = node.tables;
  const found = await blocks.certified(ledger, height);
  if (!found) world.fail('half-block', `${node.name} has no certified header at ${height}`);
  const hash = headerHash(found.header);
  const body = await blocks.body(ledger, hash);
  if (!body) world.fail('half-block', `${node.name} has no body at ${height}`);
  return { ...found, hash, body };
}

/** Tells the votes that belong before what comes next, each after what made it possible. */
function tellVotes(world: World, node: SimNode, belongs: (vote: Vote) => boolean): void {
  const told = node.unsaid.filter(({ vote }) => belongs(vote));
  node.unsaid = node.unsaid.filter(({ vote }) => !belongs(vote));
  for (const { vote, header, prepared } of told) {
    const { phase, height, view, hash } = vote;
    const set = toHex(header?.validatorsHash ?? node.validatorsHash);
    world.emit(node, { type: 'vote', phase, height, view, hash: toHex(hash), validatorsHash: set });
    if (phase !== 'view-change') continue;
    const bound = prepared ? { ...prepared, hash: toHex(prepared.hash) } : null;
    world.emit(node, { type: 'prepared', ...(bound ?? { height: null, view: null, hash: null }) });
  }
}

const isBallot = ({ phase }: Vote): boolean => phase === 'prepare' || phase === 'commit';

function tellCommit(world: World, node: SimNode, { header, hash, certificate }: NewBlock): void {
  tellVotes(world, node, (vote) => isBallot(vote) && vote.height <= header.height);
  world.emit(node, {
    type: 'commit',
    height: header.height,
    view: certificate.view,
    hash: toHex(hash),
    validatorsHash: toHex(header.validatorsHash),
  });
}

function tellChanges(world: World, node: SimNode, state: ReplicaState): void {
  const { observed } = node;
  if (state.view !== observed.view || state.changing !== observed.changing) {
    tellVotes(world, node, (vote) => isBallot(vote) && vote.view < state.view);
    observed.view = state.view;
    observed.changing = state.changing;
    node.trace(`${state.changing ? 'asks for' : 'is in'} view ${state.view}`);
    world.emit(node, { type: 'view', view: state.view, changing: state.changing });
  }
  if (state.learner !== observed.learner) {
    observed.learner = state.learner;
    world.emit(node, { type: 'learner', learner: state.learner });
  }
  tellSeats(world, node, state);
}

function tellSeats(world: World, node: SimNode, state: ReplicaState): void {
  const { observed } = node;
  const members = state.validators.map((one) => one.id).join(' ');
  if (observed.members !== members) {
    const first = observed.members === '';
    observed.members = members;
    node.validatorsHash = validatorsHash(state.validators);
    const height = state.head.header.height + 1;
    const validators = state.validators.map((one) => one.id);
    if (!first) world.emit(node, { type: 'set', validators, height });
  }
  for (const { id, suspended, incarnation } of state.validators) {
    if (suspended && !observed.suspended.has(id)) {
      observed.suspended.add(id);
      world.emit(node, { type: 'suspended', validator: id });
    }
    if (!suspended) observed.suspended.delete(id);
    const before = observed.incarnations.get(id);
    observed.incarnations.set(id, incarnation);
    if (before !== undefined && before !== incarnation) {
      world.emit(node, { type: 'rejoin', validator: id, incarnation });
    }
  }
}
