// Whole synthetic patients in FHIR R4: our own template, or real bundles, varied by a seed.
import { SeededRandom } from './random.ts';

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

const SCT = 'http://snomed.info/sct';

/** Findings that a study of this demonstration calls sensitive, with how they are called. */
export const findings = [
  { code: '399068003', display: 'Malignant tumor of prostate' },
  { code: '254837009', display: 'Malignant neoplasm of breast' },
  { code: '363406005', display: 'Malignant tumor of colon' },
  { code: '254637007', display: 'Non-small cell lung cancer' },
  { code: '44054006', display: 'Diabetes mellitus type 2' },
  { code: '46635009', display: 'Diabetes mellitus type 1' },
  { code: '35489007', display: 'Depressive disorder' },
  { code: '13746004', display: 'Bipolar disorder' },
  { code: '58214004', display: 'Schizophrenia' },
  { code: '84757009', display: 'Epilepsy' },
  { code: '24700007', display: 'Multiple sclerosis' },
  { code: '49049000', display: 'Parkinson disease' },
  { code: '26929004', display: 'Alzheimer disease' },
  { code: '86406008', display: 'Human immunodeficiency virus infection' },
  { code: '66071002', display: 'Viral hepatitis type B' },
  { code: '50711007', display: 'Viral hepatitis type C' },
  { code: '56717001', display: 'Tuberculosis' },
  { code: '34000006', display: 'Crohn disease' },
  { code: '64766004', display: 'Ulcerative colitis' },
  { code: '69896004', display: 'Rheumatoid arthritis' },
  { code: '55464009', display: 'Systemic lupus erythematosus' },
  { code: '396275006', display: 'Osteoarthritis' },
  { code: '64859006', display: 'Osteoporosis' },
  { code: '709044004', display: 'Chronic kidney disease' },
  { code: '42343007', display: 'Congestive heart failure' },
  { code: '49436004', display: 'Atrial fibrillation' },
  { code: '22298006', display: 'Myocardial infarction' },
  { code: '230690007', display: 'Cerebrovascular accident' },
  { code: '13645005', display: 'Chronic obstructive pulmonary disease' },
  { code: '9014002', display: 'Psoriasis' },
  { code: '7200002', display: 'Alcoholism' },
] as const;
const common = [
  { code: '38341003', display: 'Hypertensive disorder' },
  { code: '195967001', display: 'Asthma' },
  { code: '55822004', display: 'Hyperlipidemia' },
  { code: '40930008', display: 'Hypothyroidism' },
  { code: '37796009', display: 'Migraine' },
] as const;

/** As `Counted.sensitive` has it. */
export const findingCodes: readonly string[] = findings.map(({ code }) => `${SCT}|${code}`);

const given = {
  female: ['Anna', 'Berta', 'Carla', 'Dora', 'Elsa', 'Frida', 'Greta', 'Hanna', 'Ida', 'Johanna'],
  male: ['Anton', 'Bruno', 'Carl', 'David', 'Emil', 'Franz', 'Georg', 'Hugo', 'Igor', 'Jakob'],
} as const;
const family = [
  'Abeln',
  'Bertoli',
  'Castell',
  'Dubois',
  'Eklund',
  'Ferrara',
  'Gruber',
  'Holm',
  'Ivarsson',
  'Jansen',
  'Kowalski',
  'Lindt',
  'Moreau',
  'Novak',
  'Olsen',
] as const;
const streets = ['Mill Road', 'Harbour Street', 'Linden Avenue', 'Station Square'] as const;
/** Postcodes of the region around the hospitals. */
const postcodes = ['11733', '11790', '11973', '11201', '11375', '10025', '10463'] as const;

/** One made-up person: nobody of this name, address and numbers is meant. */
export interface SyntheticPerson {
  readonly name: string;
  readonly birthDate: string;
  readonly gender: 'female' | 'male';
  readonly postcode: string;
  /** The finding that matters to the study. */
  readonly finding: (typeof findings)[number];
}

/** Persons in a fixed order: the same seed gives the same people. */
export function syntheticPeople(count: number, seed: number): SyntheticPerson[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => {
    const gender = random.pick(['female', 'male'] as const);
    const isProstate = (one: (typeof findings)[number]): boolean => one.code === '399068003';
    const possible = findings.filter((one) => gender === 'male' || !isProstate(one));
    const day = `${two(random.between(1, 12))}-${two(random.between(1, 28))}`;
    return {
      name: `${random.pick(given[gender])} ${random.pick(family)}`,
      birthDate: `${random.between(1931, 2004)}-${day}`,
      gender,
      postcode: random.pick(postcodes),
      finding: random.pick(possible),
    };
  });
}

/** A patient's bundle: a template varied by a seed; everything that identifies is the person's. */
export function patientBundle(
  person: SyntheticPerson,
  seed: number,
  template: JsonObject | null = null,
): JsonObject {
  const random = new SeededRandom(seed);
  const resources = template ? varied(template, random) : courseOf(person, random);
  const shown = [...resources, conditionOf(person.finding, random)];
  const id = uuid(random);
  const patient = patientOf(person, id, random);
  const entry = [
    patient,
    ...shown.map((one) => ({ ...one, subject: { reference: `urn:uuid:${id}` } })),
  ];
  return {
    resourceType: 'Bundle',
    type: 'collection',
    entry: entry.map((resource) => ({ fullUrl: `urn:uuid:${uuid(random)}`, resource })),
  };
}

