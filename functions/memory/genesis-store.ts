/** The accepted genesis document in memory. */

import type { SignedGenesis } from '../../lib/wire/genesis.ts';
import type { GenesisStore } from '../validator/ports.ts';

export class MemoryGenesisStore implements GenesisStore {
  #signed: SignedGenesis | null = null;

  async load(): Promise<SignedGenesis | null> {
    return structuredClone(this.#signed);
  }

  async save(signed: SignedGenesis): Promise<boolean> {
    if (this.#signed !== null) return false;
    this.#signed = structuredClone(signed);
    return true;
  }
}
