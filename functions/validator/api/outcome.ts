/** What became of a transaction: only blocks up to the committed head count. */

import { toBase64url, equalBytes } from '../../../lib/crypto/bytes.ts';
import { buildReceipt, encodeReceipt } from '../../../lib/ledger/receipt.ts';
import { limits } from '../../../lib/limits.ts';
import type { TransactionLocation } from '../../../lib/ports.ts';
import { decodeWith } from '../../../lib/wire/codec.ts';
import { transactionIdField } from '../../../lib/wire/fields.ts';
import { headerHash, type BlockHeader } from '../../../lib/wire/header.ts';
import { resultSchema } from '../../../lib/wire/result.ts';
import type { Certificate } from '../../../lib/wire/vote.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { parseParameter } from '../../aws/request.ts';
import { StorageError } from '../../aws/storage-error.ts';
import { ledgerText, waitField } from '../routes.ts';
import { lackingError } from './committed.ts';
import { setChainTo } from './set-chain.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

const POLL_MS_FIRST = 25;
const POLL_MS_MAX = 200;
/** Left for the answer itself, milliseconds. */
const ANSWER_MS = 1_500;
const PENDING_RETRY_SECONDS = 1;

/** A committed transaction: where it stands, under which certificate. */
export interface Committed {
  readonly location: TransactionLocation;
  readonly header: BlockHeader;
  readonly certificate: Certificate;
}

export function getTransaction(runtime: ApiRuntime): Operation {
  return {
    async run({ params, query, remainingMs }): Promise<HttpAnswer> {
      const id = parseParameter(transactionIdField, params['id'], 'id');
      const waitMs = parseParameter(waitField, query['waitMs'], 'waitMs');
      const until = runtime.deps.clock() + Math.min(waitMs, remainingMs() - ANSWER_MS);
      const ledger = parseParameter(ledgerText, query['ledger'], 'ledger');
      const network = await runtime.ledger(ledger);
      let committed = await findCommitted(runtime, network, id);
      let { height } = network.head;
      let pauseMs = POLL_MS_FIRST;
      while (committed === null && runtime.deps.clock() + pauseMs <= until) {
        await runtime.deps.sleep(pauseMs);
        pauseMs = Math.min(POLL_MS_MAX, Math.ceil(pauseMs * 1.1));
        const next = await runtime.deps.ports.replicas.head(ledger);
        // Only a new head can hold what the last one did not.
        if (next === null || next.height === height) continue;
        ({ height } = next);
        committed = await findCommitted(runtime, { ledger, head: next }, id);
      }
      committed ??= await pendingOrLate(runtime, ledger, id);
      if (committed === null) {
        const body = { id, status: 'PENDING' };
        return { status: 202, body, retryAfterSeconds: PENDING_RETRY_SECONDS };
      }
      return { status: 200, body: await receiptAnswer(runtime, network, committed) };
    },
  };
}

/** The committed place of a transaction: locations of blocks that lost are passed over. */
export async function findCommitted(
  runtime: ApiRuntime,
  { ledger, head }: Pick<RunningNetwork, 'ledger' | 'head'>,
  id: string,
): Promise<Committed | null> {
  const { blocks } = runtime.deps.ports;
  const locations = await blocks.locations(ledger, id);
  for (const location of locations) {
    if (location.height > head.height) continue;
    const block = await blocks.certified(ledger, location.height);
    if (block && equalBytes(headerHash(block.header), location.headerHash)) {
      return { location, ...block };
    }
  }
  return null;
}

/**
 * Null while the transaction waits here. It leaves the mempool after its block is committed, so
 * one that is in neither place at first is looked for once more. Throws
 * `unknown_transaction`, or `history_missing` while older blocks are fetched.
 */
async function pendingOrLate(
  runtime: ApiRuntime,
  ledger: string,
  id: string,
): Promise<Committed | null> {
  if (await runtime.deps.ports.mempool.has(ledger, id)) return null;
  const { head } = await runtime.ledger(ledger);
  const committed = await findCommitted(runtime, { ledger, head }, id);
  if (committed) return committed;
  const locations = await runtime.deps.ports.blocks.locations(ledger, id);
  if (locations.some(({ height }) => height > head.height)) return null;
  const detail = 'status UNKNOWN: submit it again, here or elsewhere';
  throw await lackingError(runtime, ledger, 'unknown_transaction', detail);
}

async function receiptAnswer(
  runtime: ApiRuntime,
  network: RunningNetwork,
  { location, header, certificate }: Committed,
): Promise<unknown> {
  const body = await runtime.deps.ports.blocks.body(network.ledger, location.headerHash);
  if (body === null) throw new StorageError('corrupt_item', 'a committed block has no body');
  const { results } = body;
  const { index } = location;
  const { genesis } = network;
  const chain = await setChainTo(runtime, network, header);
  const receipt = buildReceipt({
    genesis,
    header,
    certificate,
    results,
    index,
    ...chain,
  });
  const { id, status, code } = decodeWith(resultSchema, receipt.result, limits.chunkBytesMax);
  return { id, status, code, receipt: toBase64url(encodeReceipt(receipt)) };
}
