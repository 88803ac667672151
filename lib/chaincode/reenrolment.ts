/** Re-enrolment without the old key: delay, notice, objection and two approvals (design §6). */
import { z } from 'zod';
import { quorumSize } from '../wire/validators.ts';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { certificateField, subjectField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { activate, readCertificate } from './identity.ts';
import { type Reenrolment, reenrolmentReasonField } from './identity-values.ts';
import { keys } from './keys.ts';
import { everybody, registrableRoles } from './roles.ts';
import { setOf } from './seats.ts';
import type { Identity } from './values.ts';

/** The own hospital, and one that vouches for the person too. */
const HOSPITALS_MIN = 2;

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
    const { previousKid, previous, before, contested } = await lostKey(call, identity);
    const isSame = previous.hospital === hospital && previous.role === role;
    if (!isSame) throw new ChaincodeError('renewal_mismatch');
    // Where a quorum has to decide, it alone stops the old key: one hospital could else do so for good.
    if (!contested) suspend(call, previousKid, previous);
    const { time, height } = context;
    const from = time + context.parameters.recoveryDelayMs;
    const origin = { kid: previousKid, how: 're-enrolled' as const };
    draft.put(cells.reenrolment(subject), {
      ...{ kid, previousKid, before, reason, from, contested },
      identity: { ...identity, origin },
      requested: { kid: actor.kid, hospital: hospitalOfActor(call), at: { time, height } },
      approvals: [],
      until: from + chaincodeBounds.reenrolmentMs,
      status: 'open',
    });
    await draft.notify({ subject }, 'identity.re-enrolment-asked');
    return { kid, previousKid, subject, role, hospital, from, contested };
  },
});

export const identityApproveReenrolment = defineTransaction({
  name: 'identity.approve-reenrolment',
  summary: 'Another hospital vouches that the person behind a new key is the same.',
  roles: ['operator'],
  schema: z.strictObject({ subject: subjectField }),
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, call) {
    const { draft, context, actor } = call;
    const open = await openReenrolment(call, subject);
    const hospital = hospitalOfActor(call);
    const { time, height } = context;
    const word = { kid: actor.kid, hospital, at: { time, height } };
    const isOwn = hospital === open.requested.hospital;
    if (isOwn && actor.kid === open.requested.kid) throw new ChaincodeError('same_hospital');
    const others = open.approvals.filter((one) => one.hospital !== hospital);
    const next: Reenrolment = isOwn
      ? { ...open, requested: word }
      : { ...open, approvals: [...others, word].slice(-chaincodeBounds.approvalsMax) };
    const counted = await countedHospitals(draft, next);
    const needed = await neededHospitals(draft, next);
    const previous = await identityAt(call, open.previousKid);
    const isAgreed = counted.length >= needed && previous.status !== 'suspended';
    const before = previous.status === 'revoked' ? ('revoked' as const) : open.before;
    draft.put(cells.reenrolment(subject), isAgreed ? { ...next, before } : next);
    if (isAgreed) suspend(call, open.previousKid, previous);
    return { subject, kid: open.kid, from: open.from, approvals: counted.length, needed };
  },
});

