/** The genesis document that a validator installed, for its other functions. */

import { type Genesis, parseGenesis } from '../../lib/wire/genesis.ts';
import type { GenesisStore } from '../validator/ports.ts';
import { HttpError } from './problems.ts';

/** Verified when it was installed; only the validator's own roles can write it. */
export function validatorGenesis(store: Pick<GenesisStore, 'load'>): {
  find(): Promise<Genesis | null>;
  require(): Promise<Genesis>;
} {
  let genesis: Genesis | null = null;
  const find = async (): Promise<Genesis | null> => {
    if (genesis === null) {
      const signed = await store.load();
      if (signed !== null) genesis = parseGenesis(signed.document);
    }
    return genesis;
  };
  return {
    find,
    async require() {
      const found = await find();
      if (found) return found;
      const options = { retryAfterSeconds: 2 };
      throw new HttpError('not_initialised', 'No genesis document is installed yet.', options);
    },
  };
}
