/** A validator's escrow: keeps shares for deposits, and gives them out for releases, by receipt. */

import { z } from 'zod';
import { toBase64url, fromBase64url } from '../../../lib/crypto/bytes.ts';
import {
  type EscrowRelease,
  readEscrowCapability,
  readEscrowEnd,
} from '../../../lib/escrow/capability.ts';
import { EscrowError } from '../../../lib/escrow/errors.ts';
import {
  escrowPayloadDigest,
  isShareOf,
  openShare,
  sealForReader,
  type SharePlace,
} from '../../../lib/escrow/shares.ts';
import { encryptionKeyDigest } from '../../../lib/membership/certificates.ts';
import { fromSealedText, sealedDigest, toSealedText } from '../../../lib/records/sealed.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest, Operations } from '../../aws/http.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import { type PermitContext, requireReader, requireReceipt } from '../../aws/permit.ts';
import { HttpError } from '../../aws/problems.ts';
import { withBody } from '../../aws/service-operations.ts';
import { depositSchema, endSchema, releaseSchema } from './routes.ts';

export interface EscrowContext extends PermitContext {
  readonly network: string;
  readonly validator: string;
  /** The escrow table, which has no backup. */
  readonly store: ItemStore;
  /** The X-Wing seed of this validator's share key; null where it is missing. */
  shareSeed(): Promise<Uint8Array | null>;
}

const ATTEMPTS_MAX = 4;
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);

/** What is kept of an escrow; of one that ended, only up to which generation. */
const heldSchema = z.strictObject({
  generation: z.int().min(1),
  commitment: z.string(),
  kept: z.strictObject({ enc: bytes, ciphertext: bytes, payload: bytes }).nullable(),
});
type Held = z.infer<typeof heldSchema>;

const keyOf = (escrowId: string) => ({ pk: `escrow#${escrowId}`, sk: 'held' });

/** Operations by `METHOD /path`, one for each row of `functions/validator/escrow/routes.ts`. */
export function escrowOperations(context: EscrowContext): Operations {
  return {
    'PUT /v1/escrow/{escrowId}': withBody(depositSchema, (body, request) =>
      deposit(context, request, body),
    ),
    'POST /v1/escrow/{escrowId}/release': withBody(releaseSchema, (body, request) =>
      release(context, request, body),
    ),
    'POST /v1/escrow/{escrowId}/end': withBody(endSchema, (body, request) =>
      end(context, request, body),
    ),
  };
}

/** Acknowledges a share only once it opened: what a reader needs later is known to work now. */
async function deposit(
  context: EscrowContext,
  request: HttpRequest,
  body: z.infer<typeof depositSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readEscrowCapability('deposit', receipt.result);
  checkNamed(request, permit.escrowId);
  const { escrowId, generation } = permit;
  const own = permit.shares.find((one) => one.validator === context.validator);
  if (!own)
    throw new HttpError('not_a_share_holder', 'The deposit names no share of this validator.');
  const sealed = fromSealedText(body.share);
  const payload = fromBase64url(body.payload);
  if (escrowPayloadDigest(payload) !== permit.payloadDigest) {
    throw new HttpError('payload_mismatch', 'This is not the payload that the ledger names.');
  }
  const { commitment } = own;
  const isNamed = toBase64url(sealedDigest(sealed)) === own.sealedDigest;
  const share = isNamed ? await openOwn(context, permit, sealed) : null;
  if (!share || !isShareOf(placeOf(context, permit), commitment, share)) {
    throw new HttpError('share_mismatch', 'This is not the share that the ledger names.');
  }
  await advance(context, escrowId, { generation, commitment, kept: { ...sealed, payload } });
  return { status: 200, body: { escrowId, generation } };
}

/** No receipt, no share: it is sealed to the key that the receipt names, and to no other. */
async function release(
  context: EscrowContext,
  request: HttpRequest,
  body: z.infer<typeof releaseSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readEscrowCapability('release', receipt.result);
  checkNamed(request, permit.escrowId);
  requireReader(context, { proof, receipt }, permit);
  const readerKey = fromBase64url(body.readerKey);
  if (toBase64url(encryptionKeyDigest(readerKey)) !== permit.readerKeyDigest) {
    throw new HttpError('reader_key_mismatch', 'The receipt names another encryption key.');
  }
  const { commitment, kept } = await findKept(context, permit);
  const place = placeOf(context, permit);
  const share = await openOwn(context, permit, kept);
  if (!isShareOf(place, commitment, share)) throw unreadable();
  const sealed = await sealForReader(readerKey, place, { readerKid: permit.readerKid, share });
  return {
    status: 200,
    body: {
      validator: context.validator,
      generation: permit.generation,
      share: toSealedText(sealed),
      payload: toBase64url(kept.payload),
    },
  };
}

/** Whoever brings the receipt: it can only be of an end that the owner signed. */
async function end(
  context: EscrowContext,
  request: HttpRequest,
  body: z.infer<typeof endSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const escrowId = request.params['escrowId'] ?? '';
  const generation = readEscrowEnd(escrowId, receipt.result);
  await advance(context, escrowId, { generation, commitment: '', kept: null });
  return { status: 200, body: { escrowId, generation } };
}

/** Puts a newer generation over an older one, never the other way round. */
async function advance(context: EscrowContext, escrowId: string, next: Held): Promise<void> {
  const key = keyOf(escrowId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await context.store.get(key);
    if (!item) {
      if (await context.store.insert(key, next)) return;
      continue;
    }
    const held = parseWith(heldSchema, item.value);
    if (held.generation > next.generation) throw superseded();
    if (held.generation === next.generation) return;
    if (await context.store.replace(key, item.version, next)) return;
  }
  throw new HttpError('conflict', 'Another deposit came at the same time.');
}

async function findKept(
  { store }: EscrowContext,
  { escrowId, generation }: EscrowRelease,
): Promise<Held & { kept: NonNullable<Held['kept']> }> {
  const item = await store.get(keyOf(escrowId));
  const held = item && parseWith(heldSchema, item.value);
  if (!held || held.generation < generation) {
    throw new HttpError('escrow_missing', 'The share of this deposit never came here.');
  }
  const { kept } = held;
  if (held.generation > generation || kept === null) throw superseded();
  return { ...held, kept };
}

function checkNamed({ params }: HttpRequest, escrowId: string): void {
  if (params['escrowId'] === escrowId) return;
  throw new HttpError('invalid_request', 'The receipt is of another escrow.');
}

function placeOf(
  { network, validator }: EscrowContext,
  { escrowId, generation }: Pick<EscrowRelease, 'escrowId' | 'generation'>,
): SharePlace {
  return { network, validator, escrowId, generation };
}

/** The share in clear, for as long as one request lasts. Throws HttpError `escrow_unreadable`. */
async function openOwn(
  context: EscrowContext,
  permit: Pick<EscrowRelease, 'escrowId' | 'generation'>,
  sealed: { enc: Uint8Array; ciphertext: Uint8Array },
): Promise<Uint8Array> {
  const seed = await context.shareSeed();
  if (seed === null) throw unreadable();
  const { enc, ciphertext } = sealed;
  try {
    return await openShare(seed, placeOf(context, permit), { enc, ciphertext });
  } catch (cause) {
    if (cause instanceof EscrowError) throw unreadable();
    throw cause;
  }
}

function superseded(): HttpError {
  return new HttpError('escrow_superseded', 'A newer deposit, or its end, is known here.');
}

function unreadable(): HttpError {
  return new HttpError('escrow_unreadable', 'The share does not open with the share key of here.');
}
