/** Four validators in one process: real chaincode, tree, receipts and proofs, no consensus. */
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { execute, query as runQuery } from '../../lib/chaincode/execute.ts';
import { endBlock, governedOf } from '../../lib/chaincode/governed.ts';
import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { verifyP256 } from '../../lib/crypto/p256.ts';
import { caseLedger } from '../../lib/chaincode/case-ledger.ts';
import { caseGenesisHeader } from '../../lib/ledger/case-genesis.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { type CasePlace, certify, FakeCase } from './fake-case.ts';
import { buildHistoryAnswer, encodeHistoryAnswer } from '../../lib/ledger/history-answer.ts';
import { consistencyProof, inclusionProof, merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, encodeReceipt } from '../../lib/ledger/receipt.ts';
import {
  buildStateAnswer,
  encodeStateAnswer,
  freshnessSigningBytes,
} from '../../lib/ledger/state-answer.ts';
import { type PageReader, proveKeys, updateTree } from '../../lib/ledger/state-tree.ts';
import { OverlayView, RecordingView, TreeView } from '../../lib/ledger/state-view.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import type { LedgerFeed } from '../../functions/validator/replicator/context.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { encodeResult, type TransactionResult } from '../../lib/wire/result.ts';
import {
  parseTransaction,
  type Transaction,
  verifyTransaction,
} from '../../lib/wire/transaction.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import type { Certificate } from '../../lib/wire/vote.ts';
import type { Governed } from '../../lib/wire/governed.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import type { SetLink } from '../../lib/ledger/set-chain.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import type { TestNetwork, TestValidator } from '../support/network.ts';
import { type FakeAnswer, type FakeHandler, problem } from './fake-fetch.ts';

interface Head {
  header: BlockHeader;
  certificate: Certificate | null;
}

