/** What the handlers of the custodian work on. */

import type { SigningKey } from '../../lib/crypto/p256.ts';
import type { ItemStore } from '../aws/item-store.ts';
import type { ServiceGenesis } from '../aws/service-genesis.ts';
import type { ObjectStore } from './object-store.ts';
import type { ValidatorClient } from './validator-client.ts';

export interface RecordsContext {
  network: string;
  /** Base URL of this API as deployed, without a trailing slash. */
  apiUrl: string;
  /** The wrap store, which has no backup. */
  store: ItemStore;
  objects: ObjectStore;
  genesis: ServiceGenesis;
  validators: ValidatorClient;
  /** The KMS key of the custodian. */
  signingKey(): Promise<SigningKey>;
  /** Milliseconds since 1970. */
  now(): number;
}
