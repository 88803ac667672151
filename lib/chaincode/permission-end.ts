/** The end of a permission, whoever holds it: in this block, with the keys that go with it. */
import { cells } from './cells.ts';
import { teamOf } from './decision.ts';
import { ChaincodeError } from './errors.ts';
import type { PlainValue, TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { publishedKeys } from './patient.ts';
import {
  type Renewal,
  receiptsUsableUntil,
  renewalReason,
  renewAsAsked,
  tellHolders,
} from './permission-parts.ts';
import type { Permission } from './values.ts';

/** @throws ChaincodeError `already_revoked`, or why keys cannot be renewed so */
export async function endPermission(
  call: TransactionCall,
  permission: Permission,
  renewal: Renewal,
): Promise<{ [name: string]: PlainValue }> {
  const { draft, context } = call;
  if (permission.revoked !== null) throw new ChaincodeError('already_revoked');
  const { time, height } = context;
  const { id: permissionId, pseudonym, categories, grantee, version } = permission;
  draft.put(cells.permission(permissionId), { ...permission, revoked: { time, height } });
  await renewAsAsked(call, pseudonym, renewal);
  const reason = renewalReason(renewal);
  await remember(call, pseudonym, { permissionId, team: teamOf(permission), categories, reason });
  await tellHolders(call, permission, 'permission.revoked');
  const patient = await draft.get(cells.patient(pseudonym));
  if (!patient) throw new Error(`patient of ${permissionId} is missing`);
  return {
    permissionId,
    grantee,
    version,
    receiptsUsableUntil: receiptsUsableUntil(call, permission),
    ...publishedKeys(pseudonym, patient),
  };
}
