/** A network whose validators have keyrings of their own, with the API of one over stores in memory. */
import { httpHandler, type HttpHandler, type RequestLine } from '../../../functions/aws/http.ts';
import { MemoryBlockStore, MemoryFetchedStore } from '../../../functions/memory/block-store.ts';
import { MemoryGenesisStore } from '../../../functions/memory/genesis-store.ts';
import { MemoryKeyWrap } from '../../../functions/memory/key-wrap.ts';
import { MemoryKeyringStore } from '../../../functions/memory/keyring-store.ts';
import { MemoryMempool } from '../../../functions/memory/mempool.ts';
import { MemoryPageStore } from '../../../functions/memory/page-store.ts';
import { MemoryReplicaStore } from '../../../functions/memory/replica-store.ts';
import { MemoryInboxSender } from '../../../functions/memory/senders.ts';
import { operationsOf } from '../../../functions/validator/api/operations.ts';
import { ApiRuntime } from '../../../functions/validator/api/runtime.ts';
import { bootstrapKeyring, Keyring } from '../../../functions/validator/keyring.ts';
import { routes } from '../../../functions/validator/routes.ts';
import { execute } from '../../../lib/chaincode/execute.ts';
import { recordSeen } from '../../../lib/chaincode/seen.ts';
import { fromBase64url, toBase64url, utf8 } from '../../../lib/crypto/bytes.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import {
  generateSigningKey,
  type SigningKey,
  thumbprint,
  verifyP256,
} from '../../../lib/crypto/p256.ts';
import { randomId } from '../../../lib/crypto/random.ts';
import { merkleRoot } from '../../../lib/ledger/merkle.ts';
import { updateTree } from '../../../lib/ledger/state-tree.ts';
import { OverlayView } from '../../../lib/ledger/state-view.ts';
import { issueAuthority, randomSerial } from '../../../lib/membership/certificates.ts';
import type { CommittedHead } from '../../../lib/ports.ts';
import { decodeWith } from '../../../lib/wire/codec.ts';
import {
  type Genesis,
  genesisJwsType,
  genesisSigningText,
  parseGenesis,
  type SignedGenesis,
} from '../../../lib/wire/genesis.ts';
import { type BlockHeader, headerHash } from '../../../lib/wire/header.ts';
import { defaultParameters } from '../../../lib/wire/parameters.ts';
import { encodeResult } from '../../../lib/wire/result.ts';
import { type SessionCertificate, sessionCertificateSchema } from '../../../lib/wire/session.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { type ValidatorSet, validatorsHash } from '../../../lib/wire/validators.ts';
import { type Certificate, voteSigningBytes } from '../../../lib/wire/vote.ts';
import { type ApiCall, type ApiResult as Answer, callApi } from '../call.ts';

export const NETWORK = 'local-test';
export const NOW = 1_700_000_100_000;

export interface Party {
  id: string;
  operator: SigningKey;
  kms: SigningKey;
  store: MemoryKeyringStore;
  wrap: MemoryKeyWrap;
  keyring: Keyring;
}

/** The one validator under test, and all that its API stands on. */
export class ApiFixture {
  readonly parties: Party[];
  readonly genesis: Genesis;
  readonly signed: SignedGenesis;
  readonly mempool: MemoryMempool;
  readonly replicas = new MemoryReplicaStore();
  readonly blocks = new MemoryBlockStore();
  readonly pages = new MemoryPageStore();
  readonly genesisStore = new MemoryGenesisStore();
  readonly fetched = new MemoryFetchedStore();
  readonly inbox = new MemoryInboxSender();
  readonly lines: RequestLine[] = [];
  /** The set that votes on the next block. */
  set: ValidatorSet;
  /** What `clock` says; sleeping moves it. */
  now = NOW;
  /** Runs at each sleep. */
  onSleep: () => Promise<void> = () => Promise.resolve();
  readonly runtime: ApiRuntime;
  readonly #handler: HttpHandler;
  /** Hashes of the committed headers, genesis first. */
  readonly #history: Uint8Array[] = [];

