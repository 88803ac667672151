/** A custodian in memory, with receipts that a made-up quorum has certified. */
import { toBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, encodeReceipt } from '../../lib/ledger/receipt.ts';
import { createDpop } from '../../lib/records/dpop.ts';
import { fromSealedText, sealedDigest, type SealedText } from '../../lib/records/sealed.ts';
import { compositeDigest, planUpload } from '../../lib/records/upload-plan.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { encodeResult, type TransactionResult } from '../../lib/wire/result.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { certificateFrom, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import { httpHandler } from '../../functions/aws/http.ts';
import { ServiceGenesis } from '../../functions/aws/service-genesis.ts';
import type { RecordsContext } from '../../functions/records/context.ts';
import { routes } from '../../functions/records/routes.ts';
import { checkOwnKey, recordsOperations } from '../../functions/records/service.ts';
import type { ValidatorClient } from '../../functions/records/validator-client.ts';
import { type ApiResult as Answer, callApi } from '../functions/call.ts';
import { makeNetwork, type TestNetwork } from '../support/network.ts';
import { memoryItemStore, type MemoryItemStore } from '../membership/memory-item-store.ts';
import { memoryObjects, type MemoryObjects } from './memory-objects.ts';

export const apiUrl = 'http://records.test';

export interface CallOptions {
  key?: SigningKey;
  /** Bound by the proof; also put into the body. */
  receipt?: Uint8Array;
  /** The proof is for this address instead. */
  proofUrl?: string;
  /** This proof instead of a fresh one; null for none. */
  dpop?: string | null;
}

export interface TestCustodian {
  context: RecordsContext;
  store: MemoryItemStore;
  objects: MemoryObjects;
  net: TestNetwork;
  clock: { now: number };
  /** What becomes of `record.stored`. */
  ledger: { outcome: TransactionResult['status'] | 'silent'; code: string; sent: string[] };
  call(
    method: string,
    path: string,
    body: object | undefined,
    options: CallOptions,
  ): Promise<Answer>;
  receiptOf(value: unknown, change?: Partial<TransactionResult>): Promise<Uint8Array>;
}

export async function makeCustodian(): Promise<TestCustodian> {
  const net = await makeNetwork(4);
  const store = memoryItemStore();
  const objects = memoryObjects();
  const clock = { now: 1_700_000_100_000 };
  const ledger: TestCustodian['ledger'] = { outcome: 'COMMITTED', code: '', sent: [] };
  const operatorKeys = Object.fromEntries(
    net.validators.map((one) => [one.id, thumbprint(one.operator.publicKey)]),
  );
  const signingKey = async () => net.custodian;
  const validators: ValidatorClient = {
    async settle({ id, compact }) {
      ledger.sent.push(compact);
      if (ledger.outcome === 'silent') return null;
      return certify(net, { id, status: ledger.outcome, code: ledger.code, value: {} }, clock.now);
    },
  };
  const context: RecordsContext = {
    network: 'local-test',
    apiUrl,
    store,
    objects,
    genesis: new ServiceGenesis({
      store,
      network: 'local-test',
      operatorKeys,
      checkOwnKeys: (genesis) => checkOwnKey({ signingKey }, genesis),
    }),
    validators,
    signingKey,
    now: () => clock.now,
  };
  await context.genesis.install(net.signed);
  const log = (): void => undefined;
  const handler = httpHandler({ routes, operations: recordsOperations(context), log });
  const call: TestCustodian['call'] = async (method, path, body, options) => {
    const { key, receipt = null, proofUrl, dpop } = options;
    const url = proofUrl ?? `${apiUrl}${path}`;
    const proof =
      dpop ??
      (key && dpop !== null
        ? await createDpop({ method: method as 'POST', url, receipt }, key, clock.now)
        : undefined);
    const payload = receipt && body ? { receipt: toBase64url(receipt), ...body } : body;
    return callApi(handler, {
      method,
      path,
      headers: proof === undefined ? {} : { DPoP: proof },
      text: payload && JSON.stringify(payload),
    });
  };
  const receiptOf: TestCustodian['receiptOf'] = (value, change = {}) => {
    const id = toHex(randomBytes(32));
    return certify(net, { id, status: 'COMMITTED', code: '', value, ...change }, clock.now);
  };
  return { context, store, objects, net, clock, ledger, call, receiptOf };
}

/** A receipt of this result at height 7, with the votes of a quorum. */
export async function certify(
  net: TestNetwork,
  result: TransactionResult,
  time: number,
): Promise<Uint8Array> {
  const { genesis, validators } = net;
  const results = [encodeResult(result)];
  const hash = new Uint8Array(32);
  const set = validatorsHash(genesis.validators);
  const header: BlockHeader = {
    protocolVersion: 1,
    ledger: 'main',
    height: 7,
    view: 0,
    proposer: validators[0]?.id ?? '',
    previousHash: hash,
    transactionsRoot: hash,
    resultsRoot: merkleRoot(results),
    stateRoot: hash,
    time,
    validatorsHash: set,
    nextValidatorsHash: set,
    paramsHash: hash,
    historyRoot: hash,
    pin: null,
  };
  const statement = { phase: 'commit' as const, height: 7, view: 0, hash: headerHash(header) };
  const context = { genesisHash: genesis.hash, ledger: 'main', validatorsHash: set };
  const bytes = voteSigningBytes(context, statement);
  const votes: Vote[] = await Promise.all(
    validators.map(async ({ id, vote }) => ({
      ...statement,
      validator: id,
      signature: await vote.sign(bytes),
    })),
  );
  const certificate = certificateFrom(votes, statement, genesis.validators);
  if (!certificate) throw new Error('four votes are a quorum');
  const source = { genesis, header, certificate, results, index: 0, sessions: [], links: [] };
  return encodeReceipt(buildReceipt(source));
}

export function sealedText(bytes = 48): SealedText {
  return { enc: toBase64url(randomBytes(1_120)), ciphertext: toBase64url(randomBytes(bytes)) };
}

/** A record as its uploader prepares it. */
export interface TestRecord {
  uploader: SigningKey;
  bytes: Uint8Array;
  parts: Uint8Array[];
  wrap: SealedText;
  sealedMetadata: SealedText;
  checksums: string[];
  value: Record<string, unknown> & { recordId: string; pseudonym: string; digest: string };
}

export async function makeRecord(bytes: Uint8Array, more: object = {}): Promise<TestRecord> {
  const uploader = await generateSigningKey();
  const parts = planUpload(bytes.length).map(({ offset, length }) =>
    bytes.subarray(offset, offset + length),
  );
  const wrap = sealedText();
  const value = {
    fn: 'record.register',
    recordId: randomId(),
    pseudonym: toBase64url(randomBytes(32)),
    categoryTag: toBase64url(randomBytes(16)),
    epoch: { month: '2026-11', revision: 0 },
    dataMonth: '2026-10',
    ciphertextLength: bytes.length,
    digest: toBase64url(compositeDigest(parts.map(sha256))),
    metadataCommitment: toBase64url(randomBytes(32)),
    wrapDigest: toBase64url(sealedDigest(fromSealedText(wrap))),
    uploaderKid: thumbprint(uploader.publicKey),
    ...more,
  };
  const checksums = parts.map((part) => toBase64url(sha256(part)));
  return { uploader, bytes, parts, wrap, sealedMetadata: sealedText(200), checksums, value };
}

/** Opens the upload. */
export async function openUpload(custodian: TestCustodian, record: TestRecord): Promise<Answer> {
  const { wrap, sealedMetadata, checksums, uploader, value } = record;
  const receipt = await custodian.receiptOf(value);
  const body = { wrap, sealedMetadata, checksums };
  return custodian.call('POST', '/v1/uploads', body, { key: uploader, receipt });
}

/** Sends the parts to the addresses of an opened upload. */
export function sendParts(custodian: TestCustodian, opened: Answer, parts: Uint8Array[]): void {
  const targets = opened.body['parts'] as { number: number; url: string }[];
  for (const { number, url } of targets) {
    const part = parts[number - 1];
    if (part) custodian.objects.put(url, part);
  }
}

export async function complete(custodian: TestCustodian, record: TestRecord): Promise<Answer> {
  const { uploader, value, checksums } = record;
  const path = `/v1/uploads/${value.recordId}`;
  const status = await custodian.call('GET', path, undefined, { key: uploader });
  const stored = (status.body['parts'] ?? []) as { number: number; etag: string }[];
  const parts = stored.map(({ number, etag }) => ({
    number,
    etag,
    checksum: checksums[number - 1],
  }));
  return custodian.call('POST', `${path}/complete`, { parts }, { key: uploader });
}

/** Uploads to the end. */
export async function upload(custodian: TestCustodian, record: TestRecord): Promise<Answer> {
  sendParts(custodian, await openUpload(custodian, record), record.parts);
  return complete(custodian, record);
}
