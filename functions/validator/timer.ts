/** The timer function of a validator: deadlines, and catching up outside of the serial inbox. */

import middy from '@middy/core';
import type { Context, SQSBatchResponse } from 'aws-lambda';
import { parseGenesis, type Genesis } from '../../lib/wire/genesis.ts';
import { dynamoClient, kmsClient, sqsClient } from '../aws/clients.ts';
import { dynamoBlockStore, dynamoFetchedStore } from '../aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { logger } from '../aws/logger.ts';
import { sqsInboxSender } from '../aws/sqs-self-sender.ts';
import { catchUp, type BlockRange } from './catch-up.ts';
import { timerEnvironmentSchema } from './environment.ts';
import { Keyring } from './keyring.ts';
import { SetBook } from './set-book.ts';
import { handleTimer, type TimerEvent } from './timer-handler.ts';

/** Left for telling the inbox, milliseconds. */
const TELL_MS = 3_000;

const environment = timerEnvironmentSchema.parse(process.env);
const { NETWORK: network, VALIDATOR_ID: validator } = environment;
const clock = (): number => Date.now();
const ledgerTable = { client: dynamoClient(), name: environment.LEDGER_TABLE };
const sessions = { client: dynamoClient(), name: environment.SESSION_TABLE };
const genesisStore = dynamoGenesisStore(ledgerTable);
const blocks = dynamoBlockStore(ledgerTable);
const fetched = dynamoFetchedStore(ledgerTable, clock);
const keyring = new Keyring({
  network,
  validator,
  store: dynamoKeyringStore({ sessions, ledger: ledgerTable }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, validator),
});
const inbox = sqsInboxSender(sqsClient(), environment.INBOX_URL, () => Promise.resolve(null));
let genesis: Genesis | null = null;

export const handler = middy<TimerEvent, SQSBatchResponse>().handler(receive);

async function receive(event: TimerEvent, context: Context): Promise<SQSBatchResponse> {
  const deadline = clock() + context.getRemainingTimeInMillis() - TELL_MS;
  return handleTimer(
    {
      inbox,
      catchUp: (wanted) => fetchBlocks(wanted, deadline),
      log: ({ event: name, error }) => logger.warn(name, error instanceof Error ? { error } : {}),
    },
    event,
  );
}

/** Null until genesis is installed, and without a read key to ask with. */
async function fetchBlocks(wanted: BlockRange, deadline: number): Promise<BlockRange | null> {
  genesis ??= await installedGenesis();
  const readKey = await keyring.openRequestKey();
  if (genesis === null || readKey === null) return null;
  const links = await blocks.links(wanted.ledger);
  const sets = await SetBook.open({ genesis, ledger: wanted.ledger, links });
  const peers = genesis.document.validators.filter(({ id }) => id !== validator);
  const log = (line: object): void => logger.info('block passed over', { ...line });
  const deps = { genesis, network, peers, sets, readKey, fetched, fetch, clock, log };
  return catchUp(deps, wanted, deadline);
}

async function installedGenesis(): Promise<Genesis | null> {
  const signed = await genesisStore.load();
  return signed && parseGenesis(signed.document);
}
