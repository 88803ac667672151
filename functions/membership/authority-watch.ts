/** By which key the authority issues: the one that the ledger has in force, once there are several. */

import { z } from 'zod';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import type { CertificateAuthority } from '../../lib/membership/certificates.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import type { AskAuthority, LedgerAuthority } from './authority-query.ts';

const SEEN = { pk: 'service', sk: 'authority-in-force' };
const seenSchema = z.strictObject({ kid: z.string(), certificate: z.string(), since: z.int() });
/** How long the word of the ledger is taken before it is asked again, milliseconds. */
const ASK_EVERY_MS = 10_000;

export interface AuthorityWatchOptions {
  /** Oldest first, never none: the key of the genesis document, then successors. */
  keys: () => Promise<readonly SigningKey[]>;
  genesis: { require(): Promise<Genesis> };
  store: Pick<ItemStore, 'get' | 'insert' | 'replace'>;
  now: () => number;
  ask: AskAuthority;
}

export class AuthorityWatch {
  readonly #options: AuthorityWatchOptions;
  #seen: LedgerAuthority | null = null;
  #askedAt = -Infinity;

  constructor(options: AuthorityWatchOptions) {
    this.#options = options;
  }

  /**
   * Certificate and key in force. Throws HttpError `not_initialised`, or `authority_elsewhere` where
   * the ledger has a key in force that is not held here.
   */
  async current(): Promise<CertificateAuthority> {
    const { document } = await this.#options.genesis.require();
    const keys = await this.#options.keys();
    const first = keys[0] as SigningKey;
    const ofGenesis = {
      certificate: fromBase64url(document.membership.caCertificate),
      signer: first,
    };
    // While there is no other key, none can have been approved.
    if (keys.length === 1) return ofGenesis;
    const present = await this.#present();
    if (present === null) return ofGenesis;
    const signer = keys.find((one) => thumbprint(one.publicKey) === present.kid);
    if (signer) return { certificate: present.certificate, signer };
    throw new HttpError('authority_elsewhere', `The key ${present.kid} is in force.`);
  }

  /** The newest that any validator proved, now or before: an answer of long ago takes nothing back. */
  async #present(): Promise<LedgerAuthority | null> {
    const { store, ask } = this.#options;
    const now = this.#options.now();
    if (now < this.#askedAt + ASK_EVERY_MS) return this.#seen;
    const [item, asked] = await Promise.all([store.get(SEEN), ask()]);
    if (item) this.#learn(ofItem(item.value));
    const before = this.#seen;
    if (asked) this.#learn(asked);
    if (this.#seen && this.#seen !== before) {
      const { kid, certificate, since } = this.#seen;
      const value = { kid, certificate: toBase64url(certificate), since };
      // Where another run was first, it wrote the same, or the next question does.
      await (item ? store.replace(SEEN, item.version, value) : store.insert(SEEN, value));
    }
    if (asked) this.#askedAt = now;
    return this.#seen;
  }

  #learn(found: LedgerAuthority): void {
    if (this.#seen === null || found.since > this.#seen.since) this.#seen = found;
  }
}

function ofItem(value: unknown): LedgerAuthority {
  const { kid, certificate, since } = parseWith(seenSchema, value);
  return { kid, certificate: fromBase64url(certificate), since };
}
