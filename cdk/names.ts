/** Physical names, ARNs and URLs, derived from the configuration alone, so that no stack reads another's. */

import type { NetworkConfig, ValidatorConfig } from './config.ts';

/** Ids of the stacks that are not validators. */
export const MEMBERSHIP_ID = 'membership';
/** Id of the custodian's stack. */
export const RECORDS_ID = 'records';
/** Stage of every REST API. */
export const STAGE_NAME = 'prod';

/** `cq-<network>-<id>`: the stack of a party, and the prefix of its physical names. */
export function stackName(config: NetworkConfig, id: string): string {
  return `cq-${config.network}-${id}`;
}

/** Name of a Lambda function and of its role. */
export function functionName(config: NetworkConfig, id: string, fn: string): string {
  return `${stackName(config, id)}-${fn}`;
}

/** What `aws:PrincipalArn` says while a function runs: its role, which emulators call by its session. */
export function principalArn(
  config: NetworkConfig,
  party: { readonly id: string; readonly account: string },
  fn: string,
): string {
  const name = functionName(config, party.id, fn);
  return config.emulatedIam
    ? `arn:aws:sts::${party.account}:assumed-role/${name}/${name}`
    : `arn:aws:iam::${party.account}:role/${name}`;
}

/** Name of a validator's FIFO inbox. */
export function inboxName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-inbox.fifo`;
}

/** Name of the inbox's FIFO dead-letter queue. */
export function inboxDlqName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-inbox-dlq.fifo`;
}

/** Name of a validator's timer queue. */
export function timerName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-timer`;
}

/** Name of the timer queue's dead-letter queue. */
export function timerDlqName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-timer-dlq`;
}

/** Name of the queue that wakes a validator's replicator. */
export function copyNotesName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-copy-notes`;
}

/** Name of that queue's dead-letter queue. */
export function copyNotesDlqName(config: NetworkConfig, id: string): string {
  return `${stackName(config, id)}-copy-notes-dlq`;
}

/** ARN of a validator's inbox. */
export function inboxArn(config: NetworkConfig, validator: ValidatorConfig): string {
  return `arn:aws:sqs:${config.region}:${validator.account}:${inboxName(config, validator.id)}`;
}

/** URL that a peer sends to; locally it carries the port of the owner's emulator. */
export function inboxUrl(config: NetworkConfig, validator: ValidatorConfig): string {
  const origin = validator.endpoint ?? `https://sqs.${config.region}.amazonaws.com`;
  return `${origin}/${validator.account}/${inboxName(config, validator.id)}`;
}

/** URL of a REST API, without a trailing slash; the id may be a token. */
export function apiUrl(
  config: NetworkConfig,
  party: { readonly endpoint?: string | undefined },
  apiId: string,
): string {
  return party.endpoint === undefined
    ? `https://${apiId}.execute-api.${config.region}.amazonaws.com/${STAGE_NAME}`
    : `${party.endpoint}/_aws/execute-api/${apiId}/${STAGE_NAME}`;
}

/** The other validators. */
export function peersOf(config: NetworkConfig, id: string): readonly ValidatorConfig[] {
  return config.validators.filter((validator) => validator.id !== id);
}

/** `{validatorId: inbox URL}` of the peers, for the environment of `inbox`. */
export function peerUrls(config: NetworkConfig, id: string): Record<string, string> {
  return Object.fromEntries(peersOf(config, id).map((peer) => [peer.id, inboxUrl(config, peer)]));
}

/** `{validatorId: thumbprint}` of all operators. */
export function operatorKeys(config: NetworkConfig): Record<string, string> {
  return Object.fromEntries(config.validators.map(({ id, operatorKey }) => [id, operatorKey]));
}
