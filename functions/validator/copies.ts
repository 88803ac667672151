/** The copies function of a validator: gives out what the hospital holds, for receipts. */

import { dynamoClient, sqsClient } from '../aws/clients.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoItemStore } from '../aws/dynamo-item-store.ts';
import { httpHandler } from '../aws/http.ts';
import { logRequest } from '../aws/logger.ts';
import { sqsCopyNotes } from '../aws/sqs-copy-notes.ts';
import { validatorGenesis } from '../aws/validator-genesis.ts';
import { s3Client, s3ObjectStore } from '../records/s3-object-store.ts';
import { copyOperations } from './copies/operations.ts';
import { copyRoutes } from './copies/routes.ts';
import { copiesEnvironmentSchema } from './environment.ts';
import { markDue } from './replicator/due.ts';

const environment = copiesEnvironmentSchema.parse(process.env);
const { VALIDATOR_ID: validator, API_URL: apiUrl } = environment;
const client = dynamoClient();
const store = dynamoItemStore({ client, name: environment.COPIES_TABLE });
const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
const notes = sqsCopyNotes(sqsClient(), environment.NOTES_URL);
const now = (): number => Date.now();

const operations = copyOperations({
  store,
  objects: s3ObjectStore(s3Client(endpoint), environment.COPIES_BUCKET),
  genesis: validatorGenesis(dynamoGenesisStore({ client, name: environment.LEDGER_TABLE })),
  // Clients know it by the address of the genesis document, or where it has moved to.
  addresses: ({ document }) => [
    ...document.validators.filter(({ id }) => id === validator).map((one) => baseOf(one.apiUrl)),
    baseOf(apiUrl),
  ],
  wake: async (pseudonym) => {
    await markDue(store, [pseudonym], now());
    await notes.send(0);
  },
  now,
});

function baseOf(url: string): string {
  return url.replace(/\/+$/, '');
}

export const handler = httpHandler({ routes: copyRoutes, operations, log: logRequest });
