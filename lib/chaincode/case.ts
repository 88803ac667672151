/** Cases on the main ledger: consent, opening, who was told, and the anchor at the end. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { timeField, transactionIdField } from '../wire/fields.ts';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { anchorArgs, anchorOf } from './case-anchor.ts';
import { endCaseLedger, startCaseLedger } from './case-ledger.ts';
import { caseRuleSchema } from './case-rule.ts';
import { type Case, type CaseConsent, PATIENT } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import type { Reader } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { distinct, idField, shareKeyText, subjectField } from './fields.ts';
import { type Actor, defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, remember } from './history.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

export const caseConsent = defineTransaction({
  name: 'case.consent',
  summary: 'The patient lets one doctor open a case ledger, and names a key to seal to.',
  roles: ['patient'],
  schema: z.strictObject({
    consentId: idField,
    attending: subjectField,
    patientKey: shareKeyText,
    until: timeField,
  }),
  hints: ({ consentId, attending }) => [keys.caseConsent(consentId), keys.subject(attending)],
  async run({ consentId, attending, patientKey, until }, call) {
    const { draft, context, actor } = call;
    const { pseudonym } = patientOf(actor);
    if (await draft.get(cells.caseConsent(consentId))) throw new ChaincodeError('consent_exists');
    if (until <= context.time) throw new ChaincodeError('consent_over');
    await attendingHospital(draft.reader, attending);
    const { time, height } = context;
    draft.put(cells.caseConsent(consentId), {
      ...{ id: consentId, pseudonym, attending, patientKey: fromBase64url(patientKey), until },
      ...{ given: { time, height }, caseId: null, withdrawn: null },
    });
    await draft.append(listCells.patientCaseConsents(pseudonym), { consentId });
    await draft.append(listCells.subjectCaseConsents(attending), { consentId });
    await remember(call, pseudonym, {});
    await draft.notify({ subject: attending }, 'case.consented');
    return { consentId, pseudonym, attending, until };
  },
});

export const caseWithdraw = defineTransaction({
  name: 'case.withdraw',
  summary: 'The patient takes back a consent that no case was opened with.',
  roles: ['patient'],
  schema: z.strictObject({ consentId: idField }),
  hints: ({ consentId }) => [keys.caseConsent(consentId)],
  async run({ consentId }, call) {
    const { draft, context, actor } = call;
    const { pseudonym } = patientOf(actor);
    const consent = await draft.get(cells.caseConsent(consentId));
    if (consent?.pseudonym !== pseudonym) throw new ChaincodeError('unknown_consent');
    if (consent.caseId !== null || consent.withdrawn !== null) {
      throw new ChaincodeError('consent_over');
    }
    const { time, height } = context;
    draft.put(cells.caseConsent(consentId), { ...consent, withdrawn: { time, height } });
    await remember(call, pseudonym, {});
    return { consentId, pseudonym };
  },
});

export const caseOpen = defineTransaction({
  name: 'case.open',
  summary:
    'Opens a case ledger for a hospital stay: by the doctor whom a consent names, or by the patient. ' +
    'The rule that settles disagreements is fixed here.',
  roles: ['patient', 'doctor'],
  schema: z
    .strictObject({
      rule: caseRuleSchema,
      /** Of a doctor. */
      consentId: idField.optional(),
      /** Of the patient: who is in charge, and the key to seal to. */
      attending: subjectField.optional(),
      patientKey: shareKeyText.optional(),
      /** Clinicians who are told of it, and who are then let in on the case ledger. */
      tell: distinct(subjectField, 0, chaincodeBounds.caseToldMax - 1),
    })
    .refine(
      ({ consentId, attending, patientKey }) =>
        (consentId === undefined) === (attending !== undefined && patientKey !== undefined) &&
        (attending === undefined) === (patientKey === undefined),
      'a consent, or both an attending doctor and a key',
    ),
  hints: ({ consentId }) => (consentId === undefined ? [] : [keys.caseConsent(consentId)]),
  async run({ rule, tell, ...by }, call) {
    const { draft, context, transactionId } = call;
    const caseId = startCaseLedger(draft, transactionId, context);
    const { pseudonym, attending, patientKey } = await basisOf(call, caseId, by);
    const hospital = await attendingHospital(draft.reader, attending);
    const { time, height } = context;
    const opened: Case = {
      ...{ id: caseId, pseudonym, hospital, attending, patientKey, rule },
      opened: { time, height },
      told: [],
      closed: null,
    };
    const others = tell.filter((subject) => subject !== attending);
    draft.put(cells.case(caseId), await told(call, opened, [attending, ...others]));
    await draft.append(listCells.patientCases(pseudonym), { caseId });
    await remember(call, pseudonym, {});
    await draft.notify({ pseudonym }, 'case.opened');
    return { caseId, pseudonym, hospital, attending };
  },
});

