/** The inbox function: a validator's replica, run serially by its FIFO queue. */
import { ChangeMessageVisibilityBatchCommand } from '@aws-sdk/client-sqs';
import middy from '@middy/core';
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { type SigningKey, verifyP256 } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { verifyGenesis } from '../../lib/wire/genesis.ts';
import { takeCalls } from '../aws/call-count.ts';
import { dynamoClient, kmsClient, sqsClient } from '../aws/clients.ts';
import { dynamoBlockStore, dynamoFetchedStore } from '../aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { dynamoMempool } from '../aws/dynamo-mempool.ts';
import { dynamoPageStore } from '../aws/dynamo-page-store.ts';
import { dynamoReplicaStore } from '../aws/dynamo-replica-store.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { kmsSigningKey } from '../aws/kms-signing-key.ts';
import { logger } from '../aws/logger.ts';
import { addMetric, countRefusal, publishMetrics } from '../aws/metrics.ts';
import { GatheredNotes, sqsCopyNotes } from '../aws/sqs-copy-notes.ts';
import { sqsPeerSender } from '../aws/sqs-peer-sender.ts';
import { sqsSelfSender } from '../aws/sqs-self-sender.ts';
import { claimedIncarnation } from './claimed-incarnation.ts';
import { inboxEnvironmentSchema } from './environment.ts';
import { GenesisRecovery } from './genesis-recovery.ts';
import { failuresOf, type LedgerBatch, readBatch } from './inbox-batch.ts';
import { bootstrapKeyring, Keyring, renewKeyring } from './keyring.ts';
import { type StepLog, type ValidatorRuntime, VerifiedTransactions } from './runtime.ts';
import { openSigner, Rejoin } from './rejoin.ts';
import { SenderQuota } from './sender-quota.ts';
import { StepMetrics } from './step-metrics.ts';
import { step, type StepEvent } from './step.ts';

/** Blocks of so many milliseconds are one note for the replicator. */
const GATHER_MS = 2_000;
/** Decoded pages of the state tree kept by a warm process, bytes. */
const cacheBytesMax = 256 * 1024 * 1024;

/** Alarms after which a replica does nothing more until an operator has looked. */
const fatal = new Set(['execution_contradicts_certificate', 'own_vote_contradicted']);

const environment = parseWith(inboxEnvironmentSchema, process.env);
const now = (): number => Date.now();
const ledgerTable = { client: dynamoClient(), name: environment.LEDGER_TABLE };
const sessionTable = { client: dynamoClient(), name: environment.SESSION_TABLE };
const genesisStore = dynamoGenesisStore(ledgerTable);
const keyringDeps = {
  network: environment.NETWORK,
  validator: environment.VALIDATOR_ID,
  store: dynamoKeyringStore({ sessions: sessionTable, ledger: ledgerTable }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, environment.VALIDATOR_ID),
};
const keyring = new Keyring(keyringDeps);
const kmsKey = (): Promise<SigningKey> => kmsSigningKey(kmsClient(), environment.SIGN_KEY_ID);
const recovery = new GenesisRecovery({
  network: environment.NETWORK,
  validator: environment.VALIDATOR_ID,
  operatorKey: environment.OPERATOR_KEY,
  peers: Object.keys(environment.PEERS),
  ports: {
    genesis: genesisStore,
    pages: dynamoPageStore(ledgerTable),
    replicas: dynamoReplicaStore(ledgerTable),
  },
  sender: sqsPeerSender(sqsClient(), environment.PEERS),
  keyring: keyringDeps,
  kmsKey,
  clock: now,
  freshId: randomId,
  log: ({ event, ...facts }) => logger.warn(event, facts),
});
const quota = new SenderQuota(environment.SELF_SENDERS, now);
const rejoin = new Rejoin({
  renew: (incarnation, signer, seen) =>
    renewKeyring({ ...keyringDeps, kmsKey: signer }, incarnation, seen),
  open: keyring,
  log: (reason) => logger.warn('not rejoining', { reason }),
  claimed: ({ genesis, self }) => claimedIncarnation(genesis, self, { fetch, clock: now }),
});
let runtime: ValidatorRuntime | null = null;
const measured = new StepMetrics({ add: addMetric, refused: countRefusal }, now);
/** Whether a block with transactions was committed since the replicator was told. */
let isNews = false;
const replicatorNotes = new GatheredNotes(
  sqsCopyNotes(sqsClient(), environment.NOTES_URL),
  now,
  GATHER_MS,
);

export const handler = middy<SQSEvent, SQSBatchResponse>().handler(receive);

async function receive(event: SQSEvent): Promise<SQSBatchResponse> {
  const { SELF_SENDERS } = environment;
  const { batches, poisoned, unread } = readBatch(event.Records, SELF_SENDERS, quota);
  for (const one of poisoned) logger.warn('message dropped', { ...one });
  for (const [senderId, count] of unread) logger.warn('messages unread', { senderId, count });
  // CRITICAL lines raise an alarm: one for each time that an account is cut off.
  for (const one of quota.takeCutOffs()) logger.critical('sender cut off', { ...one });
  const failed: SQSBatchResponse['batchItemFailures'] = [];
  for (const batch of batches) {
    try {
      await runBatch(batch);
    } catch (error) {
      logger.error('step failed', { ledger: batch.ledger, error: error as Error });
      failed.push(...failuresOf(batch));
      await redeliverSoon(batch);
    }
  }
  publishMetrics();
  return { batchItemFailures: failed };
}

