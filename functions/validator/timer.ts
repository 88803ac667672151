/** The timer function of a validator: deadlines, and catching up outside of the serial inbox. */

import { randomInt } from 'node:crypto';
import middy from '@middy/core';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import { cells } from '../../lib/chaincode/cells.ts';
import { readerOf } from '../../lib/chaincode/draft.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { TreeView } from '../../lib/ledger/state-view.ts';
import type { CommittedHead } from '../../lib/ports.ts';
import { limits } from '../../lib/limits.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { parseGenesis, type Genesis } from '../../lib/wire/genesis.ts';
import { dynamoClient, kmsClient, sqsClient } from '../aws/clients.ts';
import { dynamoBlockStore, dynamoFetchedStore } from '../aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { dynamoPageStore } from '../aws/dynamo-page-store.ts';
import { dynamoReplicaStore } from '../aws/dynamo-replica-store.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { logCalls, logger } from '../aws/logger.ts';
import { sqsInboxSender, sqsTimerSender } from '../aws/sqs-self-sender.ts';
import { backfill, type BackfillOutcome } from './backfill.ts';
import { isBackfilling } from './backfill-job.ts';
import { catchUp, type BlockRange, type CatchUpDeps } from './catch-up.ts';
import { timerEnvironmentSchema } from './environment.ts';
import { Keyring } from './keyring.ts';
import { bringMainState } from './main-state-worker.ts';
import type { Peer } from './peer-client.ts';
import { SetBook } from './set-book.ts';
import { fetchSnapshot, type SnapshotOutcome } from './snapshot-worker.ts';
import { handleTimer, type TimerEvent } from './timer-handler.ts';

/** Left for telling the inbox, milliseconds. */
const TELL_MS = 3_000;
/** Decoded pages of the state tree that a process keeps, bytes. */
const CACHE_BYTES_MAX = 16 * 1024 * 1024;

const environment = timerEnvironmentSchema.parse(process.env);
const { NETWORK: network, VALIDATOR_ID: validator } = environment;
const clock = (): number => Date.now();
const ledgerTable = { client: dynamoClient(), name: environment.LEDGER_TABLE };
const sessions = { client: dynamoClient(), name: environment.SESSION_TABLE };
const genesisStore = dynamoGenesisStore(ledgerTable);
const blocks = dynamoBlockStore(ledgerTable);
const pages = dynamoPageStore(ledgerTable);
const replicas = dynamoReplicaStore(ledgerTable);
const later = sqsTimerSender(sqsClient(), environment.TIMER_URL);
const cache = new PageCache(CACHE_BYTES_MAX);
const fetched = dynamoFetchedStore(ledgerTable, clock);
const keyring = new Keyring({
  network,
  validator,
  store: dynamoKeyringStore({ sessions, ledger: ledgerTable }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, validator),
});
const inbox = sqsInboxSender(sqsClient(), environment.INBOX_URL, () => Promise.resolve(null));
let genesis: Genesis | null = null;

export const handler = middy<TimerEvent, SQSBatchResponse>().handler(receive).after(logCalls);

async function receive(event: TimerEvent, context: Context): Promise<SQSBatchResponse> {
  const deadline = clock() + context.getRemainingTimeInMillis() - TELL_MS;
  return handleTimer(
    {
      inbox,
      listed: () => replicas.listed(),
      catchUp: (wanted) => fetchBlocks(wanted, deadline),
      snapshot: (ledger) => workOnSnapshot(ledger, deadline),
      backfill: (ledger) => workOnBackfill(ledger, deadline),
      later,
      log: ({ event: name, error }) => logger.warn(name, error instanceof Error ? { error } : {}),
    },
    event,
  );
}

async function fetchBlocks(wanted: BlockRange, deadline: number): Promise<BlockRange | null> {
  const deps = await transferDeps();
  const firstPeer = (count: number): number => (count > 1 ? randomInt(count) : 0);
  if (deps === null) return null;
  const range = await catchUp({ ...deps, firstPeer }, wanted, deadline);
  // L23: a case ledger may need main states from before a snapshot that was taken here.
  if (wanted.ledger !== MAIN_LEDGER) {
    await bringMainState({ ...deps, blocks, pages, replicas }, range ?? wanted);
  }
  return range;
}

async function workOnSnapshot(ledger: string, deadline: number): Promise<SnapshotOutcome> {
  // A case ledger is short: its blocks are enough.
  if (ledger !== MAIN_LEDGER) return 'none';
  const [deps, head] = await Promise.all([transferDeps(), replicas.head(ledger)]);
  if (deps === null || head === null) return 'none';
  const behindMin = limits.snapshotBehindMin;
  const ownHeight = head.height;
  return fetchSnapshot({ ...deps, ledger, blocks, pages, ownHeight, behindMin }, deadline);
}

async function workOnBackfill(ledger: string, deadline: number): Promise<BackfillOutcome> {
  if (!(await isBackfilling(fetched, ledger))) return 'none';
  const deps = await transferDeps();
  return deps === null ? 'none' : backfill({ ...deps, ledger, blocks }, deadline);
}

/** Null until genesis is installed, and without a read key to ask with. */
async function transferDeps(): Promise<CatchUpDeps | null> {
  genesis ??= await installedGenesis();
  const readKey = await keyring.openRequestKey();
  if (genesis === null || readKey === null) return null;
  const sets = await SetBook.open({ genesis, links: await blocks.links(MAIN_LEDGER) });
  const peers = await peersOf(genesis);
  const log = (line: object): void => logger.info('peer passed over', { ...line });
  return { genesis, network, peers, sets, readKey, fetched, fetch, clock, log };
}

/** The validators of the newest state here with the addresses that it has, else those of genesis. */
async function peersOf({ document }: Genesis): Promise<Peer[]> {
  const head = await replicas.head(MAIN_LEDGER);
  const found = head && (await listedPeers(head));
  const known = found ?? document.validators;
  return known.filter(({ id }) => id !== validator);
}

async function listedPeers(head: CommittedHead): Promise<Peer[] | null> {
  const reader = { pages: (ids: readonly string[]) => pages.getPages(MAIN_LEDGER, ids) };
  const base = { height: head.height, root: head.header.stateRoot };
  const state = readerOf(new TreeView(base, reader, { cache }));
  const seats = (await state.get(cells.validators)) ?? [];
  const listed = seats.map(async ({ id }) => {
    const entry = await state.get(cells.directory(id));
    return entry && { id, apiUrl: entry.apiUrl };
  });
  const peers = (await Promise.all(listed)).filter((one) => one !== undefined && one !== null);
  return peers.length > 0 ? peers : null;
}

async function installedGenesis(): Promise<Genesis | null> {
  const signed = await genesisStore.load();
  return signed && parseGenesis(signed.document);
}
