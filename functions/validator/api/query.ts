/** Signed queries: run at one committed head, every key that was read is proven. */

import { query as runQuery, readHints, signerHints } from '../../../lib/chaincode/execute.ts';
import { keys } from '../../../lib/chaincode/keys.ts';
import { resolveKeys } from '../../../lib/chaincode/resolve-keys.ts';
import { equalBytes, fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
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
import { isVoting } from '../replica/summary.ts';
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
      // Before genesis nothing is said of what was sent.
      const main = await runtime.network();
      const parsed = parseTransaction(query);
      const network = await runtime.ledgerOf(main, parsed.ledger);
      await checkQuery(runtime, network, parsed);
      const answer = await answerQuery(runtime, network, parsed);
      return { status: 200, body: { answer: toBase64url(answer) } };
    },
  };
}

/** Addressee, validity and signatures of a query, by the keys of the head's state. */
export async function checkQuery(
  runtime: ApiRuntime,
  { genesis, ledger, main }: RunningNetwork,
  query: Transaction,
): Promise<void> {
  checkQueryWindow(runtime, { genesis, ledger }, query);
  const { network } = genesis.document;
  const view = runtime.view(main);
  const signers = await resolveKeys(view, query, { time: runtime.deps.clock(), network });
  if (!(await verifyTransaction(query, signers))) {
    throw new WireError('bad_signature', 'not of the key that the ledger knows, or not with low S');
  }
}

/** Addressee and validity. Throws `not_a_query`, or what `checkRequest` throws. */
export function checkQueryWindow(
  runtime: ApiRuntime,
  { genesis, ledger }: Pick<RunningNetwork, 'genesis' | 'ledger'>,
  query: Transaction,
): void {
  if (query.kind !== 'query') throw new HttpError('not_a_query', 'Send it to /v1/transactions');
  const { network, parameters } = genesis.document;
  checkRequest(query, {
    network,
    ledger,
    now: runtime.deps.clock(),
    skewMsMax: parameters.clockSkewMsMax,
  });
}

async function answerQuery(
  runtime: ApiRuntime,
  network: RunningNetwork,
  query: Transaction,
): Promise<Uint8Array> {
  const { genesis, ledger, head, main, ofCase } = network;
  const below = runtime.viewOf(network);
  const people = ofCase && runtime.view(main);
  await Promise.all([
    below.prefetch(readHints(query)),
    people?.prefetch([...signerHints(query), keys.caseLedger(ledger)]),
  ]);
  const view = new RecordingView(below);
  const peopleView = people && new RecordingView(people);
  const time = Math.max(head.header.time, runtime.deps.clock());
  const place = { network: genesis.document.network, ledger, height: head.height, time };
  const context = { ...place, genesisHash: genesis.hash, verify: verifyP256, main: peopleView };
  // The client runs the same function over the proofs: only what it reads is sent, not its value.
  await runQuery(view, query, context);
  const beside = peopleView && (await proven(runtime, mainOf(network), query, peopleView));
  return proven(runtime, network, query, view, beside);
}

/** The main ledger, beside which a case ledger is read. */
function mainOf(network: RunningNetwork): RunningNetwork {
  return { ...network, ledger: MAIN_LEDGER, head: network.main, ofCase: null };
}

/** What was read of a ledger, proven at its head. */
async function proven(
  runtime: ApiRuntime,
  network: RunningNetwork,
  query: Transaction,
  view: RecordingView,
  main: Uint8Array | null = null,
): Promise<Uint8Array> {
  const { genesis, ledger, head, ofCase } = network;
  const read = view.keys();
  if (read.length > limits.queryProofsMax) {
    throw new WireError('too_large', `${read.length} keys were read: ask for fewer entries`);
  }
  const cached = ofCase ? {} : { cache: runtime.cache };
  const [entries, freshness, chain] = await Promise.all([
    proveKeys(baseOf(head), read, runtime.reader(ledger), cached),
    signFreshness(runtime, network, fromBase64url(query.nonce)),
    setChainTo(runtime, network, head.header),
  ]);
  const { header, certificate } = head;
  return encodeStateAnswer(
    buildStateAnswer({ genesis, header, certificate, entries, freshness, ...chain, main }),
  );
}

/**
 * The validator's word for what it has committed and voted for, with the head as it is at this
 * moment. Throws `learner`: one that may have forgotten votes says nothing.
 */
async function signFreshness(
  runtime: ApiRuntime,
  network: RunningNetwork,
  nonce: Uint8Array,
): Promise<Freshness> {
  const { genesis, ledger, head } = network;
  const { keyring, validator } = runtime.deps;
  const [key, summary] = await Promise.all([keyring.openReadKey(), runtime.replica()]);
  const isSilent = summary === null || summary.learner || summary.halted !== '';
  if (key === null || isSilent || !(await knowsItsVotes(runtime, network))) {
    throw new HttpError('learner', 'Ask another validator', { retryAfterSeconds: 5 });
  }
  const { height, votedHeight } = head;
  const statement = { genesisHash: genesis.hash, ledger, nonce, height, votedHeight };
  const signature = await key.sign(freshnessSigningBytes(statement));
  return { validator, nonce, height, votedHeight, signature };
}

/**
 * Whether this validator remembers what it voted for on a case ledger. A replica that has not begun
 * has cast no vote, unless the seats changed since: then it may have been in an earlier life.
 */
async function knowsItsVotes(
  runtime: ApiRuntime,
  { ledger, main, ofCase }: RunningNetwork,
): Promise<boolean> {
  if (!ofCase) return true;
  if (!ofCase.isStarted) {
    return equalBytes(ofCase.first.validatorsHash, main.header.nextValidatorsHash);
  }
  const stored = await runtime.deps.ports.replicas.load(ledger);
  return stored !== null && isVoting(stored.state);
}
