/** Head of the OpenAPI document of the membership service. */

import type { OpenApiInfo } from '../aws/openapi.ts';

export const openApiInfo: OpenApiInfo = {
  title: 'CareQuorum membership service',
  version: '1.0.0',
  description: 'Enrolment, certificates and directory. Private keys never come here.',
};
