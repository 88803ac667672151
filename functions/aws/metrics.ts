/** Metrics as lines of the log in CloudWatch's embedded format: no call, no permission, no wait. */

import { Metrics } from '@aws-lambda-powertools/metrics';
import {
  CODE_DIMENSION,
  METRIC_NAMESPACE,
  type RefusalMetric,
  type StepMetric,
  stepMetrics,
} from './metric-names.ts';

/** A code as problems and the chaincode have it; others would each cost a metric. */
const CODE = /^[a-z][a-z0-9_]{0,63}$/;

/** One per process; the dimension `service` is the name of the function. */
export const metrics = new Metrics({
  namespace: METRIC_NAMESPACE,
  serviceName: process.env['AWS_LAMBDA_FUNCTION_NAME'] ?? 'carequorum',
});

/** Holds a value until `publishMetrics`. */
export function addMetric(name: StepMetric, value: number): void {
  metrics.addMetric(name, stepMetrics[name], value);
}

/** Writes what was gathered, if anything. */
export function publishMetrics(): void {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
}

/** Counts refusals of one code. */
export function countRefusal(name: RefusalMetric, code: string, count: number): void {
  if (!CODE.test(code)) return;
  metrics.singleMetric().addDimension(CODE_DIMENSION, code).addMetric(name, 'Count', count);
}