async function runBatch(batch: LedgerBatch): Promise<void> {
  if (batch.bootstrap) {
    await bootstrapKeyring({ ...keyringDeps, kmsKey: await kmsKey(), genesis: genesisStore });
  }
  const events = await eventsOf(batch);
  if (events.length === 0) return;
  const ready = await openRuntime();
  if (!ready) return recovery.ask(sendersOf(events));
  const received = now();
  const started = performance.now();
  const outcome = await step(ready, batch.ledger, events);
  if (outcome === 'unknown_ledger') logger.warn('ledger unknown', { ledger: batch.ledger });
  const times = {
    took: Math.round(performance.now() - started),
    queued: Math.max(0, received - oldestSent(batch)),
  };
  measured.stepped(ready, batch.ledger, times);
  logger.info('step', {
    ledger: batch.ledger,
    ...times,
    received,
    events: events.map(nameOf),
    calls: takeCalls(),
  });
  if (batch.ledger === MAIN_LEDGER) await comeBack(ready, batch.ledger);
  await tellReplicator();
}

/** A note that is lost is made up for by the next one, or by the schedule. */
async function tellReplicator(): Promise<void> {
  if (!isNews) return;
  try {
    await replicatorNotes.committed();
    isNews = false;
  } catch (error) {
    logger.warn('replicator not told', { error: error as Error });
  }
}

/** What fails here is tried again after the next step: the step itself is done. */
async function comeBack(ready: ValidatorRuntime, ledger: string): Promise<void> {
  try {
    const event = await rejoin.next(ready, ledger);
    if (event) await step(ready, ledger, [event]);
  } catch (error) {
    logger.error('rejoin failed', { error: error as Error });
  }
}

/** The events of a step; a genesis document that just came back is followed by asking around. */
async function eventsOf(batch: LedgerBatch): Promise<StepEvent[]> {
  let isRecovered = false;
  for (const message of batch.recovery) isRecovered ||= await recovery.take(message);
  return isRecovered ? [...batch.events, { kind: 'tick', due: null }] : batch.events;
}

function sendersOf(events: readonly StepEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'envelope' ? [event.envelope.from] : []));
}

/** When the first message of the batch was sent, milliseconds. */
function oldestSent(batch: LedgerBatch): number {
  return Math.min(...batch.records.map((record) => Number(record.attributes.SentTimestamp)));
}

/** What an event is, for logs: `wake`, or the types of an envelope's messages. */
function nameOf(event: StepEvent): string {
  if (event.kind !== 'envelope') return event.kind;
  return event.envelope.messages
    .map((message) => (message.type === 'vote' ? message.vote.phase : message.type))
    .join('+');
}

/** Null until genesis is installed: what came before it is dropped. */
async function openRuntime(): Promise<ValidatorRuntime | null> {
  if (runtime) {
    runtime.signer ??= await openSigner(keyring);
    return runtime;
  }
  const signed = await genesisStore.load();
  if (!signed) return null;
  const genesis = await verifyGenesis(signed);
  runtime = {
    self: environment.VALIDATOR_ID,
    genesis,
    ports: {
      replicas: dynamoReplicaStore(ledgerTable),
      blocks: dynamoBlockStore(ledgerTable),
      pages: dynamoPageStore(ledgerTable),
      mempool: dynamoMempool(ledgerTable, { now }),
      fetched: dynamoFetchedStore(ledgerTable, now),
      peers: sqsPeerSender(sqsClient(), environment.PEERS),
      self: sqsSelfSender(sqsClient(), environment.TIMER_URL),
    },
    signer: await openSigner(keyring),
    identity: kmsKey,
    verify: verifyP256,
    clock: now,
    freshId: randomId,
    log: report,
    warm: new Map(),
    cache: new PageCache(cacheBytesMax),
    verified: new VerifiedTransactions(),
  };
  return runtime;
}

/** A replica that stops itself must be seen at once: CRITICAL lines raise an alarm. */
function report(entry: StepLog): void {
  const { event, ...facts } = entry;
  measured.observe(entry);
  if (event === 'voted') return;
  if (event === 'committed' && entry.transactions > 0) isNews = true;
  if (event === 'alarm' && fatal.has(entry.code)) logger.critical(event, facts);
  else if (event === 'alarm' || event === 'dropped') logger.warn(event, facts);
  else logger.info(event, facts);
}

/** On failure the group is visible again at once, instead of after the visibility time-out. */
async function redeliverSoon(batch: LedgerBatch): Promise<void> {
  const entries = batch.records.map(({ receiptHandle }, index) => ({
    Id: String(index),
    ReceiptHandle: receiptHandle,
    VisibilityTimeout: 0,
  }));
  try {
    const input = { QueueUrl: environment.INBOX_URL, Entries: entries };
    await sqsClient().send(new ChangeMessageVisibilityBatchCommand(input));
  } catch (error) {
    logger.warn('visibility not changed', { error: error as Error });
  }
}
