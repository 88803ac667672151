/** The custodian as the replicator calls it: proofs by the read key, receipts, bounded answers. */

import { z } from 'zod';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { recordsBounds } from '../../../lib/records/bounds.ts';
import { createDpop } from '../../../lib/records/dpop.ts';
import { sealedSchema } from '../../../lib/records/sealed.ts';
import { teamSealsSchema } from '../../../lib/records/team-key.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import { boundedJson } from '../../aws/bounded-json.ts';
import { CustodianAway, type ReplicatorContext } from './context.ts';

const CALL_TIMEOUT_MS = 8_000;
const PART_TIMEOUT_MS = 20_000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

const text = z.string().max(4_096);
const url = z.url({ protocol: /^https?$/ });
const listedSchema = z.object({
  recordId: text,
  categoryTag: text,
  dataMonth: text,
  digest: text,
  length: z.int().min(1),
  wrap: sealedSchema(recordsBounds.wrapBytesMax),
  sealedMetadata: sealedSchema(recordsBounds.metadataBytesMax),
  /** Whether its bytes are there, as far as the store says. */
  isThere: z.boolean(),
});
export type ListedAtCustodian = z.infer<typeof listedSchema>;
const listSchema = z.object({ records: z.array(listedSchema), next: text.optional() });
const objectSchema = z.object({ url });
const sharesSchema = z.object({
  shares: z.array(
    z.object({
      permissionId: text,
      holder: text,
      share: sealedSchema(recordsBounds.shareBytesMax),
    }),
  ),
});
const teamKeysSchema = z.object({ seals: teamSealsSchema });
const erasureSchema = z.object({ status: z.enum(['working', 'erased']) });
const restoreSchema = z.object({
  status: z.enum(['open', 'there']),
  parts: z.array(z.object({ number: z.int(), url, headers: z.record(z.string(), z.string()) })),
});

/** Shares that one call asks for: their answer stays below what a Lambda gives. */
const SHARES_AT_ONCE = 16;

export async function listAtCustodian(
  context: ReplicatorContext,
  receipt: Uint8Array,
): Promise<Map<string, ListedAtCustodian>> {
  const found = new Map<string, ListedAtCustodian>();
  let after: string | undefined;
  do {
    const body = after === undefined ? {} : { after };
    const page = parseWith(listSchema, await call(context, '/v1/copies/records', receipt, body));
    for (const one of page.records) found.set(one.recordId, one);
    after = page.next;
  } while (after !== undefined);
  return found;
}

export async function sharesAtCustodian(
  context: ReplicatorContext,
  receipt: Uint8Array,
  permissionIds: readonly string[],
) {
  const found: z.infer<typeof sharesSchema>['shares'] = [];
  for (let at = 0; at < permissionIds.length; at += SHARES_AT_ONCE) {
    const body = { permissionIds: permissionIds.slice(at, at + SHARES_AT_ONCE) };
    const answer = await call(context, '/v1/copies/shares', receipt, body);
    found.push(...parseWith(sharesSchema, answer).shares);
  }
  return found;
}

/** What members of an own care team sealed to each other; the receipt is of `copy.team`. */
export async function teamKeysAtCustodian(context: ReplicatorContext, receipt: Uint8Array) {
  const answer = await call(context, '/v1/copies/team-keys', receipt, {});
  return parseWith(teamKeysSchema, answer).seals;
}

/** Where the bytes of a record are for a minute. */
export async function addressAtCustodian(
  context: ReplicatorContext,
  receipt: Uint8Array,
  recordId: string,
): Promise<string> {
  const answer = await call(context, '/v1/copies/object', receipt, { recordId });
  return parseWith(objectSchema, answer).url;
}

/** Offers lost bytes back: addresses for the parts, or none where the custodian has them. */
export async function openRestore(
  context: ReplicatorContext,
  receipt: Uint8Array,
  body: {
    recordId: string;
    wrap: unknown;
    sealedMetadata: unknown;
    checksums: string[];
    isReported: boolean;
  },
): Promise<z.infer<typeof restoreSchema>> {
  return parseWith(restoreSchema, await call(context, '/v1/restores', receipt, body));
}

export async function completeRestore(
  context: ReplicatorContext,
  receipt: Uint8Array,
  body: { recordId: string; etags: string[] },
): Promise<void> {
  await call(context, '/v1/restores/complete', receipt, body);
}

/** Brings an order to erase: true once the custodian has said on the ledger that it is done. */
export async function bringErasure(
  context: ReplicatorContext,
  order: Uint8Array,
): Promise<boolean> {
  const answer = await call(context, '/v1/erasures', order, {});
  return parseWith(erasureSchema, answer).status === 'erased';
}

/** Some bytes of an object. Throws CustodianAway. */
export async function getRange(
  context: ReplicatorContext,
  address: string,
  { offset, length }: { offset: number; length: number },
): Promise<Uint8Array> {
  const headers = { range: `bytes=${offset}-${offset + length - 1}` };
  const response = await reach(() =>
    context.fetchUrl(address, { method: 'GET', headers, ...within(PART_TIMEOUT_MS) }),
  );
  if (!response.ok) throw new Error(`the store answers HTTP ${response.status}`);
  const bytes = await reach(async () => new Uint8Array(await response.arrayBuffer()));
  // A store that knows no ranges gives all of it.
  const part = response.status === 206 ? bytes : bytes.subarray(offset, offset + length);
  if (part.length !== length) throw new Error('the store gave another number of bytes');
  return part;
}

/** Puts one part at an address that takes only these bytes; gives its entity tag. */
export async function putPart(
  context: ReplicatorContext,
  target: { url: string; headers: Readonly<Record<string, string>> },
  bytes: Uint8Array,
): Promise<string> {
  const response = await context.fetchUrl(target.url, {
    method: 'PUT',
    body: bytes as Uint8Array<ArrayBuffer>,
    headers: target.headers,
    ...within(PART_TIMEOUT_MS),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the store refuses a part: HTTP ${response.status}`);
  return response.headers.get('etag') ?? '';
}

/** A refusal of the custodian, by its code. */
export class CustodianRefused extends Error {
  override readonly name = 'CustodianRefused';
  readonly code: string;
  constructor(path: string, code: string) {
    super(`the custodian refuses ${path}: ${code}`);
    this.code = code;
  }
}

async function call(
  context: ReplicatorContext,
  path: string,
  receipt: Uint8Array,
  body: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const base = context.genesis.document.custodian.apiUrl.replace(/\/+$/, '');
  const address = `${base}${path}`;
  const proven = { method: 'POST', url: address, receipt } as const;
  const dpop = await createDpop(proven, context.key, context.now());
  const { status, json } = await reach(async () => {
    const response = await context.fetchUrl(address, {
      method: 'POST',
      body: JSON.stringify({ receipt: toBase64url(receipt), ...body }),
      headers: { 'content-type': 'application/json', dpop },
      redirect: 'error',
      ...within(CALL_TIMEOUT_MS),
    });
    return { status: response.status, json: await boundedJson(response, ANSWER_BYTES_MAX) };
  });
  if (status < 300) return json;
  const { code } = z.object({ code: z.string().max(64) }).parse(json);
  if (status >= 500 || status === 429) throw new CustodianAway(`${path}: ${code}`);
  throw new CustodianRefused(path, code);
}

function within(milliseconds: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(milliseconds) };
}

/** Silence, broken answers and gateways in front of nothing are all one: it is away. */
async function reach<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new CustodianAway('the custodian does not answer', { cause });
  }
}
