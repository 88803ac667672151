/** Envelope encryption of identity fields, and the keyed digests by which they are looked up. */

import { z } from 'zod';
import { concatBytes, fromUtf8, toBase64url, utf8, webBytes } from '../../lib/crypto/bytes.ts';
import { hkdfSha256, hmacSha256, taggedHash } from '../../lib/crypto/hash.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { ItemStore } from '../aws/item-store.ts';

/** What the KMS key wraps; the purpose is in the encryption context and in the role's grant. */
export interface SecretWrap {
  wrap(purpose: 'identity' | 'lookup', secret: Uint8Array): Promise<Uint8Array>;
  unwrap(purpose: 'identity' | 'lookup', wrapped: Uint8Array): Promise<Uint8Array>;
}

export interface Vault {
  /** Encrypts a plain value for one enrolment. */
  seal(enrolmentId: string, value: unknown): Promise<Uint8Array>;
  open(enrolmentId: string, sealed: Uint8Array): Promise<unknown>;
  /** A keyed digest of what is looked up by, base64url: without the secret it tells nothing. */
  digest(kind: 'npi' | 'name' | 'person' | 'serial' | 'reference', text: string): Promise<string>;
}

const SECRET_BYTES = 32;
const IV_BYTES = 12;
const wrappedSchema = z.strictObject({ wrapped: z.instanceof(Uint8Array) });

/** Secrets are made at first use, kept wrapped in the table, and unwrapped once per process. */
export function createVault(store: ItemStore, wrap: SecretWrap): Vault {
  const secrets = new Map<string, Promise<Uint8Array>>();
  const secret = (purpose: 'identity' | 'lookup'): Promise<Uint8Array> => {
    const known = secrets.get(purpose);
    if (known) return known;
    const asked = loadSecret(store, wrap, purpose);
    secrets.set(purpose, asked);
    // A failure is not remembered.
    asked.catch(() => secrets.delete(purpose));
    return asked;
  };
  return {
    async seal(enrolmentId, value) {
      const iv = randomBytes(IV_BYTES);
      const key = await dataKey(await secret('identity'), enrolmentId);
      const plaintext = utf8(JSON.stringify(value));
      const aad = webBytes(taggedHash('identity', utf8(enrolmentId)));
      const sealed = await crypto.subtle.encrypt(
        { name: 'AES-GCM', iv, additionalData: aad },
        key,
        plaintext,
      );
      return concatBytes(iv, new Uint8Array(sealed));
    },
    async open(enrolmentId, sealed) {
      const key = await dataKey(await secret('identity'), enrolmentId);
      const aad = webBytes(taggedHash('identity', utf8(enrolmentId)));
      const plaintext = await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: webBytes(sealed.slice(0, IV_BYTES)), additionalData: aad },
        key,
        webBytes(sealed.slice(IV_BYTES)),
      );
      return JSON.parse(fromUtf8(new Uint8Array(plaintext))) as unknown;
    },
    async digest(kind, text) {
      const message = taggedHash('lookup', utf8(kind), utf8(text));
      return toBase64url(hmacSha256(await secret('lookup'), message));
    },
  };
}

async function loadSecret(
  store: ItemStore,
  wrap: SecretWrap,
  purpose: 'identity' | 'lookup',
): Promise<Uint8Array> {
  const key = { pk: 'service', sk: `secret#${purpose}` };
  if (!(await store.get(key))) {
    await store.insert(key, { wrapped: await wrap.wrap(purpose, randomBytes(SECRET_BYTES)) });
  }
  const item = await store.get(key);
  return wrap.unwrap(purpose, parseWith(wrappedSchema, item?.value).wrapped);
}

/** A key for each enrolment, so that no key sees many nonces. */
async function dataKey(secret: Uint8Array, enrolmentId: string): Promise<CryptoKey> {
  const info = taggedHash('identity-key', utf8(enrolmentId));
  const bytes = hkdfSha256(secret, { info, length: SECRET_BYTES });
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}
