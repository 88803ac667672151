/** The handlers of the custodian, one for each route. */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { openApiDocument } from '../aws/openapi.ts';
import type { Handlers } from '../membership/shared/http.ts';
import { ApiProblem } from '../membership/shared/problem.ts';
import { listMetadata, openAccess } from './access.ts';
import { findKey, publishKeys } from './category-keys.ts';
import { completeUpload } from './complete.ts';
import type { RecordsContext } from './context.ts';
import { routes } from './routes.ts';
import { fetchShares, putShare } from './shares.ts';
import { abortUpload, openUpload, uploadStatus } from './uploads.ts';

const INFO = {
  title: 'CareQuorum custodian',
  version: '1',
  description: 'Encrypted records and the wrap store. No receipt, no bytes.',
};

/** Bodies were parsed by the schema of their route. */
export function recordsHandlers(context: RecordsContext): Handlers {
  return {
    'POST /v1/uploads': (request) => openUpload(context, request),
    'GET /v1/uploads/{recordId}': (request) => uploadStatus(context, request),
    'POST /v1/uploads/{recordId}/complete': (request) => completeUpload(context, request),
    'DELETE /v1/uploads/{recordId}': (request) => abortUpload(context, request),
    'POST /v1/category-keys': (request) => publishKeys(context, request),
    'GET /v1/category-keys/{pseudonym}': (request) => findKey(context, request),
    'POST /v1/shares': (request) => putShare(context, request),
    'POST /v1/shares/fetch': (request) => fetchShares(context, request),
    'POST /v1/access': (request) => openAccess(context, request),
    'POST /v1/metadata': (request) => listMetadata(context, request),
    'GET /v1/health': async () => ({
      status: 200,
      body: {
        status: 'ok',
        network: context.network,
        initialised: (await context.genesis.find()) !== null,
        time: context.now(),
      },
    }),
    'GET /v1/bootstrap': async () => ({
      status: 200,
      body: { key: toBase64url((await context.signingKey()).publicKey) },
    }),
    'POST /v1/genesis': async ({ body }) => ({
      status: 200,
      body: await context.genesis.install(body),
    }),
    'GET /v1/openapi.json': async () => ({ status: 200, body: openApiDocument(INFO, routes) }),
  };
}

/** Throws ApiProblem 403 `wrong_party` unless the document names this custodian's key. */
export async function checkOwnKey(
  context: Pick<RecordsContext, 'signingKey'>,
  genesis: Genesis,
): Promise<void> {
  const named = fromBase64url(genesis.document.custodian.key);
  if (equalBytes(named, (await context.signingKey()).publicKey)) return;
  throw new ApiProblem(403, 'wrong_party', 'The document names another custodian.');
}
