/** The escrow function of a validator: it alone opens shares of patients' secrets. */

import { type Genesis, parseGenesis } from '../../lib/wire/genesis.ts';
import { dynamoClient, kmsClient } from '../aws/clients.ts';
import { dynamoGenesisStore } from '../aws/dynamo-genesis-store.ts';
import { dynamoItemStore } from '../aws/dynamo-item-store.ts';
import { dynamoKeyringStore } from '../aws/dynamo-keyring-store.ts';
import { httpHandler } from '../aws/http.ts';
import { kmsEnvelope } from '../aws/kms-envelope.ts';
import { logRequest } from '../aws/logger.ts';
import { HttpError } from '../aws/problems.ts';
import { escrowEnvironmentSchema } from './environment.ts';
import { escrowOperations } from './escrow/operations.ts';
import { escrowRoutes } from './escrow/routes.ts';
import { Keyring } from './keyring.ts';

const environment = escrowEnvironmentSchema.parse(process.env);
const { NETWORK: network, VALIDATOR_ID: validator, API_URL: apiUrl } = environment;
const client = dynamoClient();
const ledger = { client, name: environment.LEDGER_TABLE };
const sessions = { client, name: environment.SESSION_TABLE };
const genesisStore = dynamoGenesisStore(ledger);
const keyring = new Keyring({
  network,
  validator,
  store: dynamoKeyringStore({ sessions, ledger }),
  wrap: kmsEnvelope(kmsClient(), environment.WRAP_KEY_ID, validator),
});
let genesis: Genesis | null = null;

/** Verified when it was installed; only the validator's own roles can write it. */
async function requireGenesis(): Promise<Genesis> {
  if (genesis === null) {
    const signed = await genesisStore.load();
    if (signed === null) {
      const options = { retryAfterSeconds: 2 };
      throw new HttpError('not_initialised', 'No genesis document is installed yet.', options);
    }
    genesis = parseGenesis(signed.document);
  }
  return genesis;
}

const operations = escrowOperations({
  network,
  validator,
  store: dynamoItemStore({ client, name: environment.ESCROW_TABLE }),
  genesis: { require: requireGenesis },
  // Clients know it by the address of the genesis document, or where it has moved to.
  addresses: ({ document }) => [
    ...document.validators.filter(({ id }) => id === validator).map((one) => baseOf(one.apiUrl)),
    apiUrl,
  ],
  shareSeed: () => keyring.openShareSeed(),
  now: () => Date.now(),
});

function baseOf(url: string): string {
  return url.replace(/\/+$/, '');
}

export const handler = httpHandler({ routes: escrowRoutes, operations, log: logRequest });
