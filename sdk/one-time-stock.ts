/** A patient's stock of one-time certificates: each used once, kept for weeks ahead. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { importSigningKey } from '../lib/crypto/p256.ts';
import { oneTimeWeeksMax, oneTimeWindow } from '../lib/membership/one-time.ts';
import { SdkError } from './errors.ts';
import { isAway } from './http.ts';
import type { Keystore } from './keystore.ts';
import type { EnrolmentData, OneTimeData } from './keystore-data.ts';
import { requireEnrolment, type Session } from './session.ts';
import type { OneTimeCertificate } from './signing.ts';

/** Whose stock it is, and where it is kept between uses. */
export interface OneTimeHolder {
  readonly session: Session;
  readonly keystore: Pick<Keystore, 'signingKey'>;
  /** Whether all that is signed is known to be of one person: then a certificate links nothing. */
  readonly isOneName: boolean;
  load(): {
    readonly oneTime: readonly OneTimeData[];
    readonly enrolment?: EnrolmentData | undefined;
  };
  /** Durable before a certificate that was taken is used. */
  save(stock: OneTimeData[]): Promise<void>;
}

/** What a resupply fills the present week up to, and each coming one. */
const PRESENT = 40;
const COMING = 5;
/** Fewer than these are filled up while the service is there, not only once none is left. */
const PRESENT_MIN = 10;
/** One that ends within this time is thrown away: a transaction must still be valid in its block. */
const SPARE_MS = 3_600_000;
/** One that is valid for less than this waits: clocks of validators may be behind this one. */
const SETTLE_MS = 600_000;
/** After a resupply that failed while there is stock, none is tried for this long. */
const PAUSE_MS = 600_000;

export class OneTimeStock {
  readonly #holder: OneTimeHolder;
  #turn: Promise<unknown> = Promise.resolve();
  #pauseUntil = 0;

  constructor(holder: OneTimeHolder) {
    this.#holder = holder;
  }

  /** The next certificate; one caller at a time. */
  take(): Promise<OneTimeCertificate> {
    return this.#inTurn(() => this.#takeNext());
  }

  /** Throws away what no authority vouches for any more, by the word of the ledger. */
  renew(): Promise<void> {
    return this.#inTurn(async () => {
      const { authorities } = this.#holder.session;
      await authorities.refresh();
      const all = this.#holder.load().oneTime;
      const good = all.filter((one) => authorities.counts(fromBase64url(one.certificate)));
      this.#pauseUntil = 0;
      if (good.length < all.length) await this.#holder.save(good);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #takeNext(): Promise<OneTimeCertificate> {
    const now = this.#holder.session.clock.now();
    const old = this.#holder.load().oneTime.filter((one) => one.notAfter > now + SPARE_MS);
    const { stock, isAlone } = await this.#filled(old, now);
    const [next] = usableOf(stock, now);
    if (!next) throw new RangeError('a resupply without certificates');
    // The last one goes on while the service is away, where the owner key says who it is anyway.
    const isKept = isAlone && this.#holder.isOneName && usableOf(stock, now).length === 1;
    const rest = isKept ? stock : without(stock, next);
    await this.#holder.save(rest);
    return {
      key: await importSigningKey(fromBase64url(next.key)),
      certificate: fromBase64url(next.certificate),
    };
  }

  /** The stock with what it lacked; as it is while the service does not give more. */
  async #filled(
    stock: OneTimeData[],
    now: number,
  ): Promise<{ stock: OneTimeData[]; isAlone: boolean }> {
    const weeks = lacking(stock, now);
    const isUrgent = usableOf(stock, now).length === 0;
    if (weeks.length === 0) return { stock, isAlone: false };
    if (!isUrgent && now < this.#pauseUntil) return { stock, isAlone: true };
    try {
      return { stock: [...stock, ...(await this.#supply(weeks, isUrgent))], isAlone: false };
    } catch (error) {
      if (isUrgent || !(error instanceof SdkError) || error.code === 'aborted') throw error;
      this.#pauseUntil = now + PAUSE_MS;
      return { stock, isAlone: isAway(error) };
    }
  }

  #supply(weeks: readonly number[], isUrgent: boolean): Promise<OneTimeData[]> {
    const { session, keystore } = this.#holder;
    const { enrolmentId } = requireEnrolment(session, this.#holder.load().enrolment);
    const wanted = { weeks, isUrgent };
    return session.membership.oneTimeCertificates(enrolmentId, keystore.signingKey, wanted);
  }
}

/** Those that count at this moment, what ends first before the rest. */
function usableOf(stock: readonly OneTimeData[], now: number): OneTimeData[] {
  return stock
    .filter(({ notBefore = 0 }) => notBefore + SETTLE_MS <= now)
    .sort((a, b) => a.notAfter - b.notAfter);
}

/** For how many weeks ahead each missing certificate is, the present one first. */
function lacking(stock: readonly OneTimeData[], now: number): number[] {
  const present = usableOf(stock, now).length;
  const missing = present < PRESENT_MIN ? [times(0, PRESENT - present)] : [];
  for (let ahead = 1; ahead <= oneTimeWeeksMax; ahead += 1) {
    const { notBefore } = oneTimeWindow(now, ahead);
    const held = stock.filter((one) => one.notBefore === notBefore).length;
    missing.push(times(ahead, COMING - held));
  }
  return missing.flat();
}

function times(ahead: number, count: number): number[] {
  return Array.from({ length: Math.max(0, count) }, () => ahead);
}

function without(stock: readonly OneTimeData[], used: OneTimeData): OneTimeData[] {
  return stock.filter((one) => one !== used);
}
