/**
 * The elements of FHIR R4 that may stay, by type of resource. What is not named here does not
 * pass.
 */

/**
 * `concept` and `coding`: codes of public terminologies, without words. `year`: of a date. `age`:
 * up to 89 years. `word`: one word of FHIR. `extension`: coded and counted values of published
 * guides.
 */
export type Rule =
  | 'concept'
  | 'coding'
  | 'quantity'
  | 'age'
  | 'word'
  | 'number'
  | 'flag'
  | 'year'
  | 'extension'
  | { readonly [name: string]: Rule };

type Rules = Readonly<Record<string, Rule>>;

const period: Rules = { start: 'year', end: 'year' };
const dosage: Rules = {
  route: 'concept',
  method: 'concept',
  site: 'concept',
  dose: 'quantity',
  doseAndRate: { doseQuantity: 'quantity', rateQuantity: 'quantity' },
};
const medication: Rules = {
  status: 'word',
  intent: 'word',
  category: 'concept',
  medicationCodeableConcept: 'concept',
  authoredOn: 'year',
  effectiveDateTime: 'year',
  effectivePeriod: period,
  reasonCode: 'concept',
  dosage,
  dosageInstruction: dosage,
};
const value: Rules = {
  code: 'concept',
  valueQuantity: 'quantity',
  valueCodeableConcept: 'concept',
  valueInteger: 'number',
  valueBoolean: 'flag',
  interpretation: 'concept',
  referenceRange: { low: 'quantity', high: 'quantity' },
};

export const fhirRules: Readonly<Record<string, Rules>> = {
  Patient: { deceasedBoolean: 'flag' },
  Condition: {
    extension: 'extension',
    clinicalStatus: 'concept',
    verificationStatus: 'concept',
    category: 'concept',
    severity: 'concept',
    code: 'concept',
    bodySite: 'concept',
    onsetDateTime: 'year',
    onsetAge: 'age',
    onsetPeriod: period,
    abatementDateTime: 'year',
    abatementAge: 'age',
    recordedDate: 'year',
    stage: { summary: 'concept', type: 'concept' },
  },
  Observation: {
    extension: 'extension',
    status: 'word',
    category: 'concept',
    ...value,
    effectiveDateTime: 'year',
    effectivePeriod: period,
    bodySite: 'concept',
    method: 'concept',
    component: value,
  },
  Procedure: {
    extension: 'extension',
    status: 'word',
    category: 'concept',
    code: 'concept',
    performedDateTime: 'year',
    performedPeriod: period,
    reasonCode: 'concept',
    bodySite: 'concept',
    outcome: 'concept',
  },
  MedicationRequest: medication,
  MedicationAdministration: medication,
  MedicationStatement: medication,
  AllergyIntolerance: {
    clinicalStatus: 'concept',
    verificationStatus: 'concept',
    type: 'word',
    category: 'word',
    criticality: 'word',
    code: 'concept',
    onsetDateTime: 'year',
    reaction: { substance: 'concept', manifestation: 'concept', severity: 'word' },
  },
  Immunization: {
    status: 'word',
    vaccineCode: 'concept',
    occurrenceDateTime: 'year',
    doseQuantity: 'quantity',
  },
  DiagnosticReport: {
    status: 'word',
    category: 'concept',
    code: 'concept',
    effectiveDateTime: 'year',
    conclusionCode: 'concept',
  },
  Encounter: {
    status: 'word',
    class: 'coding',
    type: 'concept',
    period,
    reasonCode: 'concept',
  },
  ServiceRequest: {
    extension: 'extension',
    status: 'word',
    intent: 'word',
    category: 'concept',
    code: 'concept',
    bodySite: 'concept',
    reasonCode: 'concept',
    authoredOn: 'year',
    occurrencePeriod: period,
  },
  BodyStructure: { morphology: 'concept', location: 'concept', locationQualifier: 'concept' },
  Specimen: { type: 'concept', collection: { collectedDateTime: 'year', bodySite: 'concept' } },
  FamilyMemberHistory: {
    status: 'word',
    relationship: 'concept',
    sex: 'concept',
    condition: { code: 'concept', outcome: 'concept', onsetAge: 'age' },
  },
  CarePlan: { status: 'word', intent: 'word', category: 'concept', period },
  ImagingStudy: { status: 'word', modality: 'coding', started: 'year' },
};
