/** A patient with every identifier that Safe Harbor names, in FHIR, C-CDA and DICOM. */
import type { safeHarborIdentifiers } from '../../lib/research/safe-harbor.ts';

export type Identifier = keyof typeof safeHarborIdentifiers;

/** Texts of which nothing may be left, by the letter of the identifier. */
export const planted: Readonly<Record<Identifier, readonly string[]>> = {
  A: ['Quixana', 'Zephyrine', 'Brother Ottokar', 'Dr. Wilhelmine Vogt', 'Mill and Sons Ltd'],
  B: ['77 Larkspur Crescent', 'Brookhaven', 'Suffolk County', '11973', '11973-4455'],
  C: ['1961-04-23', '19610423', '2025-03-14', '20250314', '2025-03-14T10:22:00Z', '1931-02-02'],
  D: ['+1-631-555-0147', '6315550147'],
  E: ['631-555-0199'],
  F: ['zephyrine@example.org'],
  G: ['219-09-9999', '219099999'],
  H: ['MRN-0048213', '0048213'],
  I: ['HP-77120045'],
  J: ['ACCT-5589120'],
  K: ['LIC-NY-90012', '1033004471'],
  L: ['NY-ABC-1234', '1HGCM82633A004352'],
  M: ['SN-88-1201-XK', '(01)00844588003288'],
  N: ['https://people.example.org/zephyrine'],
  O: ['203.0.113.77', '2001:db8::77'],
  P: ['fingerprint-template-AQID', 'voiceprint-77'],
  Q: ['iVBORw0KGgoFACEFACE', 'portrait of the patient'],
  R: [
    'urn:uuid:5d3c1f0a-77aa-4bb2-9c3d-0123456789ab',
    '2.25.329800735698586629295641978511506172918',
  ],
};

const [name, given, brother, doctor, company] = planted.A as readonly [
  string,
  string,
  string,
  string,
  string,
];
const [street, town, county, zip, zip4] = planted.B as readonly [
  string,
  string,
  string,
  string,
  string,
];
const one = (letter: Identifier, at = 0): string => planted[letter][at] ?? '';

/** What stands around the identifiers, and may stay. */
export const kept = { snomed: '254837009', loinc: '2339-0', value: 187 } as const;

export function identifiedFhir(): object {
  const reference = { reference: one('R'), display: `${given} ${name}` };
  const who = [{ family: name, given: [given], text: `${given} ${name}` }];
  const text = { div: `<div>${given} ${name}, ${one('C')}, ${one('H')}</div>` };
  const concept = {
    coding: [{ system: 'http://snomed.info/sct', code: kept.snomed, display: name }],
    text: name,
  };
  return {
    resourceType: 'Bundle',
    id: one('R'),
    identifier: { value: one('H') },
    entry: [
      {
        fullUrl: one('R'),
        resource: {
          resourceType: 'Patient',
          id: one('H', 1),
          text,
          identifier: [one('G'), one('G', 1), one('H'), one('I'), one('J'), one('K'), one('L')].map(
            (value) => ({ value, system: one('N') }),
          ),
          name: who,
          telecom: [one('D'), one('D', 1), one('E'), one('F'), one('N')].map((value) => ({
            value,
          })),
          gender: 'female',
          birthDate: one('C'),
          deceasedDateTime: one('C', 2),
          address: [
            {
              line: [street],
              city: town,
              district: county,
              postalCode: zip4,
              text: `${street}, ${zip}`,
            },
          ],
          photo: [{ data: one('Q'), title: one('Q', 1) }],
          contact: [{ name: { text: brother } }],
          generalPractitioner: [{ display: doctor }],
          extension: [
            { url: one('N'), valueString: one('P') },
            { url: 'biometric', valueString: one('P', 1) },
          ],
        },
      },
      {
        fullUrl: one('R', 1),
        resource: {
          resourceType: 'Condition',
          id: one('J'),
          meta: { source: one('O'), tag: [{ system: one('N'), code: one('O', 1) }] },
          text,
          code: concept,
          bodySite: [{ coding: [{ system: 'http://snomed.info/sct', code: one('G', 1) }] }],
          subject: reference,
          recorder: { display: doctor },
          clinicalStatus: {
            coding: [
              { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: name },
            ],
          },
          onsetDateTime: one('C', 4),
          onsetString: `since ${one('C')}`,
          recordedDate: one('C', 5),
          note: [{ text: `${given} called from ${one('D')}` }],
          extension: [
            {
              url: 'http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology',
              valueString: name,
              valueCodeableConcept: concept,
            },
            {
              url: `http://hl7.org/fhir/us/mcode/StructureDefinition/${one('F')}`,
              valueInteger: 1,
            },
          ],
        },
      },
      {
        resource: {
          resourceType: 'Observation',
          status: name,
          code: {
            coding: [
              { system: 'http://loinc.org', code: kept.loinc, display: given },
              { system: one('N'), code: one('K') },
            ],
          },
          valueQuantity: {
            value: kept.value,
            unit: `mg/dL of ${name}`,
            code: one('O'),
            system: one('N'),
          },
          valueString: one('I'),
          valueInteger: Number(one('D', 1)),
          device: { display: one('M') },
          effectiveDateTime: one('C', 2),
          component: [
            { code: { text: one('M', 1) }, valueQuantity: { value: Number(one('G', 1)) } },
          ],
        },
      },
      {
        resource: {
          resourceType: 'Device',
          serialNumber: one('M'),
          udiCarrier: [{ carrierHRF: one('M', 1) }],
        },
      },
      {
        resource: {
          resourceType: 'Practitioner',
          name: [{ text: doctor }],
          identifier: [{ value: one('K', 1) }],
        },
      },
      { resource: { resourceType: 'Organization', name: company, address: [{ line: [street] }] } },
      {
        resource: {
          resourceType: 'DocumentReference',
          content: [{ attachment: { data: one('Q'), url: one('N') } }],
        },
      },
      { resource: { resourceType: one('L', 1), plate: one('L') } },
    ],
  };
}

