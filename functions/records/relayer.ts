/**
 * POST /v1/rotations/records/{recordId}: puts a layer on one record, as far as one
 * request goes. The layer's key is kept only sealed to the patient, who gives it back to go on.
 */

import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { concatBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { LAYER_KEY_BYTES, Layers } from '../../lib/crypto/layer.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { layerKeyCheck, sealLayerKey } from '../../lib/records/layer-key.ts';
import { compositeDigest, planUpload } from '../../lib/records/upload-plan.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { announceStored } from './announce.ts';
import { certify, isSendable, refusal, signCall } from './certify.ts';
import type { RecordsContext } from './context.ts';
import { forgetNext } from './next-wraps.ts';
import { requireCaller } from './permit.ts';
import {
  findRecord,
  findSealed,
  type Layering,
  saveState,
  type StoredState,
} from './record-state.ts';
import { leadsTo, requireRotation, type RotationState } from './rotation-state.ts';
import type { relayerSchema } from './routes.ts';
import { discardUpload } from './uploads.ts';

/** One request works so long; API Gateway ends it at 29 s. */
const WORK_MS = 10_000;
/** Parts of 8 MiB in memory at once. */
const PARTS_AT_ONCE = 2;
const DIGEST_BYTES = 32;

interface Work {
  context: RecordsContext;
  rotation: RotationState;
  /** The pseudonym that the record goes to. */
  pseudonym: string;
  recordId: string;
}

/** A state in which a layer is under way, or done. */
interface LayeredState extends StoredState {
  layering: Layering;
}

export async function relayerRecord(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof relayerSchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  const { pseudonym } = body;
  const { recordId = '' } = request.params;
  const rotation = await requireRotation(context.store, pseudonym, kid);
  const work = { context, rotation, pseudonym, recordId };
  const found = await findMovable(work);
  if (!found) return { status: 200, body: { recordId, status: 'missing' } };
  const { state } = found;
  if (state.pseudonym === pseudonym) {
    await forgetNext(context, recordId);
    return answer(work, found, 'moved');
  }
  const given = body.layerKey === undefined ? null : fromBase64url(body.layerKey);
  const begun = await beginLayer(work, found, given);
  let layered = begun.layered;
  if (layered.layering.step === 'open') {
    if (begun.key === null) return answer(work, layered, 'working');
    layered = await putParts(work, layered, begun.key);
    if (layered.layering.step === 'open') return answer(work, layered, 'working');
  }
  if (layered.layering.step === 'joined') layered = await commitLayer(work, layered);
  if (layered.layering.oldKey !== null) layered = await deleteOld(work, layered);
  return answer(work, layered, 'layered');
}

/** The record that is to be moved; an upload that never came to an end is deleted. */
async function findMovable(work: Work): Promise<StoredState | null> {
  const { context, pseudonym, recordId } = work;
  const found = await findRecord(context.store, recordId);
  if (!found) return null;
  if (!(await leadsTo(context.store, found.state.pseudonym, pseudonym))) {
    throw new HttpError('unknown_record', 'This record is not of the patient who rotates.');
  }
  if (found.state.status === 'stored') return found;
  if (found.state.status === 'verified' && (await isStoredOnLedger(context, found))) {
    const certified = await findRecord(context.store, recordId);
    if (!certified) return null;
    return saveState(context.store, certified, { ...certified.state, status: 'stored' });
  }
  await discardUpload(context, found.state);
  return null;
}

async function isStoredOnLedger(context: RecordsContext, found: StoredState): Promise<boolean> {
  try {
    await announceStored(context, found);
    return true;
  } catch (error) {
    if (error instanceof HttpError && error.code === 'patient_rotated') return false;
    throw error;
  }
}

/** The layer under way with its key, where the caller gave it; or a new one. */
async function beginLayer(
  work: Work,
  found: StoredState,
  given: Uint8Array | null,
): Promise<{ layered: LayeredState; key: Uint8Array | null }> {
  const { context, rotation, pseudonym, recordId } = work;
  const { state } = found;
  if (state.layering?.to === pseudonym) {
    const { layering } = state;
    if (given !== null && layerKeyCheck(given, recordId) !== layering.keyCheck) {
      throw new HttpError('wrong_layer_key', 'This is not the key that the layer was begun with.');
    }
    return { layered: { ...found, layering }, key: given };
  }
  const current = await endEarlier(work, found);
  const key = randomBytes(LAYER_KEY_BYTES);
  const generation = current.state.generation + 1;
  const layer = { network: context.network, recordId, pseudonym, generation };
  const objectKey = randomId();
  const layering: Layering = {
    to: pseudonym,
    step: 'open',
    generation,
    objectKey,
    uploadId: await context.objects.begin(objectKey),
    sealed: await sealLayerKey(key, rotation.sealingKey, layer),
    keyCheck: layerKeyCheck(key, recordId),
    checksums: new Uint8Array(),
    etags: [],
    announced: null,
    oldKey: null,
  };
  return { layered: await saveLayering(work, current, layering), key };
}

/** A layer of another rotation that was left half done: deleted, unless the ledger has it. */
async function endEarlier(work: Work, found: StoredState): Promise<StoredState> {
  const { context } = work;
  const { layering } = found.state;
  if (!layering) return found;
  let current: LayeredState = { ...found, layering };
  if (layering.step === 'joined' && layering.announced !== null) {
    const { status } = await certify(context, layering.announced);
    if (status === 'COMMITTED') current = await takePlace(work, current);
  }
  const { step, objectKey, uploadId, oldKey } = current.layering;
  await context.objects.abort(objectKey, uploadId);
  if (step !== 'committed') await context.objects.remove(objectKey);
  if (oldKey !== null) await context.objects.remove(oldKey);
  return saveState(context.store, current, { ...current.state, layering: null });
}

/** Part by part until the time of a request is over; each batch is kept before the next. */
async function putParts(work: Work, found: LayeredState, key: Uint8Array): Promise<LayeredState> {
  const { context } = work;
  const { objects } = context;
  const layers = await Layers.of([key]);
  key.fill(0);
  const deadline = context.now() + WORK_MS;
  const plan = planUpload(found.state.length);
  let current = found;
  while (current.layering.etags.length < plan.length) {
    if (current !== found && context.now() >= deadline) return current;
    const { layering, state } = current;
    const at = layering.etags.length;
    const done = await Promise.all(
      plan.slice(at, at + PARTS_AT_ONCE).map(async ({ number, offset, length }) => {
        const bytes = await objects.readRange(state.objectKey, offset, offset + length);
        const part = await layers.apply(offset, bytes);
        const checksum = new Uint8Array(createHash('sha256').update(part).digest());
        const upload = { id: layering.uploadId, number, checksum };
        return { checksum, etag: await objects.putPart(layering.objectKey, upload, part) };
      }),
    );
    const checksums = concatBytes(layering.checksums, ...done.map(({ checksum }) => checksum));
    const etags = [...layering.etags, ...done.map(({ etag }) => etag)];
    current = await saveLayering(work, current, { ...layering, checksums, etags });
  }
  return joinParts(work, current);
}

async function joinParts(work: Work, current: LayeredState): Promise<LayeredState> {
  const { objects } = work.context;
  const { layering, state } = current;
  const { objectKey, uploadId, etags } = layering;
  const checksums = checksumsOf(layering);
  const parts = etags.map((etag, at) => {
    return { number: at + 1, etag, checksum: checksums[at] as Uint8Array };
  });
  await objects.complete(objectKey, uploadId, parts);
  const object = await objects.describe(objectKey);
  if (object?.length !== state.length) {
    // The store forgot the upload: the layer is begun anew, with another key.
    await saveState(work.context.store, current, { ...state, layering: null });
    throw new HttpError('parts_missing', 'The store lost parts; send this again.');
  }
  return saveLayering(work, current, { ...layering, step: 'joined' });
}

/** `record.relayered` on the ledger, then the new bytes take the place of the old ones. */
async function commitLayer(work: Work, found: LayeredState): Promise<LayeredState> {
  const { context, recordId } = work;
  const { generation } = found.layering;
  const objectDigest = toBase64url(compositeDigest(checksumsOf(found.layering)));
  let current = found;
  if (!isSendable(context, found.layering.announced)) {
    const call = { fn: 'record.relayered', args: { recordId, generation, objectDigest } };
    const announced = await signCall(context, call);
    current = await saveLayering(work, found, { ...found.layering, announced });
  }
  const { announced } = current.layering;
  if (!announced) throw new Error('a transaction was signed just before');
  const result = await certify(context, announced);
  if (result.status !== 'COMMITTED' && result.code !== 'already_relayered') {
    throw refusal(result, 'The ledger refuses the new layer of this record.');
  }
  return takePlace(work, current);
}

/** What the ledger names from now on are the new bytes. */
async function takePlace({ context }: Work, current: LayeredState): Promise<LayeredState> {
  const { state, layering } = current;
  const { generation } = layering;
  const objectDigest = toBase64url(compositeDigest(checksumsOf(layering)));
  const next = { ...layering, step: 'committed', oldKey: state.objectKey } as const;
  const changed = { ...state, generation, objectDigest, objectKey: layering.objectKey };
  const saved = await saveState(context.store, current, { ...changed, layering: next });
  return { ...saved, layering: next };
}

/** The bucket keeps no versions: what is deleted is gone. */
async function deleteOld(work: Work, current: LayeredState): Promise<LayeredState> {
  const { oldKey } = current.layering;
  if (oldKey !== null) await work.context.objects.remove(oldKey);
  return saveLayering(work, current, { ...current.layering, oldKey: null });
}

async function saveLayering(
  { context }: Work,
  found: StoredState,
  layering: Layering,
): Promise<LayeredState> {
  const saved = await saveState(context.store, found, { ...found.state, layering });
  return { ...saved, layering };
}

function checksumsOf({ checksums }: Layering): Uint8Array[] {
  const count = checksums.length / DIGEST_BYTES;
  return Array.from({ length: count }, (_, at) =>
    checksums.slice(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
  );
}

async function answer(
  { context, recordId }: Work,
  { state }: StoredState,
  status: 'working' | 'layered' | 'moved',
): Promise<HttpAnswer> {
  const sealed = await findSealed(context.store, recordId);
  if (!sealed) return { status: 200, body: { recordId, status: 'missing' } };
  const { generation, objectDigest, layering, length } = state;
  const plan = planUpload(length);
  const parts = { done: layering?.etags.length ?? plan.length, of: plan.length };
  const layer = layering ? { layer: layering.sealed } : {};
  const body = { recordId, status, generation, objectDigest, parts, ...layer, ...sealed };
  return { status: 200, body };
}
