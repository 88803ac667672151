/** Naming the person behind a one-time certificate: two persons, and an entry that stays. */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { present } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { pageArgs } from './history.ts';
import { type Unmask, unmaskReasonField } from './identity-values.ts';
import { keys, lists } from './keys.ts';
import { everybody, type Role } from './roles.ts';

const unmaskers: readonly Role[] = ['operator', 'auditor'];

export const identityUnmask = defineTransaction({
  name: 'identity.unmask',
  summary: 'Asks that the membership service name who got a one-time certificate, with a reason.',
  roles: unmaskers,
  schema: z.strictObject({
    unmaskId: idField,
    /** Salted commitment to the serial number, so that nobody else learns whose it is about. */
    commitment: digestField,
    reasonCode: unmaskReasonField,
  }),
  hints: ({ unmaskId }) => [keys.unmask(unmaskId), lists.unmaskings().count],
  async run({ unmaskId, commitment, reasonCode }, call) {
    const { draft } = call;
    if (await draft.get(cells.unmask(unmaskId))) throw new ChaincodeError('unmask_exists');
    const requested = personAt(call);
    draft.put(cells.unmask(unmaskId), {
      id: unmaskId,
      ...{ commitment, reasonCode, requested },
      approved: null,
    });
    await draft.append(listCells.unmaskings(), { unmaskId });
    return { unmaskId, commitment, reasonCode };
  },
});

export const identityApproveUnmask = defineTransaction({
  name: 'identity.approve-unmask',
  summary:
    'A second person, of another hospital, agrees; the receipt is what membership answers to.',
  roles: unmaskers,
  schema: z.strictObject({ unmaskId: idField }),
  hints: ({ unmaskId }) => [keys.unmask(unmaskId)],
  async run({ unmaskId }, call) {
    const { draft, context } = call;
    const found = await draft.get(cells.unmask(unmaskId));
    if (!found) throw new ChaincodeError('unknown_unmask');
    if (found.approved !== null) throw new ChaincodeError('unmask_approved');
    const { requested, commitment, reasonCode } = found;
    const approved = personAt(call);
    if (approved.hospital === requested.hospital) throw new ChaincodeError('same_hospital');
    const requester = await draft.get(cells.identity(requested.kid));
    const isOver = context.time > requested.at.time + chaincodeBounds.unmaskMs;
    if (isOver || requester?.status !== 'active') throw new ChaincodeError('unmask_over');
    draft.put(cells.unmask(unmaskId), { ...found, approved });
    const { subject } = requested;
    await draft.notify({ subject }, 'identity.unmask-approved');
    return {
      ...{ unmaskId, commitment, reasonCode },
      requesterKid: requested.kid,
      requesterHospital: requested.hospital,
      approverKid: approved.kid,
      approverHospital: approved.hospital,
      usableUntil: context.time + chaincodeBounds.unmaskUsableMs,
    };
  },
});

export const identityUnmaskings = defineQuery({
  name: 'identity.unmaskings',
  summary: 'A page of all requests to name somebody: who asked, who agreed, and why.',
  roles: everybody,
  schema: z.strictObject(pageArgs),
  async run(args, { reader }) {
    const page = await reader.page(listCells.unmaskings(), args);
    const requests = page.items.map(({ unmaskId }) => cells.unmask(unmaskId));
    return { ...page, items: await present(reader, requests) };
  },
});

/** Who acts, and for which hospital: the two must be of different ones. */
function personAt({ actor, context }: TransactionCall): Unmask['requested'] {
  const { kid, role, identity } = identityOf(actor);
  const { subject, hospital } = identity;
  if (hospital === null) throw new ChaincodeError('other_hospital');
  const { time, height } = context;
  return { kid, hospital, role, subject, at: { time, height } };
}