export const caseTell = defineTransaction({
  name: 'case.tell',
  summary: 'Tells clinicians of a case, so that it is in their list; it lets nobody in.',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({
    caseId: transactionIdField,
    subjects: distinct(subjectField, 1, chaincodeBounds.caseToldMax),
  }),
  hints: ({ caseId }) => [keys.case(caseId)],
  async run({ caseId, subjects }, call) {
    const found = await visibleCase(call.draft.reader, call.actor, caseId);
    if (found.closed !== null) throw new ChaincodeError('case_closed');
    if (subjects.some((one) => found.told.includes(one))) throw new ChaincodeError('already_told');
    call.draft.put(cells.case(caseId), await told(call, found, subjects));
    return { caseId, told: subjects };
  },
});

export const caseReread = defineTransaction({
  name: 'case.reread',
  summary:
    'A member of the end reads in a closed case: the receipt opens the sealed notes at the custodian ' +
    'for a short while.',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({ caseId: transactionIdField }),
  hints: ({ caseId }) => [keys.case(caseId)],
  async run({ caseId }, call) {
    const { draft, context, actor } = call;
    const found = await draft.get(cells.case(caseId));
    if (!found) throw new ChaincodeError('unknown_case');
    const isPatient = actor.kind === 'patient' && (await isPartyOf(draft.reader, actor, found));
    const own = actor.kind === 'identity' ? actor.identity.subject : isPatient ? PATIENT : null;
    if (found.closed === null) throw new ChaincodeError('case_not_closed');
    const member = found.closed.members.find(({ who }) => who === own);
    if (!member) throw new ChaincodeError('unknown_case');
    const { pseudonym } = found;
    if (await isPatientErased(draft, pseudonym)) throw new ChaincodeError('patient_erased');
    await remember(call, pseudonym, {});
    const usableUntil = context.time + context.parameters.receiptUsableMs;
    return { caseId, pseudonym, ...member, readerKid: actor.kid, usableUntil };
  },
});

export const caseClose = defineTransaction({
  name: 'case.close',
  summary:
    'Anchors a case: the certified block of its ledger that says the patient was discharged. What ' +
    'the ledger holds up to there cannot be changed unseen.',
  roles: ['patient', ...clinicians],
  schema: z.strictObject({ caseId: transactionIdField, ...anchorArgs }),
  hints: ({ caseId }) => [keys.case(caseId), keys.validators, keys.sessions],
  async run({ caseId, ...args }, call) {
    const { draft, context, actor, transactionId: transaction } = call;
    const found = await draft.get(cells.case(caseId));
    if (!found) throw new ChaincodeError('unknown_case');
    const isParty = await isPartyOf(draft.reader, actor, found);
    const { attending, members, height: at, hash } = await anchorOf(call, caseId, args);
    const isAttending = actor.kind === 'identity' && actor.identity.subject === attending;
    if (!isParty && !isAttending) throw new ChaincodeError('unknown_case');
    const ended = { ledger: caseId, transaction, anchor: { height: at, hash } };
    await endCaseLedger(draft, ended, context);
    const { time, height } = context;
    const anchor = { height: at, headerHash: toBase64url(hash) };
    const closed = { time, height, transaction, anchor, members };
    draft.put(cells.case(caseId), { ...found, closed });
    const { pseudonym } = found;
    await remember(call, pseudonym, {});
    await draft.notify({ pseudonym }, 'case.closed');
    for (const subject of found.told) await draft.notify({ subject }, 'case.closed');
    return { caseId, pseudonym, height: anchor.height, headerHash: anchor.headerHash };
  },
});

