/** Records in a rotation: a layer by the custodian, then the keys wrapped anew under the new tree. */
import { digestOfSealed } from '../lib/records/sealed.ts';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { CryptoError } from '../lib/crypto/errors.ts';
import type { HistoryEntry, MedicalRecord } from '../lib/chaincode/values.ts';
import { openLayerKey } from '../lib/records/layer-key.ts';
import { categoryKeyPair, categorySeed, monthOf, sealingSeed } from './category-keys.ts';
import type { RelayerAnswer } from './custodian-client.ts';
import { SdkError } from './errors.ts';
import { isStaleReceipt, reasonOf } from './http.ts';
import type { OtherKeys } from './keystore-data.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import { type Revisions, revisionAt } from './publication.ts';
import type { Call } from './signing.ts';
import { epochOf } from './read.ts';
import { notProven, type RotateOptions } from './rotation-options.ts';
import {
  type CategoryEpoch,
  openFileKey,
  openMetadata,
  type RecordKeys,
  type RecordMetadata,
  sealFileKey,
  sealMetadata,
} from './seal.ts';

/** Why a record does not come over. */
export type StuckReason =
  /** The custodian has nothing of it, though the ledger says that it was stored. */
  | 'missing'
  /** The old keys do not open it: nobody could read it before either. */
  | 'unreadable';

export interface MovedRecords {
  readonly moved: readonly string[];
  /** Left behind: uploads that never ended, and with `leaveBehind` what is stuck. */
  readonly left: readonly string[];
  readonly stuck: readonly { readonly recordId: string; readonly reason: StuckReason }[];
}

type Layered = Exclude<RelayerAnswer, { status: 'missing' }>;
type Outcome = 'moved' | 'left' | StuckReason;

const AT_ONCE = 4;
const SEAL_TRIES_MAX = 4;
/** A record of 4 GiB has 512 parts, and each call does some. */
const CALLS_MAX = 2_000;

/** Brings all records over, several at once. Throws `aborted` between records. */
export async function moveRecords(
  patient: Patient,
  old: OtherKeys,
  options: RotateOptions,
): Promise<MovedRecords> {
  const records = await recordsToMove(patient);
  const mover = new Mover(patient, old, options, await patient.revisions());
  const outcomes = new Map<string, Outcome>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let record = records[next]; record; record = records[next]) {
      if (options.signal?.aborted) return;
      next += 1;
      outcomes.set(record.id, await mover.move(record));
      options.onProgress?.({ step: 'records', done: outcomes.size, of: records.length });
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  if (options.signal?.aborted) {
    throw new SdkError('aborted', `Stopped after ${outcomes.size} of ${records.length} records.`, {
      nextStep: 'Run `carequorum rotate` again: it goes on with the rest.',
    });
  }
  return summary(outcomes);
}

function summary(outcomes: ReadonlyMap<string, Outcome>): MovedRecords {
  const moved: string[] = [];
  const left: string[] = [];
  const stuck: { recordId: string; reason: StuckReason }[] = [];
  for (const [recordId, outcome] of outcomes) {
    if (outcome === 'moved') moved.push(recordId);
    else if (outcome === 'left') left.push(recordId);
    else stuck.push({ recordId, reason: outcome });
  }
  return { moved, left, stuck };
}

/** Records of the pseudonym before, and of those before it whose rotation never came to an end. */
async function recordsToMove(patient: Patient): Promise<MedicalRecord[]> {
  const records = new Map<string, MedicalRecord>();
  for (const { from, to } of await unfinished(patient)) {
    for (const record of await patient.records({}, from)) {
      const isLeftBefore =
        record.rotation?.step === 'left' && record.rotation.to !== patient.pseudonym;
      const isElsewhere = record.pseudonym === to && to !== patient.pseudonym;
      if (!isLeftBefore && !isElsewhere) records.set(record.id, record);
    }
  }
  return [...records.values()];
}

