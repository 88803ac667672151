/** The newest block bodies stay in a warm process: many receipts are asked for out of one block. */

import { toHex } from '../../../lib/crypto/bytes.ts';
import type { BlockStore } from '../../../lib/ports.ts';

/** Blocks of the largest size are some megabytes each. */
const BODIES_MAX = 4;

type Bodies = Pick<BlockStore, 'body'>;

/** The same store; a body never changes under its header's hash, so what was found is kept. */
export function withKeptBodies<Store extends Bodies>(store: Store): Store {
  const kept = new Map<string, ReturnType<Bodies['body']>>();
  return {
    ...store,
    body(ledger, headerHash) {
      const key = `${ledger} ${toHex(headerHash)}`;
      const found = kept.get(key);
      if (found) return found;
      const read = store.body(ledger, headerHash);
      kept.set(key, read);
      const forget = (): void => {
        if (kept.get(key) === read) kept.delete(key);
      };
      // What is missing may come, and what failed may succeed.
      read.then((body) => {
        if (body === null) forget();
      }, forget);
      const [oldest] = kept.keys();
      if (kept.size > BODIES_MAX && oldest !== undefined) kept.delete(oldest);
      return read;
    },
  };
}
