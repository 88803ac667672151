/**
 * What a network costs on AWS, computed from prices per unit and from what one block needs. Both are
 * inputs: prices are public and change, and counts are the protocol's, to be replaced by measured ones.
 */

/** US dollars per unit, on demand, without any free tier. */
export interface Prices {
  readonly lambdaGbSecond: number;
  readonly lambdaRequest: number;
  readonly sqsFifoRequest: number;
  readonly sqsRequest: number;
  readonly dynamoWriteUnit: number;
  readonly dynamoReadUnit: number;
  readonly apiRequest: number;
  readonly logsGb: number;
  /** A month each. */
  readonly kmsKey: number;
  readonly alarm: number;
  readonly metric: number;
  readonly dashboard: number;
}

/** us-east-1, as published in 2025 and noted from memory: check them before you rely on them. */
export const prices: Prices = {
  lambdaGbSecond: 0.0000133334,
  lambdaRequest: 0.2 / 1e6,
  sqsFifoRequest: 0.5 / 1e6,
  sqsRequest: 0.4 / 1e6,
  dynamoWriteUnit: 0.625 / 1e6,
  dynamoReadUnit: 0.125 / 1e6,
  apiRequest: 3.5 / 1e6,
  logsGb: 0.5,
  kmsKey: 1,
  alarm: 0.1,
  metric: 0.3,
  dashboard: 3,
};

/** What runs at one validator. */
export interface Load {
  readonly validators: number;
  readonly blocksPerDay: number;
  readonly transactionsPerDay: number;
}

const DAYS = 30;
/** 1,769 MB. */
const MEMORY_GB = 1.728;
/** One step of the replica, and one request, seconds. */
const STEP_SECONDS = 0.12;
const REQUEST_SECONDS = 0.05;
/** Runs of `inbox` at rest: the schedule of five minutes, and that of the replicator. */
const RUNS_AT_REST_PER_DAY = 2 * 2 * 288;
/** Long polls of 20 s by five pollers, on three queues. */
const POLLS_PER_DAY = 3 * 5 * 3 * 60 * 24;
/** A submission and three polls, at one of the validators. */
const REQUESTS_PER_TRANSACTION = 4;
/** A block's own items, and an entry with its name, a turn, their deletion and the tree's pages. */
const WRITES_PER_BLOCK = 60;
const WRITES_PER_TRANSACTION = 20;
const READS_PER_BLOCK = 80;
const READS_PER_TRANSACTION = 20;
const LOG_GB_PER_STEP = 1.5e-6;
const LOG_GB_PER_REQUEST = 0.4e-6;
const KEYS = 2;
export const ALARMS_PER_VALIDATOR = 29;
const METRICS = 15 + 10;

/** Steps of a validator for one block: each peer's messages of both phases, a wake and a timer. */
export function stepsPerBlock(validators: number): number {
  return 2 * (validators - 1) + 2;
}

/** US dollars a month at one validator, by what is paid for. */
export function monthlyCosts(load: Load, at: Prices = prices): Readonly<Record<string, number>> {
  const { validators, blocksPerDay, transactionsPerDay } = load;
  const blocks = blocksPerDay * DAYS;
  const transactions = transactionsPerDay * DAYS;
  const steps = blocks * stepsPerBlock(validators) + RUNS_AT_REST_PER_DAY * DAYS;
  const requests = (transactions * REQUESTS_PER_TRANSACTION) / validators;
  // Sent, received and deleted: three requests for each message, of two phases to each peer.
  const messages = blocks * 2 * (validators - 1);
  const seconds = steps * STEP_SECONDS + requests * REQUEST_SECONDS;
  return {
    Lambda: seconds * MEMORY_GB * at.lambdaGbSecond + (steps + requests) * at.lambdaRequest,
    'SQS messages': 3 * (messages + blocks) * at.sqsFifoRequest + 3 * blocks * at.sqsRequest,
    'SQS polling': POLLS_PER_DAY * DAYS * at.sqsRequest,
    DynamoDB:
      (blocks * WRITES_PER_BLOCK + transactions * WRITES_PER_TRANSACTION) * at.dynamoWriteUnit +
      (blocks * READS_PER_BLOCK + transactions * READS_PER_TRANSACTION) * at.dynamoReadUnit,
    'API Gateway': requests * at.apiRequest,
    Logs: (steps * LOG_GB_PER_STEP + requests * LOG_GB_PER_REQUEST) * at.logsGb,
    'KMS keys': KEYS * at.kmsKey,
    'Alarms, metrics, dashboard':
      ALARMS_PER_VALIDATOR * at.alarm + METRICS * at.metric + at.dashboard,
  };
}

/** The loads that the table of `docs/operations.md` shows. */
const shown: readonly { readonly title: string; readonly load: Load }[] = [
  { title: 'at rest', load: { validators: 4, blocksPerDay: 0, transactionsPerDay: 0 } },
  { title: '1,000 a day, one a block', load: dayOf(4, 1_000, 1) },
  { title: '100,000 a day, ten a block', load: dayOf(4, 100_000, 10) },
  { title: 'the same, n = 7', load: dayOf(7, 100_000, 10) },
];

function dayOf(validators: number, transactionsPerDay: number, perBlock: number): Load {
  return { validators, transactionsPerDay, blocksPerDay: transactionsPerDay / perBlock };
}

/** The table as Markdown: a row for each thing that is paid for. */
export function costTable(): string {
  const columns = shown.map(({ load }) => monthlyCosts(load));
  const names = Object.keys(columns[0] ?? {});
  const total = (costs: Readonly<Record<string, number>>): number =>
    Object.values(costs).reduce((sum, cost) => sum + cost, 0);
  const row = (name: string, cells: readonly string[]): string =>
    `| ${name} | ${cells.join(' | ')} |`;
  return [
    row(
      'US dollars a month',
      shown.map(({ title }) => title),
    ),
    row(
      '---',
      shown.map(() => '---:'),
    ),
    ...names.map((name) =>
      row(
        name,
        columns.map((costs) => (costs[name] ?? 0).toFixed(2)),
      ),
    ),
    row(
      '**one validator**',
      columns.map((costs) => `**${total(costs).toFixed(2)}**`),
    ),
  ].join('\n');
}