/** Resources of one varied patient: a whole life of Synthea has thousands. */
const RESOURCES_MAX = 80;

/** Resources of a real bundle: a part of them, at other times, with other numbers. */
function varied(template: JsonObject, random: SeededRandom): JsonObject[] {
  const entries = Array.isArray(template['entry']) ? template['entry'] : [];
  const all = entries.flatMap((one) => {
    const resource = isObject(one) ? one['resource'] : null;
    return isObject(resource) && resource['resourceType'] !== 'Patient' ? [resource] : [];
  });
  const kept = all.filter(
    () => random.next() < RESOURCES_MAX / Math.max(all.length, RESOURCES_MAX),
  );
  const years = random.between(-6, 6);
  return kept.map((one) => moved(one, years, random) as JsonObject);
}

/** Times moved by years, quantities by a tenth; words and codes stay. */
function moved(value: Json, years: number, random: SeededRandom): Json {
  if (Array.isArray(value)) return value.map((one) => moved(one, years, random));
  if (isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => {
        const isQuantity = name === 'value' && typeof one === 'number';
        const next = isQuantity
          ? round(one * (0.9 + 0.2 * random.next()))
          : moved(one, years, random);
        return [name, next];
      }),
    );
  }
  const date = typeof value === 'string' ? /^(\d{4})(-\d\d-\d\d.*)$/.exec(value) : null;
  return date ? `${Number(date[1]) + years}${date[2]}` : value;
}

/** Our own template: findings, measurements, medicines and visits of a few years. */
function courseOf(person: SyntheticPerson, random: SeededRandom): JsonObject[] {
  const first = Math.max(Number(person.birthDate.slice(0, 4)) + 20, 2010);
  const when = (): string =>
    `${random.between(first, 2025)}-${two(random.between(1, 12))}-${two(random.between(1, 28))}`;
  const visits = Array.from({ length: random.between(2, 5) }, () => ({
    resourceType: 'Encounter',
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
    period: { start: when(), end: when() },
  }));
  const measured = Array.from({ length: random.between(3, 9) }, () => {
    const [code, display, low, high, unit] = random.pick(measurements);
    return {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code, display }], text: display },
      effectiveDateTime: when(),
      valueQuantity: { value: round(low + random.next() * (high - low)), unit, code: unit },
    };
  });
  const others = Array.from({ length: random.between(0, 3) }, () =>
    conditionOf(random.pick(common), random),
  );
  return [...visits, ...measured, ...others];
}

const measurements = [
  ['2339-0', 'Glucose', 70, 190, 'mg/dL'],
  ['718-7', 'Hemoglobin', 9, 17, 'g/dL'],
  ['8480-6', 'Systolic blood pressure', 100, 180, 'mm[Hg]'],
  ['29463-7', 'Body weight', 50, 110, 'kg'],
  ['2857-1', 'Prostate specific antigen', 0.1, 30, 'ng/mL'],
] as const;

function conditionOf(
  { code, display }: { code: string; display: string },
  random: SeededRandom,
): JsonObject {
  const year = random.between(2015, 2025);
  return {
    resourceType: 'Condition',
    id: uuid(random),
    clinicalStatus: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
      ],
    },
    code: { coding: [{ system: SCT, code, display }], text: display },
    onsetDateTime: `${year}-${two(random.between(1, 12))}-${two(random.between(1, 28))}`,
  };
}

/** With every kind of number that a real record has. */
function patientOf(person: SyntheticPerson, id: string, random: SeededRandom): JsonObject {
  const [first = '', last = ''] = person.name.split(' ');
  const mail = `${first}.${last}@example.org`.toLowerCase();
  return {
    resourceType: 'Patient',
    id,
    text: { status: 'generated', div: `<div>${person.name}, ${person.birthDate}</div>` },
    identifier: [
      {
        system: 'http://hl7.org/fhir/sid/us-ssn',
        value: `999-${random.digits(2)}-${random.digits(4)}`,
      },
      { system: 'urn:oid:1.2.36.146.595.217.0.1', value: `MRN-${random.digits(7)}` },
    ],
    name: [{ use: 'official', family: last, given: [first] }],
    telecom: [
      { system: 'phone', value: `555-${random.digits(3)}-${random.digits(4)}` },
      { system: 'email', value: mail },
    ],
    gender: person.gender,
    birthDate: person.birthDate,
    address: [
      {
        line: [`${random.between(1, 200)} ${random.pick(streets)}`],
        city: 'Testtown',
        state: 'NY',
        postalCode: person.postcode,
      },
    ],
  };
}

function uuid(random: SeededRandom): string {
  const hex = Array.from({ length: 32 }, () => random.between(0, 15).toString(16)).join('');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