async function unfinished(patient: Patient): Promise<{ from: string; to: string }[]> {
  const rotations = await patient.rotations();
  // The newest one is looked at in any case: this run may be there to say that it is over.
  const open = rotations.findIndex(({ finished }, at) => at > 0 && finished !== null);
  return open < 0 ? rotations : rotations.slice(0, open);
}

class Mover {
  readonly #patient: Patient;
  readonly #old: OtherKeys;
  readonly #options: RotateOptions;
  #revisions: Revisions;
  #history: Promise<HistoryEntry[]> | null = null;

  constructor(patient: Patient, old: OtherKeys, options: RotateOptions, revisions: Revisions) {
    this.#patient = patient;
    this.#old = old;
    this.#options = options;
    this.#revisions = revisions;
  }

  async move(record: MedicalRecord): Promise<Outcome> {
    const own = this.#patient.pseudonym;
    const step = record.rotation?.to === own ? record.rotation.step : null;
    if (step === 'left') return this.#settleAgain(record, 'record.leave', 'left');
    // Nothing of it is wanted any more, here or there.
    if (record.erased !== null && step !== 'retagged') return this.#leave(record, 'missing');
    const answer = await this.#relayer(record);
    if (step === 'retagged') {
      if (answer.status === 'missing') return 'missing';
      if (digestOfSealed(answer.wrap) === record.wrapDigest && answer.status === 'moved') {
        return 'moved';
      }
      return this.#settleAgain(record, 'record.retag', 'moved');
    }
    if (answer.status === 'missing') return this.#leave(record, 'missing');
    const opened = await this.#open(record, answer);
    if (opened === null) return this.#leave(record, 'unreadable');
    await this.#retag(record, answer, opened);
    return 'moved';
  }

