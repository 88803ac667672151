/** Writes docs/api/*.openapi.json and docs/errors.md from the tables in code. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { errorsPage } from './errors-page.ts';
import { openApiDocument } from '../functions/aws/openapi.ts';
import { openApiInfo } from '../functions/validator/openapi-info.ts';
import { routes } from '../functions/validator/routes.ts';

const docs = join(import.meta.dirname, '..', 'docs');
mkdirSync(join(docs, 'api'), { recursive: true });
const document = openApiDocument(openApiInfo, routes);
writeFileSync(
  join(docs, 'api', 'validator.openapi.json'),
  `${JSON.stringify(document, null, 2)}\n`,
);
writeFileSync(join(docs, 'errors.md'), await format(errorsPage(), { parser: 'markdown' }));
