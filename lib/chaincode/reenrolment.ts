/** Re-enrolment without the old key: delay, notice, objection and two approvals (design §6). */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { certificateField, subjectField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { activate, readCertificate } from './identity.ts';
import { type Reenrolment, reenrolmentReasonField } from './identity-values.ts';
import { keys } from './keys.ts';
import { everybody, registrableRoles } from './roles.ts';
import type { Identity } from './values.ts';

export const identityReenrol = defineTransaction({
  name: 'identity.reenrol',
  summary: 'Asks that a new key take the place of a lost one; the lost one can only object now.',
  roles: ['operator'],
  schema: z.strictObject({ certificate: certificateField, reason: reenrolmentReasonField }),
  hints: () => [keys.authority],
  async run({ certificate, reason }, call) {
    const { draft, context, actor } = call;
    const { kid, identity } = await readCertificate(call, certificate);
    if (await draft.get(cells.identity(kid))) throw new ChaincodeError('already_registered');
    const { subject, role, hospital } = identity;
    const { previousKid, previous, before } = await lostKey(call, identity);
    const isSame = previous.hospital === hospital && previous.role === role;
    if (!isSame) throw new ChaincodeError('renewal_mismatch');
    draft.put(cells.identity(previousKid), { ...previous, status: 'suspended' });
    draft.put(cells.subject(subject), { kid: previousKid, role, hospital, status: 'suspended' });
    const { time, height } = context;
    const from = time + context.parameters.recoveryDelayMs;
    const origin = { kid: previousKid, how: 're-enrolled' as const };
    draft.put(cells.reenrolment(subject), {
      ...{ kid, previousKid, before, reason, from },
      identity: { ...identity, origin },
      requested: { kid: actor.kid, hospital: hospitalOfActor(call), at: { time, height } },
      approved: null,
      until: from + chaincodeBounds.reenrolmentMs,
      status: 'open',
    });
    await draft.notify({ subject }, 'identity.re-enrolment-asked');
    return { kid, previousKid, subject, role, hospital, from };
  },
});

export const identityApproveReenrolment = defineTransaction({
  name: 'identity.approve-reenrolment',
  summary: 'A second hospital vouches that the person behind a new key is the same.',
  roles: ['operator'],
  schema: z.strictObject({ subject: subjectField }),
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, call) {
    const { draft, context, actor } = call;
    const open = await openReenrolment(call, subject);
    const hospital = hospitalOfActor(call);
    if (hospital === open.requested.hospital) throw new ChaincodeError('same_hospital');
    const { time, height } = context;
    const approved = { kid: actor.kid, hospital, at: { time, height } };
    draft.put(cells.reenrolment(subject), { ...open, approved: open.approved ?? approved });
    return { subject, kid: open.kid, from: open.from };
  },
});

export const identityFinishReenrolment = defineTransaction({
  name: 'identity.finish-reenrolment',
  summary: 'Makes the new key count once two hospitals approved and the delay is over.',
  roles: ['operator'],
  schema: z.strictObject({ subject: subjectField }),
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, call) {
    const { draft, context } = call;
    const open = await openReenrolment(call, subject);
    const { kid, previousKid, identity, approved } = open;
    const { time, height } = context;
    if (approved === null) throw new ChaincodeError('reenrolment_not_approved');
    await requireOperators(call, [open.requested.kid, approved.kid]);
    if (time < open.from) throw new ChaincodeError('reenrolment_waits');
    if (identity.validUntil !== null && time > identity.validUntil) {
      throw new ChaincodeError('certificate_expired');
    }
    if (await draft.get(cells.identity(kid))) throw new ChaincodeError('already_registered');
    const previous = await identityAt(call, previousKid);
    const ended = { time, height, reason: 're-enrolled' };
    draft.put(cells.identity(previousKid), {
      ...previous,
      status: 'renewed',
      ended,
      successor: kid,
    });
    activate(call, { kid, identity: { ...identity, since: { time, height } } });
    draft.put(cells.reenrolment(subject), { ...open, status: 'done' });
    await draft.notify({ subject }, 'identity.re-enrolled');
    return { kid, previousKid, subject, role: identity.role, hospital: identity.hospital };
  },
});