  constructor(parties: Party[], signed: SignedGenesis, mempool: MemoryMempool) {
    this.parties = parties;
    this.signed = signed;
    this.genesis = parseGenesis(signed.document);
    this.mempool = mempool;
    this.set = this.genesis.validators;
    const own = this.own;
    this.runtime = new ApiRuntime({
      network: NETWORK,
      validator: own.id,
      operatorKey: thumbprint(own.operator.publicKey),
      apiUrl: `http://${own.id}.test`,
      ports: {
        replicas: this.replicas,
        blocks: this.blocks,
        pages: this.pages,
        mempool,
        genesis: this.genesisStore,
        fetched: this.fetched,
        inbox: this.inbox,
      },
      keyring: own.keyring,
      kmsKey: () => Promise.resolve(own.kms.publicKey),
      clock: () => this.now,
      sleep: async (milliseconds) => {
        this.now += milliseconds;
        await this.onSleep();
      },
    });
    this.#handler = httpHandler({
      routes,
      operations: operationsOf(this.runtime),
      log: (line) => this.lines.push(line),
    });
  }

  static async create(options: { mempoolMax?: number } = {}): Promise<ApiFixture> {
    const parties = await Promise.all(['north', 'east', 'south', 'west'].map(makeParty));
    const signed = await signDocument(parties, await makeDocument(parties));
    return new ApiFixture(parties, signed, new MemoryMempool(options.mempoolMax));
  }

  /** As `create`, with the genesis document installed through the API. */
  static async started(options: { mempoolMax?: number } = {}): Promise<ApiFixture> {
    const fixture = await ApiFixture.create(options);
    const { status, body } = await fixture.post('/v1/genesis', fixture.signed);
    if (status !== 200) throw new Error(`genesis was refused: ${JSON.stringify(body)}`);
    return fixture;
  }

  get own(): Party {
    return this.parties[0] as Party;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call({ method: 'GET', path, headers });
  }

  async post(path: string, body: unknown): Promise<Answer> {
    return this.call({ method: 'POST', path, text: JSON.stringify(body) });
  }

  async call(request: ApiCall): Promise<Answer> {
    return callApi(this.#handler, request);
  }

  /** A signed request, as compact JWS: a probe of the first operator unless told otherwise. */
  async sign(changes: SignChanges = {}): Promise<string> {
    const { signer = this.own.operator, typ = jwsTypes.transaction, kid, ...request } = changes;
    const payload = encodeRequest({
      network: NETWORK,
      ledger: 'main',
      fn: 'governance.probe',
      args: { label: 'test' },
      nonce: randomId(),
      issuedAt: this.now,
      expiresAt: this.now + 600_000,
      ...request,
    });
    return signJws({ typ, kid: kid ?? thumbprint(signer.publicKey) }, payload, signer);
  }

  /**
   * Executes, certifies and commits a block on the head, as a quorum would. With `change`, its next
   * set is another.
   */
  async commit(compacts: readonly string[], change?: SetChange): Promise<CommittedHead> {
    const head = await this.head();
    const block = await this.#execute(head, compacts, change?.validators ?? this.set);
    const { header, results, ids } = block;
    const hash = headerHash(header);
    const certificate = await this.certify(header);
    await this.pages.putPages('main', block.pages);
    await this.blocks.stageBody(
      'main',
      header.height,
      hash,
      { transactions: [...compacts], results },
      ids,
    );
    await this.blocks.stageEvents('main', hash, [
      { index: 0, topic: 'probe', tag: '00'.repeat(16) },
    ]);
    await this.blocks.putCertified('main', header, hash, certificate);
    const { height } = header;
    if (change) {
      const link = { validators: change.validators, header, certificate };
      const fromHeight = height + 1;
      await this.blocks.putLink('main', { fromHeight, link, sessions: change.sessions });
      this.set = change.validators;
    }
    const next = { height, headerHash: hash, header, certificate, votedHeight: height };
    const stored = await this.replicas.load('main');
    await this.replicas.save(
      'main',
      stored?.version ?? null,
      stored?.state ?? new Uint8Array(),
      next,
    );
    return next;
  }

  async head(): Promise<CommittedHead> {
    const head = await this.replicas.head('main');
    if (!head) throw new Error('not started');
    return head;
  }

  /** A commit certificate of three of four. */
  async certify(header: BlockHeader): Promise<Certificate> {
    const { hash: genesisHash } = this.genesis;
    const context = { genesisHash, ledger: 'main', validatorsHash: header.validatorsHash };
    const { height } = header;
    const vote = { phase: 'commit' as const, height, view: 0, hash: headerHash(header) };
    const bytes = voteSigningBytes(context, vote);
    const votes = await Promise.all(
      this.parties.slice(0, 3).map(async ({ id, keyring }) => {
        const signature = await (await keyring.openSessionKey())?.sign(bytes);
        return { validator: id, signature: signature as Uint8Array };
      }),
    );
    return { ...vote, votes: votes.sort((a, b) => (a.validator < b.validator ? -1 : 1)) };
  }

  async #execute(head: CommittedHead, compacts: readonly string[], next: ValidatorSet) {
    const { parameters } = this.genesis.document;
    const height = head.height + 1;
    const time = Math.max(this.now, head.header.time + 1);
    const overlay = new OverlayView(this.runtime.view(head));
    const transactions = compacts.map(parseTransaction);
    const results: Uint8Array[] = [];
    for (const transaction of transactions) {
      const place = { network: NETWORK, ledger: 'main', height, time, parameters };
      const context = { ...place, genesisHash: this.genesis.hash, verify: verifyP256, main: null };
      const execution = await execute(overlay, transaction, context);
      const isDone = execution.status === 'COMMITTED';
      if (isDone) overlay.apply(execution.writes);
      overlay.apply(await recordSeen(overlay, transaction));
      results.push(
        encodeResult({
          id: transaction.id,
          status: execution.status,
          code: isDone ? '' : execution.code,
          value: isDone ? execution.value : null,
        }),
      );
    }
    if (this.#history.length === head.height) this.#history.push(head.headerHash);
    const base = { height: head.height, root: head.header.stateRoot };
    const updated = await updateTree(base, height, overlay.writes(), this.runtime.reader());
    const header: BlockHeader = {
      ...head.header,
      height,
      previousHash: head.headerHash,
      transactionsRoot: merkleRoot(compacts.map(utf8)),
      resultsRoot: merkleRoot(results),
      stateRoot: updated.root,
      historyRoot: merkleRoot(this.#history),
      time,
      validatorsHash: validatorsHash(this.set),
      nextValidatorsHash: validatorsHash(next),
    };
    return { header, results, pages: updated.pages, ids: transactions.map(({ id }) => id) };
  }
}

/** Another set from the next height on, with the sessions of its seats. */
export interface SetChange {
  validators: ValidatorSet;
  sessions: SessionCertificate[];
}

export interface SignChanges {
  signer?: SigningKey;
  typ?: string;
  kid?: string;
  network?: string;
  ledger?: string;
  fn?: string;
  args?: Record<string, string | number>;
  nonce?: string;
  issuedAt?: number;
  expiresAt?: number;
}

export async function makeParty(id: string): Promise<Party> {
  const [operator, kms] = await Promise.all([generateSigningKey(), generateSigningKey()]);
  const store = new MemoryKeyringStore();
  const wrap = new MemoryKeyWrap();
  const deps = { network: NETWORK, validator: id, store, wrap };
  await bootstrapKeyring({ ...deps, kmsKey: kms, genesis: new MemoryGenesisStore() });
  return { id, operator, kms, store, wrap, keyring: new Keyring(deps) };
}

/** The document that an honest ceremony would collect from these parties. */
export async function makeDocument(parties: readonly Party[]): Promise<Record<string, unknown>> {
  const [authority, custodian] = await Promise.all([generateSigningKey(), generateSigningKey()]);
  const certificate = await issueAuthority({
    network: NETWORK,
    signer: authority,
    serial: randomSerial(),
    notBefore: NOW - 86_400_000,
  });
  return {
    format: 'carequorum-genesis-1',
    network: NETWORK,
    createdAt: NOW - 60_000,
    validators: await Promise.all(parties.map(genesisEntry)),
    membership: { caCertificate: toBase64url(certificate), apiUrl: 'http://membership.test' },
    custodian: { key: toBase64url(custodian.publicKey), apiUrl: 'http://records.test' },
    parameters: defaultParameters,
  };
}

async function genesisEntry({ id, operator, keyring }: Party): Promise<Record<string, unknown>> {
  const bundle = await keyring.bundle();
  if (!bundle) throw new Error('no keys');
  return {
    id,
    name: `Hospital ${id}`,
    kmsKey: bundle.kmsKey,
    operatorKey: toBase64url(operator.publicKey),
    session: sessionText(bundle.session.certificate),
    read: sessionText(bundle.read.certificate),
    shareKey: bundle.shareKey,
    apiUrl: `http://${id}.test`,
  };
}

function sessionText(certificate: string): Record<string, unknown> {
  const { body, signature } = decodeWith(
    sessionCertificateSchema,
    fromBase64url(certificate),
    1024,
  );
  const { incarnation, fromHeight, untilHeight } = body;
  const key = toBase64url(body.key);
  return { key, incarnation, fromHeight, untilHeight, signature: toBase64url(signature) };
}

export async function signDocument(
  parties: readonly Party[],
  document: Record<string, unknown>,
): Promise<SignedGenesis> {
  const text = JSON.stringify(document);
  const payload = utf8(genesisSigningText(parseGenesis(text)));
  const signatures = await Promise.all(
    parties.map(({ operator }) =>
      signJws({ typ: genesisJwsType, kid: thumbprint(operator.publicKey) }, payload, operator),
    ),
  );
  return { document: text, signatures };
}
