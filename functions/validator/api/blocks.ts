/**
 * Blocks: header and certificate for anyone; ids and body for validators, operators and auditors.
 * Whoever has an id gets its receipt, so ids are not for everybody.
 */

import { actorOf } from '../../../lib/chaincode/actor.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import { headerHash, type BlockHeader } from '../../../lib/wire/header.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { HttpError } from '../../aws/problems.ts';
import { parseParameter } from '../../aws/request.ts';
import { StorageError } from '../../aws/storage-error.ts';
import type { BlockBody } from '../../../lib/ports.ts';
import { isBackfilling } from '../backfill-job.ts';
import { BLOCK_QUERY } from '../block-request.ts';
import { heightText, ledgerText } from '../routes.ts';
import { committedBlock } from './committed.ts';
import { isOfPeer, parsePeerQuery } from './peer-query.ts';
import { checkQuery } from './query.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

/** Who may read what patients and clinicians signed, as it was sent. */
const READERS: ReadonlySet<string> = new Set(['operator', 'auditor']);

export function getBlock(runtime: ApiRuntime): Operation {
  return {
    async run({ params, query, headers }): Promise<HttpAnswer> {
      const height = Number(parseParameter(heightText, params['height'], 'height'));
      const network = await runtime.ledger(parseParameter(ledgerText, query['ledger'], 'ledger'));
      const { authorization } = headers;
      if (authorization !== undefined) await authorise(runtime, network, authorization, height);
      const { header, certificate } = await committedBlock(runtime, network, height);
      const shown = {
        height,
        header: toBase64url(encodeCbor(header)),
        certificate: certificate && toBase64url(encodeCbor(certificate)),
      };
      if (authorization === undefined) return { status: 200, body: shown };
      const { transactions, results } = await bodyOf(runtime, header);
      const transactionIds = transactions.map((compact) => parseTransaction(compact).id);
      const body = toBase64url(encodeCbor(transactions));
      const whole = { ...shown, transactionIds, body };
      if (query['results'] !== '1') return { status: 200, body: whole };
      const events = await runtime.deps.ports.blocks.events(network.ledger, headerHash(header));
      return { status: 200, body: { ...whole, results: toBase64url(encodeCbor(results)), events } };
    },
  };
}

/** Throws `history_missing` where a snapshot came before the block. */
async function bodyOf(runtime: ApiRuntime, header: BlockHeader): Promise<BlockBody> {
  if (header.height === 0) return { transactions: [], results: [] };
  const { ports } = runtime.deps;
  const body = await ports.blocks.body(header.ledger, headerHash(header));
  if (body !== null) return body;
  if (await isBackfilling(ports.fetched, header.ledger)) {
    throw new HttpError('history_missing', 'Ask another validator', { retryAfterSeconds: 5 });
  }
  throw new StorageError('corrupt_item', 'a committed block has no body');
}

/** Checks `CQ-Query <compact>`: a fresh, signed request for this very block. */
async function authorise(
  runtime: ApiRuntime,
  network: RunningNetwork,
  authorization: string,
  height: number,
): Promise<void> {
  const { ledger, main } = network;
  const query = parsePeerQuery(authorization, { ledger, fn: BLOCK_QUERY, height });
  if (await isOfPeer(runtime, network, query)) return;
  await checkQuery(runtime, network, query);
  const reader = readerOf(runtime.view(main));
  const { role } = await actorOf(reader, query.signer, runtime.deps.clock());
  if (!READERS.has(role)) {
    throw new HttpError('not_authorised', 'Only validators, operators and auditors read bodies');
  }
}
