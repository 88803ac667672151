/** Lambda of the custodian: its REST API. */

import { z } from 'zod';
import { networkField } from '../../lib/wire/fields.ts';
import { dynamoClient, kmsClient } from '../aws/clients.ts';
import { dynamoItemStore } from '../aws/dynamo-item-store.ts';
import { jsonText } from '../aws/environment.ts';
import { httpHandler } from '../aws/http.ts';
import { kmsSigningKey } from '../aws/kms-signing-key.ts';
import { logRequest } from '../aws/logger.ts';
import { ServiceGenesis, operatorKeysSchema } from '../aws/service-genesis.ts';
import type { RecordsContext } from './context.ts';
import { routes } from './routes.ts';
import { s3Client, s3ObjectStore } from './s3-object-store.ts';
import { checkOwnKey, recordsOperations } from './service.ts';
import { validatorClient } from './validator-client.ts';

const environment = z
  .object({
    NETWORK: networkField,
    API_URL: z.url({ protocol: /^https?$/ }),
    WRAP_TABLE: z.string().min(1),
    RECORDS_BUCKET: z.string().min(1),
    SIGN_KEY_ID: z.string().min(1),
    OPERATOR_KEYS: jsonText.pipe(operatorKeysSchema),
    /** Set for local networks: then addresses name the bucket in their path. */
    AWS_ENDPOINT_URL_S3: z.url().optional(),
    AWS_ENDPOINT_URL: z.url().optional(),
  })
  .parse(process.env);

export const handler = httpHandler({
  routes,
  operations: recordsOperations(createContext()),
  log: logRequest,
});

function createContext(): RecordsContext {
  const { NETWORK: network, OPERATOR_KEYS: operatorKeys } = environment;
  const store = dynamoItemStore({ client: dynamoClient(), name: environment.WRAP_TABLE });
  const endpoint = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL;
  const signingKey = () => kmsSigningKey(kmsClient(), environment.SIGN_KEY_ID);
  return {
    network,
    apiUrl: environment.API_URL.replace(/\/+$/, ''),
    store,
    objects: s3ObjectStore(s3Client(endpoint), environment.RECORDS_BUCKET),
    genesis: new ServiceGenesis({
      store,
      network,
      operatorKeys,
      checkOwnKeys: (genesis) => checkOwnKey({ signingKey }, genesis),
    }),
    validators: validatorClient(),
    signingKey,
    now: () => Date.now(),
  };
}
