/** A patient's stock of one-time certificates: each used once, resupplied in batches. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { importSigningKey } from '../lib/crypto/p256.ts';
import type { OneTimeData } from './keystore-data.ts';
import type { OneTimeCertificate } from './signing.ts';

/** Where the stock is kept between uses. */
export interface OneTimeStore {
  load(): readonly OneTimeData[];
  /** Durable before a certificate that was taken is used. */
  save(stock: readonly OneTimeData[]): Promise<void>;
}

/** Certificates of one resupply. */
const BATCH = 40;
/** One that ends within this time is thrown away: a transaction must still be valid in its block. */
const SPARE_MS = 3_600_000;

export class OneTimeStock {
  readonly #store: OneTimeStore;
  readonly #supply: (count: number) => Promise<OneTimeData[]>;
  readonly #now: () => number;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    store: OneTimeStore,
    supply: (count: number) => Promise<OneTimeData[]>,
    now: () => number,
  ) {
    this.#store = store;
    this.#supply = supply;
    this.#now = now;
  }

  /** The next certificate, never given before; one caller at a time. */
  take(): Promise<OneTimeCertificate> {
    const taken = this.#turn.then(() => this.#takeNext());
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #takeNext(): Promise<OneTimeCertificate> {
    const good = this.#store.load().filter((one) => one.notAfter > this.#now() + SPARE_MS);
    const stock = good.length > 0 ? good : await this.#supply(BATCH);
    const [next, ...rest] = stock;
    if (!next) throw new RangeError('a resupply without certificates');
    await this.#store.save(rest);
    return {
      key: await importSigningKey(fromBase64url(next.key)),
      certificate: fromBase64url(next.certificate),
    };
  }
}