export const identityFinishReenrolment = defineTransaction({
  name: 'identity.finish-reenrolment',
  summary: 'Makes the new key count once enough hospitals approved and the delay is over.',
  roles: ['operator'],
  schema: z.strictObject({ subject: subjectField }),
  hints: ({ subject }) => [keys.reenrolment(subject)],
  async run({ subject }, call) {
    const { draft, context } = call;
    const open = await openReenrolment(call, subject);
    const { kid, previousKid, identity } = open;
    const { time, height } = context;
    const counted = await countedHospitals(draft, open);
    if (counted.length < (await neededHospitals(draft, open))) {
      throw new ChaincodeError('reenrolment_not_approved');
    }
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
  summary: 'Ends an open re-enrolment: the old key objects, once; or the hospital withdraws it.',
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
    if (isHolder && open.contested) throw new ChaincodeError('reenrolment_contested');
    const status = isHolder ? 'vetoed' : 'withdrawn';
    const previous = await identityAt(call, open.previousKid);
    if (previous.status === 'suspended') {
      draft.put(cells.identity(open.previousKid), { ...previous, status: open.before });
      const { role, hospital } = previous;
      draft.put(cells.subject(subject), {
        ...{ kid: open.previousKid, role, hospital },
        status: open.before,
      });
    }
    draft.put(cells.reenrolment(subject), { ...open, status });
    await draft.notify({ subject }, 'identity.re-enrolment-ended');
    for (const step of [open.requested, ...open.approvals]) {
      const operator = await draft.get(cells.identity(step.kid));
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
    const { kid, previousKid, reason, requested, approvals, contested, ...rest } = found;
    const { name, role, hospital } = found.identity;
    const { from, until, status } = rest;
    return {
      ...{ subject, name, role, hospital, kid, previousKid, reason, requested, approvals },
      counted: await countedHospitals(reader, found),
      needed: await neededHospitals(reader, found),
      ...{ contested, from, until, status },
    };
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
  const previousKid = person.kid;
  const previous = await identityAt(call, previousKid);
  const { status } = previous;
  const last = await draft.get(cells.reenrolment(subject));
  const isOpen = last?.status === 'open' && isWaiting(previous, last);
  if (isOpen && context.time <= last.until) throw new ChaincodeError('reenrolment_open');
  const isContinued = last !== null && last.contested && last.status !== 'done';
  const contested = last?.status === 'vetoed' || isContinued;
  if (status === 'active') return { previousKid, previous, before: 'active' as const, contested };
  if (status === 'revoked') {
    if (!wasLost(previous)) throw new ChaincodeError('subject_ended');
    return { previousKid, previous, before: 'revoked' as const, contested };
  }
  if (last?.status !== 'open') throw new Error(`${subject} is suspended without a reason`);
  return { previousKid, previous, before: last.before, contested };
}

/** Whether the old key can still be handed over: nothing but its loss ended it. */
function isWaiting(previous: Identity, { contested }: Reenrolment): boolean {
  if (previous.status === 'suspended') return true;
  return contested && (previous.status === 'active' || wasLost(previous));
}

function wasLost({ status, ended }: Identity): boolean {
  return status === 'revoked' && ended?.reason === 'key-compromised';
}

function suspend({ draft }: TransactionCall, kid: string, identity: Identity): void {
  const { subject, role, hospital } = identity;
  draft.put(cells.identity(kid), { ...identity, status: 'suspended' });
  draft.put(cells.subject(subject), { kid, role, hospital, status: 'suspended' });
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
  const previous = await identityAt(call, found.previousKid);
  if (!isWaiting(previous, found)) throw new ChaincodeError('subject_ended');
  if (!isAnyTime && context.time > found.until) throw new ChaincodeError('reenrolment_over');
  return found;
}

/**
 * Hospitals whose word counts at this moment: given by the key that its operator has now. Where a
 * quorum decides, hospitals of suspended or former validators are not of it.
 */
async function countedHospitals(
  reader: Pick<Reader, 'get'>,
  { requested, approvals, contested }: Reenrolment,
): Promise<string[]> {
  const set = await setOf(reader);
  const counted: string[] = [];
  for (const { hospital, kid } of [requested, ...approvals]) {
    const isPresent = (await reader.get(cells.hospital(hospital)))?.operator === kid;
    const isActive = (await reader.get(cells.identity(kid)))?.status === 'active';
    const isMember = set.some((one) => one.id === hospital && !one.suspended);
    if (isPresent && isActive && (isMember || !contested)) counted.push(hospital);
  }
  return counted;
}

/** Two hospitals, or a quorum of all once the old key objected. */
async function neededHospitals(
  reader: Pick<Reader, 'get'>,
  { contested }: Reenrolment,
): Promise<number> {
  return contested ? quorumSize((await setOf(reader)).length) : HOSPITALS_MIN;
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