export const identityVetoReenrolment = defineTransaction({
  name: 'identity.veto-reenrolment',
  summary: 'Ends an open re-enrolment: the old key objects, or the hospital withdraws it.',
  roles: ['operator', ...registrableRoles],
  schema: z.strictObject({ subject: subjectField }),
  isForSuspended: true,
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, call) {
    const { draft, actor } = call;
    const open = await openReenrolment(call, subject, { isAnyTime: true });
    const isHolder = actor.kid === open.previousKid;
    const isAsker = actor.role === 'operator' && hospitalOfActor(call) === open.requested.hospital;
    if (!isHolder && !isAsker) throw new ChaincodeError('role_denied');
    const status = isHolder ? 'vetoed' : 'withdrawn';
    const previous = await identityAt(call, open.previousKid);
    draft.put(cells.identity(open.previousKid), { ...previous, status: open.before });
    const { role, hospital } = previous;
    draft.put(cells.subject(subject), {
      ...{ kid: open.previousKid, role, hospital },
      status: open.before,
    });
    draft.put(cells.reenrolment(subject), { ...open, status });
    await draft.notify({ subject }, 'identity.re-enrolment-ended');
    for (const step of [open.requested, open.approved]) {
      const operator = step && (await draft.get(cells.identity(step.kid)));
      if (operator) await draft.notify(operator, 'identity.re-enrolment-ended');
    }
    return { subject, kid: open.kid, previousKid: open.previousKid, status };
  },
});

export const identityReenrolment = defineQuery({
  name: 'identity.reenrolment',
  summary: 'The open re-enrolment of a subject, or the last one.',
  roles: everybody,
  schema: z.strictObject({ subject: subjectField }),
  isForSuspended: true,
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, { reader }) {
    const found = await reader.get(cells.reenrolment(subject));
    if (!found) throw new ChaincodeError('no_reenrolment');
    const { kid, previousKid, reason, requested, approved, from, until, status } = found;
    const { name, role, hospital } = found.identity;
    const who = { subject, name, role, hospital };
    return { ...who, kid, previousKid, reason, requested, approved, from, until, status };
  },
});

/**
 * The key that is lost: the present one of the subject, live or ended because of its loss. What
 * ended for another reason, a lapse above all, does not come back this way.
 */
async function lostKey(call: TransactionCall, { subject }: Identity) {
  const { draft, context } = call;
  const person = await draft.get(cells.subject(subject));
  if (!person) throw new ChaincodeError('unknown_identity');
  const previous = await identityAt(call, person.kid);
  const { status, ended } = previous;
  if (status === 'active') return { previousKid: person.kid, previous, before: 'active' as const };
  if (status === 'revoked') {
    if (ended?.reason !== 'key-compromised') throw new ChaincodeError('subject_ended');
    return { previousKid: person.kid, previous, before: 'revoked' as const };
  }
  const open = await draft.get(cells.reenrolment(subject));
  if (open?.status !== 'open') throw new Error(`${subject} is suspended without a reason`);
  if (context.time <= open.until) throw new ChaincodeError('reenrolment_open');
  return { previousKid: person.kid, previous, before: open.before };
}

/** The open re-enrolment of a subject whose old key still waits for its outcome. */
async function openReenrolment(
  call: TransactionCall,
  subject: string,
  { isAnyTime = false } = {},
): Promise<Reenrolment> {
  const { draft, context } = call;
  const found = await draft.get(cells.reenrolment(subject));
  if (found?.status !== 'open') throw new ChaincodeError('no_reenrolment');
  // The identity may have been revoked meanwhile: then there is nothing to hand over.
  const { status } = await identityAt(call, found.previousKid);
  if (status !== 'suspended') throw new ChaincodeError('subject_ended');
  if (!isAnyTime && context.time > found.until) throw new ChaincodeError('reenrolment_over');
  return found;
}

/** Both who approved are still operators: one whose key was replaced no longer vouches. */
async function requireOperators({ draft }: TransactionCall, kids: readonly string[]) {
  for (const kid of kids) {
    const operator = await draft.get(cells.identity(kid));
    if (operator?.status !== 'active') throw new ChaincodeError('reenrolment_not_approved');
  }
}

async function identityAt({ draft }: TransactionCall, kid: string): Promise<Identity> {
  const identity = await draft.get(cells.identity(kid));
  if (!identity) throw new Error(`the identity ${kid} is missing of state`);
  return identity;
}

/** @throws ChaincodeError `other_hospital` for parties of the whole network */
function hospitalOfActor({ actor }: TransactionCall): string {
  const { hospital } = identityOf(actor).identity;
  if (hospital === null) throw new ChaincodeError('other_hospital');
  return hospital;
}
