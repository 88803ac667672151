/** A REST API made from a table of routes: every path explicit, bodies validated, throttled and logged. */

import { createHash } from 'node:crypto';

import { Duration, RemovalPolicy, Tags, Validations } from 'aws-cdk-lib';
import {
  AccessLogField,
  AccessLogFormat,
  CfnModel,
  Cors,
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  Model,
  type RequestValidator,
  ResponseType,
  RestApi,
  type IModel,
} from 'aws-cdk-lib/aws-apigateway';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { ZodType } from 'zod';

import type { Route } from '../../functions/aws/route.ts';
import { toApiGatewaySchema } from '../model-schema.ts';
import { STAGE_NAME, apiUrl, functionName } from '../names.ts';
import type { Party } from '../party.ts';
import { ALARM_PERIOD, type Alarms } from './alarms.ts';
import type { FunctionWithLogGroup } from './function-with-log-group.ts';

/** Seconds that a browser may remember what the API allows. */
const CORS_SECONDS = 3_600;
/** What the gateway asks of those whom it throttles: its bucket refills each second. */
const THROTTLED_RETRY_SECONDS = 1;
/** Headers that pages may send: receipts and proofs travel in bodies, DPoP proofs in a header. */
const CORS_HEADERS = ['Authorization', 'Content-Type', 'DPoP', 'Prefer', 'X-Correlation-Id'];

/** By this tag the emulator names an API, in hexadecimal digits. */
const EMULATOR_ID_TAG = 'ms-custom-id';
const EMULATOR_ID_DIGITS = 8;

/** Properties of `RoleApi`. */
export interface RoleApiProps {
  readonly party: Party;
  /** Last part of the API's name. */
  readonly name: string;
  readonly description: string;
  readonly alarms: Alarms;
}

/**
 * The API. It is made before its function, which may thus know its own URL; `serve` joins the two.
 */
export class RoleApi extends Construct {
  /** Without a trailing slash. */
  readonly url: string;
  readonly api: RestApi;
  private readonly validator: RequestValidator;

