/** A keyring's table and wrapping key in memory. */

import type { KeyringStore, WrappedKey, WrapPurpose } from '../validator/ports.ts';

export class MemoryKeyringStore implements KeyringStore {
  #keys: Partial<Record<WrapPurpose, WrappedKey>> = {};
  #bundle: string | null = null;
  /** What `ledgerIdentity` answers; a test sets another to restore the ledger table. */
  identity = 'memory';

  async load(purpose: WrapPurpose): Promise<WrappedKey | null> {
    return structuredClone(this.#keys[purpose] ?? null);
  }

  async bundle(): Promise<string | null> {
    return this.#bundle;
  }

  async create(keys: Readonly<Record<WrapPurpose, WrappedKey>>, bundle: string): Promise<boolean> {
    return this.replace(keys, bundle, null);
  }

  async keep(purpose: WrapPurpose, key: WrappedKey): Promise<void> {
    this.#keys = { ...this.#keys, [purpose]: structuredClone(key) };
  }

  async replace(
    keys: Readonly<Record<WrapPurpose, WrappedKey>>,
    bundle: string,
    before: string | null,
  ): Promise<boolean> {
    if (this.#bundle !== before) return false;
    this.#keys = structuredClone(keys);
    this.#bundle = bundle;
    return true;
  }

  async ledgerIdentity(): Promise<string> {
    return this.identity;
  }
}
