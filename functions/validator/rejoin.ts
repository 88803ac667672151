/**
 * Coming back after amnesia: a learner that has caught up makes keys for its next incarnation, and
 * asks the ledger to count them. It votes again when that has acted, by a quorum of the others.
 */

import { governedOf } from '../../lib/chaincode/governed.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import type { ReplicaState } from '../../lib/pbft/state.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import { encodeRequest, jwsTypes } from '../../lib/wire/transaction.ts';
import type { Validator } from '../../lib/wire/validators.ts';
import { type Bundle, isSameKey, type Keyring } from './keyring.ts';
import { headView } from './replica/execute-block.ts';
import type { SessionSigner, ValidatorRuntime } from './runtime.ts';
import type { StepEvent } from './step.ts';

/** A head this young, or one that did not move for as long, is what peers have; milliseconds. */
const YOUNG_MS = 15_000;
const QUIET_MS = 5_000;
/** How long one request may wait for its block before it is made anew, milliseconds. */
const VALID_MS = 120_000;
/** How often peers are asked what incarnation a seat has whose KMS key is lost, milliseconds. */
const CLAIM_EVERY_MS = 10_000;

/** What a process has open of its keyring. */
export type OpenKeys = Pick<Keyring, 'openSessionKey' | 'bundle' | 'forget'>;

export interface RejoinDeps {
  /**
   * Makes and keeps the keys of an incarnation, certified by the KMS key, over those of before; null
   * where the session key is not, or no longer, the one that was seen.
   */
  readonly renew: (
    incarnation: number,
    kmsKey: SigningKey,
    seen: Uint8Array | null,
  ) => Promise<object | null>;
  /** What the process has open, to be looked at anew when keys are replaced. */
  readonly open: OpenKeys;
  /** Why it does not come back by itself; each reason once. */
  readonly log: (reason: string) => void;
  /** What peers say of the seat's incarnation. @default what its own ledger says */
  readonly claimed?: (runtime: ValidatorRuntime) => Promise<number>;
}

/** The session key as a step wants it, or null without one of this ledger table. */
export async function openSigner(
  keyring: Pick<OpenKeys, 'openSessionKey'>,
): Promise<SessionSigner | null> {
  const key = await keyring.openSessionKey();
  if (!key) return null;
  const { incarnation, key: publicKey } = key.certificate.body;
  return { sign: (bytes) => key.sign(bytes), incarnation, publicKey };
}

/** Looks at a replica after each step; what it remembers may be lost with the process. */
export class Rejoin {
  readonly #deps: RejoinDeps;
  #asked: { incarnation: number; until: number } | null = null;
  #still: { height: number; since: number } | null = null;
  #claimNotBefore = 0;
  #reason = '';

  constructor(deps: RejoinDeps) {
    this.#deps = deps;
  }

