/** A clinician's end for good: identity at once, and the grants that patients gave, in steps. */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { subjectField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { endKey } from './identity.ts';
import { keys, lists } from './keys.ts';
import { registrableRoles } from './roles.ts';
import type { Identity } from './values.ts';

const lapseReasonField = z.enum([
  'licence-lapsed',
  'number-deactivated',
  'excluded',
  'left-hospital',
]);

export const identityLapse = defineTransaction({
  name: 'identity.lapse',
  summary:
    'Ends a clinician for good, and the next grants that patients gave; repeated until none is left.',
  roles: ['operator', 'membership'],
  schema: z.strictObject({ subject: subjectField, reason: lapseReasonField }),
  hints: ({ subject }) => [keys.subject(subject), keys.lapse(subject), lists.grants(subject).count],
  async run({ subject, reason }, call) {
    const { draft, context } = call;
    const person = await draft.get(cells.subject(subject));
    const identity = person && (await draft.get(cells.identity(person.kid)));
    if (!person || !identity) throw new ChaincodeError('unknown_identity');
    requireEnder(call, identity);
    const lapse = await draft.get(cells.lapse(subject));
    if (!lapse) {
      await endKey(call, { kid: person.kid, identity }, reason);
      await draft.notify({ subject }, 'identity.lapsed');
    }
    const grants = listCells.grants(subject);
    const from = lapse?.next ?? 0;
    const count = chaincodeBounds.lapsedGrantsMax;
    const page = await draft.reader.page(grants, { from, count });
    if (lapse && page.items.length === 0) throw new ChaincodeError('already_lapsed');
    let ended = 0;
    for (const { permissionId } of page.items) {
      ended += await endGrant(call, permissionId, reason);
    }
    const next = from + page.items.length;
    draft.put(cells.lapse(subject), { next });
    return {
      subject,
      kid: person.kid,
      reason,
      ended,
      remaining: page.count - next,
      time: context.time,
    };
  },
});

/** One where a live grant ended, none where it was over before. */
async function endGrant(call: TransactionCall, permissionId: string, reason: string) {
  const { draft, context } = call;
  const permission = await draft.get(cells.permission(permissionId));
  if (!permission) throw new Error(`permission ${permissionId} is listed but missing`);
  const { time, height } = context;
  const { pseudonym, categories, revoked, until } = permission;
  if (revoked !== null || until <= time) return 0;
  draft.put(cells.permission(permissionId), { ...permission, revoked: { time, height } });
  await remember(call, pseudonym, { permissionId, categories, reason });
  await draft.notify({ pseudonym }, 'permission.lapsed', { permissionId });
  return 1;
}

/** The membership service may end anybody whom it certified; an operator those of the hospital. */
function requireEnder({ actor }: TransactionCall, identity: Identity): void {
  const { role, identity: own } = identityOf(actor);
  if (!registrableRoles.includes(identity.role)) throw new ChaincodeError('not_revocable');
  if (role === 'operator' && own.hospital !== identity.hospital) {
    throw new ChaincodeError('other_hospital');
  }
}
