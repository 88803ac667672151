/** Representatives: people whom a patient lets act, with stated rights and time (design §7). */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { timeField } from '../wire/fields.ts';
import { patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { asAppointed } from './decision.ts';
import { present, type Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import {
  digestField,
  distinct,
  grantPurposeField,
  idField,
  monthField,
  pseudonymField,
  publicKeyText,
  signatureText,
  tagField,
} from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, pageArgs, remember } from './history.ts';
import { keys } from './keys.ts';
import { permissionsOf } from './permission.ts';
import { isWholeRenewal, renewalArgs, wholeRenewal } from './permission-parts.ts';
import { endPermission } from './permission-end.ts';
import { representativeSigningBytes } from './representation.ts';
import { powersField } from './representative-values.ts';
import type { Permission } from './values.ts';

const appointSchema = z
  .strictObject({
    permissionId: idField,
    /** The key that will act: the representative made it for this patient alone. */
    publicKey: publicKeyText,
    /** Digest of the X-Wing key that is sealed to. */
    encryptionKeyDigest: digestField,
    /** The representative's signature over `representativeSigningBytes`. */
    signature: signatureText,
    powers: powersField,
    categories: distinct(tagField, 1, chaincodeBounds.categoriesMax),
    /** In from ≤ block time < until, milliseconds. */
    from: timeField,
    until: timeField,
    dataFrom: monthField.optional(),
    dataUntil: monthField.optional(),
    /** What the representative may permit others to use data for. */
    purposes: distinct(grantPurposeField, 1, grantPurposeField.options.length),
    shareDigest: digestField,
  })
  .refine(({ from, until }) => from < until, 'it ends before it starts')
  .refine(
    ({ dataFrom, dataUntil }) => !dataFrom || !dataUntil || dataFrom <= dataUntil,
    'the period of data ends before it starts',
  );
type AppointArgs = z.infer<typeof appointSchema>;

export const representativeAppoint = defineTransaction({
  name: 'representative.appoint',
  summary:
    'Lets the holder of a key act for the patient: with these rights, in these categories, for ' +
    'this time, and nothing else.',
  roles: ['patient'],
  schema: appointSchema,
  hints: ({ permissionId }) => [keys.permission(permissionId), keys.appointment(permissionId)],
  async run(args, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const { permissionId, powers, categories, shareDigest, until } = args;
    if (await draft.get(cells.permission(permissionId))) {
      throw new ChaincodeError('permission_exists');
    }
    if (until <= context.time) throw new ChaincodeError('permission_over');
    const kid = await requireFreeKey(call, pseudonym, args);
    const now = { time: context.time, height: context.height };
    const permission: Permission = {
      ...{ id: permissionId, pseudonym, grantee: kid, granteeKind: 'representative' },
      rights: powers.includes('read') ? ['read'] : [],
      ...{ categories, from: args.from, until },
      ...{ dataFrom: args.dataFrom ?? null, dataUntil: args.dataUntil ?? null },
      ...{ purposes: args.purposes, study: null, anonymise: null },
      ...{ shareDigest, teamEpoch: null, sealed: now, version: 1, granted: now, revoked: null },
      appointmentId: null,
    };
    const publicKey = fromBase64url(args.publicKey);
    const encryptionKeyDigest = fromBase64url(args.encryptionKeyDigest);
    draft.put(cells.permission(permissionId), permission);
    draft.put(cells.appointment(permissionId), { kid, publicKey, encryptionKeyDigest, powers });
    draft.put(cells.representative(kid), { pseudonym, permissionId, publicKey });
    await draft.append(listCells.permissions(pseudonym), { permissionId });
    await draft.append(listCells.appointments(pseudonym), { permissionId });
    await remember(call, pseudonym, { permissionId, categories });
    draft.announce(kid, 'representative.appointed');
    const share = { team: null, granteeKid: kid, shareDigest, version: 1 };
    return { permissionId, pseudonym, ...share, powers, from: args.from, until };
  },
});

export const representativeEnd = defineTransaction({
  name: 'representative.end',
  summary:
    'Ends an appointment in this block, and all that the representative gave; renews keys as ' +
    'ending a permission does.',
  roles: ['patient'],
  schema: z
    .strictObject({ permissionId: idField, ...renewalArgs })
    .refine(isWholeRenewal, wholeRenewal),
  hints: ({ permissionId }) => [keys.permission(permissionId)],
  async run({ permissionId, ...renewal }, call) {
    const { pseudonym } = patientOf(call.actor);
    const permission = await call.draft.get(cells.permission(permissionId));
    const isOwn = permission?.pseudonym === pseudonym;
    if (!isOwn || permission.granteeKind !== 'representative') {
      throw new ChaincodeError('unknown_permission');
    }
    const value = await endPermission(call, permission, renewal);
    call.draft.announce(permission.grantee, 'representative.ended');
    return value;
  },
});

export const representativeList = defineQuery({
  name: 'representative.list',
  summary: 'A page of all whom the patient ever appointed, under an earlier pseudonym too.',
  roles: ['patient'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym: named, ...args }, { actor, reader }) {
    const pseudonym = await ownOrEarlier(reader, patientOf(actor).pseudonym, named);
    const page = await reader.page(listCells.appointments(pseudonym), args);
    const permissions = await permissionsOf(reader, page.items);
    const appointments = await present(
      reader,
      permissions.map(({ id }) => cells.appointment(id)),
    );
    const items = appointments.map(({ powers }, at) => ({
      permission: permissions[at] as Permission,
      powers,
    }));
    return { ...page, items };
  },
});

