/** Gives back to the custodian what it lost: from a copy, under the ledger's digest. */

import { chaincodeBounds } from '../../../lib/chaincode/bounds.ts';
import type { MedicalRecord } from '../../../lib/chaincode/values.ts';
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { planUpload } from '../../../lib/records/upload-plan.ts';
import { findSealed } from '../../records/record-state.ts';
import { partsOf } from '../../aws/parallel.ts';
import { findCopy } from '../copies/copy-store.ts';
import { isDamaged, settleDamaged } from '../copies/damaged.ts';
import { OutOfTime, type ReplicatorContext } from './context.ts';
import {
  completeRestore,
  CustodianRefused,
  getRange,
  type ListedAtCustodian,
  openRestore,
  putPart,
} from './custodian.ts';
import { checksumsOf } from './fetch-copy.ts';
import type { Plan } from './plan.ts';
import { say } from './say.ts';

const READ_SECONDS = 60;

/**
 * Records that the ledger says are stored and that the custodian does not list, or lists without
 * bytes; and those that a reader found damaged there.
 */
export async function restoreLost(
  context: ReplicatorContext,
  plan: Plan,
  { listed, deadline }: { listed: ReadonlyMap<string, ListedAtCustodian>; deadline: number },
): Promise<void> {
  const lost: Lost[] = [];
  for (const record of plan.wanted) {
    const copy = await findCopy(context.store, record.id);
    if (copy?.copy.status !== 'held') continue;
    const isReported = await isDamaged(context.store, record.id);
    if (isReported || !listed.get(record.id)?.isThere) lost.push({ record, isReported });
  }
  for (const records of partsOf(lost, chaincodeBounds.copyRecordsMax)) {
    // Said anew: the receipt shows what the ledger names now, and nothing that was erased.
    const named = records.map(({ record: { id, objectDigest } }) => {
      return { recordId: id, objectDigest };
    });
    const args = { pseudonym: plan.pseudonym, records: named };
    const { receipt } = await say(context, { fn: 'copy.held', args });
    for (const one of records) {
      await restoreOne(context, one, { receipt, deadline });
      await settleDamaged(context.store, one.record.id);
    }
  }
}

interface Lost {
  record: MedicalRecord;
  /** By a reader: the custodian has to look at the bytes themselves. */
  isReported: boolean;
}

async function restoreOne(
  context: ReplicatorContext,
  { record, isReported }: Lost,
  { receipt, deadline }: { receipt: Uint8Array; deadline: number },
): Promise<void> {
  const { store, objects } = context;
  const [found, sealed] = [await findCopy(store, record.id), await findSealed(store, record.id)];
  if (!found || !sealed) return;
  const { copy } = found;
  const { id: recordId } = record;
  const checksums = checksumsOf(copy).map(toBase64url);
  try {
    const offer = { recordId, ...sealed, checksums, isReported };
    const opened = await openRestore(context, receipt, offer);
    if (opened.status === 'there') return;
    const plan = planUpload(copy.length);
    const own = await objects.presignGet(copy.objectKey, READ_SECONDS);
    const etags: string[] = [];
    for (const part of plan) {
      if (context.now() >= deadline) throw new OutOfTime('giving bytes back');
      const target = opened.parts.find(({ number }) => number === part.number);
      if (!target) throw new Error('the custodian gave no address for a part');
      etags.push(await putPart(context, target, await getRange(context, own, part)));
    }
    await completeRestore(context, receipt, { recordId, etags });
    context.log({ event: 'restored', bytes: copy.length });
  } catch (error) {
    if (!(error instanceof CustodianRefused)) throw error;
    context.log({ event: 'not restored', code: error.code });
  }
}
