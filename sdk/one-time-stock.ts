/** A patient's stock of one-time certificates: each used once, resupplied in batches. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { importSigningKey } from '../lib/crypto/p256.ts';
import type { Keystore } from './keystore.ts';
import type { EnrolmentData, OneTimeData } from './keystore-data.ts';
import { requireEnrolment, type Session } from './session.ts';
import type { OneTimeCertificate } from './signing.ts';

/** Whose stock it is, and where it is kept between uses. */
export interface OneTimeHolder {
  readonly session: Session;
  readonly keystore: Pick<Keystore, 'signingKey'>;
  load(): {
    readonly oneTime: readonly OneTimeData[];
    readonly enrolment?: EnrolmentData | undefined;
  };
  /** Durable before a certificate that was taken is used. */
  save(stock: OneTimeData[]): Promise<void>;
}

/** Certificates of one resupply. */
const BATCH = 40;
/** One that ends within this time is thrown away: a transaction must still be valid in its block. */
const SPARE_MS = 3_600_000;

export class OneTimeStock {
  readonly #holder: OneTimeHolder;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(holder: OneTimeHolder) {
    this.#holder = holder;
  }

  /** The next certificate, never given before; one caller at a time. */
  take(): Promise<OneTimeCertificate> {
    const taken = this.#turn.then(() => this.#takeNext());
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  async #takeNext(): Promise<OneTimeCertificate> {
    const { session } = this.#holder;
    const soon = session.clock.now() + SPARE_MS;
    const good = this.#holder.load().oneTime.filter((one) => one.notAfter > soon);
    const stock = good.length > 0 ? good : await this.#supply();
    const [next, ...rest] = stock;
    if (!next) throw new RangeError('a resupply without certificates');
    await this.#holder.save(rest);
    return {
      key: await importSigningKey(fromBase64url(next.key)),
      certificate: fromBase64url(next.certificate),
    };
  }

  #supply(): Promise<OneTimeData[]> {
    const { session, keystore } = this.#holder;
    const { enrolmentId } = requireEnrolment(session, this.#holder.load().enrolment);
    return session.membership.oneTimeCertificates(enrolmentId, keystore.signingKey, BATCH);
  }
}