export const representativeMine = defineQuery({
  name: 'representative.mine',
  summary: 'The representative’s own appointment, and what was given under it.',
  roles: ['representative'],
  schema: z.strictObject(pageArgs),
  async run(args, { actor, reader }) {
    if (actor.kind !== 'representative') throw new ChaincodeError('role_denied');
    const { pseudonym, appointment, powers } = actor;
    const page = await reader.page(listCells.given(appointment.id), args);
    const items = await asAppointed(reader, await permissionsOf(reader, page.items));
    return { ...page, items, pseudonym, permission: appointment, powers };
  },
});

/**
 * The thumbprint of a key that its holder offered, and that nobody uses. One patient may appoint a key
 * again, after a rotation too, once its last appointment is over.
 */
async function requireFreeKey(
  { draft, context }: TransactionCall,
  pseudonym: string,
  { publicKey: text, encryptionKeyDigest, signature }: AppointArgs,
): Promise<string> {
  const publicKey = fromBase64url(text);
  const kid = thumbprint(publicKey);
  const { network } = context;
  const card = { network, publicKey: text, encryptionKeyDigest };
  const signed = representativeSigningBytes(card);
  if (!(await context.verify(publicKey, signed, fromBase64url(signature)))) {
    throw new ChaincodeError('bad_representative_key');
  }
  const isKnown = (await draft.get(cells.owner(kid))) ?? (await draft.get(cells.identity(kid)));
  if (isKnown) throw new ChaincodeError('representative_key_taken');
  const before = await draft.get(cells.representative(kid));
  if (!before) return kid;
  const permission = await draft.get(cells.permission(before.permissionId));
  if (!permission) throw new Error(`appointment ${before.permissionId} is missing`);
  const isSame = before.pseudonym === pseudonym;
  const isOver = permission.revoked !== null || permission.until <= context.time;
  if (isSame ? isOver : await isEarlier(draft.reader, pseudonym, before.pseudonym)) return kid;
  throw new ChaincodeError('representative_key_taken');
}

/** Whether rotations led from one pseudonym to the other: all of the earlier one is over. */
async function isEarlier(reader: Reader, own: string, other: string): Promise<boolean> {
  try {
    await ownOrEarlier(reader, own, other);
    return true;
  } catch (error) {
    if (error instanceof ChaincodeError) return false;
    throw error;
  }
}