  constructor(scope: Construct, id: string, props: RoleApiProps) {
    super(scope, id);
    const { config } = props.party;
    const logs = new LogGroup(this, 'AccessLogs', {
      retention: config.logRetentionDays,
      removalPolicy: config.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, 'Api', {
      restApiName: functionName(config, props.party.id, props.name),
      description: props.description,
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: true,
      cloudWatchRoleRemovalPolicy: config.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      deployOptions: {
        stageName: STAGE_NAME,
        throttlingRateLimit: config.throttle.ratePerSecond,
        throttlingBurstLimit: config.throttle.burst,
        accessLogDestination: new LogGroupLogDestination(logs),
        accessLogFormat: accessLogFormat(),
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        metricsEnabled: true,
        tracingEnabled: config.tracing,
      },
      defaultCorsPreflightOptions: {
        // Requests carry signatures, never cookies: any page may ask.
        allowOrigins: Cors.ALL_ORIGINS,
        allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
        allowHeaders: CORS_HEADERS,
        maxAge: Duration.seconds(CORS_SECONDS),
      },
    });
    if (config.target === 'local') keepId(this.api, config.network, props.party.id);
    this.validator = this.api.addRequestValidator('Validator', {
      validateRequestBody: true,
      validateRequestParameters: true,
    });
    // `ApiUrl` of the stack is the one output, with the emulator's form of URL as well.
    this.api.node.tryRemoveChild('Endpoint');
    this.url = apiUrl(config, props.party, this.api.restApiId);
    this.answerAsProblems();
    this.acknowledge();
    props.alarms.watch('ApiServerErrors', {
      metric: this.api.metricServerError({ period: ALARM_PERIOD }),
      description: `${this.api.restApiName} answers with server errors.`,
      runbook: 'api-server-errors',
      above: 5,
    });
  }

  /**
   * Sends every route to one function.
   * @throws TypeError when two routes share method and path, or a path is not absolute
   */
  serve(routes: readonly Route[], fn: FunctionWithLogGroup): void {
    const seen = new Set<string>();
    const models = new Map<ZodType, IModel>();
    const integration = new LambdaIntegration(fn.lambda, {
      proxy: true,
      // One permission for the API: one for each method would outgrow the function's policy.
      scopePermissionToMethod: false,
    });
    for (const { method, path, body } of routes) {
      const name = `${method} ${path}`;
      if (!path.startsWith('/v1/')) throw new TypeError(`${name}: paths start with /v1/`);
      if (seen.has(name)) throw new TypeError(`${name} is there twice`);
      seen.add(name);
      this.api.root.resourceForPath(path).addMethod(method, integration, {
        requestValidator: this.validator,
        ...(body === undefined
          ? {}
          : { requestModels: { 'application/json': this.modelOf(body, name, models) } }),
      });
    }
  }

  private modelOf(body: ZodType, name: string, models: Map<ZodType, IModel>): IModel {
    const known = models.get(body);
    if (known !== undefined) return known;
    const id = name.replaceAll(/[^A-Za-z0-9]+/g, '');
    const model = new CfnModel(this, `${id}Model`, {
      restApiId: this.api.restApiId,
      contentType: 'application/json',
      schema: toApiGatewaySchema(body),
    });
    const reference = Model.fromModelName(this, `${id}ModelName`, model.ref);
    models.set(body, reference);
    return reference;
  }

  /** Answers of API Gateway itself look like those of the functions: RFC 9457 with a stable code. */
  private answerAsProblems(): void {
    const problem = (
      type: ResponseType,
      status: number,
      code: string,
      title: string,
      headers: Readonly<Record<string, string>> = {},
    ): void => {
      this.api.addGatewayResponse(`Problem${code}`, {
        type,
        ...(status === 0 ? {} : { statusCode: String(status) }),
        responseHeaders: {
          'Content-Type': "'application/problem+json'",
          'Access-Control-Allow-Origin': "'*'",
          ...headers,
        },
        templates: {
          'application/json': problemTemplate(code, title, status),
        },
      });
    };
    problem(
      ResponseType.BAD_REQUEST_BODY,
      400,
      'invalid_request',
      'The request does not fit the schema of its route',
    );
    problem(ResponseType.MISSING_AUTHENTICATION_TOKEN, 404, 'not_found', 'There is no such route');
    problem(
      ResponseType.REQUEST_TOO_LARGE,
      413,
      'too_large',
      'The request, or its answer, is too large',
    );
    problem(ResponseType.THROTTLED, 429, 'throttled', 'Too many requests', {
      'Retry-After': `'${THROTTLED_RETRY_SECONDS}'`,
      'Access-Control-Expose-Headers': "'Retry-After'",
    });
    problem(
      ResponseType.INTEGRATION_TIMEOUT,
      504,
      'timeout',
      'The function did not answer in time',
    );
    problem(ResponseType.DEFAULT_4XX, 0, 'refused', 'API Gateway refuses the request');
    problem(
      ResponseType.DEFAULT_5XX,
      0,
      'unavailable',
      'A store or queue does not answer: try again, or elsewhere',
    );
  }

  private acknowledge(): void {
    Validations.of(this.api).acknowledge(
      {
        id: 'AwsSolutions-APIG3',
        reason: 'Stages are throttled and every request is signed; an institution may add a WAF.',
      },
      {
        id: 'AwsSolutions-APIG4',
        reason: 'Requests carry signatures of certified keys, which the function verifies itself.',
      },
      {
        id: 'AwsSolutions-COG4',
        reason: 'There is no user pool: certificates of the membership service name the users.',
      },
      {
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
        reason: 'API Gateway asks for this managed policy to write logs of an account.',
      },
    );
  }
}

/**
 * An emulator's account that was lost and is deployed anew gets its address back, which stands in the
 * genesis document; on AWS a domain name of the institution's own does that.
 */
function keepId(api: RestApi, network: string, id: string): void {
  const digest = createHash('sha256').update(`${network}/${id}`).digest('hex');
  Tags.of(api).add(EMULATOR_ID_TAG, digest.slice(0, EMULATOR_ID_DIGITS), {
    includeResourceTypes: ['AWS::ApiGateway::RestApi'],
  });
}

/** `status` 0 stands for whatever API Gateway answers with. */
function problemTemplate(code: string, title: string, status: number): string {
  const instance = AccessLogField.contextRequestId();
  const type = `urn:carequorum:problem:${code}`;
  return JSON.stringify({ type, title, status, code, instance }).replace(
    '"status":0',
    '"status":$context.status',
  );
}

/** One line of JSON for each request: no body, no query, no path parameter, no address, no header. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      requestId: AccessLogField.contextRequestId(),
      time: AccessLogField.contextRequestTime(),
      method: AccessLogField.contextHttpMethod(),
      route: AccessLogField.contextResourcePath(),
      status: AccessLogField.contextStatus(),
      responseBytes: AccessLogField.contextResponseLength(),
      latencyMs: AccessLogField.contextResponseLatency(),
      integrationStatus: AccessLogField.contextIntegrationStatus(),
      integrationLatencyMs: AccessLogField.contextIntegrationLatency(),
    }),
  );
}
