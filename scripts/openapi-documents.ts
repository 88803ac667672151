/** The OpenAPI documents of the three APIs, by service. */

import { openApiDocument } from '../functions/aws/openapi.ts';
import { openApiInfo as membershipInfo } from '../functions/membership/openapi-info.ts';
import { routes as membershipRoutes } from '../functions/membership/routes.ts';
import { openApiInfo as recordsInfo } from '../functions/records/openapi-info.ts';
import { routes as recordsRoutes } from '../functions/records/routes.ts';
import { openApiInfo as validatorInfo } from '../functions/validator/openapi-info.ts';
import { copyRoutes } from '../functions/validator/copies/routes.ts';
import { escrowRoutes } from '../functions/validator/escrow/routes.ts';
import { routes as validatorRoutes } from '../functions/validator/routes.ts';

export const openApiDocuments = {
  validator: openApiDocument(validatorInfo, [...validatorRoutes, ...escrowRoutes, ...copyRoutes]),
  membership: openApiDocument(membershipInfo, membershipRoutes),
  records: openApiDocument(recordsInfo, recordsRoutes),
} as const;
