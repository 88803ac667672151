/** The replicator of a validator: copies for the hospital what somebody there may read. */

import middy from '@middy/core';
import type { Context, EventBridgeEvent, SQSEvent } from 'aws-lambda';
import { PageCache } from '../../lib/ledger/page-cache.ts';
import { dynamoClient, kmsClient, sqsClient } from '../aws/clients.ts';
import { dynamoBlockStore } from '../aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoItemStore } from '../aws/dynamo-item-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { dynamoPageStore } from '../aws/dynamo-page-store.ts';
import { dynamoReplicaStore } from '../aws/dynamo-replica-store.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { describeFailure, logCalls, logger } from '../aws/logger.ts';
import { sqsCopyNotes } from '../aws/sqs-copy-notes.ts';
import { validatorGenesis } from '../aws/validator-genesis.ts';
import { s3Client, s3ObjectStore } from '../records/s3-object-store.ts';
import { validatorClient } from '../records/validator-client.ts';
import { replicatorEnvironmentSchema } from './environment.ts';
import { Keyring } from './keyring.ts';
import { ledgerFeed } from './replicator/ledger-feed.ts';
import { replicate } from './replicator/run.ts';

/** Left for the ledger's word and for storing where a run ended, milliseconds. */
const REST_MS = 14_000;
/** The schedule comes every five minutes: what is due later needs no note. */
const SCHEDULE_MS = 300_000;
/** Decoded pages of the state tree that a process keeps, bytes. */
const CACHE_BYTES_MAX = 32 * 1024 * 1024;

const environment = replicatorEnvironmentSchema.parse(process.env);
const { NETWORK: network, VALIDATOR_ID: hospital } = environment;
const client = dynamoClient();
const ledger = { client, name: environment.LEDGER_TABLE };
const sessions = { client, name: environment.SESSION_TABLE };
const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
const genesis = validatorGenesis(dynamoGenesisStore(ledger));
const notes = sqsCopyNotes(sqsClient(), environment.NOTES_URL);
const keyring = new Keyring({
  network,
  validator: hospital,
  store: dynamoKeyringStore({ sessions, ledger }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, hospital),
});
/** What only people can put right: CRITICAL lines raise an alarm. */
const urgent: ReadonlySet<string> = new Set(['erasure stuck']);
const parts = {
  feed: ledgerFeed({
    replicas: dynamoReplicaStore(ledger),
    blocks: dynamoBlockStore(ledger),
    pages: dynamoPageStore(ledger),
    cache: new PageCache(CACHE_BYTES_MAX),
  }),
  store: dynamoItemStore({ client, name: environment.COPIES_TABLE }),
  objects: s3ObjectStore(s3Client(endpoint), environment.COPIES_BUCKET),
  validators: validatorClient(),
};

export const handler = middy<SQSEvent | EventBridgeEvent<string, unknown>, void>().handler(
  async (_event, context: Context): Promise<void> => {
    const [document, key] = [await genesis.find(), await keyring.openRequestKey()];
    // Before genesis, and while a validator that lost its keys makes new ones.
    if (!document || !key) return;
    const now = (): number => Date.now();
    const deadline = now() + context.getRemainingTimeInMillis() - REST_MS;
    // Messages may name a record; where it happened is enough.
    const log = ({ event, error, ...facts }: { event: string; error?: unknown }): void =>
      logger[urgent.has(event) ? 'critical' : 'info'](
        event,
        error === undefined ? facts : { ...facts, error: describeFailure(error) },
      );
    const own = { network, hospital, genesis: document, key, fetchUrl: fetch, now, log };
    const comeBack = await replicate({ ...parts, ...own }, deadline);
    if (comeBack !== null && comeBack < SCHEDULE_MS) await notes.send(comeBack);
    logCalls();
  },
);
