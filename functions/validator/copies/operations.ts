/** A hospital's copies: the same receipts and proofs as at the custodian, for the own address. */

import type { z } from 'zod';
import { readCapability } from '../../../lib/records/capability.ts';
import type { HttpAnswer, HttpRequest, Operations } from '../../aws/http.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import {
  type PermitContext,
  requireCaller,
  requireReader,
  requireReceipt,
} from '../../aws/permit.ts';
import { HttpError } from '../../aws/problems.ts';
import { withBody } from '../../aws/service-operations.ts';
import { metadataPage } from '../../records/access.ts';
import type { ObjectStore } from '../../records/object-store.ts';
import { requireSealed } from '../../records/record-state.ts';
import { sharesPage } from '../../records/shares.ts';
import { requireMember, sealTo } from '../../records/team-state.ts';
import { findCopy } from './copy-store.ts';
import { reportDamaged } from './damaged.ts';
import {
  copyAccessSchema,
  copyMetadataSchema,
  copySharesSchema,
  copyTeamKeySchema,
} from './routes.ts';

const PRESIGN_SECONDS = 60;

export interface CopiesContext extends PermitContext {
  readonly store: Pick<ItemStore, 'get' | 'list' | 'insert' | 'replace'>;
  readonly objects: Pick<ObjectStore, 'presignGet'>;
  /** Wakes the replicator for this patient. */
  wake(pseudonym: string): Promise<void>;
}

/** Operations by `METHOD /path`, one for each row of `copyRoutes`. */
export function copyOperations(context: CopiesContext): Operations {
  return {
    'POST /v1/copies/access': withBody(copyAccessSchema, (body, request) =>
      openCopy(context, request, body),
    ),
    'POST /v1/copies/metadata': withBody(copyMetadataSchema, (body, request) =>
      listCopies(context, request, body),
    ),
    'POST /v1/copies/shares': withBody(copySharesSchema, async ({ teamId, after }, request) => {
      const { kid } = await requireCaller(context, request);
      if (teamId !== undefined) await requireMember(context.store, teamId, kid);
      return { status: 200, body: await sharesPage(context.store, teamId ?? kid, after) };
    }),
    'POST /v1/copies/team-keys': withBody(copyTeamKeySchema, async ({ teamId }, request) => {
      const { kid } = await requireCaller(context, request);
      return { status: 200, body: { teamId, sealed: await sealTo(context.store, teamId, kid) } };
    }),
  };
}

/** No receipt, no bytes. A copy is given out from when the ledger lists it, and of no other bytes. */
async function openCopy(
  context: CopiesContext,
  request: HttpRequest,
  body: z.infer<typeof copyAccessSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('access', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  const copy = (await findCopy(context.store, permit.recordId))?.copy;
  if (copy?.status !== 'held') throw noCopy();
  if (copy.objectDigest !== permit.objectDigest) {
    throw new HttpError('digest_mismatch', 'The copy is of other bytes than the ledger names now.');
  }
  const sealed = await requireSealed(context.store, permit.recordId);
  if (body.isDamaged) {
    await reportDamaged(context.store, permit.recordId);
    await context.wake(copy.pseudonym);
  }
  const url = await context.objects.presignGet(copy.objectKey, PRESIGN_SECONDS);
  const { length, objectDigest: digest } = copy;
  return { status: 200, body: { url, ...sealed, length, digest } };
}

async function listCopies(
  context: CopiesContext,
  request: HttpRequest,
  { receipt: text, after }: z.infer<typeof copyMetadataSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, text);
  const permit = readCapability('list', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  return { status: 200, body: await metadataPage(context.store, permit, after) };
}

function noCopy(): HttpError {
  return new HttpError('unknown_record', 'This hospital holds no copy of the record.');
}
