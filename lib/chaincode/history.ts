/** A patient's history: everything that was done or tried, in a list that is complete. */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { pseudonymField } from './fields.ts';
import { defineQuery, type TransactionCall } from './functions.ts';
import { ChaincodeError } from './errors.ts';
import type { Reader } from './draft.ts';
import { actingFor } from './representation.ts';
import type { HistoryEntry } from './values.ts';

/** Reason of an entry that gave categories new keys: their readers have to be sealed to anew. */
export const KEYS_RENEWED = 'keys_renewed';

/** Where to start and how many entries; without `from` the newest. */
export const pageArgs = {
  from: z.int().min(0).max(chaincodeBounds.listMax).optional(),
  count: z.int().min(1).max(chaincodeBounds.pageMax).optional(),
};

type Details = Partial<
  Pick<
    HistoryEntry,
    | 'recordId'
    | 'permissionId'
    | 'team'
    | 'categories'
    | 'purpose'
    | 'decision'
    | 'reason'
    | 'study'
  >
>;

/**
 * Appends what the calling transaction did to a patient's history. Of all that a representative does
 * the patient gets a notice, too.
 */
export async function remember(
  call: TransactionCall,
  pseudonym: string,
  details: Details,
): Promise<void> {
  const { actor, context } = call;
  const identity = actor.kind === 'identity' ? actor.identity : null;
  await call.draft.append(listCells.history(pseudonym), {
    time: context.time,
    height: context.height,
    transaction: call.transactionId,
    fn: call.fn,
    actor: {
      kid: actor.kid,
      role: actor.role,
      subject: identity?.subject ?? null,
      hospital: identity?.hospital ?? null,
    },
    recordId: null,
    permissionId: null,
    team: null,
    categories: [],
    purpose: null,
    decision: 'done',
    reason: null,
    study: null,
    ...details,
  });
  if (actor.kind !== 'representative') return;
  const { recordId = null, permissionId = null } = details;
  const isEnd = call.fn === 'permission.revoke';
  const topic = isEnd ? 'representative.revoked' : 'representative.acted';
  await call.draft.notify({ pseudonym }, topic, { recordId, permissionId });
}

export const historyList = defineQuery({
  name: 'history.list',
  summary: 'A page of the patient’s own history, under an earlier pseudonym too.',
  roles: ['patient', 'representative'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym, ...page }, { actor, reader }) {
    const own = await ownOrEarlier(reader, actingFor(actor, 'history').pseudonym, pseudonym);
    return reader.page(listCells.history(own), page);
  },
});

/** A patient may name the own pseudonym only. @throws ChaincodeError `unknown_patient` */
export function requireOwn(own: string, named: string | undefined): void {
  if (named !== undefined && named !== own) throw new ChaincodeError('unknown_patient');
}

/** The pseudonym and those before it, from which rotations led here; the newest first. */
export async function pseudonymsOf(reader: Reader, own: string): Promise<string[]> {
  const found = [own];
  for (let rotation = await reader.get(cells.rotation(own)); rotation;) {
    found.push(rotation.from);
    rotation = await reader.get(cells.rotation(rotation.from));
  }
  return found;
}

/**
 * The named pseudonym, if it is the patient's own or one that rotations led here from.
 * @throws ChaincodeError `unknown_patient`
 */
export async function ownOrEarlier(
  reader: Reader,
  own: string,
  named: string = own,
): Promise<string> {
  let at = own;
  for (let step = 0; at !== named; step += 1) {
    const rotation = await reader.get(cells.rotation(at));
    if (!rotation || step > chaincodeBounds.rotationsMax) {
      throw new ChaincodeError('unknown_patient');
    }
    at = rotation.from;
  }
  return at;
}
