/** The insurer's word on an estimate or a claim, bound to the codes that were asked about. */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, type ListCell, listCells } from './cells.ts';
import { askers } from './claim.ts';
import { type Claim, claimDecisionField } from './claim-values.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, idField, pseudonymField } from './fields.ts';
import { defineQuery, defineTransaction, type QueryCall } from './functions.ts';
import { ownOrEarlier, pageArgs, remember } from './history.ts';
import { keys } from './keys.ts';
import { letterValue, requireAhead, untilField } from './letters.ts';
import { newestPseudonym } from './rotation.ts';
import { present } from './draft.ts';

export const claimAnswer = defineTransaction({
  name: 'claim.answer',
  summary: 'The insurer estimates, accepts, reduces or denies, once, naming what it was asked.',
  roles: ['insurer'],
  schema: z
    .strictObject({
      claimId: idField,
      /** Of the codes as they were opened: it must be the one that was asked about. */
      requestDigest: digestField,
      decision: claimDecisionField,
      /** Salted commitment to the answer. */
      commitment: digestField,
      letterDigest: digestField,
      /** Until when an estimate holds. */
      validUntil: untilField.optional(),
    })
    .refine(
      ({ decision, validUntil }) => (decision === 'estimated') === (validUntil !== undefined),
      'an estimate, and it alone, says until when it holds',
    ),
  hints: ({ claimId }) => [keys.claim(claimId), keys.claimOf(claimId)],
  async run({ claimId, requestDigest, decision, commitment, letterDigest, validUntil }, call) {
    const { draft, context } = call;
    const { identity, kid } = identityOf(call.actor);
    const claim = await draft.get(cells.claim(claimId));
    if (claim?.insurer !== identity.subject) throw new ChaincodeError('unknown_claim');
    requireAnswerable(claim, context.time);
    if ((claim.kind === 'estimate') !== (decision === 'estimated')) {
      throw new ChaincodeError('wrong_decision');
    }
    if (claim.requestDigest !== requestDigest) throw new ChaincodeError('digest_mismatch');
    if (validUntil !== undefined) {
      requireAhead(context.time, validUntil, chaincodeBounds.claimMs);
    }
    const of = await draft.get(cells.claimOf(claimId));
    if (!of) throw new Error(`the patient of claim ${claimId} is missing`);
    const at = { time: context.time, height: context.height };
    const word = { decision, commitment, letterDigest, validUntil: validUntil ?? null };
    draft.put(cells.claim(claimId), { ...claim, answer: { ...word, kid, at } });
    const pseudonym = await newestPseudonym(draft.reader, of.pseudonym);
    await remember(call, pseudonym, { purpose: 'HPAYMT', reason: decision });
    await draft.notify({ pseudonym }, 'claim.answered');
    const { asker, answerId: letterId, answerTo: to } = claim;
    if (asker.subject !== null) await draft.notify({ subject: asker.subject }, 'claim.answered');
    const until = context.time + chaincodeBounds.claimMs;
    const letter = { letterId, to, digest: letterDigest, until };
    return { claimId, requestDigest, ...word, ...letterValue(null, [letter]) };
  },
});

export const claimGet = defineQuery({
  name: 'claim.get',
  summary: 'One estimate or claim, for its patient, who asked, and the insurer.',
  roles: [...askers, 'insurer'],
  schema: z.strictObject({ claimId: idField }),
  hints: ({ claimId }) => [keys.claim(claimId)],
  async run({ claimId }, call) {
    const claim = await call.reader.get(cells.claim(claimId));
    if (!claim || !(await maySee(call, claim))) throw new ChaincodeError('unknown_claim');
    return claim;
  },
});

export const claimList = defineQuery({
  name: 'claim.list',
  summary: 'A page of estimates and claims: about a patient, by a clinician, or to an insurer.',
  roles: [...askers, 'insurer'],
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym, ...args }, call) {
    const page = await call.reader.page(await listFor(call, pseudonym), args);
    const claims = page.items.map(({ claimId }) => cells.claim(claimId));
    return { ...page, items: await present(call.reader, claims) };
  },
});

function requireAnswerable({ answer, withdrawn, until }: Claim, time: number): void {
  if (answer !== null) throw new ChaincodeError('claim_answered');
  if (withdrawn !== null) throw new ChaincodeError('claim_withdrawn');
  if (time >= until) throw new ChaincodeError('claim_over');
}

async function listFor(
  { actor, reader }: QueryCall,
  named: string | undefined,
): Promise<ListCell<{ claimId: string }>> {
  if (actor.kind === 'patient') {
    const own = await ownOrEarlier(reader, patientOf(actor).pseudonym, named);
    return listCells.patientClaims(own);
  }
  if (named !== undefined) throw new ChaincodeError('unknown_patient');
  const { subject } = identityOf(actor).identity;
  if (actor.role === 'insurer') return listCells.insurerClaims(subject);
  return listCells.subjectClaims(subject);
}

async function maySee({ actor, reader }: QueryCall, claim: Claim): Promise<boolean> {
  if (actor.kind === 'identity') {
    const { subject } = identityOf(actor).identity;
    return claim.insurer === subject || claim.asker.subject === subject;
  }
  const of = await reader.get(cells.claimOf(claim.id));
  if (!of) return false;
  try {
    await ownOrEarlier(reader, patientOf(actor).pseudonym, of.pseudonym);
    return true;
  } catch (error) {
    if (error instanceof ChaincodeError) return false;
    throw error;
  }
}
