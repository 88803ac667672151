// What one validator's API says: its health, and blocks as an operator may read them.
import { z } from 'zod';
import { BLOCK_QUERY, peerAuthorization } from '../../functions/validator/block-request.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import { type BlockHeader, headerHash, headerSchema } from '../../lib/wire/header.ts';
import { type Certificate, certificateSchema } from '../../lib/wire/vote.ts';
import type { Network } from '../../sdk/network-file.ts';

export interface Health {
  /** HTTP status; 0 when nothing answers. */
  readonly status: number;
  /** What the API refuses with, else empty. */
  readonly code: string;
  readonly height: number;
  readonly view: number;
  readonly leader: string;
  readonly learner: boolean;
  readonly halted: string;
}

export interface Block {
  readonly height: number;
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  readonly certificate: Certificate | null;
  readonly transactionIds: readonly string[];
  /** Compact JWS, in order. */
  readonly transactions: readonly string[];
}

const TIMEOUT_MS = 10_000;
/** A machine that is busy answers late; a block is asked for again. */
const BLOCK_TRIES_MAX = 4;
const PART_BYTES_MAX = 64 * 1024;
const BODY_BYTES_MAX = 4 * 1024 * 1024;

const healthSchema = z.object({
  code: z.string().default(''),
  height: z.int().default(0),
  view: z.int().default(0),
  leader: z.string().default(''),
  learner: z.boolean().default(true),
  halted: z.string().default(''),
});
/** What a validator says of a block that it is still fetching. */
const HISTORY_MISSING = 'history_missing';
const problemSchema = z.object({ code: z.string() });
const blockSchema = z.object({
  header: z.string(),
  certificate: z.string().nullable(),
  transactionIds: z.array(z.string()),
  body: z.string(),
});

/** Reads one validator's API; nothing that it says is believed for more than a report. */
export class ValidatorReader {
  readonly id: string;
  readonly #url: string;
  readonly #network: string;
  readonly #key: SigningKey;

  /** `key`: of an operator, who may read what blocks hold. */
  constructor(network: Network, id: string, key: SigningKey) {
    const validator = network.validators.find((one) => one.id === id);
    if (!validator) throw new RangeError(`${id} is no validator of this network`);
    this.id = id;
    this.#url = validator.url;
    this.#network = network.genesis.document.network;
    this.#key = key;
  }

  /** Never rejects: a validator that does not answer has status 0. */
  async health(): Promise<Health> {
    const silent = { status: 0, ...healthSchema.parse({}) };
    try {
      const response = await this.#get('/v1/health');
      const parsed = healthSchema.safeParse(await response.json());
      return parsed.success ? { status: response.status, ...parsed.data } : silent;
    } catch {
      return silent;
    }
  }

  /** Null where the validator does not keep that block. */
  async block(height: number): Promise<Block | null> {
    const found = await this.look(height);
    return typeof found === 'string' ? null : found;
  }

  /** `fetching`: it came back by a snapshot, and asks its peers for the blocks before it. */
  async look(height: number): Promise<Block | 'absent' | 'fetching'> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#look(height);
      } catch (error) {
        if (attempt >= BLOCK_TRIES_MAX) throw error;
      }
    }
  }

  async #look(height: number): Promise<Block | 'absent' | 'fetching'> {
    const authorization = await peerAuthorization(
      {
        network: this.#network,
        ledger: MAIN_LEDGER,
        fn: BLOCK_QUERY,
        height,
        now: Date.now(),
      },
      this.#key,
    );
    const response = await this.#get(`/v1/blocks/${height}`, { authorization });
    if (response.status === 404) return 'absent';
    const body: unknown = await response.json();
    if (problemSchema.safeParse(body).data?.code === HISTORY_MISSING) return 'fetching';
    const answer = blockSchema.parse(body);
    const header = decodeWith(headerSchema, fromBase64url(answer.header), PART_BYTES_MAX);
    const certificate =
      answer.certificate === null
        ? null
        : decodeWith(certificateSchema, fromBase64url(answer.certificate), PART_BYTES_MAX);
    const transactions = decodeWith(
      z.array(z.string()),
      fromBase64url(answer.body),
      BODY_BYTES_MAX,
    );
    const { transactionIds } = answer;
    return { height, hash: headerHash(header), header, certificate, transactionIds, transactions };
  }

  async #get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.#url}${path}`, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  }
}
