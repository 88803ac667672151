import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { httpHandler } from '../../functions/aws/http.ts';
import type { openApiDocument } from '../../functions/aws/openapi.ts';
import { routes as membershipRoutes } from '../../functions/membership/routes.ts';
import { routes as recordsRoutes } from '../../functions/records/routes.ts';
import { routes as validatorRoutes } from '../../functions/validator/routes.ts';
import { errorsPage } from '../../scripts/errors-page.ts';
import { openApiDocuments } from '../../scripts/openapi-documents.ts';
import { makeService } from '../membership/fixture.ts';
import { makeCustodian } from '../records/fixture.ts';
import { ApiFixture } from './validator-api/fixture.ts';

const docs = join(import.meta.dirname, '..', '..', 'docs');
type Operation = {
  operationId: string;
  summary: string;
  parameters?: { in: string; name: string; required: boolean }[];
  responses: Record<string, unknown>;
};
const path = '/v1/openapi.json';
const services = [
  {
    service: 'validator',
    routes: validatorRoutes,
    served: async () => (await ApiFixture.create()).get(path),
  },
  {
    service: 'membership',
    routes: membershipRoutes,
    served: async () => (await makeService()).call('GET', path),
  },
  {
    service: 'records',
    routes: recordsRoutes,
    served: async () => (await makeCustodian()).call('GET', path, undefined, {}),
  },
] as const;

describe.each(services)('the OpenAPI document of $service', ({ service, routes, served }) => {
  const document: ReturnType<typeof openApiDocument> = openApiDocuments[service];
  const paths = document['paths'] as Record<string, Record<string, Operation>>;

  it('is the one in docs/api: run `node scripts/generate-openapi.ts`', () => {
    const written = readFileSync(join(docs, 'api', `${service}.openapi.json`), 'utf8');
    expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('is served as it is written', async () => {
    expect((await served()).body).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('describes every route of the table, each with its own operationId', () => {
    const ids = routes.map((route) => paths[route.path]?.[route.method.toLowerCase()]?.operationId);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(routes.length);
  });

  it('names every path parameter, and problems of every operation', () => {
    for (const [at, operations] of Object.entries(paths)) {
      for (const operation of Object.values(operations)) {
        const named = operation.parameters?.filter((one) => one.in === 'path') ?? [];
        const wanted = [...at.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
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

describe('a table of routes', () => {
  it('must fit the operations', () => {
    const log = (): void => undefined;
    for (const { routes } of services) {
      expect(() => httpHandler({ routes, operations: {}, log })).toThrow('has no operation');
    }
    const operations = { 'GET /v1/other': { run: () => Promise.reject(new Error()) } };
    expect(() => httpHandler({ routes: [], operations, log })).toThrow('not in the table');
  });
});
