/** Head of the OpenAPI document of a validator. */

import type { OpenApiInfo } from '../aws/openapi.ts';

export const openApiInfo: OpenApiInfo = {
  title: 'CareQuorum validator',
  version: '1.0.0',
  description:
    'Any validator serves any user. Transactions and queries are signed (JWS, ES256); answers are ' +
    'proven by receipts and state proofs that a client verifies offline from the genesis document.',
};
