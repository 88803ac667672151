/** A validator's own keys: made once, wrapped by its institution, opened by the role that may. */

import { z } from 'zod';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
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

/** A first session covers every height: it ends with a rejoin, not with time. */
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
}

/** Opens keys once per process; what is missing is looked for again at the next call. */
export class Keyring {
  readonly #deps: KeyringDeps;
  readonly #opened = new Map<WrapPurpose, OpenedKey>();
  #bundle: Bundle | null = null;
  #read: OpenReadKey | null = null;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
  }

  /** The public keys, or null before bootstrap. */
  async bundle(): Promise<Bundle | null> {
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
    const opened = await this.#open('read');
    if (opened !== null) this.#read ??= await readKeyOf(opened);
    return this.#read;
  }

  /** The X-Wing seed to which others seal this validator's shares, or null where it is missing. */
  async openShareSeed(): Promise<Uint8Array | null> {
    return (await this.#open('share'))?.secret ?? null;
  }

  async #open(purpose: WrapPurpose): Promise<OpenedKey | null> {
    const known = this.#opened.get(purpose);
    if (known) return known;
    const { store, wrap } = this.#deps;
    const [stored, identity] = await Promise.all([store.load(purpose), store.ledgerIdentity()]);
    if (stored === null) return null;
    const secret = await wrap.unwrap(purpose, stored.wrapped);
    const opened = { secret, stored, isOfThisLedger: stored.ledgerIdentity === identity };
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

/**
 * Makes session, read and share key, unless there are some. Nothing is made once a genesis is
 * installed: a replica that lost its session key then must rejoin under a new incarnation.
 * Answers whether the keys are there.
 */
export async function bootstrapKeyring(
  deps: KeyringDeps & { readonly kmsKey: SigningKey; readonly genesis: GenesisStore },
): Promise<boolean> {
  const { store, kmsKey } = deps;
  if ((await store.bundle()) !== null) return true;
  if ((await deps.genesis.load()) !== null) return false;
  const ledgerIdentity = await store.ledgerIdentity();
  const [session, read] = await Promise.all([
    newSession(deps, 'vote', ledgerIdentity),
    newSession(deps, 'read', ledgerIdentity),
  ]);
  const pair = await xWingKeyPair();
  const share = {
    wrapped: await deps.wrap.wrap('share', pair.seed),
    publicKey: pair.publicKey,
    certificate: new Uint8Array(),
    ledgerIdentity,
  };
  const bundle: Bundle = {
    validator: deps.validator,
    kmsKey: toBase64url(kmsKey.publicKey),
    session: { certificate: toBase64url(session.certificate) },
    read: { certificate: toBase64url(read.certificate) },
    shareKey: toBase64url(pair.publicKey),
  };
  // False means that another run made them first: its keys count, these are forgotten.
  await store.create({ session, read, share }, JSON.stringify(bundle));
  return true;
}

async function newSession(
  { network, validator, wrap, kmsKey }: KeyringDeps & { readonly kmsKey: SigningKey },
  purpose: SessionBody['purpose'],
  ledgerIdentity: string,
): Promise<WrappedKey> {
  const key = await generateSigningKey({ extractable: true });
  const body: SessionBody = {
    network,
    validator,
    incarnation: 0,
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
    ledgerIdentity,
  };
}

function certificateOf(stored: WrappedKey): SessionCertificate {
  return decodeWith(sessionCertificateSchema, stored.certificate, CERTIFICATE_BYTES_MAX);
}