interface Basis {
  consentId?: string | undefined;
  attending?: string | undefined;
  patientKey?: string | undefined;
}

/** Whose case it is to be, and by which consent; that is used up. */
async function basisOf(
  { draft, actor, context }: TransactionCall,
  caseId: string,
  { consentId, attending, patientKey }: Basis,
): Promise<Pick<Case, 'pseudonym' | 'attending' | 'patientKey'>> {
  if (actor.kind === 'patient') {
    if (attending === undefined || patientKey === undefined) {
      throw new ChaincodeError('unknown_consent');
    }
    const { pseudonym } = patientOf(actor);
    return { pseudonym, attending, patientKey: fromBase64url(patientKey) };
  }
  const consent = consentId === undefined ? null : await draft.get(cells.caseConsent(consentId));
  if (!consent || consent.attending !== identityOf(actor).identity.subject) {
    throw new ChaincodeError('unknown_consent');
  }
  if (!(await isLive(draft.reader, consent, context.time))) {
    throw new ChaincodeError('consent_over');
  }
  draft.put(cells.caseConsent(consent.id), { ...consent, caseId });
  return consent;
}

/** Whether a case can be opened with it. A rotation or an erasure ends it with the pseudonym. */
export async function isLive(
  reader: Reader,
  { pseudonym, caseId, withdrawn, until }: CaseConsent,
  time: number,
): Promise<boolean> {
  if (caseId !== null || withdrawn !== null || time >= until) return false;
  if (await reader.get(cells.rotated(pseudonym))) return false;
  return !(await isPatientErased(reader, pseudonym));
}

/** The hospital of a doctor who can be in charge. @throws ChaincodeError `attending_unknown` */
async function attendingHospital(reader: Reader, subject: string): Promise<string> {
  const person = await reader.get(cells.subject(subject));
  const isDoctor = person?.status === 'active' && person.role === 'doctor';
  if (!isDoctor || person.hospital === null) throw new ChaincodeError('attending_unknown');
  return person.hospital;
}

/** The case with clinicians who know of it from now on. */
async function told(call: TransactionCall, found: Case, subjects: readonly string[]) {
  const { draft } = call;
  for (const subject of subjects) {
    const person = await draft.get(cells.subject(subject));
    if (person?.status !== 'active' || !clinicians.includes(person.role)) {
      throw new ChaincodeError('case_member_unknown');
    }
    await draft.append(listCells.subjectCases(subject), { caseId: found.id });
    await draft.notify({ subject }, 'case.told');
  }
  const all = [...found.told, ...subjects];
  if (all.length > chaincodeBounds.caseToldMax) throw new ChaincodeError('told_too_many');
  return { ...found, told: all };
}

/** For the patient and clinicians who were told. @throws ChaincodeError `unknown_case` */
export async function visibleCase(reader: Reader, actor: Actor, caseId: string): Promise<Case> {
  const found = await reader.get(cells.case(caseId));
  if (!found || !(await isPartyOf(reader, actor, found))) throw new ChaincodeError('unknown_case');
  return found;
}

async function isPartyOf(reader: Reader, actor: Actor, { pseudonym, told: all }: Case) {
  if (actor.kind === 'identity') return all.includes(actor.identity.subject);
  try {
    await ownOrEarlier(reader, patientOf(actor).pseudonym, pseudonym);
    return true;
  } catch (error) {
    if (error instanceof ChaincodeError) return false;
    throw error;
  }
}
