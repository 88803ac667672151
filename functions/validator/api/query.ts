/** Signed queries: run at one committed head, every key that was read is proven. */

import { query as runQuery, readHints } from '../../../lib/chaincode/execute.ts';
import { resolveKeys } from '../../../lib/chaincode/resolve-keys.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { verifyP256 } from '../../../lib/crypto/p256.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import {
  buildStateAnswer,
  encodeStateAnswer,
  type Freshness,
  freshnessSigningBytes,
} from '../../../lib/ledger/state-answer.ts';
import { proveKeys } from '../../../lib/ledger/state-tree.ts';
import { RecordingView } from '../../../lib/ledger/state-view.ts';
import { limits } from '../../../lib/limits.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import {
  checkRequest,
  parseTransaction,
  type Transaction,
  verifyTransaction,
} from '../../../lib/wire/transaction.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { HttpError } from '../../aws/problems.ts';
import { querySchema } from '../routes.ts';
import { parseRequestBody } from './request.ts';
import { baseOf, type ApiRuntime, type RunningNetwork } from './runtime.ts';
import { setChainTo } from './set-chain.ts';

const ENVELOPE_CHARS = 1_024;

export function postQuery(runtime: ApiRuntime): Operation {
  return {
    bodyCharsMax: limits.transactionBytesMax + ENVELOPE_CHARS,
    async run({ body }): Promise<HttpAnswer> {
      const { query } = parseRequestBody(querySchema, body);
      const network = await runtime.network();
      const parsed = parseTransaction(query);
      await checkQuery(runtime, network, parsed);
      const answer = await answerQuery(runtime, network, parsed);
      return { status: 200, body: { answer: toBase64url(answer) } };
    },
  };
}

/** Addressee, validity and signatures of a query, by the keys of the head's state. */
export async function checkQuery(
  runtime: ApiRuntime,
  { genesis, head }: RunningNetwork,
  query: Transaction,
): Promise<void> {
  checkQueryWindow(runtime, { genesis }, query);
  const { network } = genesis.document;
  const view = runtime.view(head);
  const keys = await resolveKeys(view, query, { time: runtime.deps.clock(), network });
  if (!(await verifyTransaction(query, keys))) {
    throw new WireError('bad_signature', 'not of the key that the ledger knows, or not with low S');
  }
}

/** Addressee and validity. Throws `not_a_query`, or what `checkRequest` throws. */
export function checkQueryWindow(
  runtime: ApiRuntime,
  { genesis }: Pick<RunningNetwork, 'genesis'>,
  query: Transaction,
): void {
  if (query.kind !== 'query') throw new HttpError('not_a_query', 'Send it to /v1/transactions');
  const { network, parameters } = genesis.document;
  checkRequest(query, {
    network,
    ledger: MAIN_LEDGER,
    now: runtime.deps.clock(),
    skewMsMax: parameters.clockSkewMsMax,
  });
}

async function answerQuery(
  runtime: ApiRuntime,
  { genesis, head }: RunningNetwork,
  query: Transaction,
): Promise<Uint8Array> {
  const { network } = genesis.document;
  const below = runtime.view(head);
  await below.prefetch(readHints(query));
  const view = new RecordingView(below);
  const time = Math.max(head.header.time, runtime.deps.clock());
  const place = { network, ledger: MAIN_LEDGER, height: head.height, time };
  const context = { ...place, genesisHash: genesis.hash, verify: verifyP256, main: null };
  // The client runs the same function over the proofs: only what it reads is sent, not its value.
  await runQuery(view, query, context);
  const keys = view.keys();
  if (keys.length > limits.queryProofsMax) {
    throw new WireError('too_large', `${keys.length} keys were read: ask for fewer entries`);
  }
  const [entries, freshness, chain] = await Promise.all([
    proveKeys(baseOf(head), keys, runtime.reader(), { cache: runtime.cache }),
    signFreshness(runtime, { genesis, head }, fromBase64url(query.nonce)),
    setChainTo(runtime, genesis, head.header),
  ]);
  const { header, certificate } = head;
  return encodeStateAnswer(
    buildStateAnswer({ genesis, header, certificate, entries, freshness, ...chain }),
  );
}

/**
 * The validator's word for what it has committed and voted for, with the head as it is at this
 * moment. Throws `learner`: one that may have forgotten votes says nothing.
 */
async function signFreshness(
  runtime: ApiRuntime,
  { genesis, head }: Pick<RunningNetwork, 'genesis' | 'head'>,
  nonce: Uint8Array,
): Promise<Freshness> {
  const { keyring, validator } = runtime.deps;
  const [key, summary] = await Promise.all([keyring.openReadKey(), runtime.replica()]);
  if (key === null || summary === null || summary.learner || summary.halted !== '') {
    throw new HttpError('learner', 'Ask another validator', { retryAfterSeconds: 5 });
  }
  const { height, votedHeight } = head;
  const statement = { genesisHash: genesis.hash, ledger: MAIN_LEDGER, nonce, height, votedHeight };
  const signature = await key.sign(freshnessSigningBytes(statement));
  return { validator, nonce, height, votedHeight, signature };
}
