import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../../functions/aws/openapi.ts';
import { httpHandler } from '../../../functions/aws/http.ts';
import { openApiInfo } from '../../../functions/validator/openapi-info.ts';
import { routes } from '../../../functions/validator/routes.ts';
import { errorsPage } from '../../../scripts/errors-page.ts';
import { ApiFixture } from './fixture.ts';

const docs = join(import.meta.dirname, '..', '..', '..', 'docs');
const document = openApiDocument(openApiInfo, routes);
type Operation = {
  operationId: string;
  summary: string;
  parameters?: { in: string; name: string; required: boolean }[];
  responses: Record<string, unknown>;
};
const paths = document['paths'] as Record<string, Record<string, Operation>>;

describe('the OpenAPI document', () => {
  it('is the one in docs/api: run `node scripts/generate-openapi.ts`', () => {
    const written = readFileSync(join(docs, 'api', 'validator.openapi.json'), 'utf8');
    expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('is served as it is written', async () => {
    const api = await ApiFixture.create();
    const answer = await api.get('/v1/openapi.json');
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('describes every route of the table, each with its own operationId', () => {
    const ids = routes.map(({ method, path }) => paths[path]?.[method.toLowerCase()]?.operationId);
    expect(new Set(ids).size).toBe(routes.length);
  });

  it('names every path parameter, and problems of every operation', () => {
    for (const [path, operations] of Object.entries(paths)) {
      for (const operation of Object.values(operations)) {
        const named = operation.parameters?.filter((one) => one.in === 'path') ?? [];
        const wanted = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
        expect(named.map(({ name }) => name)).toEqual(wanted);
        expect(operation.responses).toHaveProperty('default');
        expect(operation.summary).toMatch(/\.$/);
      }
    }
  });

  it('resolves every reference', () => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? '');
    for (const reference of references) {
      let at: unknown = document;
      for (const name of reference.split('/')) at = (at as Record<string, unknown>)[name];
      expect(at, reference).toBeDefined();
    }
  });
});

describe('the table of errors', () => {
  it('is the one in docs: run `node scripts/generate-openapi.ts`', async () => {
    const written = readFileSync(join(docs, 'errors.md'), 'utf8');
    expect(written).toBe(await format(errorsPage(), { parser: 'markdown' }));
  });
});

describe('the table of routes', () => {
  it('must fit the operations', () => {
    const log = (): void => undefined;
    expect(() => httpHandler({ routes, operations: {}, log })).toThrow('has no operation');
    const operations = { 'GET /v1/other': { run: () => Promise.reject(new Error()) } };
    expect(() => httpHandler({ routes: [], operations, log })).toThrow('not in the table');
  });
});
