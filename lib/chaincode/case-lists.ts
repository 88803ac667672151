/** Queries of the main ledger over cases: for the patient, and for clinicians who were told. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { transactionIdField } from '../wire/fields.ts';
import { patientOf } from './actor.ts';
import { isLive, visibleCase } from './case.ts';
import type { Case } from './case-values.ts';
import { cells, listCells } from './cells.ts';
import { present } from './draft.ts';
import { pseudonymField } from './fields.ts';
import { defineQuery } from './functions.ts';
import { ownOrEarlier, pageArgs } from './history.ts';
import { keys } from './keys.ts';
import { clinicians } from './roles.ts';

const patientAndClinicians = ['patient', ...clinicians] as const;

export const caseGet = defineQuery({
  name: 'case.get',
  summary: 'A case as the main ledger has it: rule, opening, and the anchor once it is closed.',
  roles: patientAndClinicians,
  schema: z.strictObject({ caseId: transactionIdField }),
  hints: ({ caseId }) => [keys.case(caseId)],
  async run({ caseId }, { actor, reader }) {
    return caseValue(await visibleCase(reader, actor, caseId));
  },
});

export const caseList = defineQuery({
  name: 'case.list',
  summary: 'A page of all cases of the patient, or of all that the clinician was told of.',
  roles: patientAndClinicians,
  schema: z.strictObject({ pseudonym: pseudonymField.optional(), ...pageArgs }),
  async run({ pseudonym, ...wanted }, { actor, reader }) {
    const list =
      actor.kind === 'identity'
        ? listCells.subjectCases(actor.identity.subject)
        : listCells.patientCases(await ownOrEarlier(reader, patientOf(actor).pseudonym, pseudonym));
    const page = await reader.page(list, wanted);
    const found = await present(
      reader,
      page.items.map(({ caseId }) => cells.case(caseId)),
    );
    return { ...page, items: found.map(caseValue) };
  },
});

export const caseConsents = defineQuery({
  name: 'case.consents',
  summary: 'A page of all consents to open a case that the patient gave, or the doctor was given.',
  roles: ['patient', 'doctor'],
  schema: z.strictObject(pageArgs),
  async run(wanted, { actor, reader, context }) {
    const list =
      actor.kind === 'identity'
        ? listCells.subjectCaseConsents(actor.identity.subject)
        : listCells.patientCaseConsents(patientOf(actor).pseudonym);
    const page = await reader.page(list, wanted);
    const consents = await present(
      reader,
      page.items.map(({ consentId }) => cells.caseConsent(consentId)),
    );
    const items = [];
    for (const found of consents) {
      const { patientKey, ...consent } = found;
      const live = await isLive(reader, found, context.time);
      items.push({ ...consent, patientKey: toBase64url(patientKey), isLive: live });
    }
    return { ...page, items };
  },
});

function caseValue({ patientKey, ...found }: Case) {
  return { ...found, patientKey: toBase64url(patientKey) };
}
