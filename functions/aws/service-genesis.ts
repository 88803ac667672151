/** The signed genesis document of a service: checked, installed once, remembered. */

import { z } from 'zod';
import { fromBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { validatorIdField, thumbprintField } from '../../lib/wire/fields.ts';
import { type Genesis, signedGenesisSchema, verifyGenesis } from '../../lib/wire/genesis.ts';
import type { ItemStore } from './item-store.ts';
import { HttpError } from './problems.ts';

/** `{validatorId: thumbprint}` of all operators, as deployed. */
export const operatorKeysSchema = z.record(validatorIdField, thumbprintField);
export type OperatorKeys = z.infer<typeof operatorKeysSchema>;

export interface ServiceGenesisOptions {
  store: ItemStore;
  network: string;
  operatorKeys: OperatorKeys;
  /** Throws HttpError unless this service's own keys are in the document. */
  checkOwnKeys(genesis: Genesis): Promise<void>;
}

const KEY = { pk: 'service', sk: 'genesis' };
/** Characters of document and signatures together: they are kept in one item. */
const SIGNED_CHARS_MAX = 350 * 1024;

/** Installs and answers the genesis document. */
export class ServiceGenesis {
  readonly #options: ServiceGenesisOptions;
  #genesis: Genesis | undefined;

  constructor(options: ServiceGenesisOptions) {
    this.#options = options;
  }

  /** The installed genesis. Throws HttpError `not_initialised`. */
  async require(): Promise<Genesis> {
    const genesis = await this.find();
    if (genesis) return genesis;
    throw new HttpError('not_initialised', 'No genesis document is installed yet.', {
      retryAfterSeconds: 2,
    });
  }

  async find(): Promise<Genesis | null> {
    if (this.#genesis) return this.#genesis;
    const item = await this.#options.store.get(KEY);
    if (!item) return null;
    this.#genesis = await verifyGenesis(parseWith(signedGenesisSchema, item.value));
    return this.#genesis;
  }

  /**
   * Installs a document that every operator signed; the same one again is harmless. Throws
   * WireError, and HttpError `wrong_network`, `wrong_operators`, `wrong_party`,
   * `already_initialised`.
   */
  async install(value: unknown): Promise<{ network: string; genesisHash: string }> {
    const signed = parseWith(signedGenesisSchema, value);
    const characters = signed.document.length + signed.signatures.join('').length;
    if (characters > SIGNED_CHARS_MAX) {
      throw new HttpError('too_large', 'The signed genesis document is too large.');
    }
    const genesis = await verifyGenesis(signed);
    this.#checkParties(genesis);
    await this.#options.checkOwnKeys(genesis);
    await this.#options.store.insert(KEY, signed);
    const installed = await this.require();
    const genesisHash = toHex(installed.hash);
    if (genesisHash !== toHex(genesis.hash)) {
      throw new HttpError('already_initialised', 'Another genesis document is installed.');
    }
    return { network: installed.document.network, genesisHash };
  }

  #checkParties(genesis: Genesis): void {
    const { network, operatorKeys } = this.#options;
    const { document } = genesis;
    if (document.network !== network) {
      throw new HttpError('wrong_network', `This service belongs to ${network}.`);
    }
    const named = new Map(
      document.validators.map((one) => [one.id, thumbprint(fromBase64url(one.operatorKey))]),
    );
    const expected = Object.entries(operatorKeys);
    const isSame =
      named.size === expected.length && expected.every(([id, kid]) => named.get(id) === kid);
    if (!isSame) {
      throw new HttpError(
        'wrong_operators',
        'The operators of the document are not those of the configuration.',
      );
    }
  }
}
