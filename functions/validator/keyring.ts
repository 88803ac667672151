/** A validator's own keys: made once, wrapped by its institution, opened by the role that may. */

import { z } from 'zod';
import { equalBytes, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { hkdfSha256 } from '../../lib/crypto/hash.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
} from '../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import type { VoteSigner } from '../../lib/ports.ts';
import { decodeWith, encodeCbor, parseWith } from '../../lib/wire/codec.ts';
import { validatorIdField } from '../../lib/wire/fields.ts';
import {
  sessionCertificateSchema,
  sessionSigningBytes,
  type SessionBody,
  type SessionCertificate,
} from '../../lib/wire/session.ts';
import type { GenesisStore, KeyringStore, KeyWrap, WrappedKey, WrapPurpose } from './ports.ts';

/** A session covers every height: it ends with a rejoin, not with time. */
const UNTIL_HEIGHT = 2 ** 40;
const CERTIFICATE_BYTES_MAX = 1_024;
const WAKE_SECRET_BYTES = 32;

const sessionField = z.strictObject({
  /** Canonical CBOR of a session certificate, base64url. */
  certificate: z.string().max(2 * CERTIFICATE_BYTES_MAX),
});

/** What a validator shows of its keys, for the genesis document. */
export const bundleSchema = z.strictObject({
  validator: validatorIdField,
  /** 65 bytes, base64url. */
  kmsKey: z.string().length(87),
  session: sessionField,
  read: sessionField,
  /** X-Wing public key, 1,216 bytes, base64url. */
  shareKey: z.string().length(1622),
});
export type Bundle = z.infer<typeof bundleSchema>;

/** The session key; null where there is none is what makes a replica a learner. */
export type OpenSessionKey = VoteSigner & { readonly certificate: SessionCertificate };

/** The read key, and the secret by which wake messages are named. */
export type OpenReadKey = SigningKey & {
  readonly certificate: SessionCertificate;
  readonly wakeSecret: Uint8Array;
};

/** What makes a validator's keyring. */
export interface KeyringDeps {
  readonly network: string;
  readonly validator: string;
  readonly store: KeyringStore;
  readonly wrap: KeyWrap;
  /** Milliseconds since the epoch. @default the system's */
  readonly clock?: () => number;
}

/** Keys of other processes are replaced by a rejoin: what is open is looked at again after this. */
const REFRESH_MS = 30_000;

/** Opens keys once per process; what is missing is looked for again at the next call. */
export class Keyring {
  readonly #deps: KeyringDeps;
  readonly #clock: () => number;
  readonly #opened = new Map<WrapPurpose, OpenedKey>();
  #bundle: Bundle | null = null;
  #read: OpenReadKey | null = null;
  #openedAt = -Infinity;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? Date.now;
  }

  /** Forgets what is open: the keys in the table were replaced. */
  forget(): void {
    this.#opened.clear();
    this.#bundle = null;
    this.#read = null;
  }

  /** The public keys, or null before bootstrap. */
  async bundle(): Promise<Bundle | null> {
    this.#forgetOld();
    if (this.#bundle === null) {
      const text = await this.#deps.store.bundle();
      if (text !== null) this.#bundle = parseWith(bundleSchema, JSON.parse(text));
    }
    return this.#bundle;
  }

  /** Only the role of `inbox` may. Null where it is missing or was made for another ledger table. */
  async openSessionKey(): Promise<OpenSessionKey | null> {
    const opened = await this.#open('session');
    if (!opened?.isOfThisLedger) return null;
    const key = await importSigningKey(opened.secret);
    return { sign: (bytes) => key.sign(bytes), certificate: certificateOf(opened.stored) };
  }

  /** Signs answers to fresh reads, for which it must remember its votes; null as above. */
  async openReadKey(): Promise<OpenReadKey | null> {
    const opened = await this.#open('read');
    return opened?.isOfThisLedger ? this.openRequestKey() : null;
  }

  /** The same key to ask peers for blocks: a replica that lost its ledger has to. */
  async openRequestKey(): Promise<OpenReadKey | null> {
    this.#forgetOld();
    const opened = await this.#open('read');
    if (opened !== null) this.#read ??= await readKeyOf(opened);
    return this.#read;
  }

  /** The X-Wing seed to which others seal this validator's shares, or null where it is missing. */
  async openShareSeed(): Promise<Uint8Array | null> {
    return (await this.#open('share'))?.secret ?? null;
  }

  #forgetOld(): void {
    const now = this.#clock();
    if (now - this.#openedAt < REFRESH_MS) return;
    this.forget();
    this.#openedAt = now;
  }

  async #open(purpose: WrapPurpose): Promise<OpenedKey | null> {
    this.#forgetOld();
    const known = this.#opened.get(purpose);
    if (known) return known;
    const { store, wrap } = this.#deps;
    // The share key votes for nothing, so that it works beside any ledger table.
    const isBound = purpose !== 'share';
    const [stored, identity] = await Promise.all([
      store.load(purpose),
      isBound ? store.ledgerIdentity() : null,
    ]);
    if (stored === null) return null;
    const secret = await wrap.unwrap(purpose, stored.wrapped);
    const isOfThisLedger = !isBound || stored.ledgerIdentity === identity;
    const opened = { secret, stored, isOfThisLedger };
    this.#opened.set(purpose, opened);
    return opened;
  }
}

interface OpenedKey {
  readonly secret: Uint8Array;
  readonly stored: WrappedKey;
  readonly isOfThisLedger: boolean;
}

