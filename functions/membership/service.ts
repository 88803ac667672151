/** The handlers of the membership service, one for each route. */

import { toBase64url } from '../../lib/crypto/bytes.ts';
import { openApiDocument } from '../aws/openapi.ts';
import { prove } from './activate.ts';
import { authorityCertificate } from './authority.ts';
import type { MembershipContext } from './context.ts';
import { lookUp } from './directory.ts';
import { enrol } from './enrol.ts';
import { issueOneTime } from './one-time.ts';
import { revoke } from './revoke.ts';
import {
  type EnrolBody,
  type oneTimeSchema,
  type proofSchema,
  type revokeSchema,
  routes,
} from './routes.ts';
import type { z } from 'zod';
import type { Handlers } from './shared/http.ts';
import { enrolmentStatus } from './status.ts';

const INFO = {
  title: 'CareQuorum membership service',
  version: '1',
  description: 'Enrolment, certificates and directory. Private keys never come here.',
};

/** Bodies were parsed by the schema of their route. */
export function membershipHandlers(context: MembershipContext): Handlers {
  return {
    'POST /v1/enrolments': ({ body }) => enrol(context, body as EnrolBody),
    'GET /v1/enrolments/{id}': ({ parameters, headers }) =>
      enrolmentStatus(context, parameters['id'] ?? '', headers['authorization']),
    'POST /v1/enrolments/{id}/proof': ({ parameters, body }) =>
      prove(context, parameters['id'] ?? '', (body as z.infer<typeof proofSchema>).answer),
    'POST /v1/certificates': ({ body }) =>
      issueOneTime(context, (body as z.infer<typeof oneTimeSchema>).request),
    'GET /v1/directory': ({ query }) => lookUp(context, query),
    'POST /v1/revocations': ({ body }) =>
      revoke(context, (body as z.infer<typeof revokeSchema>).request),
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
      body: { caCertificate: toBase64url(await authorityCertificate(context)) },
    }),
    'POST /v1/genesis': async ({ body }) => ({
      status: 200,
      body: await context.genesis.install(body),
    }),
    'GET /v1/openapi.json': async () => ({ status: 200, body: openApiDocument(INFO, routes) }),
  };
}
