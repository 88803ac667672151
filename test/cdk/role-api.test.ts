import { Stack } from 'aws-cdk-lib';
import { Match } from 'aws-cdk-lib/assertions';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import { parseConfig } from '../../cdk/config.ts';
import { Alarms } from '../../cdk/constructs/alarms.ts';
import { FunctionWithLogGroup } from '../../cdk/constructs/function-with-log-group.ts';
import { RoleApi } from '../../cdk/constructs/role-api.ts';
import type { Party } from '../../cdk/party.ts';
import type { Route } from '../../functions/aws/route.ts';
import { configInput, makeApp, makeNetwork, sampleRoutes, templateOf } from './fixtures.ts';

const template = templateOf(makeNetwork(configInput()), 'membership');

/** An API with these routes, alone in a stack. */
function serve(routes: readonly Route[], timeoutSeconds = 10): void {
  const config = parseConfig(configInput());
  const party: Party = { config, service: 'validator', id: 'north', account: '111111111111' };
  const stack = new Stack(makeApp(), 'Stack');
  const alarms = new Alarms(stack, 'Alarms', { account: party.account });
  const api = new RoleApi(stack, 'RestApi', { party, name: 'api', description: 'x', alarms });
  const fn = new FunctionWithLogGroup(stack, 'Fn', {
    party,
    fn: 'api',
    description: 'x',
    code: () => Code.fromInline('//'),
    alarms,
    environment: {},
    timeoutSeconds,
  });
  api.serve(routes, fn);
}

describe('RoleApi', () => {
  it('has exactly the routes of the table, and a preflight for each path', () => {
    const methods = Object.values(template.findResources('AWS::ApiGateway::Method')).map(
      ({ Properties }) => Properties as { HttpMethod: string; RequestValidatorId?: unknown },
    );
    const served = methods.filter(({ HttpMethod }) => HttpMethod !== 'OPTIONS');
    expect(served.map(({ HttpMethod }) => HttpMethod).sort()).toEqual(
      sampleRoutes.map(({ method }) => method).sort(),
    );
    expect(methods.some(({ HttpMethod }) => HttpMethod === 'ANY')).toBe(false);
    for (const method of served) expect(method.RequestValidatorId).toBeDefined();
    const parts = Object.values(template.findResources('AWS::ApiGateway::Resource')).map(
      ({ Properties }) => (Properties as { PathPart: string }).PathPart,
    );
    expect(parts.sort()).toEqual(['health', 'records', 'transactions', 'v1', '{id}', '{id}']);
  });

  it('validates bodies by models, one for each schema', () => {
    template.hasResourceProperties('AWS::ApiGateway::RequestValidator', {
      ValidateRequestBody: true,
      ValidateRequestParameters: true,
    });
    template.resourceCountIs('AWS::ApiGateway::Model', 1);
    template.hasResourceProperties('AWS::ApiGateway::Model', {
      ContentType: 'application/json',
      Schema: {
        $schema: 'http://json-schema.org/draft-04/schema#',
        type: 'object',
        properties: { jws: { type: 'string', maxLength: 100_000 }, ref: { type: 'string' } },
        required: ['jws'],
        additionalProperties: false,
      },
    });
    template.hasResourceProperties('AWS::ApiGateway::Method', {
      HttpMethod: 'PUT',
      RequestModels: { 'application/json': { Ref: Match.anyValue() } },
    });
  });

  it('is throttled, and logs neither bodies nor what names a person', () => {
    template.hasResourceProperties('AWS::ApiGateway::Stage', {
      StageName: 'prod',
      MethodSettings: [
        Match.objectLike({
          HttpMethod: '*',
          ResourcePath: '/*',
          ThrottlingRateLimit: 100,
          ThrottlingBurstLimit: 200,
          LoggingLevel: 'ERROR',
          DataTraceEnabled: false,
        }),
      ],
    });
    const stages = Object.values(template.findResources('AWS::ApiGateway::Stage'));
    const format = (stages[0] as { Properties: { AccessLogSetting: { Format: string } } })
      .Properties.AccessLogSetting.Format;
    expect(
      Object.values(z.record(z.string(), z.string()).parse(JSON.parse(format))).sort(),
    ).toEqual([
      '$context.httpMethod',
      '$context.integrationLatency',
      '$context.integrationStatus',
      '$context.requestId',
      '$context.requestTime',
      '$context.resourcePath',
      '$context.responseLatency',
      '$context.responseLength',
      '$context.status',
    ]);
  });

  it('answers with problem details where no function is asked', () => {
    const responses = Object.values(template.findResources('AWS::ApiGateway::GatewayResponse')).map(
      ({ Properties }) =>
        Properties as {
          ResponseParameters: Record<string, string>;
          ResponseTemplates: Record<string, string>;
        },
    );
    expect(responses).toHaveLength(7);
    for (const { ResponseParameters, ResponseTemplates } of responses) {
      expect(ResponseParameters['gatewayresponse.header.Content-Type']).toBe(
        "'application/problem+json'",
      );
      const body = (ResponseTemplates['application/json'] ?? '').replace('$context.status', '400');
      expect(JSON.parse(body)).toMatchObject({
        type: expect.stringMatching(/^urn:carequorum:problem:[a-z_]+$/) as string,
        instance: '$context.requestId',
        title: expect.any(String) as string,
        status: expect.any(Number) as number,
        code: expect.stringMatching(/^[a-z_]+$/) as string,
      });
    }
  });

  it('says when to come again where it throttles', () => {
    template.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'THROTTLED',
      StatusCode: '429',
      ResponseParameters: Match.objectLike({ 'gatewayresponse.header.Retry-After': "'1'" }),
    });
  });

  it.each<[string, Route, string]>([
    ['a route twice', { method: 'GET', path: '/v1/health', summary: '' }, 'there twice'],
    ['a path of another version', { method: 'GET', path: '/v2/x', summary: '' }, 'start with /v1/'],
  ])('throws early: %s', (_name, route, message) => {
    expect(() => {
      serve([...sampleRoutes, route]);
    }).toThrow(message);
  });

  it('throws early: a function that outlives the answer', () => {
    expect(() => {
      serve(sampleRoutes, 30);
    }).toThrow('above 29 s');
  });

  it('traces when asked to', () => {
    const traced = templateOf(makeNetwork(configInput(4, { tracing: true })), 'north');
    traced.allResourcesProperties('AWS::Lambda::Function', { TracingConfig: { Mode: 'Active' } });
    traced.hasResourceProperties('AWS::ApiGateway::Stage', { TracingEnabled: true });
  });
});
