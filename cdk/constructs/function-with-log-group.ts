/** A Lambda function with a role, a log group and alarms of its own. */

import { Duration, RemovalPolicy, Token } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Function as LambdaFunction,
  LoggingFormat,
  RecursiveLoop,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { FilterPattern, LogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

import { METRIC_NAMESPACE } from '../../functions/aws/metric-names.ts';
import { functionName } from '../names.ts';
import type { CodeProvider, Party } from '../party.ts';
import { acknowledgeWildcard } from './acknowledge.ts';
import { ALARM_PERIOD, type Alarms } from './alarms.ts';

/** One vCPU; less memory is a slice of one, and signatures are what a step waits for. */
const MEMORY_MB = 1_769;
/** A consensus step; visibility time-outs are longer (design §4, actor hygiene). */
const TIMEOUT_SECONDS = 10;
/** API Gateway gives up after 29 s. */
const TIMEOUT_SECONDS_MAX = 29;

/** What Lambda takes: names and values together. */
const ENVIRONMENT_BYTES_MAX = 4_096;
/** Room for a value that is known after deployment only: a generated name, an id or a URL. */
const TOKEN_BYTES = 120;

/** Properties of `FunctionWithLogGroup`. */
export interface FunctionWithLogGroupProps {
  readonly party: Party;
  /** Entry `functions/<service>/<fn>.ts`, and the last part of the physical name. */
  readonly fn: string;
  readonly description: string;
  readonly code: CodeProvider;
  readonly alarms: Alarms;
  readonly environment: Readonly<Record<string, string>>;
  /**
   * Seconds until a run is stopped, 29 at most.
   * @default 10
   */
  readonly timeoutSeconds?: number;
  /**
   * Runs at once, kept free for this function and never exceeded.
   * @default shared with the account's other functions
   */
  readonly reservedConcurrency?: number;
  /**
   * Whether the function is part of an SQS cycle on purpose; Lambda cuts others after 16 hops.
   * @default false
   */
  readonly allowRecursion?: boolean;
}

/** A function and what belongs to it. The role may only write its own log until it is granted more. */
export class FunctionWithLogGroup extends Construct {
  readonly lambda: LambdaFunction;
  readonly role: Role;
  readonly logGroup: LogGroup;
  readonly timeout: Duration;
  /** Physical name: under it the function publishes metrics. */
  readonly service: string;

  constructor(scope: Construct, id: string, props: FunctionWithLogGroupProps) {
    super(scope, id);
    const seconds = props.timeoutSeconds ?? TIMEOUT_SECONDS;
    if (seconds > TIMEOUT_SECONDS_MAX) {
      throw new RangeError(`${props.fn}: a time-out of ${seconds} s is above 29 s`);
    }
    checkEnvironment(props.fn, props.environment);
    const { config } = props.party;
    const name = functionName(config, props.party.id, props.fn);
    this.service = name;
    this.timeout = Duration.seconds(seconds);
    this.role = new Role(this, 'Role', {
      roleName: name,
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Runs ${name}`,
    });
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: config.logRetentionDays,
      removalPolicy: config.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.logGroup.grantWrite(this.role);
    this.lambda = new LambdaFunction(this, 'Function', {
      functionName: name,
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: config.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      handler: 'index.handler',
      code: props.code(props.party.service, props.fn),
      role: this.role,
      memorySize: MEMORY_MB,
      timeout: this.timeout,
      environment: { NODE_OPTIONS: '--enable-source-maps', ...props.environment },
      logGroup: this.logGroup,
      loggingFormat: LoggingFormat.JSON,
      tracing: config.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
      recursiveLoop: props.allowRecursion === true ? RecursiveLoop.ALLOW : RecursiveLoop.TERMINATE,
      ...(props.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
    });
    if (config.tracing) {
      acknowledgeWildcard(this.role, 'Resource::*', 'X-Ray has no resources to name.');
    }
    this.watch(name, props.alarms);
  }

  /** Alarms on errors, throttles and log lines of level CRITICAL, such as a refused own vote. */
  private watch(name: string, alarms: Alarms): void {
    const { node } = this;
    alarms.watch(`${node.id}Errors`, {
      metric: this.lambda.metricErrors({ period: ALARM_PERIOD }),
      description: `${name} failed or ran out of time.`,
      runbook: 'function-errors',
    });
    alarms.watch(`${node.id}Throttles`, {
      metric: this.lambda.metricThrottles({ period: ALARM_PERIOD }),
      description: `${name} was throttled: raise the account's concurrency.`,
      runbook: 'function-throttles',
    });
    const critical = new MetricFilter(this, 'Critical', {
      logGroup: this.logGroup,
      filterPattern: FilterPattern.stringValue('$.level', '=', 'CRITICAL'),
      metricNamespace: METRIC_NAMESPACE,
      metricName: `${name}-critical`,
    });
    alarms.watch(`${node.id}Critical`, {
      metric: critical.metric({ statistic: 'Sum', period: ALARM_PERIOD }),
      description: `${name} stopped itself or cut off a peer: read its log before anything else.`,
      runbook: 'function-critical',
    });
  }
}

function checkEnvironment(fn: string, environment: Readonly<Record<string, string>>): void {
  const bytes = Object.entries(environment).reduce(
    (sum, [name, value]) =>
      sum + name.length + (Token.isUnresolved(value) ? TOKEN_BYTES : Buffer.byteLength(value)),
    0,
  );
  if (bytes > ENVIRONMENT_BYTES_MAX) {
    throw new RangeError(
      `${fn}: its environment has ${bytes} bytes of ${ENVIRONMENT_BYTES_MAX}: ` +
        'use shorter names, or fewer validators',
    );
  }
}
