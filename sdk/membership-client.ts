/** The membership service: enrolment with proof of both keys, one-time certificates, directory. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen } from '../lib/crypto/hpke.ts';
import {
  exportSigningKey,
  generateSigningKey,
  type SigningKey,
  thumbprint,
} from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import type { XWingKeyPair } from '../lib/crypto/x-wing.ts';
import { encryptionKeyDigest } from '../lib/membership/certificates.ts';
import { createDpop } from '../lib/records/dpop.ts';
import {
  oneTimeCertificatesMax,
  oneTimeKeyProofBytes,
  type RequestPayload,
  type RequestType,
  signMembershipRequest,
} from '../lib/membership/requests.ts';
import type { NamedPerson } from '../lib/membership/emergency.ts';
import type { Role } from '../lib/membership/roles.ts';
import type { Authorities } from './authorities.ts';
import { backOffMs, type Clock, systemClock } from './clock.ts';
import { SdkError } from './errors.ts';
import {
  callJson,
  fetchTransport,
  type HttpAnswer,
  type HttpRequest,
  isAway,
  parseAnswer,
  problemCodeOf,
  problemError,
  type Transport,
} from './http.ts';
import type { OneTimeData } from './keystore-data.ts';
import type { Network } from './network-file.ts';

export interface PartyOptions {
  readonly transport?: Transport;
  readonly clock?: Clock;
}

/** Who someone is, in words; goes to the membership service and nowhere else. */
export interface Identity {
  readonly name: string;
  /** Ten digits; of clinicians. */
  readonly npi?: string | undefined;
  /** Two letters of the state that licensed; of clinicians. */
  readonly state?: string | undefined;
  readonly licence?: string | undefined;
  /** Id of the validator whose hospital answers for the clinician. */
  readonly hospital?: string | undefined;
  readonly birthDate?: string | undefined;
}

export type EnrolmentState =
  | { readonly status: 'active'; readonly certificate: Uint8Array; readonly subject: string }
  | { readonly status: 'pending'; readonly reason: string };

const CALL_TIMEOUT_MS = 15_000;
const QUICK_TIMEOUT_MS = 3_000;
const ATTEMPTS_MAX = 7;
const RETRY_BASE_MS = 300;
const RETRY_MAX_MS = 4_000;
/** How long a signed request to the service counts, milliseconds. */
const VALIDITY_MS = 300_000;

const text = z.string().max(16_384);
const challengeAnswer = z.object({
  enrolmentId: z.string().max(128),
  challenge: z.object({ enc: text, ciphertext: text }),
});
const stateAnswer = z.object({
  status: z.string(),
  certificate: text.optional(),
  subject: z.string().max(128).optional(),
  reason: z.string().max(200).nullish(),
});
const unmaskedAnswer = z.object({
  unmaskId: z.string(),
  role: z.string(),
  name: z.string(),
  birthDate: z.string().nullable(),
  enrolledAt: z.int(),
});
const noticesAnswer = z.object({
  notices: z
    .array(
      z.object({
        unmaskId: z.string().max(64),
        at: z.int(),
        reasonCode: z.string().max(64),
        requesterHospital: z.string().max(64),
        approverHospital: z.string().max(64),
      }),
    )
    .max(100)
    .optional(),
});
/** The membership service named the holder of an enrolment to somebody. */
export type UnmaskNotice = NonNullable<z.infer<typeof noticesAnswer>['notices']>[number];

/** Who is behind a one-time certificate. */
export type Unmasked = z.infer<typeof unmaskedAnswer>;

const bindAnswer = z.object({ transactionId: z.string().max(64).optional() });
const certificatesAnswer = z.object({ certificates: z.array(text).max(oneTimeCertificatesMax) });
const directoryAnswer = z.object({
  entries: z
    .array(
      z.object({
        subject: z.string(),
        name: z.string(),
        role: z.string(),
        hospital: z.string().nullish(),
        npi: z.string().nullish(),
        kid: z.string(),
        certificate: text,
        encryptionKey: text,
      }),
    )
    .max(1_000),
});
/** What the directory says of a clinician: a hint, checked against the ledger before use. */
export type DirectoryEntry = z.infer<typeof directoryAnswer>['entries'][number];

export class MembershipClient {
  readonly #network: Network;
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #authorities: Authorities;

  constructor(network: Network, authorities: Authorities, options: PartyOptions = {}) {
    this.#network = network;
    this.#authorities = authorities;
    this.#transport = options.transport ?? fetchTransport;
    this.#clock = options.clock ?? systemClock;
  }

