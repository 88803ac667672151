/** A case ledger of the made-up network: real chaincode, tree and proofs, pinned to its main ledger. */
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { execute, query as runQuery } from '../../lib/chaincode/execute.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { verifyP256 } from '../../lib/crypto/p256.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, encodeReceipt } from '../../lib/ledger/receipt.ts';
import type { SetLink } from '../../lib/ledger/set-chain.ts';
import {
  buildStateAnswer,
  encodeStateAnswer,
  freshnessSigningBytes,
} from '../../lib/ledger/state-answer.ts';
import { type PageReader, proveKeys, updateTree } from '../../lib/ledger/state-tree.ts';
import { OverlayView, RecordingView, TreeView } from '../../lib/ledger/state-view.ts';
import type { Governed } from '../../lib/wire/governed.ts';
import { type BlockHeader, headerHash, type Pin } from '../../lib/wire/header.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import { type Transaction, verifyTransaction } from '../../lib/wire/transaction.ts';
import { quorumSize, validatorsHash } from '../../lib/wire/validators.ts';
import { type Certificate, voteSigningBytes } from '../../lib/wire/vote.ts';
import type { TestNetwork, TestValidator } from '../support/network.ts';

/** The main ledger as a block of a case ledger finds it. */
export interface CasePlace {
  now: number;
  main: TreeView;
  pin: Pin;
  governed(height: number): Governed;
  chain(height: number): { links: SetLink[]; sessions: SessionCertificate[] };
  validators: readonly TestValidator[];
}

/** A quorum of the set that governs a header signs it. */
export async function certify(
  { genesis }: TestNetwork,
  header: BlockHeader,
  { validators }: Governed,
  keys: readonly TestValidator[],
): Promise<Certificate> {
  const { height, view, ledger } = header;
  const wanted = { phase: 'commit' as const, height, view, hash: headerHash(header) };
  const context = { genesisHash: genesis.hash, ledger, validatorsHash: header.validatorsHash };
  const bytes = voteSigningBytes(context, wanted);
  const votes = await Promise.all(
    validators.slice(0, quorumSize(validators.length)).map(async ({ id }) => {
      const one = keys.find((each) => each.id === id) as TestValidator;
      return { validator: id, signature: await one.vote.sign(bytes) };
    }),
  );
  return { ...wanted, votes };
}

interface Head {
  header: BlockHeader;
  certificate: Certificate | null;
}

export class FakeCase {
  readonly #net: TestNetwork;
  readonly #store = new Map<string, Uint8Array>();
  readonly #pages: PageReader = { pages: async (ids) => ids.map((id) => this.#store.get(id)) };
  readonly #heads: Head[];

  constructor(net: TestNetwork, genesis: BlockHeader) {
    this.#net = net;
    this.#heads = [{ header: genesis, certificate: null }];
  }

  /** The header of a block, as `GET /v1/blocks` gives it. */
  header(height: number): BlockHeader | undefined {
    return this.#heads[height]?.header;
  }

  get #head(): Head {
    return this.#heads.at(-1) as Head;
  }

  #view(): TreeView {
    const { height, stateRoot } = this.#head.header;
    return new TreeView({ height, root: stateRoot }, this.#pages);
  }

  /** Executes a transaction in a block of its own, and gives its receipt. */
  async commit(transaction: Transaction, place: CasePlace): Promise<Uint8Array> {
    const { genesis } = this.#net;
    const { network } = genesis.document;
    const { header: parent } = this.#head;
    const { ledger } = parent;
    const height = parent.height + 1;
    const time = Math.max(place.now, parent.time + 1);
    const keys = await resolveKeys(place.main, transaction, { time, network });
    if (!(await verifyTransaction(transaction, keys))) throw new ChaincodeError('unknown_signer');
    const governed = place.governed(parent.pin?.height ?? 0);
    const where = { network, ledger, height, time, parameters: governed.parameters };
    const overlay = new OverlayView(this.#view());
    const context = { ...where, genesisHash: genesis.hash, verify: verifyP256, main: place.main };
    const done = await execute(overlay, transaction, context);
    const { id } = transaction;
    const isDone = done.status === 'COMMITTED';
    if (isDone) overlay.apply(done.writes);
    const result = encodeResult(
      isDone
        ? { id, status: 'COMMITTED', code: '', value: done.value }
        : { id, status: 'INVALID', code: done.code, value: null },
    );
    const base = { height: parent.height, root: parent.stateRoot };
    const update = await updateTree(base, height, overlay.writes(), this.#pages);
    for (const page of update.pages) this.#store.set(page.id, page.bytes);
    const header: BlockHeader = {
      ...parent,
      ...{ height, time, pin: place.pin },
      previousHash: headerHash(parent),
      historyRoot: merkleRoot(this.#heads.map((one) => headerHash(one.header))),
      resultsRoot: merkleRoot([result]),
      stateRoot: update.root,
      validatorsHash: validatorsHash(governed.validators),
      nextValidatorsHash: validatorsHash(place.governed(place.pin.height).validators),
    };
    const certificate = await certify(this.#net, header, governed, place.validators);
    this.#heads.push({ header, certificate });
    const chain = place.chain(parent.pin?.height ?? 0);
    const source = { genesis, header, certificate, ...chain, parent, results: [result], index: 0 };
    return encodeReceipt(buildReceipt(source));
  }

  /** `beside` proves what was read of the main ledger. */
  async answer(
    query: Transaction,
    place: CasePlace & { speaker: TestValidator },
    beside: (view: RecordingView) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const { genesis } = this.#net;
    const { network } = genesis.document;
    const { header, certificate } = this.#head;
    const { ledger, height } = header;
    const time = Math.max(header.time, place.now);
    const keys = await resolveKeys(place.main, query, { time, network });
    if (!(await verifyTransaction(query, keys))) throw new ChaincodeError('unknown_signer');
    const main = new RecordingView(place.main);
    const view = new RecordingView(this.#view());
    const where = { network, ledger, height, time, genesisHash: genesis.hash };
    await runQuery(view, query, { ...where, verify: verifyP256, main });
    const entries = await proveKeys({ height, root: header.stateRoot }, view.keys(), this.#pages);
    const statement = { nonce: fromBase64url(query.nonce), height, votedHeight: height };
    const said = { ...statement, genesisHash: genesis.hash, ledger };
    const signature = await place.speaker.read.sign(freshnessSigningBytes(said));
    const parent = this.#heads.at(-2)?.header ?? null;
    const chain = place.chain((parent ?? header).pin?.height ?? 0);
    const freshness = { validator: place.speaker.id, ...statement, signature };
    const source = { genesis, header, certificate, ...chain, parent, entries, freshness };
    return encodeStateAnswer(buildStateAnswer({ ...source, main: await beside(main) }));
  }
}
