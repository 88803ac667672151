/** Lambda of the membership service: its REST API, and the hourly schedule. */

import { Logger } from '@aws-lambda-powertools/logger';
import type {
  APIGatewayProxyEvent,
  APIGatewayProxyResult,
  Context,
  ScheduledEvent,
} from 'aws-lambda';
import { z } from 'zod';
import { networkField } from '../../lib/wire/fields.ts';
import { dynamoClient, kmsClient } from '../aws/clients.ts';
import { kmsSigningKey } from '../aws/kms-signing-key.ts';
import { checkOwnAuthority } from './authority.ts';
import type { MembershipContext } from './context.ts';
import { recheckPending } from './recheck.ts';
import { nppesRegistry } from './registry/nppes.ts';
import { routes } from './routes.ts';
import { membershipHandlers } from './service.ts';
import { dynamoItemStore } from './shared/dynamo-item-store.ts';
import { GenesisStore, operatorKeysSchema } from './shared/genesis-store.ts';
import { dispatch } from './shared/http.ts';
import { logAccess } from './shared/log.ts';
import { jsonText } from './shared/environment.ts';
import { kmsSecretWrap } from './secret-wrap.ts';
import { createVault } from './vault.ts';

const environment = z
  .object({
    NETWORK: networkField,
    MEMBERSHIP_TABLE: z.string().min(1),
    CA_KEY_ID: z.string().min(1),
    WRAP_KEY_ID: z.string().min(1),
    REGISTRY_URL: z.url({ protocol: /^https?$/ }),
    OPERATOR_KEYS: jsonText.pipe(operatorKeysSchema),
  })
  .parse(process.env);

const logger = new Logger({ serviceName: 'membership' });
const context = createContext();
const handlers = membershipHandlers(context);

export async function handler(
  event: APIGatewayProxyEvent | ScheduledEvent,
  invocation: Context,
): Promise<APIGatewayProxyResult | undefined> {
  if ('httpMethod' in event) {
    const { awsRequestId } = invocation;
    return dispatch(routes, handlers, event, {
      requestId: awsRequestId,
      log: (line) => logAccess(logger, awsRequestId, line),
    });
  }
  if ((await context.genesis.find()) === null) return undefined;
  logger.info('recheck', { ...(await recheckPending(context)) });
  return undefined;
}

function createContext(): MembershipContext {
  const { NETWORK: network, OPERATOR_KEYS: operatorKeys } = environment;
  const store = dynamoItemStore({ client: dynamoClient(), name: environment.MEMBERSHIP_TABLE });
  const base = {
    network,
    store,
    authorityKey: () => kmsSigningKey(kmsClient(), environment.CA_KEY_ID),
    now: () => Date.now(),
  };
  return {
    ...base,
    operatorKeys,
    vault: createVault(store, kmsSecretWrap(kmsClient(), environment.WRAP_KEY_ID, network)),
    registry: nppesRegistry(environment.REGISTRY_URL),
    genesis: new GenesisStore({
      store,
      network,
      operatorKeys,
      checkOwnKeys: (genesis) => checkOwnAuthority(base, genesis),
    }),
  };
}
