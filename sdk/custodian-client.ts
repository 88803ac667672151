/** The custodian of records: every call proves possession of a key and brings its receipt. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import type { CategoryKey, CategoryKeyProof } from '../lib/records/category-keys.ts';
import { createDpop } from '../lib/records/dpop.ts';
import { sealedSchema, type SealedText } from '../lib/records/sealed.ts';
import { backOffMs, type Clock, systemClock } from './clock.ts';
import { SdkError } from './errors.ts';
import {
  callJson,
  fetchTransport,
  type HttpAnswer,
  type HttpRequest,
  parseAnswer,
  problemError,
  type Transport,
} from './http.ts';
import type { PartyOptions } from './membership-client.ts';
import type { Network } from './network-file.ts';

/** `short` where a hospital may have a copy: then silence is soon believed. */
export type Patience = 'short' | 'long';
const patiences = {
  short: { timeoutMs: 6_000, retries: 1 },
  long: { timeoutMs: 30_000, retries: 8 },
} as const satisfies Record<Patience, object>;
const RETRY_BASE_MS = 300;
const RETRY_MAX_MS = 5_000;

const text = z.string().max(16_384);
const wrapField = sealedSchema(recordsBounds.wrapBytesMax);
const metadataField = sealedSchema(recordsBounds.metadataBytesMax);
const shareField = sealedSchema(recordsBounds.shareBytesMax);

const uploadAnswer = z.object({
  /** `open` while bytes are wanted. */
  status: z.enum(['open', 'verified', 'stored']),
  parts: z.array(
    z.object({
      number: z.int().min(1),
      url: z.url({ protocol: /^https?$/ }),
      length: z.int().min(0),
      headers: z.record(z.string(), z.string()),
    }),
  ),
});
export type OpenedUpload = z.infer<typeof uploadAnswer>;
export type UploadTarget = OpenedUpload['parts'][number];
const partsAnswer = z.object({
  parts: z.array(z.object({ number: z.int().min(1), etag: text, length: z.int().min(0) })),
});
const completeAnswer = z.object({ transactionId: z.string(), objectDigest: text });
const keyAnswer = z.object({
  publicKey: text,
  revision: z.int().min(0),
  proof: z.object({ index: z.int(), size: z.int(), proof: z.array(text) }),
});
export const sharesAnswer = z.object({
  shares: z.array(z.object({ permissionId: text }).extend(shareField.shape)),
  next: text.optional(),
});
export const teamKeyAnswer = z.object({
  sealed: sealedSchema(recordsBounds.teamSealBytesMax).nullable(),
});
export const accessAnswer = z.object({
  url: z.url({ protocol: /^https?$/ }),
  wrap: wrapField,
  sealedMetadata: metadataField,
  length: z.int().min(1),
  digest: text,
});
export type RecordAccess = z.infer<typeof accessAnswer>;
const relayerAnswer = z.discriminatedUnion('status', [
  z.object({ status: z.literal('missing') }),
  z.object({
    status: z.enum(['working', 'layered', 'moved']),
    generation: z.int().min(0),
    objectDigest: text,
    /** Parts of 8 MiB. */
    parts: z.object({ done: z.int(), of: z.int() }),
    /** The layer's key, sealed to the patient. */
    layer: wrapField.optional(),
    wrap: wrapField,
    sealedMetadata: metadataField,
  }),
]);
export type RelayerAnswer = z.infer<typeof relayerAnswer>;
const privateAnswer = z.object({
  items: z.array(
    z.object({
      privateId: text,
      version: z.int().min(1),
      sealed: sealedSchema(recordsBounds.privateBytesMax),
    }),
  ),
  next: text.optional(),
});
type KeptPrivate = z.infer<typeof privateAnswer>['items'][number];
const caseAnswer = z.object({
  seals: z.array(
    z.object({
      generation: z.int().min(1),
      sealed: sealedSchema(recordsBounds.caseSealBytesMax),
    }),
  ),
  notes: z.array(z.object({ noteId: text, sealed: sealedSchema(recordsBounds.caseNoteBytesMax) })),
  next: text.optional(),
});
export const metadataAnswer = z.object({
  records: z.array(z.object({ recordId: text, wrap: wrapField, sealedMetadata: metadataField })),
  next: text.optional(),
});
const rowField = sealedSchema(recordsBounds.releaseRowBytesMax);
const rowsAnswer = z.object({
  rows: z.array(z.object({ sequence: z.int().min(0), participant: text, row: rowField })),
  next: z.int().optional(),
});
type ReleaseRow = z.infer<typeof rowsAnswer>['rows'][number];
const publicationAnswer = z.object({
  members: z.array(
    z.object({
      participant: text,
      row: rowField,
      releases: z.array(
        z.object({
          sequence: z.int().min(0),
          payload: sealedSchema(recordsBounds.releaseBytesMax),
        }),
      ),
    }),
  ),
  digests: z.array(z.object({ participant: text, digest: text })),
  next: z.int().optional(),
});
type Publication = Pick<z.infer<typeof publicationAnswer>, 'members' | 'digests'>;
const lettersAnswer = z.object({
  letters: z.array(
    z.object({ letterId: text }).extend(sealedSchema(recordsBounds.letterBytesMax).shape),
  ),
  next: text.optional(),
});
const eraseAnswer = z.object({ status: z.enum(['working', 'erased']) });
export type ListedMetadata = z.infer<typeof metadataAnswer>['records'][number];

