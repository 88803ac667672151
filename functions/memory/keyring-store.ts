/** A keyring's table and wrapping key in memory. */

import type { KeyringStore, WrappedKey, WrapPurpose } from '../validator/ports.ts';

export class MemoryKeyringStore implements KeyringStore {
  #keys: Readonly<Record<WrapPurpose, WrappedKey>> | null = null;
  #bundle: string | null = null;
  /** What `ledgerIdentity` answers; a test sets another to restore the ledger table. */
  identity = 'memory';

  async load(purpose: WrapPurpose): Promise<WrappedKey | null> {
    return structuredClone(this.#keys?.[purpose] ?? null);
  }

  async bundle(): Promise<string | null> {
    return this.#bundle;
  }

  async create(keys: Readonly<Record<WrapPurpose, WrappedKey>>, bundle: string): Promise<boolean> {
    if (this.#keys !== null) return false;
    this.#keys = structuredClone(keys);
    this.#bundle = bundle;
    return true;
  }

  async ledgerIdentity(): Promise<string> {
    return this.identity;
  }
}