  /** Has the custodian go on until the layer is there; the key of a layer goes back and forth. */
  async #relayer(record: MedicalRecord): Promise<RelayerAnswer> {
    const { session, pseudonym, ownerKey } = this.#patient;
    const named = { pseudonym, recordId: record.id };
    let layerKey: Uint8Array | null = null;
    for (let call = 0; call < CALLS_MAX; call += 1) {
      const answer = await session.custodian.relayer(named, ownerKey, layerKey);
      if (answer.status !== 'working') return answer;
      layerKey = await this.#layerKey(record, answer);
    }
    throw new SdkError('unreachable', `The custodian does not come to an end with ${record.id}.`, {
      nextStep: 'Run `carequorum rotate` again, and tell the custodian.',
    });
  }

  async #layerKey(record: MedicalRecord, { layer }: Layered): Promise<Uint8Array> {
    const { root, networkName: network, pseudonym } = this.#patient;
    const generation = this.#generation(record);
    const of = { network, recordId: record.id, pseudonym, generation };
    try {
      if (layer) return await openLayerKey(layer, sealingSeed(root, network), of);
    } catch (cause) {
      if (!(cause instanceof CryptoError)) throw cause;
    }
    throw new SdkError('mismatch', `The custodian gave no key for the layer of ${record.id}.`, {
      nextStep: 'Tell the custodian; the rotation goes on once it does.',
      details: { recordId: record.id },
    });
  }

  /** The generation that this rotation gives a record: it may be there already. */
  #generation({ rotation, generation }: MedicalRecord): number {
    return rotation?.to === this.#patient.pseudonym ? generation : generation + 1;
  }

  /** What the old tree opens, and the new layer; null where the old keys open nothing. */
  async #open(
    record: MedicalRecord,
    answer: Layered,
  ): Promise<{ keys: RecordKeys; metadata: RecordMetadata; name: string } | null> {
    const { networkName: network, data } = this.#patient;
    const name = data.earlierTags?.[record.categoryTag];
    const epoch = epochOf(record);
    if (name === undefined) return null;
    const named = { network, category: name, ...record.epoch };
    const by = { seed: categorySeed(fromBase64url(this.#old.root), named), network, epoch };
    const generation = this.#generation(record) - 1;
    const file = { ...by, recordId: record.id, digest: record.wrapDigest, generation };
    const layer = await this.#layerKey(record, answer);
    try {
      const { fileKey, layers } = await openFileKey(answer.wrap, file);
      const commitment = record.metadataCommitment;
      const wanted = { ...by, recordId: record.id, commitment };
      const metadata = await openMetadata(answer.sealedMetadata, wanted);
      return { keys: { fileKey, layers: [...layers, layer] }, metadata, name };
    } catch (error) {
      if (error instanceof SdkError) return null;
      throw error;
    }
  }

  /** New wraps at the custodian first, then on the ledger, then in force. */
  async #retag(
    record: MedicalRecord,
    { objectDigest }: Layered,
    { keys, metadata, name }: { keys: RecordKeys; metadata: RecordMetadata; name: string },
  ): Promise<void> {
    const { session, signer, ownerKey: key, pseudonym, root, networkName } = this.#patient;
    const { id: recordId } = record;
    const network = networkName;
    const categoryTag = this.#patient.tag(name);
    for (let attempt = 1; ; attempt += 1) {
      const month = monthOf(session.clock.now());
      const revision = revisionAt(this.#revisions, categoryTag, month);
      const { publicKey } = await categoryKeyPair(root, {
        ...{ network, category: name, month, revision },
      });
      const epoch: CategoryEpoch = { pseudonym, categoryTag, month, revision };
      const to = { publicKey, network, recordId, epoch };
      const sealed = await sealMetadata(metadata, to);
      const { wrap, digest } = await sealFileKey(keys, to);
      const wraps = { wrap, sealedMetadata: sealed.sealed };
      await session.custodian.putNextWrap({ pseudonym, recordId }, wraps, key);
      const args = {
        ...{ recordId, generation: this.#generation(record), objectDigest, categoryTag },
        ...{ epoch: { month, revision }, metadataCommitment: sealed.commitment },
        wrapDigest: digest,
      };
      try {
        const done = await session.client.submit({ fn: 'record.retag', args }, signer);
        return await this.#settle(recordId, done);
      } catch (error) {
        if (reasonOf(error) !== 'epoch_superseded' || attempt >= SEAL_TRIES_MAX) throw error;
        this.#revisions = await this.#patient.revisions();
      }
    }
  }

  /** Leaves behind what was never stored or was erased in any case, else where it is wanted. */
  async #leave(record: MedicalRecord, reason: StuckReason): Promise<Outcome> {
    const isUpload = record.stored === null && reason === 'missing';
    if (!isUpload && record.erased === null && !this.#options.leaveBehind) return reason;
    const { session, signer } = this.#patient;
    const call = { fn: 'record.leave', args: { recordId: record.id } };
    await this.#settle(record.id, await session.client.submit(call, signer));
    return 'left';
  }

  /** The ledger has it from a run before this one: the custodian is told by that receipt. */
  async #settleAgain(record: MedicalRecord, fn: string, outcome: Outcome): Promise<Outcome> {
    const { client } = this.#patient.session;
    this.#history ??= this.#patient.history();
    const history = await this.#history;
    const entry = history.findLast((one) => one.fn === fn && one.recordId === record.id);
    if (!entry) throw notProven(`${fn} of ${record.id}`);
    try {
      await this.#settle(record.id, await client.certified(entry.transaction));
    } catch (error) {
      if (!isStaleReceipt(error)) throw error;
      // Those who certified it were replaced since: said again, it changes nothing.
      const call = { fn, args: argsOf(record, fn) };
      await this.#settle(record.id, await client.submit(call, this.#patient.signer));
    }
    return outcome;
  }

  async #settle(recordId: string, { receipt }: CertifiedResult): Promise<void> {
    const { session, ownerKey: key } = this.#patient;
    await session.custodian.settleRecord(recordId, { key, receipt });
  }
}

/** What the ledger has of a record that came over, or was left, in the words that brought it there. */
function argsOf(record: MedicalRecord, fn: string): Call['args'] {
  const { id: recordId, generation, objectDigest, categoryTag, epoch } = record;
  if (fn === 'record.leave') return { recordId };
  const { metadataCommitment, wrapDigest } = record;
  return { recordId, generation, objectDigest, categoryTag, epoch, metadataCommitment, wrapDigest };
}
