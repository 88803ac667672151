/** Layers on a ciphertext: AES-256-CTR over WebCrypto, each under a key that is used for it alone. */

import { webBytes } from './bytes.ts';
import type { Bytes } from './bytes.ts';
import { CryptoError } from './errors.ts';

/** Length of a layer's key, in bytes. */
export const LAYER_KEY_BYTES = 32;

const BLOCK_BYTES = 16;
/** Bits of the counter: all of the block, which starts at zero since no key is used twice. */
const COUNTER_BITS = 128;

/** Puts layers on, or takes them off: both are the same, and their order does not matter. */
export class Layers {
  readonly #keys: readonly CryptoKey[];

  private constructor(keys: readonly CryptoKey[]) {
    this.#keys = keys;
  }

  /** Throws `invalid_key` unless every key is 32 bytes. */
  static async of(keys: readonly Uint8Array[]): Promise<Layers> {
    return new Layers(await Promise.all(keys.map(importKey)));
  }

  /** The bytes that stand at `offset` of the whole, with every layer put on or taken off. */
  async apply(offset: number, bytes: Uint8Array): Promise<Bytes> {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new CryptoError('invalid_argument', 'an offset is a whole number of bytes');
    }
    // The stream of a key goes by blocks: what lies before `offset` in its block is passed over.
    const skipped = offset % BLOCK_BYTES;
    let whole: Bytes = webBytes(bytes);
    if (skipped > 0 && this.#keys.length > 0) {
      whole = new Uint8Array(skipped + bytes.length);
      whole.set(bytes, skipped);
    }
    const counter = counterAt(Math.floor(offset / BLOCK_BYTES));
    const algorithm = { name: 'AES-CTR', counter, length: COUNTER_BITS };
    for (const key of this.#keys) {
      whole = new Uint8Array(await globalThis.crypto.subtle.encrypt(algorithm, key, whole));
    }
    return this.#keys.length > 0 ? whole.subarray(skipped) : whole;
  }
}

async function importKey(key: Uint8Array): Promise<CryptoKey> {
  if (key.length !== LAYER_KEY_BYTES) {
    throw new CryptoError('invalid_key', 'the key of a layer is 32 bytes');
  }
  return globalThis.crypto.subtle.importKey('raw', webBytes(key), 'AES-CTR', false, ['encrypt']);
}

/** The counter block of a block's index, big-endian. */
function counterAt(index: number): Bytes {
  const counter = new Uint8Array(BLOCK_BYTES);
  new DataView(counter.buffer).setBigUint64(8, BigInt(index));
  return counter;
}
