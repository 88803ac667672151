/** Copies at hospitals: the same receipts and proofs as at the custodian, at another address. */
import type { z } from 'zod';
import { toBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { createDpop } from '../lib/records/dpop.ts';
import type { SealedText } from '../lib/records/sealed.ts';
import type { Clock } from './clock.ts';
import { SdkError } from './errors.ts';
import {
  accessAnswer,
  type ListedMetadata,
  metadataAnswer,
  type RecordAccess,
  sharesAnswer,
  teamKeyAnswer,
} from './custodian-client.ts';
import { callJson, type HttpAnswer, parseAnswer, problemError, type Transport } from './http.ts';
import type { ValidatorAddress } from './validator-pool.ts';

/** A hospital that does not answer is as good as one without a copy: the next is asked. */
const CALL_TIMEOUT_MS = 8_000;
/** Pages of one answer: a hospital that never comes to an end holds nobody up. */
const PAGES_MAX = 1_000;
const PAGES_MS = 60_000;

interface Permit {
  readonly key: SigningKey;
  readonly receipt: Uint8Array | null;
}

export class CopiesClient {
  readonly #transport: Transport;
  readonly #clock: Clock;

  constructor(transport: Transport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** Where a copy is for a minute, and what opens it; `isDamaged` tells of the custodian's bytes. */
  async access(
    at: ValidatorAddress,
    permit: { key: SigningKey; receipt: Uint8Array },
    isDamaged: boolean,
  ): Promise<RecordAccess> {
    const body = isDamaged ? { isDamaged } : {};
    return parseAnswer(accessAnswer, await this.#call(at, 'access', permit, body), at.id);
  }

  /** Sealed metadata of the copies there, of what the receipt covers. */
  async metadata(
    at: ValidatorAddress,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<ListedMetadata[]> {
    const found: ListedMetadata[] = [];
    let page: z.infer<typeof metadataAnswer> | null = null;
    const nextPage = this.#bound(at);
    do {
      nextPage();
      const body: { after?: string } = page?.next === undefined ? {} : { after: page.next };
      const answer = await this.#call(at, 'metadata', permit, body);
      page = parseAnswer(metadataAnswer, answer, at.id);
      found.push(...page.records);
    } while (page.next !== undefined);
    return found;
  }

  /** Shares that are sealed to this key, or to a care team of its holder, and kept there. */
  async shares(
    at: ValidatorAddress,
    key: SigningKey,
    teamId?: string,
  ): Promise<{ permissionId: string; sealed: SealedText }[]> {
    const found: { permissionId: string; sealed: SealedText }[] = [];
    let page: z.infer<typeof sharesAnswer> | null = null;
    const nextPage = this.#bound(at);
    do {
      nextPage();
      const body = {
        ...(teamId === undefined ? {} : { teamId }),
        ...(page?.next === undefined ? {} : { after: page.next }),
      };
      const answer = await this.#call(at, 'shares', { key, receipt: null }, body);
      page = parseAnswer(sharesAnswer, answer, at.id);
      for (const { permissionId, ...sealed } of page.shares) found.push({ permissionId, sealed });
    } while (page.next !== undefined);
    return found;
  }

  /** What a member of a care team of that hospital sealed to the holder of this key, or null. */
  async teamKey(at: ValidatorAddress, teamId: string, key: SigningKey): Promise<SealedText | null> {
    const answer = await this.#call(at, 'team-keys', { key, receipt: null }, { teamId });
    return parseAnswer(teamKeyAnswer, answer, at.id).sealed;
  }

  /** Called before each page. Throws `bad_answer` where there are too many. */
  #bound({ id }: ValidatorAddress): () => void {
    const until = this.#clock.now() + PAGES_MS;
    let pages = 0;
    return () => {
      pages += 1;
      if (pages <= PAGES_MAX && this.#clock.now() <= until) return;
      throw new SdkError('bad_answer', `The answer of ${id} does not come to an end.`, {
        nextStep: 'Run the command again; then tell the operator of this hospital.',
      });
    };
  }

  async #call(
    at: ValidatorAddress,
    path: 'access' | 'metadata' | 'shares' | 'team-keys',
    { key, receipt }: Permit,
    body: Readonly<Record<string, unknown>>,
  ): Promise<HttpAnswer> {
    const url = `${at.url}/v1/copies/${path}`;
    const dpop = await createDpop({ method: 'POST', url, receipt }, key, this.#clock.now());
    const answer = await callJson(this.#transport, {
      ...{ method: 'POST', url, timeoutMs: CALL_TIMEOUT_MS, headers: { dpop } },
      body: receipt ? { receipt: toBase64url(receipt), ...body } : body,
    });
    if (answer.status < 300) return answer;
    throw problemError(answer, at.id);
  }
}
