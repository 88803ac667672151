/** What the replicator works on: the ledger as its validator committed it, and the own copies. */

import type { Reader } from '../../../lib/chaincode/draft.ts';
import type { SigningKey } from '../../../lib/crypto/p256.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';
import type { TransactionResult } from '../../../lib/wire/result.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import type { ObjectStore } from '../../records/object-store.ts';
import type { Fetch, ValidatorClient } from '../../records/validator-client.ts';

/** The own validator's ledger. */
export interface LedgerFeed {
  /** State at the newest committed block. */
  head(): Promise<{ height: number; state: Reader } | null>;
  /** Results of a committed block; null where its body is not here (yet). */
  results(height: number): Promise<TransactionResult[] | null>;
}

export interface ReplicatorContext {
  readonly network: string;
  /** Id of the hospital. */
  readonly hospital: string;
  readonly genesis: Genesis;
  readonly feed: LedgerFeed;
  /** Items of copies, and the replicator's own notes; a table without backup. */
  readonly store: ItemStore;
  readonly objects: ObjectStore;
  readonly validators: ValidatorClient;
  /** The certified read key: what the hospital's service signs with. */
  readonly key: SigningKey;
  readonly fetchUrl: Fetch;
  /** Milliseconds since 1970. */
  now(): number;
  log(line: { event: string; [fact: string]: unknown }): void;
}

/** The custodian does not answer: what needs it waits, what does not goes on. */
export class CustodianAway extends Error {
  override readonly name = 'CustodianAway';
}

/** The time of this run is over: the next one goes on from here. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}
