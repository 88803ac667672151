/** POST /v1/shares and /v1/shares/fetch: what patients seal to their grantees. */

import type { z } from 'zod';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { readCapability } from '../../lib/records/capability.ts';
import { fromSealedText, sealedDigest, sealedSchema } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import type { fetchSharesSchema, shareSchema } from './routes.ts';

const PAGE_CHARS_MAX = 4_500_000;
const PAGE_ITEMS = 100;

/**
 * Keeps a share under the key of its grantee. Whoever brings it, it can only be the one whose
 * digest the patient signed, so the same again is harmless.
 */
export async function putShare(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof shareSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { permissionId, granteeKid, shareDigest } = readCapability('grant', receipt.result);
  if (toBase64url(sealedDigest(fromSealedText(body.share))) !== shareDigest) {
    throw new HttpError('share_mismatch', 'This is not the share that the ledger names.');
  }
  await context.store.insert(wrapKeys.share(granteeKid, permissionId), body.share);
  return { status: 200, body: { permissionId } };
}

/** What is sealed to the caller's key; `next` where there is more. */
export async function fetchShares(
  context: RecordsContext,
  request: HttpRequest,
  { after: start }: z.infer<typeof fetchSharesSchema>,
): Promise<HttpAnswer> {
  const caller = await requireCaller(context, request);
  const shares: unknown[] = [];
  let characters = 0;
  let after = start;
  const { pk } = wrapKeys.share(caller.kid, '');
  for (;;) {
    const page = await context.store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === undefined ? {} : { after }),
    });
    for (const { sk, value } of page) {
      const share = parseWith(sealedSchema(recordsBounds.shareBytesMax), value);
      characters += share.ciphertext.length + share.enc.length;
      if (shares.length > 0 && characters > PAGE_CHARS_MAX) {
        return { status: 200, body: { shares, ...(after === undefined ? {} : { next: after }) } };
      }
      shares.push({ permissionId: sk, ...share });
      after = sk;
    }
    if (page.length < PAGE_ITEMS) return { status: 200, body: { shares } };
  }
}
