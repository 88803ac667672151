/** Case ledgers of a run: opened by operators, filled with labels, observed beside the main ledger. */
import { toHex } from '../../lib/crypto/bytes.ts';
import { decodeRecord } from '../../functions/validator/replica/record.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { parseTransaction } from '../../lib/wire/transaction.ts';
import type { SimNode } from './node.ts';
import type { NewBlock } from './observe.ts';
import { pickOne } from './random.ts';
import { submit, type Submitted } from './workload.ts';
import type { World } from './world.ts';

/** How often a client looks whether its case was opened. */
const waitMs = 700;
/** A ledger that nobody opens. */
export const unknownLedger = 'f'.repeat(64);

export class CaseLedgers {
  readonly world: World;
  /** By ledger: what opened it. */
  readonly opened = new Map<string, Submitted>();
  /** Committed headers of the main ledger, and of each case ledger, by height. */
  readonly headers = new Map<string, Map<number, BlockHeader>>();
  /** By ledger: the header of the main ledger whose block opened it. */
  readonly openings = new Map<string, BlockHeader>();
  readonly #seen = new WeakMap<object, Map<string, number>>();

  constructor(world: World) {
    this.world = world;
  }

  /** Puts openings and labels on the agenda. */
  schedule(): void {
    const { profile, plan, agenda } = this.world;
    const begin = agenda.now;
    for (let index = 0; index < profile.cases; index += 1) {
      const random = plan.random(`case ${index}`);
      agenda.add(begin + random.below(3_000), async () => {
        const by = pickOne(random, this.world.ids);
        const request = { label: `o${index}`, by, fn: 'governance.open-probe', args: {} };
        const opening = await submit(this.world, request, random);
        const ledger = parseTransaction(opening.compact).id;
        this.opened.set(ledger, opening);
        for (let count = 0; count < profile.caseTransactions; count += 1) {
          const { caseFromMs, troubleMs } = profile;
          const at = begin + caseFromMs + random.below(troubleMs - caseFromMs + 6_000);
          agenda.add(Math.max(agenda.now, at), () => this.#label(ledger, `c${index}.${count}`));
        }
      });
    }
    if (profile.cases > 0) agenda.add(begin + 2_000, () => this.#strange());
  }

  /** As soon as some replica knows the case: there its API takes what is for it. */
  async #label(ledger: string, label: string): Promise<void> {
    const { world } = this;
    const opening = this.opened.get(ledger);
    if (!opening || !world.committedAnywhere(opening.compact)) {
      world.agenda.add(world.agenda.now + waitMs, () => this.#label(ledger, label));
      return;
    }
    const random = world.plan.random(`label ${label}`);
    const by = pickOne(random, world.ids);
    const request = { label, by, fn: 'case.probe', args: { label }, ledger };
    await submit(world, request, random);
  }

  /** A peer hands on what is for a ledger that nobody opened. */
  async #strange(): Promise<void> {
    for (const node of this.world.honest()) node.note({ kind: 'wake', ledger: unknownLedger });
  }

  /** Whether a replica's API knows the ledger of a transaction. */
  isKnown(node: SimNode, ledger: string): boolean {
    const opening = this.opened.get(ledger);
    return opening === undefined || node.observed.executed.has(opening.compact);
  }

  /** A block of the main ledger, as some honest replica has it. */
  noteMain(header: BlockHeader, transactions: readonly string[]): void {
    this.#headersOf('main').set(header.height, header);
    for (const compact of transactions) {
      const { id, fn } = parseTransaction(compact);
      if (fn === 'governance.open-probe') this.openings.set(id, header);
    }
  }

  /** What an honest replica has of case ledgers that was not looked at yet. */
  async observe(node: SimNode): Promise<void> {
    for (const ledger of this.opened.keys()) {
      const stored = await node.tables.replicas.load(ledger);
      if (!stored) continue;
      const { state } = decodeRecord(stored.state);
      if (state.halted) this.world.fail('halted', `${node.name} stopped: ${state.halted}`);
      const seen = this.#seen.get(node.tables) ?? new Map<string, number>();
      this.#seen.set(node.tables, seen);
      const { height } = state.head.header;
      for (let at = (seen.get(ledger) ?? 0) + 1; at <= height; at += 1) {
        await this.#block(node, ledger, at);
        seen.set(ledger, at);
      }
    }
  }

  async #block(node: SimNode, ledger: string, height: number): Promise<void> {
    const { world } = this;
    const where = `${node.name} at ${height} of ${ledger.slice(0, 6)}`;
    const found = await node.tables.blocks.certified(ledger, height);
    if (!found) return world.fail('half-block', `${where} has no certified header`);
    const hash = headerHash(found.header);
    const body = await node.tables.blocks.body(ledger, hash);
    if (!body) return world.fail('half-block', `${where} has no block`);
    for (const compact of body.transactions) {
      if (!world.submitted.has(compact)) world.fail('validity', `${where}: nobody submitted it`);
      if (node.observed.executed.has(compact)) world.fail('validity', `${where}: executed twice`);
      node.observed.executed.add(compact);
    }
    const known = this.#headersOf(ledger).get(height);
    const isOther = known && toHex(headerHash(known)) !== toHex(hash);
    if (isOther) world.fail('agreement', `${where}: another block than others have`);
    const block: NewBlock = { ...found, hash, body };
    for (const one of world.checkers) await one.onCaseBlock?.(node, block);
    this.#headersOf(ledger).set(height, found.header);
  }

  #headersOf(ledger: string): Map<number, BlockHeader> {
    const headers = this.headers.get(ledger) ?? new Map<number, BlockHeader>();
    this.headers.set(ledger, headers);
    return headers;
  }
}
