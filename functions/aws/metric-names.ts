/** Names of the metrics that functions publish; dashboards and alarms are made from the same table. */

/** Where CloudWatch keeps them. */
export const METRIC_NAMESPACE = 'CareQuorum';
/** The function that measured: its physical name, which says network and party. */
export const SERVICE_DIMENSION = 'service';
/** Of refusals: the stable code of the problem. */
export const CODE_DIMENSION = 'code';

/** What a replica measures, with the unit. */
export const stepMetrics = {
  /** Committed blocks, and transactions in them. */
  Blocks: 'Count',
  Transactions: 'Count',
  /** New views that were entered. */
  ViewChanges: 'Count',
  /** Highest committed block, and the view, of the main ledger. */
  Height: 'Count',
  View: 'Count',
  /** Requests that wait here, up to what a block holds. */
  Waiting: 'Count',
  /** 1 while it follows without voting. */
  Learner: 'Count',
  /** 1 while it has stopped itself. */
  Halted: 'Count',
  /** From the first message's sending to the step that took it. */
  QueueTime: 'Milliseconds',
  /** One step, with all that it reads and writes. */
  StepTime: 'Milliseconds',
  /** From the own prepare vote to the own commit vote: a quorum has prepared. */
  PrepareTime: 'Milliseconds',
  /** From the own commit vote to the committed block: a quorum has decided. */
  CommitTime: 'Milliseconds',
  /** From a request's arrival here to the block that holds it: the slowest of a block. */
  RequestTime: 'Milliseconds',
  /** Envelopes of peers that were dropped. */
  Dropped: 'Count',
  /** Envelopes that a peer's queue did not take. */
  SendsFailed: 'Count',
} as const;
export type StepMetric = keyof typeof stepMetrics;

/** Refusals by code: by an API, and by the chaincode in blocks that were committed. */
export type RefusalMetric = 'Refused' | 'ChaincodeRefused';
