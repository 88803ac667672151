/** What every construct is told about the party that it belongs to. */

import type { Code } from 'aws-cdk-lib/aws-lambda';

import type { NetworkConfig } from './config.ts';

/** A folder of `functions/` with entries of its own. */
export type Service = 'validator' | 'membership' | 'records';

/** Gives the bundle of one function: `functions/<service>/<fn>.ts`. */
export type CodeProvider = (service: Service, fn: string) => Code;

/** One party of a network: a validator, membership or records. */
export interface Party {
  readonly config: NetworkConfig;
  readonly service: Service;
  /** The validator's id, or `membership`, or `records`. */
  readonly id: string;
  readonly account: string;
  /** Origin of the account's emulator. @default AWS itself */
  readonly endpoint?: string | undefined;
}
