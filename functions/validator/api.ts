/** The API function of a validator: any user may ask any validator. */

import { dynamoClient, kmsClient, sqsClient } from '../aws/clients.ts';
import { dynamoBlockStore, dynamoFetchedStore } from '../aws/dynamo-block-store.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { dynamoMempool } from '../aws/dynamo-mempool.ts';
import { dynamoPageStore } from '../aws/dynamo-page-store.ts';
import { dynamoReplicaStore } from '../aws/dynamo-replica-store.ts';
import { httpHandler } from '../aws/http.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { kmsPublicKey } from '../aws/kms-signing-key.ts';
import { logRequest } from '../aws/logger.ts';
import { sleep } from '../aws/parallel.ts';
import { sqsInboxSender } from '../aws/sqs-self-sender.ts';
import { withKeptBodies } from './api/kept-bodies.ts';
import { operationsOf } from './api/operations.ts';
import { ApiRuntime } from './api/runtime.ts';
import { apiEnvironmentSchema } from './environment.ts';
import { Keyring } from './keyring.ts';
import { routes } from './routes.ts';

const environment = apiEnvironmentSchema.parse(process.env);
const { NETWORK: network, VALIDATOR_ID: validator } = environment;
const clock = (): number => Date.now();
const ledger = { client: dynamoClient(), name: environment.LEDGER_TABLE };
const sessions = { client: dynamoClient(), name: environment.SESSION_TABLE };
const keyring = new Keyring({
  network,
  validator,
  store: dynamoKeyringStore({ sessions, ledger }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, validator),
});
const wakeSecret = async (): Promise<Uint8Array | null> =>
  (await keyring.openReadKey())?.wakeSecret ?? null;

const runtime = new ApiRuntime({
  network,
  validator,
  operatorKey: environment.OPERATOR_KEY,
  apiUrl: environment.API_URL,
  ports: {
    replicas: dynamoReplicaStore(ledger),
    blocks: withKeptBodies(dynamoBlockStore(ledger)),
    pages: dynamoPageStore(ledger),
    mempool: dynamoMempool(ledger, { now: clock }),
    genesis: dynamoGenesisStore(ledger),
    fetched: dynamoFetchedStore(ledger, clock),
    inbox: sqsInboxSender(sqsClient(), environment.INBOX_URL, wakeSecret),
  },
  keyring,
  kmsKey: () => kmsPublicKey(kmsClient(), environment.SIGN_KEY_ID),
  clock,
  sleep,
});

export const handler = httpHandler({ routes, operations: operationsOf(runtime), log: logRequest });