export function identifiedCcda(): string {
  const code = `code="${kept.snomed}" codeSystem="2.16.840.1.113883.6.96" displayName="${name}"`;
  return `<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <id root="${one('R', 1)}" extension="${one('H')}"/><title>${given} ${name}</title>
  <effectiveTime value="${one('C', 3)}"/>
  <recordTarget><patientRole>
    <id root="2.16.840.1.113883.4.1" extension="${one('G')}"/><id extension="${one('I')}"/>
    <addr><streetAddressLine>${street}</streetAddressLine><city>${town}</city>
      <county>${county}</county><postalCode>${zip}</postalCode></addr>
    <telecom value="tel:${one('D')}"/><telecom value="fax:${one('E')}"/><telecom value="mailto:${one('F')}"/>
    <patient><name><given>${given}</given><family>${name}</family></name>
      <administrativeGenderCode code="F"/><birthTime value="${one('C', 1)}"/>
      <guardian><guardianPerson><name>${brother}</name></guardianPerson></guardian></patient>
    <providerOrganization><name>${company}</name><telecom value="${one('N')}"/></providerOrganization>
  </patientRole></recordTarget>
  <author><assignedAuthor><id extension="${one('K', 1)}"/><assignedPerson><name>${doctor}</name></assignedPerson>
    <assignedAuthoringDevice><softwareName>${one('M')} ${one('O')}</softwareName></assignedAuthoringDevice>
  </assignedAuthor></author>
  <component><structuredBody><component><section>
    <text>${given} ${name} was seen on ${one('C', 3)}, account ${one('J')}, plate ${one('L')},
      VIN ${one('L', 1)}, ${one('P')}, ${one('P', 1)}, ${one('O', 1)}, licence ${one('K')}</text>
    <entry><observation classCode="OBS" moodCode="EVN"><id root="${one('R', 1)}"/>
      <code ${code}/><text>${name}<reference value="#${one('H', 1)}"/></text>
      <effectiveTime value="${one('C', 3)}"/>
      <value xsi:type="PQ" value="${kept.value}" unit="mg/dL"/><value xsi:type="ST">${one('J')}</value>
      <value xsi:type="PQ" value="${one('D', 1)}" unit="${one('F')}"/>
      <participant><participantRole><id extension="${one('M', 1)}"/></participantRole></participant>
      <entryRelationship><observationMedia><value mediaType="image/png">${one('Q')}</value></observationMedia></entryRelationship>
    </observation></entry>
    <entry><procedure moodCode="${name}"><code code="${one('G', 1)}" codeSystem="2.16.840.1.113883.6.96"/></procedure></entry>
  </section></component></structuredBody></component>
</ClinicalDocument>`;
}
