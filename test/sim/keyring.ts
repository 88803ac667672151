/** The keys of a simulated validator: a session table that may lose them, and what is open of it. */
import type { OpenKeys } from '../../functions/validator/rejoin.ts';
import { type Bundle, isSameKey, type OpenSessionKey } from '../../functions/validator/keyring.ts';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import {
  type SessionBody,
  type SessionCertificate,
  sessionSigningBytes,
} from '../../lib/wire/session.ts';
import type { SimNetwork } from './network.ts';
import { simulatedKey } from './scheme.ts';

/** What is kept of one incarnation. */
interface Keys {
  incarnation: number;
  vote: SigningKey;
  certificate: SessionCertificate;
  bundle: Bundle;
}

export class SimKeyring {
  readonly #network: SimNetwork;
  readonly #id: string;
  readonly #name: string;
  #keys: Keys | null = null;
  #kms: SigningKey;
  #made = 0;

  /** `name` is the instance's: a twin makes keys of its own when it renews them. */
  constructor(network: SimNetwork, id: string, name: string) {
    this.#network = network;
    this.#id = id;
    this.#name = name;
    this.#kms = this.#validator().kms;
  }

  get keys(): Keys | null {
    return this.#keys;
  }

  /** The institution's KMS key. */
  get kms(): SigningKey {
    return this.#kms;
  }

  /** Another KMS key takes the place of the one that was lost, and with it go the others. */
  replaceKms(): void {
    this.#made += 1;
    this.#kms = simulatedKey(`${this.#name} kms ${this.#made}`);
  }

  /** The table is gone, or was made for another ledger table: no key counts. */
  lose(): void {
    this.#keys = null;
  }

  /** The keys that genesis names. */
  async install(): Promise<void> {
    const validator = this.#validator();
    const { vote, read } = validator;
    this.#kms = validator.kms;
    this.#keys = await this.#certified(0, vote, read);
  }

  /** Fresh keys of an incarnation, over those of before, unless these are others than was seen. */
  async renewOver(seen: Uint8Array | null, incarnation: number): Promise<Bundle | null> {
    if (!isSameKey(this.#keys?.certificate.body.key ?? null, seen)) return null;
    await this.renew(incarnation);
    return this.#keys?.bundle ?? null;
  }

  /** Fresh keys of an incarnation, over those of before. */
  async renew(incarnation: number): Promise<void> {
    this.#made += 1;
    const key = (purpose: string): SigningKey =>
      simulatedKey(`${this.#name} ${purpose} ${incarnation} ${this.#made}`);
    this.#keys = await this.#certified(incarnation, key('vote'), key('read'));
  }

  #validator(): SimNetwork['validators'][number] {
    const validator = this.#network.validators.find((one) => one.id === this.#id);
    if (!validator) throw new RangeError(this.#id);
    return validator;
  }

  async #certified(incarnation: number, vote: SigningKey, read: SigningKey): Promise<Keys> {
    const kms = this.#kms;
    const certificate = await this.#certificate('vote', vote, incarnation);
    const reading = await this.#certificate('read', read, incarnation);
    const { validators } = this.#network.genesis.document;
    const bundle: Bundle = {
      validator: this.#id,
      kmsKey: toBase64url(kms.publicKey),
      session: { certificate: toBase64url(encodeCbor(certificate)) },
      read: { certificate: toBase64url(encodeCbor(reading)) },
      shareKey: validators.find((one) => one.id === this.#id)?.shareKey ?? '',
    };
    return { incarnation, vote, certificate, bundle };
  }

  async #certificate(
    purpose: SessionBody['purpose'],
    key: SigningKey,
    incarnation: number,
  ): Promise<SessionCertificate> {
    const { name: network } = this.#network;
    const range = { incarnation, fromHeight: 0, untilHeight: 2 ** 40 };
    const body = { network, validator: this.#id, purpose, key: key.publicKey, ...range };
    return { body, signature: await this.#kms.sign(sessionSigningBytes(body)) };
  }
}

/** Keys of other processes are looked at again after this, as the production keyring does. */
const refreshMs = 30_000;

/** What one process has open: it may be older than what the table holds. */
export class OpenedKeys implements OpenKeys {
  readonly #table: SimKeyring;
  readonly #clock: () => number;
  #opened: Keys | null = null;
  #openedAt = -Infinity;

  constructor(table: SimKeyring, clock: () => number) {
    this.#table = table;
    this.#clock = clock;
  }

  forget(): void {
    this.#opened = null;
  }

  async openSessionKey(): Promise<OpenSessionKey | null> {
    const keys = this.#open();
    return keys && { sign: (bytes) => keys.vote.sign(bytes), certificate: keys.certificate };
  }

  async bundle(): Promise<Bundle | null> {
    return this.#open()?.bundle ?? null;
  }

  #open(): Keys | null {
    const now = this.#clock();
    if (now - this.#openedAt >= refreshMs) {
      this.forget();
      this.#openedAt = now;
    }
    this.#opened ??= this.#table.keys;
    return this.#opened;
  }
}
