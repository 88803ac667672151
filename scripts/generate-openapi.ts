/** Writes docs/api/*.openapi.json and docs/errors.md from the tables in code. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { errorsPage } from './errors-page.ts';
import { openApiDocuments } from './openapi-documents.ts';

const docs = join(import.meta.dirname, '..', 'docs');
const api = join(docs, 'api');
mkdirSync(api, { recursive: true });
for (const [service, document] of Object.entries(openApiDocuments)) {
  const text = `${JSON.stringify(document, null, 2)}\n`;
  writeFileSync(join(api, `${service}.openapi.json`), text);
}
writeFileSync(join(docs, 'errors.md'), await format(errorsPage(), { parser: 'markdown' }));