async function readKeyOf({ secret, stored }: OpenedKey): Promise<OpenReadKey> {
  const key = await importSigningKey(secret);
  const info = utf8('carequorum/v1/wake-secret');
  return {
    publicKey: key.publicKey,
    sign: (bytes) => key.sign(bytes),
    certificate: certificateOf(stored),
    wakeSecret: hkdfSha256(secret, { info, length: WAKE_SECRET_BYTES }),
  };
}

/** What makes new keys: the institution's KMS key certifies them. */
export interface KeyMaker extends KeyringDeps {
  readonly kmsKey: SigningKey;
}

/**
 * Makes session, read and share key, unless there are some. Nothing is made once a genesis is
 * installed: a replica that lost its session key then must rejoin under a new incarnation.
 * Answers whether the keys are there.
 */
export async function bootstrapKeyring(
  deps: KeyMaker & { readonly genesis: GenesisStore },
): Promise<boolean> {
  const { store } = deps;
  if ((await store.bundle()) !== null) return true;
  if ((await deps.genesis.load()) !== null) return false;
  const { keys, bundle } = await makeKeys(deps, 0, null);
  // False means that another run made them first: its keys count, these are forgotten.
  await store.create(keys, JSON.stringify(bundle));
  return true;
}

/**
 * Makes session and read key for a new incarnation, over those of before. The share key stays
 * where it still opens: others sealed to it, and it votes for nothing.
 *
 * `seen` is the session key that the caller took to be of no use, null for none. Null where the
 * table holds another one by now, which may be what the ledger counts: it is never overwritten.
 */
export async function renewKeyring(
  deps: KeyMaker,
  incarnation: number,
  seen: Uint8Array | null,
): Promise<Bundle | null> {
  const { store } = deps;
  // First the bundle: whoever replaces the keys after this is noticed when they are written.
  const before = await store.bundle();
  const [present, share] = await Promise.all([presentSession(store), oldShare(deps)]);
  if (!isSameKey(present, seen)) return null;
  const { keys, bundle } = await makeKeys(deps, incarnation, share);
  return (await store.replace(keys, JSON.stringify(bundle), before)) ? bundle : null;
}

/** Public key of the session key that works beside this ledger table. */
async function presentSession(store: KeyringStore): Promise<Uint8Array | null> {
  const [stored, identity] = await Promise.all([store.load('session'), store.ledgerIdentity()]);
  return stored !== null && stored.ledgerIdentity === identity ? stored.publicKey : null;
}

/** Whether two session keys are one, or both are missing. */
export function isSameKey(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === null || other === null) return one === other;
  return equalBytes(one, other);
}

/**
 * Makes a read key where there is none: a validator that lost its keys asks its peers with it, as
 * its KMS key vouches for it. It votes for nothing.
 */
export async function ensureReadKey(deps: KeyMaker, incarnation: number): Promise<void> {
  const { store } = deps;
  if ((await store.load('read')) !== null) return;
  await store.keep('read', await newSession(deps, 'read', incarnation));
}

interface MadeKeys {
  readonly keys: Readonly<Record<WrapPurpose, WrappedKey>>;
  readonly bundle: Bundle;
}

async function makeKeys(
  deps: KeyMaker,
  incarnation: number,
  share: WrappedKey | null,
): Promise<MadeKeys> {
  const [session, read, shared] = await Promise.all([
    newSession(deps, 'vote', incarnation),
    newSession(deps, 'read', incarnation),
    share ?? newShare(deps),
  ]);
  const bundle: Bundle = {
    validator: deps.validator,
    kmsKey: toBase64url(deps.kmsKey.publicKey),
    session: { certificate: toBase64url(session.certificate) },
    read: { certificate: toBase64url(read.certificate) },
    shareKey: toBase64url(shared.publicKey),
  };
  return { keys: { session, read, share: shared }, bundle };
}

/** Null where there is none, or its wrapping key is gone. */
async function oldShare({ store, wrap }: KeyringDeps): Promise<WrappedKey | null> {
  const stored = await store.load('share');
  if (stored === null) return null;
  try {
    await wrap.unwrap('share', stored.wrapped);
    return { ...stored, ledgerIdentity: await store.ledgerIdentity() };
  } catch {
    return null;
  }
}

async function newShare({ store, wrap }: KeyringDeps): Promise<WrappedKey> {
  const pair = await xWingKeyPair();
  return {
    wrapped: await wrap.wrap('share', pair.seed),
    publicKey: pair.publicKey,
    certificate: new Uint8Array(),
    ledgerIdentity: await store.ledgerIdentity(),
  };
}

async function newSession(
  { network, validator, wrap, kmsKey, store }: KeyMaker,
  purpose: SessionBody['purpose'],
  incarnation: number,
): Promise<WrappedKey> {
  const key = await generateSigningKey({ extractable: true });
  const body: SessionBody = {
    network,
    validator,
    incarnation,
    purpose,
    key: key.publicKey,
    fromHeight: 0,
    untilHeight: UNTIL_HEIGHT,
  };
  const signature = await kmsKey.sign(sessionSigningBytes(body));
  const wrapPurpose = purpose === 'vote' ? 'session' : 'read';
  return {
    wrapped: await wrap.wrap(wrapPurpose, await exportSigningKey(key)),
    publicKey: key.publicKey,
    certificate: encodeCbor({ body, signature }),
    ledgerIdentity: await store.ledgerIdentity(),
  };
}

function certificateOf(stored: WrappedKey): SessionCertificate {
  return decodeWith(sessionCertificateSchema, stored.certificate, CERTIFICATE_BYTES_MAX);
}
