/** Estimates and claims: asked of an insurer with codes alone, each service claimed once (§8). */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { askerOf, patientAsked, patientOfService } from './claim-parts.ts';
import { type Claim, type Service, serviceField } from './claim-values.ts';
import type { Draft } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, pseudonymField, subjectField } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { remember } from './history.ts';
import { keys } from './keys.ts';
import {
  letterArgs,
  letterToField,
  letterValue,
  requireAhead,
  takeLetterIds,
  untilField,
} from './letters.ts';
import { activeInsurer } from './prescription-parts.ts';
import type { Role } from './roles.ts';

/** Who may ask an insurer: the patient, and who cared, with the patient's consent. */
export const askers: readonly Role[] = ['patient', 'doctor', 'nurse', 'pharmacist'];

const askArgs = {
  claimId: idField,
  insurer: subjectField,
  /** Salted commitment to the codes. */
  requestDigest: digestField,
  ...letterArgs,
  /** The letter that the answer will come in, and who can fetch it. */
  answerId: idField,
  answerTo: letterToField,
  /** The insurer answers before. */
  until: untilField,
};
type Asked = z.infer<z.ZodObject<typeof askArgs>>;

export const claimEstimate = defineTransaction({
  name: 'claim.estimate',
  summary:
    'Asks an insurer what codes would cost: by the patient, by a clinician with a permission for ' +
    'payment, or by a pharmacist whom the patient let bill.',
  roles: askers,
  schema: z.strictObject({
    ...askArgs,
    /** Named by a clinician. */
    pseudonym: pseudonymField.optional(),
    /** Named by a pharmacist. */
    prescriptionId: idField.optional(),
  }),
  hints: ({ claimId, insurer }) => [keys.claim(claimId), keys.subject(insurer)],
  async run({ pseudonym: named, prescriptionId, ...asked }, call) {
    const about = { pseudonym: named, prescriptionId, insurer: asked.insurer };
    const pseudonym = await patientAsked(call, about);
    const plan = { kind: 'estimate', service: null, estimateId: null } as const;
    return ask(call, asked, { ...plan, pseudonym });
  },
});

export const claimSubmit = defineTransaction({
  name: 'claim.submit',
  summary: 'Claims a service from an insurer: something handed out, or a record. Each once.',
  roles: askers,
  schema: z.strictObject({
    ...askArgs,
    service: serviceField,
    /** An estimate of the same insurer for the same patient, which still holds. */
    estimateId: idField.optional(),
  }),
  hints: ({ claimId, insurer, service }) => [
    keys.claim(claimId),
    keys.subject(insurer),
    keys.claimed(serviceName(service)),
  ],
  async run({ service, estimateId, ...asked }, call) {
    const { draft, context } = call;
    const pseudonym = await patientOfService(call, service, asked.insurer);
    const cell = cells.claimed(serviceName(service));
    const earlier = await draft.get(cell);
    if (earlier) await requireOver(draft, earlier.claimId, context.time);
    if (estimateId !== undefined) {
      await requireEstimate(call, { estimateId, pseudonym, insurer: asked.insurer });
    }
    draft.put(cell, { claimId: asked.claimId });
    const plan = { kind: 'claim', service, estimateId: estimateId ?? null } as const;
    return ask(call, asked, { ...plan, pseudonym });
  },
});

export const claimWithdraw = defineTransaction({
  name: 'claim.withdraw',
  summary: 'Takes an unanswered estimate or claim back; the service can be claimed anew.',
  roles: askers,
  schema: z.strictObject({ claimId: idField }),
  hints: ({ claimId }) => [keys.claim(claimId), keys.claimOf(claimId)],
  async run({ claimId }, call) {
    const { draft, context } = call;
    const found = await draft.get(cells.claim(claimId));
    if (!found || !(await isAsker(call, found))) throw new ChaincodeError('unknown_claim');
    if (found.answer !== null) throw new ChaincodeError('claim_answered');
    if (found.withdrawn !== null) throw new ChaincodeError('claim_withdrawn');
    const withdrawn = { time: context.time, height: context.height };
    draft.put(cells.claim(claimId), { ...found, withdrawn });
    await draft.notify({ subject: found.insurer }, 'claim.withdrawn');
    const of = await draft.get(cells.claimOf(claimId));
    if (of) await remember(call, of.pseudonym, { purpose: 'HPAYMT' });
    return { claimId, letterIds: [found.letterId, found.answerId] };
  },
});

