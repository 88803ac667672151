/** What is looked at after an emergency: declarations, and the word of somebody else on each. */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { cells, type ListCell, listCells } from './cells.ts';
import { present } from './draft.ts';
import type { Declaration } from './emergency-values.ts';
import { emergencyRoles } from './emergency.ts';
import { emergencyVerdictField } from './emergency-values.ts';
import { ChaincodeError } from './errors.ts';
import { idField } from './fields.ts';
import { type Actor, defineQuery, defineTransaction, type PlainValue } from './functions.ts';
import { pageArgs, remember } from './history.ts';
import { keys } from './keys.ts';
import type { Role } from './roles.ts';

/** Who may look at declarations of others, and review those of other hospitals. */
const reviewers: readonly Role[] = ['auditor', 'operator'];

export const emergencyReview = defineTransaction({
  name: 'emergency.review',
  summary: 'Says whether a declaration was justified: by an auditor or operator of elsewhere.',
  roles: reviewers,
  schema: z.strictObject({ declarationId: idField, verdict: emergencyVerdictField }),
  hints: ({ declarationId }) => [keys.declaration(declarationId)],
  async run({ declarationId, verdict }, call) {
    const { draft, context } = call;
    const { kid, role, identity } = identityOf(call.actor);
    const { subject, hospital } = identity;
    const declaration = await draft.get(cells.declaration(declarationId));
    if (!declaration) throw new ChaincodeError('unknown_declaration');
    const { clinician, pseudonym } = declaration;
    if (clinician.subject === subject || clinician.hospital === hospital) {
      throw new ChaincodeError('own_declaration');
    }
    if (declaration.review !== null) throw new ChaincodeError('already_reviewed');
    const at = { time: context.time, height: context.height };
    const review = { kid, subject, hospital, role, verdict, at };
    draft.put(cells.declaration(declarationId), { ...declaration, review });
    await draft.notify({ subject: clinician.subject }, 'emergency.reviewed');
    if (pseudonym !== null) {
      await remember(call, pseudonym, { purpose: 'BTG', reason: verdict });
      await draft.notify({ pseudonym }, 'emergency.reviewed');
    }
    return { declarationId, verdict };
  },
});

export const emergencyList = defineQuery({
  name: 'emergency.list',
  summary: 'A page of declarations: a patient’s, a clinician’s own, or all, for who may review.',
  roles: ['patient', ...emergencyRoles, ...reviewers],
  schema: z.strictObject(pageArgs),
  async run(args, { actor, reader, context }) {
    const { count, from, items } = await reader.page(listFor(actor), args);
    const declarations = await present(
      reader,
      items.map(({ declarationId }) => cells.declaration(declarationId)),
    );
    return { count, from, items: declarations.map((one) => shown(one, context.time)) };
  },
});

export const emergencyGet = defineQuery({
  name: 'emergency.get',
  summary: 'One declaration: for its patient, its clinician, and who may review.',
  roles: ['patient', ...emergencyRoles, ...reviewers],
  schema: z.strictObject({ declarationId: idField }),
  hints: ({ declarationId }) => [keys.declaration(declarationId)],
  async run({ declarationId }, { actor, reader, context }) {
    const declaration = await reader.get(cells.declaration(declarationId));
    if (!declaration || !maySee(actor, declaration)) {
      throw new ChaincodeError('unknown_declaration');
    }
    return shown(declaration, context.time);
  },
});

function listFor(actor: Actor): ListCell<{ declarationId: string }> {
  if (actor.kind === 'patient') return listCells.patientDeclarations(patientOf(actor).pseudonym);
  return reviewers.includes(actor.role)
    ? listCells.declarations()
    : listCells.subjectDeclarations(identityOf(actor).identity.subject);
}

function maySee(actor: Actor, { pseudonym, clinician }: Declaration): boolean {
  if (actor.kind === 'patient') return pseudonym !== null && pseudonym === actor.pseudonym;
  return reviewers.includes(actor.role) || clinician.subject === identityOf(actor).identity.subject;
}

/** With what follows from the time: whether it is over, and whether a review is overdue. */
function shown(declaration: Declaration, time: number): { [name: string]: PlainValue } {
  const isOver = time >= declaration.until;
  return { ...declaration, isOver, isOverdue: isOver && declaration.review === null };
}