  /** Starts an enrolment and answers the challenge of the encryption key. */
  async enrol(request: {
    readonly role: Role;
    readonly signingKey: SigningKey;
    readonly encryption: XWingKeyPair;
    readonly identity: Identity;
    /** Of an operator, for whom no registry lists. */
    readonly invitation?: string | undefined;
    /** Of an enrolment of these keys that the service forgot. */
    readonly certificate?: string | undefined;
  }): Promise<{ enrolmentId: string; state: EnrolmentState }> {
    const { role, signingKey, encryption } = request;
    const digest = toBase64url(encryptionKeyDigest(encryption.publicKey));
    const claim = { ...this.#head(), role, encryptionKeyDigest: digest, nonce: randomId() };
    const identity = Object.fromEntries(
      Object.entries(request.identity).filter(([, value]) => value !== undefined),
    );
    const { invitation, certificate } = request;
    const answer = await this.#call('POST', '/v1/enrolments', {
      role,
      signingKey: toBase64url(signingKey.publicKey),
      encryptionKey: toBase64url(encryption.publicKey),
      request: await signMembershipRequest('cq-enrol', claim, signingKey),
      identity,
      ...(invitation === undefined ? {} : { operatorInvitation: invitation }),
      ...(certificate === undefined ? {} : { certificate }),
    });
    return this.#answerChallenge(answer, { signingKey, encryption });
  }

  /**
   * Starts the enrolment of new keys under the same subject: `renewal` is signed by the old key,
   * `reenrolment` by the hospital's operator.
   */
  async renew(request: {
    readonly role: Role;
    readonly signingKey: SigningKey;
    readonly encryption: XWingKeyPair;
    readonly authorisation: { readonly renewal: string } | { readonly reenrolment: string };
  }): Promise<{ enrolmentId: string; state: EnrolmentState }> {
    const { role, signingKey, encryption, authorisation } = request;
    const digest = toBase64url(encryptionKeyDigest(encryption.publicKey));
    const claim = { ...this.#head(), role, encryptionKeyDigest: digest, nonce: randomId() };
    const answer = await this.#call('POST', '/v1/renewals', {
      role,
      signingKey: toBase64url(signingKey.publicKey),
      encryptionKey: toBase64url(encryption.publicKey),
      request: await signMembershipRequest('cq-enrol', claim, signingKey),
      ...authorisation,
    });
    return this.#answerChallenge(answer, { signingKey, encryption });
  }

  /** A request that somebody signs: head and payload together. */
  async signed<T extends RequestType>(
    type: T,
    payload: Omit<RequestPayload<T>, 'network' | 'issuedAt' | 'expiresAt' | 'nonce'>,
    { key, validMs = VALIDITY_MS }: { key: SigningKey; validMs?: number },
  ): Promise<string> {
    const head = { ...this.#head(validMs), nonce: randomId() };
    return signMembershipRequest(type, { ...head, ...payload } as RequestPayload<T>, key);
  }

  /** Who got a one-time certificate, for the certified word of two persons. */
  async unmask(
    { receipt, serial, salt }: { receipt: Uint8Array; serial: string; salt: Uint8Array },
    key: SigningKey,
  ): Promise<Unmasked> {
    const path = '/v1/unmaskings';
    const url = `${this.#network.genesis.document.membership.apiUrl.replace(/\/+$/, '')}${path}`;
    const dpop = await createDpop({ method: 'POST', url, receipt }, key, this.#clock.now());
    const body = { receipt: toBase64url(receipt), serial, salt: toBase64url(salt) };
    const answer = await this.#call('POST', path, body, { headers: { dpop } });
    return parseAnswer(unmaskedAnswer, answer, 'membership');
  }

  /** Says by which digest the ledger knows the emergency card of an enrolled patient. */
  async keepCard(
    enrolmentId: string,
    signingKey: SigningKey,
    handle: string | null,
  ): Promise<void> {
    const payload = { ...this.#head(), nonce: randomId(), enrolmentId, handle };
    const request = await signMembershipRequest('cq-emergency-card', payload, signingKey);
    await this.#call('POST', '/v1/emergency/cards', { request });
  }

  /**
   * Has the card of a person named on the ledger for a declaration of one's own. Gives the transaction,
   * or null where the card was named before. Throws `problem` with `no_card`.
   */
  async bindEmergency(
    asked: { receipt: Uint8Array; person: NamedPerson; salt: Uint8Array },
    key: SigningKey,
  ): Promise<string | null> {
    const { receipt, person, salt } = asked;
    const path = '/v1/emergency/bindings';
    const url = `${this.#network.genesis.document.membership.apiUrl.replace(/\/+$/, '')}${path}`;
    const dpop = await createDpop({ method: 'POST', url, receipt }, key, this.#clock.now());
    const { name, birthDate } = person;
    const body = { receipt: toBase64url(receipt), name, birthDate, salt: toBase64url(salt) };
    const answer = await this.#call('POST', path, body, { headers: { dpop } });
    return parseAnswer(bindAnswer, answer, 'membership').transactionId ?? null;
  }

  async #answerChallenge(
    answer: HttpAnswer,
    { signingKey, encryption }: { signingKey: SigningKey; encryption: XWingKeyPair },
  ): Promise<{ enrolmentId: string; state: EnrolmentState }> {
    const { enrolmentId, challenge } = parseAnswer(challengeAnswer, answer, 'membership');
    const opened = await hpkeOpen(encryption.seed, {
      enc: fromBase64url(challenge.enc),
      ciphertext: fromBase64url(challenge.ciphertext),
      info: hpkeInfo({
        network: this.#name,
        purpose: 'enrolment-challenge',
        subject: enrolmentId,
        recipient: thumbprint(signingKey.publicKey),
      }),
      aad: new Uint8Array(),
    });
    const proof = { answer: toBase64url(opened) };
    const path = `/v1/enrolments/${encodeURIComponent(enrolmentId)}/proof`;
    const state = await this.#state(await this.#call('POST', path, proof), signingKey.publicKey);
    return { enrolmentId, state };
  }

  /** Asks how far an enrolment is. */
  async enrolment(enrolmentId: string, signingKey: SigningKey): Promise<EnrolmentState> {
    const answer = await this.#status(enrolmentId, signingKey);
    return this.#state(answer, signingKey.publicKey);
  }

  /** Whether the service says that it does not know this enrolment; silence says nothing. */
  async isForgotten(enrolmentId: string, signingKey: SigningKey): Promise<boolean> {
    try {
      await this.#status(enrolmentId, signingKey, { attemptsMax: 1, timeoutMs: QUICK_TIMEOUT_MS });
      return false;
    } catch (error) {
      if (error instanceof SdkError && isAway(error)) return false;
      if (problemCodeOf(error) === 'unknown_enrolment') return true;
      throw error;
    }
  }

  /** Who had this person named, as the service tells it. */
  async notices(enrolmentId: string, signingKey: SigningKey): Promise<UnmaskNotice[]> {
    const answer = await this.#status(enrolmentId, signingKey);
    return parseAnswer(noticesAnswer, answer, 'membership').notices ?? [];
  }

  async #status(
    enrolmentId: string,
    signingKey: SigningKey,
    patience: { attemptsMax?: number; timeoutMs?: number } = {},
  ): Promise<HttpAnswer> {
    const claim = { ...this.#head(), enrolmentId };
    const request = await signMembershipRequest('cq-enrol-status', claim, signingKey);
    const path = `/v1/enrolments/${encodeURIComponent(enrolmentId)}`;
    const headers = { authorization: `CQ-Enrolment ${request}` };
    return this.#call('GET', path, undefined, { headers, ...patience });
  }

  /**
   * Makes fresh keys and has them certified, for one use each; `weeks` says for each how many weeks
   * ahead. Unless it is urgent a service that is away is asked once.
   */
  async oneTimeCertificates(
    enrolmentId: string,
    signingKey: SigningKey,
    wanted: { readonly weeks: readonly number[]; readonly isUrgent: boolean },
  ): Promise<OneTimeData[]> {
    try {
      return await this.#oneTimeBatch(enrolmentId, signingKey, wanted);
    } catch (error) {
      // The service took the request, and its answer was lost: those keys are forgotten.
      if (problemCodeOf(error) !== 'replayed') throw error;
      return this.#oneTimeBatch(enrolmentId, signingKey, wanted);
    }
  }

  async #oneTimeBatch(
    enrolmentId: string,
    signingKey: SigningKey,
    { weeks, isUrgent }: { readonly weeks: readonly number[]; readonly isUrgent: boolean },
  ): Promise<OneTimeData[]> {
    const nonce = randomId();
    const statement = oneTimeKeyProofBytes(enrolmentId, nonce);
    const fresh = await Promise.all(
      weeks.slice(0, oneTimeCertificatesMax).map(async (week) => {
        const key = await generateSigningKey({ extractable: true });
        return { key, week, proof: await key.sign(statement) };
      }),
    );
    const keys = fresh.map(({ key, week, proof }) => ({
      publicKey: toBase64url(key.publicKey),
      proof: toBase64url(proof),
      ...(week > 0 ? { week } : {}),
    }));
    const claim = { ...this.#head(), enrolmentId, keys, nonce };
    const request = await signMembershipRequest('cq-tcert-request', claim, signingKey);
    const patience = isUrgent ? {} : { attemptsMax: 1, timeoutMs: QUICK_TIMEOUT_MS };
    const answer = await this.#call('POST', '/v1/certificates', { request }, patience);
    const { certificates } = parseAnswer(certificatesAnswer, answer, 'membership');
    if (certificates.length !== fresh.length) throw tooFew(certificates.length, fresh.length);
    return Promise.all(
      fresh.map(async ({ key }, index) => {
        const certificate = certificates[index] as string;
        const { notBefore, notAfter } = await this.#checked(certificate, key.publicKey, 'tcert');
        const kept = { certificate, notBefore, notAfter };
        return { key: toBase64url(await exportSigningKey(key)), ...kept };
      }),
    );
  }

  /** Clinicians by name, NPI or role; what it says is a hint until the ledger proves it. */
  async directory(wanted: {
    readonly name?: string | undefined;
    readonly npi?: string | undefined;
    readonly role?: string | undefined;
  }): Promise<DirectoryEntry[]> {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(wanted)) if (value) search.set(key, value);
    const answer = await this.#call('GET', `/v1/directory?${search.toString()}`);
    return parseAnswer(directoryAnswer, answer, 'membership').entries;
  }

  get #name(): string {
    return this.#network.genesis.document.network;
  }

  async #state(answer: HttpAnswer, publicKey: Uint8Array): Promise<EnrolmentState> {
    const { status, certificate, subject, reason } = parseAnswer(stateAnswer, answer, 'membership');
    if (status === 'pending') return { status, reason: reason ?? 'review' };
    if (status !== 'active' || certificate === undefined) {
      throw new SdkError('refused', `The membership service answers: ${status}.`, {
        nextStep: 'Ask the consortium why, then enrol again.',
        details: { reason: status },
      });
    }
    const { claims } = await this.#checked(certificate, publicKey, 'ecert');
    const named = claims.subject ?? subject ?? '';
    return { status, certificate: fromBase64url(certificate), subject: named };
  }

  /** A certificate of the authority, as the ledger has it, for exactly this key. */
  async #checked(certificate: string, publicKey: Uint8Array, kind: 'ecert' | 'tcert') {
    try {
      const parsed = await this.#authorities.verify(fromBase64url(certificate), kind);
      if (thumbprint(parsed.publicKey) === thumbprint(publicKey)) return parsed;
      throw new Error('a certificate of another key');
    } catch (cause) {
      if (cause instanceof SdkError) throw cause;
      throw new SdkError('not_proven', 'The membership service gave a certificate that is wrong.', {
        nextStep: 'Check the network file and this machine’s clock, then tell the consortium.',
        cause,
      });
    }
  }

  /** What every signed request starts with. */
  #head(
    validMs = VALIDITY_MS,
  ): Pick<RequestPayload<RequestType>, 'network' | 'issuedAt' | 'expiresAt'> {
    const issuedAt = this.#clock.now();
    return { network: this.#name, issuedAt, expiresAt: issuedAt + validMs };
  }

  /** One call, repeated while the service is not there or asks for patience. */
  async #call(
    method: HttpRequest['method'],
    path: string,
    body?: unknown,
    {
      headers,
      attemptsMax = ATTEMPTS_MAX,
      timeoutMs = CALL_TIMEOUT_MS,
    }: {
      headers?: Readonly<Record<string, string>>;
      attemptsMax?: number;
      timeoutMs?: number;
    } = {},
  ): Promise<HttpAnswer> {
    const url = `${this.#network.membershipUrl}${path}`;
    for (let attempt = 0; ; attempt += 1) {
      let waitMs = backOffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS);
      try {
        const answer = await callJson(this.#transport, {
          method,
          url,
          timeoutMs,
          ...(body === undefined ? {} : { body }),
          ...(headers ? { headers } : {}),
        });
        if (answer.status < 300) return answer;
        const isBusy = answer.status === 429 || answer.status >= 500;
        if (!isBusy || attempt + 1 >= attemptsMax) throw problemError(answer, 'membership');
        waitMs = answer.retryAfterMs ?? waitMs;
      } catch (error) {
        const isSilent = error instanceof SdkError && error.code === 'unreachable';
        if (!isSilent || attempt + 1 >= attemptsMax) throw error;
      }
      await this.#clock.sleep(waitMs);
    }
  }
}

function tooFew(found: number, wanted: number): SdkError {
  return new SdkError(
    'bad_answer',
    `${found} one-time certificates came where ${wanted} were due.`,
    {
      nextStep: 'Run the command again; then tell the consortium.',
    },
  );
}
