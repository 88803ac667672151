/** A wrapping key in memory: AES-256-GCM with the purpose as associated data, as KMS binds it. */

import { concatBytes, utf8, webBytes } from '../../lib/crypto/bytes.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import type { KeyWrap, WrapPurpose } from '../validator/ports.ts';

const NONCE_BYTES = 12;

export class MemoryKeyWrap implements KeyWrap {
  readonly #key: Promise<CryptoKey>;

  constructor() {
    const algorithm = { name: 'AES-GCM', length: 256 };
    this.#key = crypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt']);
  }

  async wrap(purpose: WrapPurpose, secret: Uint8Array): Promise<Uint8Array> {
    const iv = randomBytes(NONCE_BYTES);
    const algorithm = { name: 'AES-GCM', iv, additionalData: utf8(purpose) };
    const sealed = await crypto.subtle.encrypt(algorithm, await this.#key, webBytes(secret));
    return concatBytes(iv, new Uint8Array(sealed));
  }

  async unwrap(purpose: WrapPurpose, wrapped: Uint8Array): Promise<Uint8Array> {
    const bytes = webBytes(wrapped);
    const iv = bytes.subarray(0, NONCE_BYTES);
    const algorithm = { name: 'AES-GCM', iv, additionalData: utf8(purpose) };
    const opened = await crypto.subtle.decrypt(
      algorithm,
      await this.#key,
      bytes.subarray(NONCE_BYTES),
    );
    return new Uint8Array(opened);
  }
}
