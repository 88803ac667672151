/** Head of the OpenAPI document of the custodian. */

import type { OpenApiInfo } from '../aws/openapi.ts';

export const openApiInfo: OpenApiInfo = {
  title: 'CareQuorum custodian',
  version: '1.0.0',
  description: 'Encrypted records and the wrap store. No receipt, no bytes.',
};