/** One ledger that all validators of a made-up network serve. */
export class FakeLedger {
  readonly net: TestNetwork;
  readonly now: () => number;
  readonly pages: PageReader;
  readonly #store = new Map<string, Uint8Array>();
  readonly #receipts = new Map<string, Uint8Array>();
  #heads: Head[] = [];
  /** The result of the one transaction of each block. */
  readonly #results: TransactionResult[] = [];
  /** What governs each height, up to that after the next. */
  readonly #governed: Governed[] = [];
  readonly #links: SetLink[] = [];
  readonly #joined: TestValidator[] = [];
  readonly #cases = new Map<string, FakeCase>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(net: TestNetwork, now: () => number) {
    this.net = net;
    this.now = now;
    this.pages = { pages: async (ids) => ids.map((id) => this.#store.get(id)) };
  }

  static async start(net: TestNetwork, now: () => number = Date.now): Promise<FakeLedger> {
    const ledger = new FakeLedger(net, now);
    const update = await updateTree(null, 0, genesisWrites(net.genesis), ledger.pages);
    for (const { id, bytes } of update.pages) ledger.#store.set(id, bytes);
    ledger.#heads = [{ header: genesisHeader(net.genesis, update.root), certificate: null }];
    const { validators, sessions, document } = net.genesis;
    const { parameters } = document;
    ledger.#governed.push(...[0, 1, 2].map(() => ({ validators, sessions, parameters })));
    return ledger;
  }

  /** Gives the keys of one that governance lets in. */
  join(validator: TestValidator): void {
    this.#joined.push(validator);
  }

  get height(): number {
    return this.#heads.length - 1;
  }

  /** All that a validator stores of it: pages of state, and receipts. */
  get stored(): Uint8Array[] {
    return [...this.#store.values(), ...this.#receipts.values()];
  }

  receipt(id: string): Uint8Array | undefined {
    return this.#receipts.get(id);
  }

  /** Executes a transaction in a block of its own. Throws ChaincodeError of its signer. */
  async submit(compact: string): Promise<string> {
    const run = this.#turn.then(() => this.#commit(compact));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #commit(compact: string): Promise<string> {
    const transaction = parseTransaction(compact);
    if (this.#receipts.has(transaction.id)) return transaction.id;
    const { genesis } = this.net;
    if (transaction.ledger !== MAIN_LEDGER) {
      const made = await (await this.#case(transaction.ledger)).commit(transaction, this.#place());
      this.#receipts.set(transaction.id, made);
      return transaction.id;
    }
    const parent = this.#head();
    const height = this.height + 1;
    const time = Math.max(this.now(), parent.header.time + 1);
    const network = genesis.document.network;
    const view = this.#view(parent);
    const keys = await resolveKeys(view, transaction, { time, network });
    if (!(await verifyTransaction(transaction, keys))) throw new ChaincodeError('unknown_signer');
    const { parameters } = this.#governed[height] as Governed;
    const place = { network, ledger: MAIN_LEDGER, height, time, parameters };
    const context = { ...place, genesisHash: genesis.hash, verify: verifyP256, main: null };
    const overlay = new OverlayView(view);
    const done = await execute(overlay, transaction, context);
    const isDone = done.status === 'COMMITTED';
    const outcome: TransactionResult = {
      id: transaction.id,
      status: done.status,
      code: isDone ? '' : done.code,
      value: isDone ? done.value : null,
    };
    const result = encodeResult(outcome);
    const base = { height: parent.header.height, root: parent.header.stateRoot };
    // An INVALID transaction leaves the state as it is; a tree of the new height is made anyway.
    if (isDone) overlay.apply(done.writes);
    overlay.apply(await endBlock(overlay, context));
    const update = await updateTree(base, height, overlay.writes(), this.pages);
    for (const { id, bytes } of update.pages) this.#store.set(id, bytes);
    this.#governed.push(await governedOf(overlay));
    const [now, next] = this.#governed.slice(height, height + 2) as [Governed, Governed];
    const header: BlockHeader = {
      ...parent.header,
      height,
      time,
      previousHash: headerHash(parent.header),
      historyRoot: merkleRoot(this.#heads.map((one) => headerHash(one.header))),
      resultsRoot: merkleRoot([result]),
      stateRoot: update.root,
      validatorsHash: validatorsHash(now.validators),
      nextValidatorsHash: validatorsHash(next.validators),
    };
    const certificate = await this.#certify(header);
    this.#heads.push({ header, certificate });
    this.#results[height] = outcome;
    const chain = this.#chain(height);
    const receipt = buildReceipt({
      ...{ genesis, header, certificate, ...chain },
      ...{ results: [result], index: 0 },
    });
    if (!equalBytes(header.validatorsHash, header.nextValidatorsHash)) {
      this.#links.push({ validators: next.validators, header, certificate });
    }
    this.#receipts.set(transaction.id, encodeReceipt(receipt));
    return transaction.id;
  }

  /** The answer of one validator at a height, the newest by default. */
  async answer(
    compact: string,
    validator: string,
    height = this.height,
    votedHeight = height,
  ): Promise<Uint8Array> {
    const query = parseTransaction(compact);
    if (query.ledger !== MAIN_LEDGER) {
      const found = await this.#case(query.ledger);
      const beside = (view: RecordingView) => this.#answerOf(view, query, validator, height);
      return found.answer(query, this.#reading(validator), beside);
    }
    const { genesis } = this.net;
    const head = this.#heads[height] as Head;
    const { network } = genesis.document;
    const below = this.#view(head);
    const time = Math.max(head.header.time, this.now());
    const keys = await resolveKeys(below, query, { time, network });
    if (!(await verifyTransaction(query, keys))) throw new ChaincodeError('unknown_signer');
    const view = new RecordingView(below);
    const place = { network, ledger: MAIN_LEDGER, height, time };
    const context = { ...place, genesisHash: genesis.hash, verify: verifyP256, main: null };
    await runQuery(view, query, context);
    return this.#answerOf(view, query, validator, height, votedHeight);
  }

  /** What was read of the main ledger, proven. */
  async #answerOf(
    view: RecordingView,
    query: Transaction,
    validator: string,
    height: number,
    votedHeight = height,
  ): Promise<Uint8Array> {
    const { genesis } = this.net;
    const head = this.#heads[height] as Head;
    const base = { height, root: head.header.stateRoot };
    const entries = await proveKeys(base, view.keys(), this.pages);
    const nonce = fromBase64url(query.nonce);
    const statement = { nonce, height, votedHeight };
    const signing = { ...statement, genesisHash: genesis.hash, ledger: MAIN_LEDGER };
    const signature = await this.#named(validator).read.sign(freshnessSigningBytes(signing));
    return encodeStateAnswer(
      buildStateAnswer({
        genesis,
        ...head,
        entries,
        freshness: { validator, ...statement, signature },
        ...this.#chain(height),
      }),
    );
  }

  /** What a validator's other functions see of the ledger. */
  get feed(): LedgerFeed {
    return {
      head: async () => ({ height: this.height, state: readerOf(this.#view(this.#head())) }),
      results: async (height) => {
        const result = this.#results[height];
        return result ? [result] : null;
      },
    };
  }

  /** The proof of `GET /v1/consistency`. */
  history(from: number, to: number): Uint8Array {
    const hashes = this.#heads.slice(0, to).map((one) => headerHash(one.header));
    const { header, certificate } = this.#heads[to] as Head;
    if (!certificate) throw new Error('genesis is not certified');
    const { genesis } = this.net;
    return encodeHistoryAnswer(
      buildHistoryAnswer({
        genesis,
        first: (this.#heads[from] as Head).header,
        header,
        certificate,
        ...this.#chain(to),
        proof: {
          consistency: consistencyProof(hashes, from),
          inclusion: inclusionProof(hashes, from),
        },
      }),
    );
  }

  /** A header of a case ledger. */
  async caseHeader(ledger: string, height: number): Promise<BlockHeader | undefined> {
    return (await this.#case(ledger)).header(height);
  }

  #named(validator: string): TestValidator {
    const one = this.#validators.find((each) => each.id === validator);
    if (!one) throw new Error(`no validator ${validator}`);
    return one;
  }

  /** A case ledger that the main one knows. Throws ChaincodeError. */
  async #case(ledger: string): Promise<FakeCase> {
    const known = this.#cases.get(ledger);
    if (known) return known;
    const opened = await caseLedger(readerOf(this.#view(this.#head())), ledger);
    if (!opened) throw new ChaincodeError('unknown_case');
    const { header } = this.#heads[opened.height] as Head;
    const made = new FakeCase(this.net, caseGenesisHeader(this.net.genesis, ledger, header));
    this.#cases.set(ledger, made);
    return made;
  }

  /** What a block of a case ledger pins now. */
  #place(): CasePlace {
    const { header } = this.#head();
    return {
      now: this.now(),
      main: this.#view(this.#head()),
      pin: { height: header.height, hash: headerHash(header) },
      governed: (height) => this.#governed[height] as Governed,
      chain: (height) => this.#chain(height),
      validators: this.#validators,
    };
  }

  #reading(validator: string): CasePlace & { speaker: TestValidator } {
    return { ...this.#place(), speaker: this.#named(validator) };
  }

  get #validators(): readonly TestValidator[] {
    return [...this.net.validators, ...this.#joined];
  }

  /** Set changes that lead to the set of a height, and all sessions up to it. */
  #chain(height: number): { links: SetLink[]; sessions: SessionCertificate[] } {
    const links = this.#links.filter(({ header }) => header.height < height);
    const sessions = this.#governed.slice(0, height + 1).flatMap((one) => one.sessions);
    return { links, sessions };
  }

  #view(head: Head): TreeView {
    const { height, stateRoot } = head.header;
    return new TreeView({ height, root: stateRoot }, this.pages);
  }

  #head(): Head {
    return this.#heads[this.height] as Head;
  }

  #certify(header: BlockHeader): Promise<Certificate> {
    const governed = this.#governed[header.height] as Governed;
    return certify(this.net, header, governed, this.#validators);
  }
}

/** The HTTP interface of one validator of the ledger. */
export function validatorHandler(ledger: FakeLedger, validator: string): FakeHandler {
  return async ({ method, url, body }): Promise<FakeAnswer> => {
    const path = url.pathname;
    try {
      if (method === 'POST' && path === '/v1/transactions') {
        const id = await ledger.submit((body as { transaction: string }).transaction);
        return { status: 202, json: { id, status: 'PENDING' } };
      }
      if (method === 'POST' && path === '/v1/transactions/batch') {
        const { transactions } = body as { transactions: string[] };
        const results = [];
        for (const one of transactions) {
          results.push({ id: await ledger.submit(one), status: 'PENDING' });
        }
        return { json: { results } };
      }
      if (path.startsWith('/v1/transactions/')) {
        const id = path.slice('/v1/transactions/'.length);
        const receipt = ledger.receipt(id);
        if (!receipt) return problem(404, 'unknown_transaction');
        return { json: { id, status: 'COMMITTED', receipt: toBase64url(receipt) } };
      }
      if (path === '/v1/queries') {
        const answer = await ledger.answer((body as { query: string }).query, validator);
        return { json: { answer: toBase64url(answer) } };
      }
      if (path === '/v1/consistency') {
        const [from, to] = ['from', 'to'].map((name) => Number(url.searchParams.get(name)));
        const last = url.searchParams.has('to') ? (to ?? 0) : ledger.height;
        if ((from ?? 0) >= last) return problem(400, 'invalid_request');
        return { json: { from, to: last, proof: toBase64url(ledger.history(from ?? 0, last)) } };
      }
      if (path.startsWith('/v1/blocks/')) {
        const height = Number(path.slice('/v1/blocks/'.length));
        const header = await ledger.caseHeader(url.searchParams.get('ledger') ?? '', height);
        if (!header) return problem(404, 'unknown_block');
        return { json: { height, header: toBase64url(encodeCbor(header)), certificate: null } };
      }
      if (path === '/v1/health') return { json: { status: 'ok', height: ledger.height } };
      return problem(404, 'not_found');
    } catch (error) {
      if (error instanceof ChaincodeError) {
        return problem(error.code === 'unknown_signer' ? 401 : 403, error.code);
      }
      throw error;
    }
  };
}