/** What a call proves: the caller's key, and the receipt that permits it. */
interface Permit {
  readonly key: SigningKey;
  readonly receipt: Uint8Array | null;
  readonly patience?: Patience;
}

export class CustodianClient {
  readonly #network: Network;
  readonly #transport: Transport;
  readonly #clock: Clock;

  constructor(network: Network, options: PartyOptions = {}) {
    this.#network = network;
    this.#transport = options.transport ?? fetchTransport;
    this.#clock = options.clock ?? systemClock;
  }

  /** Opens an upload of exactly the registered bytes; gives where each part goes. */
  async startUpload(
    upload: { wrap: SealedText; sealedMetadata: SealedText; parts: readonly Uint8Array[] },
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<OpenedUpload> {
    const { wrap, sealedMetadata } = upload;
    const checksums = upload.parts.map(toBase64url);
    const body = { wrap, sealedMetadata, checksums };
    const answer = await this.#call('POST', '/v1/uploads', permit, body);
    return parseAnswer(uploadAnswer, answer, 'records');
  }

  /** Parts that the store holds already, of an upload that was begun before. */
  async uploadedParts(
    recordId: string,
    key: SigningKey,
  ): Promise<{ number: number; etag: string; length: number }[]> {
    const path = `/v1/uploads/${recordId}`;
    const answer = await this.#call('GET', path, { key, receipt: null });
    return parseAnswer(partsAnswer, answer, 'records').parts;
  }

  /** Ends an upload: the custodian checks the digest, and says on the ledger that it holds it. */
  async completeUpload(
    recordId: string,
    parts: readonly { number: number; etag: string; checksum: string }[],
    key: SigningKey,
  ): Promise<{ objectDigest: string; transactionId: string }> {
    const path = `/v1/uploads/${recordId}/complete`;
    const answer = await this.#call('POST', path, { key, receipt: null }, { parts });
    return parseAnswer(completeAnswer, answer, 'records');
  }

  /** Publishes public category keys under the root of the receipt. */
  async publishCategoryKeys(keys: readonly CategoryKey[], permit: Permit): Promise<void> {
    const body = {
      keys: keys.map(({ publicKey, ...key }) => ({ ...key, publicKey: toBase64url(publicKey) })),
    };
    await this.#call('POST', '/v1/category-keys', permit, body);
  }

  /** The key that a writer seals to, with its proof under the root of the ledger. */
  async categoryKey(
    wanted: { pseudonym: string; categoryTag: string; month: string },
    key: SigningKey,
    patience: Patience = 'long',
  ): Promise<{ key: CategoryKey; proof: CategoryKeyProof }> {
    const { pseudonym, categoryTag, month } = wanted;
    const path = '/v1/category-keys/fetch';
    const body = { pseudonym, categoryTag, month };
    const answer = await this.#call('POST', path, { key, receipt: null, patience }, body);
    const { publicKey, revision, proof } = parseAnswer(keyAnswer, answer, 'records');
    return {
      key: { categoryTag, month, revision, publicKey: fromBase64url(publicKey) },
      proof: { ...proof, proof: proof.proof.map(fromBase64url) },
    };
  }

  /** Deposits what is sealed to a grantee. */
  async putShare(share: SealedText, permit: Permit): Promise<void> {
    await this.#call('POST', '/v1/shares', permit, { share });
  }

  /** Has what was sealed for a revoked permission forgotten. */
  async withdrawShare(permit: Permit): Promise<void> {
    await this.#call('POST', '/v1/shares/withdraw', permit, {});
  }

  /** Tells who is in a care team now, and deposits what members sealed to each other. */
  async putTeamKeys(
    seals: readonly { kid: string; sealed: SealedText }[],
    permit: Permit,
  ): Promise<void> {
    await this.#call('POST', '/v1/team-keys', permit, { seals });
  }

  /** What a member of the team sealed to the holder of this key, or null. */
  async teamKey(
    teamId: string,
    key: SigningKey,
    patience: Patience = 'long',
  ): Promise<SealedText | null> {
    const permit = { key, receipt: null, patience };
    const answer = await this.#call('POST', '/v1/team-keys/fetch', permit, { teamId });
    return parseAnswer(teamKeyAnswer, answer, 'records').sealed;
  }

  /** All that is sealed to the holder of this key, or to a care team of the holder. */
  async shares(
    key: SigningKey,
    { teamId, patience = 'long' }: { teamId?: string; patience?: Patience } = {},
  ): Promise<{ permissionId: string; sealed: SealedText }[]> {
    const found: { permissionId: string; sealed: SealedText }[] = [];
    let page: z.infer<typeof sharesAnswer> | null = null;
    do {
      const body = {
        ...(teamId === undefined ? {} : { teamId }),
        ...(page?.next === undefined ? {} : { after: page.next }),
      };
      const permit = { key, receipt: null, patience };
      const answer = await this.#call('POST', '/v1/shares/fetch', permit, body);
      page = parseAnswer(sharesAnswer, answer, 'records');
      for (const { permissionId, ...sealed } of page.shares) found.push({ permissionId, sealed });
    } while (page.next !== undefined);
    return found;
  }

  /** Where the bytes of a record are for a minute, and what opens them. */
  async access(
    permit: { key: SigningKey; receipt: Uint8Array },
    patience: Patience = 'long',
  ): Promise<RecordAccess> {
    const answer = await this.#call('POST', '/v1/access', { ...permit, patience }, {});
    return parseAnswer(accessAnswer, answer, 'records');
  }

  /** Sealed metadata of the categories that the receipt names. */
  async metadata(
    permit: { key: SigningKey; receipt: Uint8Array },
    patience: Patience = 'long',
  ): Promise<ListedMetadata[]> {
    const found: ListedMetadata[] = [];
    let page: z.infer<typeof metadataAnswer> | null = null;
    do {
      const body = page?.next === undefined ? {} : { after: page.next };
      const answer = await this.#call('POST', '/v1/metadata', { ...permit, patience }, body);
      page = parseAnswer(metadataAnswer, answer, 'records');
      found.push(...page.records);
    } while (page.next !== undefined);
    return found;
  }

  /** Tells that a patient rotates: from then on nothing goes by the old pseudonym. */
  async startRotation(
    sealingKey: Uint8Array,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    const body = { sealingKey: toBase64url(sealingKey) };
    await this.#call('POST', '/v1/rotations', permit, body);
  }

  /** Has a new layer put on a record, as far as one call goes; `layerKey` lets it go on. */
  async relayer(
    { pseudonym, recordId }: { pseudonym: string; recordId: string },
    key: SigningKey,
    layerKey: Uint8Array | null,
  ): Promise<RelayerAnswer> {
    const path = `/v1/rotations/records/${recordId}`;
    const body = { pseudonym, ...(layerKey === null ? {} : { layerKey: toBase64url(layerKey) }) };
    const answer = await this.#call('POST', path, { key, receipt: null }, body);
    return parseAnswer(relayerAnswer, answer, 'records');
  }

  /** Deposits new wraps of a record, before the ledger names them. */
  async putNextWrap(
    { pseudonym, recordId }: { pseudonym: string; recordId: string },
    sealed: { wrap: SealedText; sealedMetadata: SealedText },
    key: SigningKey,
  ): Promise<void> {
    const path = `/v1/rotations/records/${recordId}/wrap`;
    await this.#call('POST', path, { key, receipt: null }, { pseudonym, ...sealed });
  }

  /** Makes new wraps count, or deletes what is left behind. */
  async settleRecord(
    recordId: string,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    await this.#call('POST', `/v1/rotations/records/${recordId}/settle`, permit, {});
  }

  /** Ends a rotation: what only the old keys opened is deleted. */
  async finishRotation(permit: { key: SigningKey; receipt: Uint8Array }): Promise<void> {
    await this.#call('POST', '/v1/rotations/finish', permit, {});
  }

  /** Keeps what the patient sealed to nobody else. */
  async putPrivate(
    sealed: SealedText,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    await this.#call('POST', '/v1/private', permit, { sealed });
  }

  /** All private data under a pseudonym of the caller. */
  async privateData(pseudonym: string, key: SigningKey): Promise<KeptPrivate[]> {
    const found: KeptPrivate[] = [];
    let page: z.infer<typeof privateAnswer> | null = null;
    do {
      const body = { pseudonym, ...(page?.next === undefined ? {} : { after: page.next }) };
      const answer = await this.#call('POST', '/v1/private/fetch', { key, receipt: null }, body);
      page = parseAnswer(privateAnswer, answer, 'records');
      found.push(...page.items);
    } while (page.next !== undefined);
    return found;
  }

  /** Deposits a release to a study: what its coordinator counts, and what its researcher gets. */
  async putRelease(
    { row, payload }: { row: SealedText; payload: SealedText },
    permit: Permit,
  ): Promise<void> {
    await this.#call('POST', '/v1/releases', permit, { row, payload });
  }

  /** What the coordinator of a study counts, after the releases that were fetched before. */
  async releaseRows(
    permit: { key: SigningKey; receipt: Uint8Array },
    start: number | null,
  ): Promise<ReleaseRow[]> {
    const found: ReleaseRow[] = [];
    let after = start ?? undefined;
    do {
      const body = after === undefined ? {} : { after };
      const answer = await this.#call('POST', '/v1/releases/rows', permit, body);
      const page = parseAnswer(rowsAnswer, answer, 'records');
      found.push(...page.rows);
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /** Deposits what a coordinator sealed to the researcher about each patient of a publication. */
  async putPublication(
    rows: readonly { participant: string; row: SealedText }[],
    permit: Permit,
  ): Promise<void> {
    await this.#call('POST', '/v1/publications', permit, { rows });
  }

  /** A publication, and the digests of all its rows. */
  async publication(permit: { key: SigningKey; receipt: Uint8Array }): Promise<Publication> {
    const members: Publication['members'] = [];
    let page: z.infer<typeof publicationAnswer>;
    let after: number | undefined;
    do {
      const body = after === undefined ? {} : { after };
      const answer = await this.#call('POST', '/v1/publications/fetch', permit, body);
      page = parseAnswer(publicationAnswer, answer, 'records');
      members.push(...page.members);
      after = page.next;
    } while (after !== undefined);
    return { members, digests: page.digests };
  }

  /** Has all forgotten that went to a study which the patient left. */
  async withdrawReleases(permit: { key: SigningKey; receipt: Uint8Array }): Promise<void> {
    await this.#call('POST', '/v1/releases/withdraw', permit, {});
  }

  /** Deposits a letter; its digest is in the receipt. */
  async putLetter(
    letter: SealedText,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    await this.#call('POST', '/v1/letters', permit, { letter });
  }

  /** Letters for the holder of this key, or in the box of a secret. */
  async letters(
    key: SigningKey,
    secret?: string,
  ): Promise<{ letterId: string; sealed: SealedText }[]> {
    const found: { letterId: string; sealed: SealedText }[] = [];
    let page: z.infer<typeof lettersAnswer> | null = null;
    do {
      const body = {
        ...(secret === undefined ? {} : { secret }),
        ...(page?.next === undefined ? {} : { after: page.next }),
      };
      const answer = await this.#call('POST', '/v1/letters/fetch', { key, receipt: null }, body);
      page = parseAnswer(lettersAnswer, answer, 'records');
      for (const { letterId, ...sealed } of page.letters) found.push({ letterId, sealed });
    } while (page.next !== undefined);
    return found;
  }

  /** Has letters forgotten that were taken back. */
  async withdrawLetters(permit: { key: SigningKey; receipt: Uint8Array }): Promise<void> {
    await this.#call('POST', '/v1/letters/withdraw', permit, {});
  }

  /** Keeps a note of a case that the receipt names. */
  async putCaseNote(
    sealed: SealedText,
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    await this.#call('POST', '/v1/cases/notes', permit, { sealed });
  }

  /** Keeps what was sealed of a case's key to its members. */
  async putCaseSeals(
    seals: readonly { who: string; sealed: SealedText }[],
    permit: { key: SigningKey; receipt: Uint8Array },
  ): Promise<void> {
    await this.#call('POST', '/v1/cases/seals', permit, { seals });
  }

  /** All seals and notes that a member's receipt opens. */
  async caseContents(
    permit: { key: SigningKey; receipt: Uint8Array },
    isClosed: boolean,
  ): Promise<Pick<z.infer<typeof caseAnswer>, 'seals' | 'notes'>> {
    const found: Pick<z.infer<typeof caseAnswer>, 'seals' | 'notes'> = { seals: [], notes: [] };
    let page: z.infer<typeof caseAnswer> | null = null;
    do {
      const body = { isClosed, ...(page?.next === undefined ? {} : { after: page.next }) };
      const answer = await this.#call('POST', '/v1/cases/read', permit, body);
      page = parseAnswer(caseAnswer, answer, 'records');
      found.seals.push(...page.seals);
      found.notes.push(...page.notes);
    } while (page.next !== undefined);
    return found;
  }

  /** Brings an order to erase; true once nothing is left there, and the ledger says so. */
  async erase(permit: { key: SigningKey; receipt: Uint8Array }): Promise<boolean> {
    const answer = await this.#call('POST', '/v1/erasures', permit, {});
    return parseAnswer(eraseAnswer, answer, 'records').status === 'erased';
  }

  /** One call with a fresh proof for each try; silence and 429 and 5xx are waited out. */
  async #call(
    method: HttpRequest['method'],
    path: string,
    { key, receipt, patience = 'long' }: Permit,
    body?: Readonly<Record<string, unknown>>,
  ): Promise<HttpAnswer> {
    const url = `${this.#network.recordsUrl}${path}`;
    const { timeoutMs, retries } = patiences[patience];
    const payload = receipt && body ? { receipt: toBase64url(receipt), ...body } : body;
    for (let attempt = 0; ; attempt += 1) {
      let waitMs = backOffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS);
      try {
        const dpop = await createDpop({ method, url, receipt }, key, this.#clock.now());
        const answer = await callJson(this.#transport, {
          method,
          url,
          timeoutMs,
          headers: { dpop },
          ...(payload === undefined ? {} : { body: payload }),
        });
        if (answer.status < 300) return answer;
        const isBusy = answer.status === 429 || answer.status >= 500;
        if (!isBusy || attempt >= retries) throw problemError(answer, 'records');
        waitMs = answer.retryAfterMs ?? waitMs;
      } catch (error) {
        const isSilent = error instanceof SdkError && error.code === 'unreachable';
        if (!isSilent) throw error;
        if (attempt >= retries) throw away(error);
      }
      await this.#clock.sleep(waitMs);
    }
  }
}

function away(cause: SdkError): SdkError {
  return new SdkError('unreachable', 'The custodian of records does not answer.', {
    nextStep:
      'Nothing is lost: reading goes on from copies at hospitals. Run the command again when the ' +
      'custodian is back.',
    details: cause.details,
    cause,
  });
}
