/** The operations of the membership service, one for each route. */

import { toBase64url } from '../../lib/crypto/bytes.ts';
import type { Operations } from '../aws/http.ts';
import { serviceOperations, withBody } from '../aws/service-operations.ts';
import { prove } from './activate.ts';
import { authorityCertificate, nextCertificate } from './authority.ts';
import type { MembershipContext } from './context.ts';
import { lookUp } from './directory.ts';
import { bindEmergency, keepCard } from './emergency.ts';
import { enrol } from './enrol.ts';
import { issueOneTime } from './one-time.ts';
import { openApiInfo } from './openapi-info.ts';
import { renew } from './renew.ts';
import { revoke } from './revoke.ts';
import {
  bindSchema,
  cardSchema,
  enrolSchema,
  oneTimeSchema,
  proofSchema,
  renewSchema,
  revokeSchema,
  routes,
  unmaskSchema,
} from './routes.ts';
import { enrolmentStatus } from './status.ts';
import { unmask } from './unmask.ts';

/** Operations by `METHOD /path`, one for each row of `functions/membership/routes.ts`. */
export function membershipOperations(context: MembershipContext): Operations {
  return {
    'POST /v1/enrolments': withBody(enrolSchema, (body) => enrol(context, body)),
    'GET /v1/enrolments/{id}': {
      run: ({ params, headers }) =>
        enrolmentStatus(context, params['id'] ?? '', headers['authorization']),
    },
    'POST /v1/enrolments/{id}/proof': withBody(proofSchema, ({ answer }, { params }) =>
      prove(context, params['id'] ?? '', answer),
    ),
    'POST /v1/renewals': withBody(renewSchema, (body) => renew(context, body)),
    'POST /v1/unmaskings': withBody(unmaskSchema, (body, request) =>
      unmask(context, request, body),
    ),
    'POST /v1/certificates': withBody(oneTimeSchema, ({ request }) =>
      issueOneTime(context, request),
    ),
    'POST /v1/emergency/cards': withBody(cardSchema, ({ request }) => keepCard(context, request)),
    'POST /v1/emergency/bindings': withBody(bindSchema, (body, request) =>
      bindEmergency(context, request, body),
    ),
    'GET /v1/directory': { run: ({ query }) => lookUp(context, query) },
    'POST /v1/revocations': withBody(revokeSchema, ({ request }) => revoke(context, request)),
    'GET /v1/bootstrap': {
      async run() {
        const caCertificate = toBase64url(await authorityCertificate(context));
        const next = await nextCertificate(context);
        const body = { caCertificate, ...(next ? { nextCertificate: toBase64url(next) } : {}) };
        return { status: 200, body };
      },
    },
    ...serviceOperations(context, openApiInfo, routes),
  };
}