interface Plan extends Pick<Claim, 'kind' | 'service' | 'estimateId'> {
  pseudonym: string;
}

async function ask(call: TransactionCall, asked: Asked, plan: Plan) {
  const { draft, context } = call;
  const { claimId, insurer, letterId, letterDigest, answerId, answerTo, until } = asked;
  const { pseudonym, ...terms } = plan;
  if (await isPatientErased(draft, pseudonym)) throw new ChaincodeError('patient_erased');
  if (await draft.get(cells.claim(claimId))) throw new ChaincodeError('claim_exists');
  const { kid } = await activeInsurer(draft.reader, insurer);
  requireAhead(context.time, until, chaincodeBounds.claimMs);
  await takeLetterIds(call, [letterId, answerId]);
  const asker = askerOf(call.actor);
  const at = { time: context.time, height: context.height };
  draft.put(cells.claim(claimId), {
    ...{ id: claimId, ...terms, insurer, asker, requestDigest: asked.requestDigest },
    ...{ letterId, letterDigest, answerId, answerTo },
    ...{ asked: at, until, answer: null, withdrawn: null },
  });
  draft.put(cells.claimOf(claimId), { pseudonym });
  await draft.append(listCells.patientClaims(pseudonym), { claimId });
  if (asker.subject !== null) {
    await draft.append(listCells.subjectClaims(asker.subject), { claimId });
  }
  await draft.append(listCells.insurerClaims(insurer), { claimId });
  const { service } = terms;
  const recordId = service && 'recordId' in service ? service.recordId : null;
  await remember(call, pseudonym, { recordId, purpose: 'HPAYMT', reason: terms.kind });
  if (asker.subject !== null) await draft.notify({ pseudonym }, 'claim.asked');
  await draft.notify({ subject: insurer }, 'claim.asked');
  const keptUntil = until + chaincodeBounds.claimMs;
  const letters = [
    { letterId, to: kid, digest: letterDigest, until },
    { letterId: answerId, to: answerTo, digest: null, until: keptUntil },
  ];
  // A pharmacist must not learn the pseudonym: erasure finds such letters by their end alone.
  const isKnown = call.actor.role !== 'pharmacist';
  const { requestDigest } = asked;
  const value = { claimId, kind: terms.kind, insurer, requestDigest, until };
  return { ...value, ...letterValue(isKnown ? pseudonym : null, letters) };
}

/** The asker's own: a patient's by the patient, a clinician's by its subject. */
async function isAsker({ actor, draft }: TransactionCall, { id, asker }: Claim) {
  if (actor.kind === 'identity') return asker.subject === actor.identity.subject;
  const of = asker.subject === null ? await draft.get(cells.claimOf(id)) : null;
  return of !== null && of.pseudonym === actor.pseudonym;
}

/** A service is free again once its claim was denied, withdrawn, or not answered in time. */
async function requireOver(draft: Draft, claimId: string, time: number): Promise<void> {
  const claim = await draft.get(cells.claim(claimId));
  if (!claim) throw new Error(`claim ${claimId} is named but missing`);
  const { answer, withdrawn, until } = claim;
  const isOver = answer === null ? withdrawn !== null || time >= until : false;
  if (!isOver && answer?.decision !== 'denied') throw new ChaincodeError('already_claimed');
}

async function requireEstimate(
  { draft, context }: TransactionCall,
  { estimateId, pseudonym, insurer }: { estimateId: string; pseudonym: string; insurer: string },
): Promise<void> {
  const found = await draft.get(cells.claim(estimateId));
  const isSame = found?.kind === 'estimate' && found.insurer === insurer;
  const of = isSame ? await draft.get(cells.claimOf(estimateId)) : null;
  if (of?.pseudonym !== pseudonym || found?.answer?.decision !== 'estimated') {
    throw new ChaincodeError('unknown_estimate');
  }
  if (context.time >= (found.answer.validUntil ?? 0)) throw new ChaincodeError('estimate_over');
}

function serviceName(service: Service): string {
  return 'fillId' in service ? `f/${service.fillId}` : `r/${service.recordId}`;
}