  /** What the replica is to be told next; null where there is nothing to do. */
  async next(runtime: ValidatorRuntime, ledger: string): Promise<StepEvent | null> {
    const state = runtime.warm.get(ledger)?.record.state;
    if (!state || state.halted) return null;
    const session = await this.#deps.open.openSessionKey();
    const key = session?.certificate.body.key ?? null;
    // Another process of this validator may have made keys since this one took up its own.
    if (!isSameKey(runtime.signer?.publicKey ?? null, key))
      runtime.signer = await openSigner(this.#deps.open);
    if (!state.learner && isAmong(key, state.sessions)) return null;
    if (!(await this.#hasCaughtUp(runtime, state))) return null;
    const { validators, sessions } = await governedOf(headView(runtime, state));
    const seat = validators.find((one) => one.id === state.self);
    if (!seat) return this.#wait('it has no seat');
    const present = session?.certificate.body.incarnation ?? null;
    const acts = isAmong(key, sessions) && present === seat.incarnation && !seat.suspended;
    // The ledger has its keys: they act two heights on.
    if (acts && state.forgot !== present) return null;
    return this.#comeBack(runtime, ledger, seat, { incarnation: present, key });
  }

  /** Peers may hold more than this replica knows of: what came late is asked for first. */
  async #hasCaughtUp(runtime: ValidatorRuntime, state: ReplicaState): Promise<boolean> {
    const { head, slot, next, ledger } = state;
    if (slot.decided || next.decided) return false;
    const now = runtime.clock();
    if (now - head.header.time <= YOUNG_MS) return true;
    const { height } = head.header;
    if (this.#still?.height === height) return now - this.#still.since >= QUIET_MS;
    this.#still = { height, since: now };
    await runtime.ports.self.tick(ledger, { due: 0, delaySeconds: QUIET_MS / 1_000 + 1 });
    return false;
  }

  async #comeBack(
    runtime: ValidatorRuntime,
    ledger: string,
    seat: Validator,
    present: PresentKeys,
  ): Promise<StepEvent | null> {
    const kmsKey = await runtime.identity();
    if (!equalBytes(seat.kmsKey, kmsKey.publicKey)) {
      await this.#showNewKeys(runtime, kmsKey, seat, present);
      return this.#wait('its KMS key is another: operators replace it');
    }
    const incarnation = seat.incarnation + 1;
    if (present.incarnation !== incarnation) {
      const made = await this.#renew(runtime, incarnation, kmsKey, present.key);
      // Another process was first: what it made may be what the ledger counts.
      if (made === null) return this.next(runtime, ledger);
    }
    // New keys are shown at the bootstrap endpoint: operators put them in by governance.
    if (seat.suspended) return this.#wait('it is suspended: its operators reinstate it');
    const now = runtime.clock();
    if (this.#asked?.incarnation === incarnation && now < this.#asked.until) return null;
    const bundle = await this.#deps.open.bundle();
    if (bundle === null) return null;
    this.#asked = { incarnation, until: now + VALID_MS };
    const nonce = runtime.freshId();
    const { network } = runtime.genesis.document;
    const request = { network, ledger, incarnation, bundle, nonce, now };
    return { kind: 'own', transaction: await signRejoin(request, kmsKey) };
  }

  /**
   * Keys for the operators to put in, above every incarnation that the seat had: peers give no blocks
   * to an unknown key, so the own ledger may know an old one only. Keys that will do are kept.
   */
  async #showNewKeys(
    runtime: ValidatorRuntime,
    kmsKey: SigningKey,
    seat: Validator,
    present: PresentKeys,
  ): Promise<void> {
    const now = runtime.clock();
    const isAbove = present.incarnation !== null && present.incarnation > seat.incarnation;
    if (isAbove && now < this.#claimNotBefore) return;
    this.#claimNotBefore = now + CLAIM_EVERY_MS;
    const claimed = (await this.#deps.claimed?.(runtime)) ?? 0;
    const highest = Math.max(seat.incarnation, claimed);
    if (present.incarnation !== null && present.incarnation > highest) return;
    await this.#renew(runtime, highest + 1, kmsKey, present.key);
  }

  /** Whoever made keys, this process or another: they are taken up. */
  async #renew(
    runtime: ValidatorRuntime,
    incarnation: number,
    kmsKey: SigningKey,
    seen: Uint8Array | null,
  ): Promise<object | null> {
    const made = await this.#deps.renew(incarnation, kmsKey, seen);
    this.#deps.open.forget();
    runtime.signer = await openSigner(this.#deps.open);
    return made;
  }

  #wait(reason: string): null {
    if (reason !== this.#reason) this.#deps.log(reason);
    this.#reason = reason;
    return null;
  }
}

/** The session key that a process has open, which may be older than what the table holds. */
interface PresentKeys {
  readonly incarnation: number | null;
  readonly key: Uint8Array | null;
}

function isAmong(key: Uint8Array | null, sessions: readonly SessionCertificate[]): boolean {
  return key !== null && sessions.some(({ body }) => equalBytes(body.key, key));
}

interface RejoinRequest {
  readonly network: string;
  readonly ledger: string;
  readonly incarnation: number;
  readonly bundle: Bundle;
  readonly nonce: string;
  readonly now: number;
}

/** `validator.rejoin`, signed by the KMS key of the seat. */
async function signRejoin(request: RejoinRequest, kmsKey: SigningKey): Promise<string> {
  const { network, ledger, incarnation, bundle, nonce, now } = request;
  const { validator, session, read, shareKey } = bundle;
  const payload = encodeRequest({
    network,
    ledger,
    fn: 'validator.rejoin',
    args: {
      validator,
      incarnation,
      session: session.certificate,
      read: read.certificate,
      shareKey,
    },
    nonce,
    issuedAt: now,
    expiresAt: now + VALID_MS,
  });
  const kid = thumbprint(kmsKey.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, payload, kmsKey);
}
