/** Emergency access: a verified clinician breaks the glass, on the record (design §7). */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { identityOf, patientOf } from './actor.ts';
import { cells, listCells } from './cells.ts';
import { type Declaration, emergencyReasonField } from './emergency-values.ts';
import { ChaincodeError } from './errors.ts';
import {
  depositEscrow,
  depositValue,
  endEscrow,
  endValue,
  escrowFields,
  liveEscrow,
  releaseValue,
} from './escrow.ts';
import { digestField, idField } from './fields.ts';
import { defineTransaction, type PlainValue, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import type { Role } from './roles.ts';
import type { Identity } from './values.ts';

/** Who may break the glass. */
export const emergencyRoles: readonly Role[] = ['doctor', 'nurse'];

export const emergencyDeposit = defineTransaction({
  name: 'emergency.deposit',
  summary: 'Puts the key of the patient’s emergency summary in escrow, and names the card.',
  roles: ['patient'],
  schema: z.strictObject({ ...escrowFields, handle: digestField }),
  hints: ({ escrowId, handle }) => [
    keys.escrow(escrowId),
    keys.emergencyHandle(handle),
    keys.validators,
  ],
  async run({ handle, ...deposit }, call) {
    const { pseudonym } = patientOf(call.actor);
    const escrow = await depositEscrow(call, 'emergency', deposit);
    await nameCard(call, pseudonym, handle);
    await remember(call, pseudonym, {});
    return depositValue(escrow);
  },
});

export const emergencyWithdraw = defineTransaction({
  name: 'emergency.withdraw',
  summary: 'Ends emergency access: the card is void and validators erase their shares.',
  roles: ['patient'],
  schema: z.strictObject({}),
  async run(_args, call) {
    const { pseudonym } = patientOf(call.actor);
    const escrow = await endEscrow(call, pseudonym, 'emergency');
    await voidCard(call, pseudonym);
    await remember(call, pseudonym, {});
    return endValue([escrow]);
  },
});

export const emergencyDeclare = defineTransaction({
  name: 'emergency.declare',
  summary: 'Declares an emergency by the handle of a card, or commits to an identity without one.',
  roles: emergencyRoles,
  schema: z
    .strictObject({
      declarationId: idField,
      reason: emergencyReasonField,
      /** From the card. */
      handle: idField.optional(),
      /** Commitment to who it is; the membership service then finds the card. */
      identity: digestField.optional(),
    })
    .refine(({ handle, identity }) => (handle === undefined) !== (identity === undefined), 'one'),
  hints: ({ declarationId, handle }) => [
    keys.declaration(declarationId),
    ...(handle === undefined ? [] : [keys.emergencyHandle(handleDigest(handle))]),
  ],
  async run({ declarationId, reason, handle, identity }, call) {
    const { draft, context } = call;
    const { kid, identity: own } = identityOf(call.actor);
    if (await draft.get(cells.declaration(declarationId))) {
      throw new ChaincodeError('declaration_exists');
    }
    const { time, height } = context;
    const { subject, hospital } = own;
    const declaration: Declaration = {
      id: declarationId,
      clinician: { kid, subject, hospital },
      reason,
      declared: { time, height },
      until: time + context.parameters.emergencyAccessMs,
      ...{ pseudonym: null, identity: identity ?? null, releases: 0, review: null },
    };
    await draft.append(listCells.declarations(), { declarationId });
    await draft.append(listCells.subjectDeclarations(subject), { declarationId });
    if (handle !== undefined) {
      return bindTo(call, declaration, handleDigest(handle), { kid, identity: own });
    }
    draft.put(cells.declaration(declarationId), declaration);
    // Who declared may ask the membership service to name the card.
    const asked = { readerKid: kid, identity: identity ?? null };
    return { declarationId, reason, until: declaration.until, status: 'unbound', ...asked };
  },
});

export const emergencyBind = defineTransaction({
  name: 'emergency.bind',
  summary: 'Names the card of the person to whom an unbound declaration commits.',
  roles: ['membership'],
  schema: z.strictObject({ declarationId: idField, handle: digestField }),
  hints: ({ declarationId, handle }) => [
    keys.declaration(declarationId),
    keys.emergencyHandle(handle),
  ],
  async run({ declarationId, handle }, call) {
    const { draft, context } = call;
    const declaration = await draft.get(cells.declaration(declarationId));
    if (!declaration) throw new ChaincodeError('unknown_declaration');
    if (declaration.pseudonym !== null) throw new ChaincodeError('already_bound');
    if (context.time >= declaration.until) throw new ChaincodeError('declaration_over');
    const holder = await holderOf(call, declaration);
    return bindTo(call, declaration, handle, holder);
  },
});

export const emergencyAccess = defineTransaction({
  name: 'emergency.access',
  summary: 'Opens the summary once more under an own declaration that is not over.',
  roles: emergencyRoles,
  schema: z.strictObject({ declarationId: idField }),
  hints: ({ declarationId }) => [keys.declaration(declarationId)],
  async run({ declarationId }, call) {
    const { kid, identity } = identityOf(call.actor);
    const declaration = await call.draft.get(cells.declaration(declarationId));
    if (!declaration || declaration.clinician.subject !== identity.subject) {
      throw new ChaincodeError('unknown_declaration');
    }
    if (declaration.pseudonym === null) throw new ChaincodeError('declaration_unbound');
    if (call.context.time >= declaration.until) throw new ChaincodeError('declaration_over');
    const value = await release(call, declaration, declaration.pseudonym, { kid, identity });
    call.draft.announce(declaration.pseudonym, 'emergency.accessed');
    return value;
  },
});

/** What a declaration and the ledger name a card by. */
export function handleDigest(handle: string): string {
  return toBase64url(taggedHash('emergency-handle', fromBase64url(handle)));
}

interface Holder {
  readonly kid: string;
  readonly identity: Identity;
}

/** Says whom a declaration is about; from here on the patient knows. */
async function bindTo(
  call: TransactionCall,
  declaration: Declaration,
  handle: string,
  holder: Holder,
): Promise<PlainValue> {
  const { draft } = call;
  const card = await draft.get(cells.emergencyHandle(handle));
  if (!card) throw new ChaincodeError('unknown_handle');
  if (!card.active) throw new ChaincodeError('handle_void');
  const { pseudonym } = card;
  const { id: declarationId } = declaration;
  await draft.append(listCells.patientDeclarations(pseudonym), { declarationId });
  await draft.notify({ pseudonym }, 'emergency.declared');
  return release(call, { ...declaration, pseudonym }, pseudonym, holder);
}

/** Each release is a transaction of its own: the patient's history is complete. */
async function release(
  call: TransactionCall,
  declaration: Declaration,
  pseudonym: string,
  { kid, identity }: Holder,
): Promise<PlainValue> {
  const { draft, context } = call;
  const { id: declarationId, reason, until, releases } = declaration;
  const escrow = await liveEscrow(draft.reader, pseudonym, 'emergency');
  const { encryptionKeyDigest } = identity;
  if (!encryptionKeyDigest) throw new ChaincodeError('role_denied');
  draft.put(cells.declaration(declarationId), { ...declaration, releases: releases + 1 });
  await remember(call, pseudonym, { purpose: 'BTG', decision: 'permit', reason });
  const usableUntil = Math.min(until, context.time + context.parameters.receiptUsableMs);
  const readerKeyDigest = toBase64url(encryptionKeyDigest);
  const reader = { readerKid: kid, readerKeyDigest, usableUntil };
  const value = { declarationId, reason, until, pseudonym, status: 'open' };
  return { ...value, ...releaseValue(escrow, reader) };
}

/** The present key of the clinician who declared. @throws ChaincodeError where there is none */
async function holderOf({ draft, context }: TransactionCall, declaration: Declaration) {
  const subject = await draft.get(cells.subject(declaration.clinician.subject));
  if (subject?.status !== 'active') throw new ChaincodeError('identity_revoked');
  const identity = await draft.get(cells.identity(subject.kid));
  if (!identity) throw new Error(`the identity ${subject.kid} is missing of state`);
  if (identity.validUntil !== null && context.time > identity.validUntil) {
    throw new ChaincodeError('identity_expired');
  }
  return { kid: subject.kid, identity };
}

/** A card is for one patient only, for good; the one before it is void. */
async function nameCard(call: TransactionCall, pseudonym: string, handle: string): Promise<void> {
  const { draft } = call;
  const known = await draft.get(cells.emergencyHandle(handle));
  if (known && known.pseudonym !== pseudonym) throw new ChaincodeError('handle_taken');
  const card = await draft.get(cells.emergencyCard(pseudonym));
  if (card && card.handle !== handle) await voidCard(call, pseudonym);
  if (known?.active === false) throw new ChaincodeError('handle_void');
  draft.put(cells.emergencyHandle(handle), { pseudonym, active: true });
  draft.put(cells.emergencyCard(pseudonym), { handle });
}

async function voidCard({ draft }: TransactionCall, pseudonym: string): Promise<void> {
  const card = await draft.get(cells.emergencyCard(pseudonym));
  if (card) draft.put(cells.emergencyHandle(card.handle), { pseudonym, active: false });
}
