/** Which operation serves which route. */

import type { Operations } from '../../aws/http.ts';
import { getOpenApi } from '../../aws/service-operations.ts';
import { openApiInfo } from '../openapi-info.ts';
import { copyRoutes } from '../copies/routes.ts';
import { escrowRoutes } from '../escrow/routes.ts';
import { routes } from '../routes.ts';
import { getBlock } from './blocks.ts';
import { getConsistency } from './consistency.ts';
import { postGenesis } from './genesis.ts';
import { getTransaction } from './outcome.ts';
import { postQuery } from './query.ts';
import { getSets } from './sets.ts';
import { getSnapshot, postSnapshotPages } from './snapshot.ts';
import type { ApiRuntime } from './runtime.ts';
import { getBootstrap, getEvents, getHealth, getNetwork } from './status.ts';
import { submitBatch, submitOne } from './submit.ts';

/** Operations by `METHOD /path`, one for each row of `functions/validator/routes.ts`. */
export function operationsOf(runtime: ApiRuntime): Operations {
  return {
    'POST /v1/transactions': submitOne(runtime),
    'POST /v1/transactions/batch': submitBatch(runtime),
    'GET /v1/transactions/{id}': getTransaction(runtime),
    'POST /v1/queries': postQuery(runtime),
    'GET /v1/blocks/{height}': getBlock(runtime),
    'GET /v1/consistency': getConsistency(runtime),
    'GET /v1/sets': getSets(runtime),
    'GET /v1/snapshot': getSnapshot(runtime),
    'POST /v1/snapshot/pages': postSnapshotPages(runtime),
    'GET /v1/network': getNetwork(runtime),
    'GET /v1/health': getHealth(runtime),
    'GET /v1/events': getEvents(runtime),
    'GET /v1/bootstrap': getBootstrap(runtime),
    'POST /v1/genesis': postGenesis(runtime),
    'GET /v1/openapi.json': getOpenApi(openApiInfo, [...routes, ...escrowRoutes, ...copyRoutes]),
  };
}
