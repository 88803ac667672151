/** Lambda of the membership service: its REST API, and the hourly schedule. */

import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, ScheduledEvent } from 'aws-lambda';
import { z } from 'zod';
import { networkField } from '../../lib/wire/fields.ts';
import { dynamoClient, kmsClient } from '../aws/clients.ts';
import { dynamoItemStore } from '../aws/dynamo-item-store.ts';
import { jsonText } from '../aws/environment.ts';
import { httpHandler } from '../aws/http.ts';
import { kmsSigningKey } from '../aws/kms-signing-key.ts';
import { logger, logRequest } from '../aws/logger.ts';
import { ServiceGenesis, operatorKeysSchema } from '../aws/service-genesis.ts';
import { checkOwnAuthority } from './authority.ts';
import { authorityQuery } from './authority-query.ts';
import { AuthorityWatch } from './authority-watch.ts';
import type { MembershipContext } from './context.ts';
import { tellLapses } from './lapse.ts';
import { membershipLedger } from './ledger.ts';
import { recheckPending } from './recheck.ts';
import { recheckActive } from './recheck-active.ts';
import { registriesOf, registryListsSchema } from './registry/configured.ts';
import { routes } from './routes.ts';
import { validatorClient } from '../records/validator-client.ts';
import { membershipOperations } from './service.ts';
import { permitOf } from './unmask.ts';
import { kmsSecretWrap } from './secret-wrap.ts';
import { createVault } from './vault.ts';

const environment = z
  .object({
    NETWORK: networkField,
    API_URL: z.url({ protocol: /^https?$/ }),
    MEMBERSHIP_TABLE: z.string().min(1),
    /** Oldest first, separated by commas. */
    CA_KEY_IDS: z
      .string()
      .min(1)
      .transform((text) => text.split(',')),
    WRAP_KEY_ID: z.string().min(1),
    REGISTRY_URL: z.url({ protocol: /^https?$/ }),
    REGISTRY_LISTS: jsonText.pipe(registryListsSchema),
    OPERATOR_KEYS: jsonText.pipe(operatorKeysSchema),
  })
  .parse(process.env);

const context = createContext();
const http = httpHandler({ routes, operations: membershipOperations(context), log: logRequest });

/** A request of the API, or the schedule. */
export const handler = middy<
  APIGatewayProxyEvent | ScheduledEvent,
  APIGatewayProxyResult | undefined
>().handler(async (event, invocation) => {
  if ('httpMethod' in event) return http(event, invocation);
  if ((await context.genesis.find()) === null) return undefined;
  // First what earlier runs left: a slow registry must not keep it from the ledger.
  const told = await tellLapses(context);
  logger.info('recheck', { ...(await recheckPending(context)) });
  logger.info('recheck of active', { ...(await recheckActive(context)) });
  logger.info('lapses told to the ledger', { count: told + (await tellLapses(context)) });
  return undefined;
});

function createContext(): MembershipContext {
  const { NETWORK: network, OPERATOR_KEYS: operatorKeys } = environment;
  const store = dynamoItemStore({ client: dynamoClient(), name: environment.MEMBERSHIP_TABLE });
  const base = {
    network,
    store,
    authorityKeys: () =>
      Promise.all(environment.CA_KEY_IDS.map((id) => kmsSigningKey(kmsClient(), id))),
    now: () => Date.now(),
  };
  const genesis = new ServiceGenesis({
    store,
    network,
    operatorKeys,
    checkOwnKeys: (document) => checkOwnAuthority(base, document),
  });
  const withGenesis = { ...base, apiUrl: environment.API_URL.replace(/\/+$/, ''), genesis };
  const permit = permitOf(withGenesis);
  const authority = new AuthorityWatch({
    ...{ store, genesis, now: base.now, keys: base.authorityKeys },
    ask: authorityQuery(permit),
  });
  return {
    ...withGenesis,
    authority,
    operatorKeys,
    vault: createVault(store, kmsSecretWrap(kmsClient(), environment.WRAP_KEY_ID, network)),
    ...registriesOf(environment.REGISTRY_URL, environment.REGISTRY_LISTS, base.now),
    ledger: membershipLedger({
      network,
      authorityKey: async () => (await authority.current()).signer,
      validators: validatorClient(),
      permit,
    }),
  };
}
