/** What the handlers of the membership service work on. */

import type { X509Certificate } from 'node:crypto';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import type { CertificateAuthority } from '../../lib/membership/certificates.ts';
import type { ItemStore } from '../aws/item-store.ts';
import type { ServiceGenesis, OperatorKeys } from '../aws/service-genesis.ts';
import type { NpdbService } from './registry/npdb.ts';
import type { Registry } from './registry/registry.ts';
import type { Vault } from './vault.ts';

/** What the service can do on the ledger by its own key: end a person, and name a card. */
export interface LedgerPort {
  /** One step of `identity.lapse`; `done` where nothing is left, or nothing ever was. */
  lapse(subject: string, reason: LapseReason): Promise<'done' | 'more' | 'unavailable'>;
  /** `emergency.bind`: its transaction, why the ledger refuses it, or null where nobody answers. */
  bind(declarationId: string, handle: string): Promise<{ id: string } | { code: string } | null>;
}
export type LapseReason = 'licence-lapsed' | 'number-deactivated' | 'excluded' | 'left-hospital';

/** The data bank of reports: neither where a network does not ask it. */
export interface NpdbPort {
  service: NpdbService | null;
  /** Who certifies what clinicians bring themselves. */
  issuer: X509Certificate | null;
}

export interface MembershipContext {
  network: string;
  /** Base URL of this API as deployed, without a trailing slash. */
  apiUrl: string;
  operatorKeys: OperatorKeys;
  store: ItemStore;
  vault: Vault;
  registry: Registry;
  npdb: NpdbPort;
  genesis: ServiceGenesis;
  ledger: LedgerPort;
  /** KMS keys of the authority, oldest first: that of the genesis document, then successors. */
  authorityKeys(): Promise<readonly SigningKey[]>;
  /** Certificate and key that issue now. */
  authority: { current(): Promise<CertificateAuthority> };
  /** Milliseconds since 1970. */
  now(): number;
}

/** The 65-byte key of an operator by its thumbprint, with the validator that it speaks for. */
export interface OperatorKey {
  validator: string;
  publicKey: Uint8Array;
}
