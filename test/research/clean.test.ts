/** Cleaning: none of the 18 identifiers is left, whatever form the document has. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cleanDocument } from '../../lib/research/clean.ts';
import type { Cleaned } from '../../lib/research/cleaned.ts';
import { isObject, type JsonValue } from '../../lib/research/json.ts';
import {
  birthYear,
  eventYear,
  safeHarborIdentifiers,
  shortPostcode,
} from '../../lib/research/safe-harbor.ts';
import { dicomFile, type Element } from './dicom-writer.ts';
import { identifiedCcda, identifiedFhir, type Identifier, kept, planted } from './identifiers.ts';

const NOW = 2026;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function cleaned(bytes: Uint8Array): Extract<Cleaned, { kind: 'clean' }> {
  const found = cleanDocument(bytes, NOW);
  if (found.kind === 'refused') throw new Error(`refused: ${found.why}`);
  return found;
}

const letters = Object.keys(safeHarborIdentifiers) as Identifier[];
const tag = (group: number, element: number): number => group * 65_536 + element;

/** A plan of radiotherapy with identifiers in every place that holds text. */
function identifiedPlan(modality = 'RTPLAN', more: readonly Element[] = []): Uint8Array {
  const all = letters.flatMap((letter) => planted[letter]);
  const comments = all.join(' ');
  return dicomFile([
    [tag(0x0008, 0x0016), 'UI', '1.2.840.10008.5.1.4.1.1.481.5'],
    [tag(0x0008, 0x0018), 'UI', planted.R[1] ?? ''],
    [tag(0x0008, 0x0020), 'DA', '20250314'],
    [tag(0x0008, 0x0060), 'CS', modality],
    [tag(0x0008, 0x0080), 'LO', planted.A[4] ?? ''],
    [tag(0x0008, 0x0090), 'PN', planted.A[3] ?? ''],
    [tag(0x0009, 0x0010), 'LO', comments.slice(0, 60)],
    [tag(0x0010, 0x0010), 'PN', `${planted.A[0]}^${planted.A[1]}`],
    [tag(0x0010, 0x0020), 'LO', planted.H[0] ?? ''],
    [tag(0x0010, 0x0030), 'DA', '19610423'],
    [tag(0x0010, 0x0040), 'CS', 'F'],
    [tag(0x0010, 0x4000), 'LT', comments],
    [tag(0x300a, 0x0002), 'SH', planted.A[0] ?? ''],
    [tag(0x300a, 0x0004), 'ST', comments],
    [tag(0x300a, 0x000c), 'CS', 'PATIENT'],
    [
      tag(0x300a, 0x0070),
      'SQ',
      [
        [
          [tag(0x300a, 0x0071), 'IS', '1'],
          [tag(0x300a, 0x0072), 'LO', planted.A[1] ?? ''],
          [tag(0x300a, 0x0078), 'IS', '25'],
        ],
      ],
    ],
    ...more,
  ]);
}

describe('of each of the 18 identifiers nothing is left', () => {
  const forms: readonly [string, Uint8Array][] = [
    ['FHIR', bytesOf(JSON.stringify(identifiedFhir()))],
    ['C-CDA', bytesOf(identifiedCcda())],
    ['DICOM RT', identifiedPlan()],
  ];
  const cases = forms.flatMap(([form, bytes]) =>
    letters.map((letter) => [form, letter, safeHarborIdentifiers[letter], bytes] as const),
  );
  it.each(cases)('%s, %s: %s', (form, letter, _what, bytes) => {
    const input = new TextDecoder('latin1').decode(bytes);
    const found = cleaned(bytes);
    const { content, omitted } = found;
    const text = JSON.stringify({ content, omitted }).toLowerCase();
    for (const secret of planted[letter]) {
      expect(text).not.toContain(secret.toLowerCase());
    }
    const isPlanted = planted[letter].some((secret) => input.includes(secret));
    expect(isPlanted || form !== 'FHIR').toBe(true);
  });

  it('and codes, values and years stay', () => {
    const fhir = cleaned(bytesOf(JSON.stringify(identifiedFhir())));
    expect(fhir.codes).toEqual([
      `http://loinc.org|${kept.loinc}`,
      `http://snomed.info/sct|${kept.snomed}`,
    ]);
    expect(fhir.quasi).toEqual({ birthYear: 1961, sex: 'female', postcode: '119' });
    expect(JSON.stringify(fhir.content)).toContain(`"value":${kept.value}`);
    expect(JSON.stringify(fhir.content)).toContain('"onsetDateTime":2025');
    const ccda = cleaned(bytesOf(identifiedCcda()));
    expect(ccda.quasi).toEqual(fhir.quasi);
    expect(ccda.content).toEqual([
      {
        kind: 'observation',
        mood: 'EVN',
        code: { system: 'http://snomed.info/sct', code: kept.snomed },
        value: [{ value: kept.value, unit: 'mg/dL' }],
        year: 2025,
      },
    ]);
    const plan = cleaned(identifiedPlan());
    expect(plan.quasi).toEqual({ birthYear: 1961, sex: 'female', postcode: null });
    expect(plan.content).toMatchObject({
      Modality: 'RTPLAN',
      StudyYear: 2025,
      FractionGroupSequence: [{ FractionGroupNumber: 1, NumberOfFractionsPlanned: 25 }],
    });
    expect(plan.omitted.map(({ what }) => what)).toContain('private elements');
  });
});

describe('what nobody can clean is refused with the reason', () => {
  const envelope = identifiedCcda().replace(
    /<structuredBody>.*<\/structuredBody>/s,
    '<nonXMLBody><text mediaType="application/pdf">JVBERi0=</text></nonXMLBody>',
  );
  const narrative = identifiedCcda().replaceAll(/<entry>.*?<\/entry>/gs, '');
  const two = {
    resourceType: 'Bundle',
    entry: ['a', 'b'].map((id) => ({ resource: { resourceType: 'Patient', id } })),
  };
  const pdf = {
    resourceType: 'DocumentReference',
    content: [{ attachment: { data: 'JVBERi0=' } }],
  };
  const bomb = identifiedCcda().replace(
    '<ClinicalDocument',
    '<!DOCTYPE a [<!ENTITY b "c">]><ClinicalDocument',
  );
  it.each<[string, string, Uint8Array]>([
    ['a scanned PDF', 'scanned_document', bytesOf('%PDF-1.7 a scan')],
    ['a note in free text', 'unknown_format', bytesOf('Zephyrine was seen today.')],
    ['JSON that is no FHIR', 'unknown_format', bytesOf('{"name":"Zephyrine"}')],
    ['bytes', 'unknown_format', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)],
    ['nothing', 'unknown_format', new Uint8Array()],
    ['a PDF in a C-CDA envelope', 'unstructured', bytesOf(envelope)],
    ['a C-CDA of narrative alone', 'unstructured', bytesOf(narrative)],
    ['XML with entities', 'not_readable', bytesOf(bomb)],
    ['a reference to a scan in FHIR', 'nothing_left', bytesOf(JSON.stringify(pdf))],
    ['a bundle of two patients', 'several_patients', bytesOf(JSON.stringify(two))],
    ['an image', 'pixel_data', identifiedPlan('CT')],
    ['half a DICOM file', 'not_readable', identifiedPlan().slice(0, 150)],
  ])('%s', (_what, code, bytes) => {
    const found = cleanDocument(bytes, NOW);
    expect(found).toMatchObject({ kind: 'refused', code });
    expect(found.kind === 'refused' && found.why.length > 10).toBe(true);
  });

  it('pixel data of a dose is left out, and said', () => {
    const found = cleaned(identifiedPlan('RTDOSE', [[tag(0x7fe0, 0x0010), 'OW', 'Zephyrine!']]));
    expect(found.omitted).toContainEqual({ what: 'pixel data', count: 1 });
    expect(JSON.stringify(found.content)).not.toContain('Zephyrine');
  });
});

describe('the rules of Safe Harbor', () => {
  it.each<[unknown, string | null]>([
    ['11973', '119'],
    ['11973-4455', '119'],
    ['03601', '000'],
    ['89345', '000'],
    ['119', null],
    ['SW1A 1AA', null],
    ['1197', null],
    [null, null],
    [11973, null],
  ])('postcode %s', (text, expected) => {
    expect(shortPostcode(text)).toBe(expected);
  });

  it.each<[unknown, number | null]>([
    ['1961-04-23', 1961],
    ['19610423', 1961],
    ['1936-12-31', 1936],
    ['1935-01-01', 1936],
    ['1899', 1936],
    ['2026', 2026],
    ['2027', null],
    ['23.04.1961', null],
    ['196104231', 1961],
    [undefined, null],
  ])('year of birth %s', (text, expected) => {
    expect(birthYear(text, NOW)).toBe(expected);
  });

  it.each<[unknown, number | null]>([
    ['2025-03-14T10:22:00Z', 2025],
    ['1937', 1937],
    ['1936', null],
    ['1931-02-02', null],
    ['219099999', null],
    ['2500', null],
  ])('year of an event %s', (text, expected) => {
    expect(eventYear(text, NOW)).toBe(expected);
  });

  it('lists 18 identifiers', () => {
    expect(letters).toHaveLength(18);
  });
});

/** Real documents stand beside the project where it is developed. */
const shared = join(import.meta.dirname, '../../../shared/data');
const folders = ['fhir/synthea', 'fhir/mcode', 'fhir/codex-rt', 'documents/history-and-physical'];
const files = folders.flatMap((folder) => {
  const path = join(shared, folder);
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
});

describe.skipIf(files.length === 0)('real documents', () => {
  /**
   * Members of FHIR whose text tells who somebody is; values of C-CDA are looked for by pattern.
   */
  const telling = new Set(
    (
      'family given line city district postalCode birthDate display text div id fullUrl value ' +
      'reference url title serialNumber lotNumber deceasedDateTime contentType data'
    ).split(' '),
  );

  function* secrets(value: JsonValue, name = ''): Generator<string> {
    if (Array.isArray(value)) for (const one of value) yield* secrets(one, name);
    else if (isObject(value)) {
      for (const [key, one] of Object.entries(value)) {
        // A code is what stays, and the name of an extension is public.
        if (key !== 'coding' && key !== 'extension') yield* secrets(one, key);
      }
    } else if (typeof value === 'string' && value.length > 4 && telling.has(name)) yield value;
  }

  it.each(files.filter((one) => one.endsWith('.json')))('%s', (file) => {
    const text = readFileSync(file, 'utf8');
    const found = cleanDocument(bytesOf(text), NOW);
    if (found.kind === 'refused') return;
    const out = JSON.stringify(found.content);
    for (const secret of new Set(secrets(JSON.parse(text) as JsonValue))) {
      // The name of a type alone, as in an entry's request, is nobody's.
      if (/^[A-Z][A-Za-z]+$/.test(secret) && out.includes(`"resourceType":"${secret}"`)) continue;
      expect(out.includes(`"${secret}"`), secret).toBe(false);
      if (/\d{4}-\d\d-\d\d/.test(secret)) expect(out.includes(secret), secret).toBe(false);
    }
    expect(/\d{4}-\d\d-\d\d|@|urn:|"display"/.exec(out)).toBeNull();
  });

  it.each(files.filter((one) => one.endsWith('.xml')))('%s', (file) => {
    const text = readFileSync(file, 'utf8');
    const found = cleanDocument(bytesOf(text), NOW);
    if (found.kind === 'refused') return;
    const out = JSON.stringify(found.content);
    const names = [
      ...text.matchAll(/<(?:given|family|streetAddressLine|city|title)[^>]*>([^<]{4,})</g),
    ];
    const ids = [...text.matchAll(/(?:extension|root|displayName)="([^"]{7,})"/g)];
    const times = [...text.matchAll(/value="((?:19|20)\d{6}[^"]*)"/g)];
    for (const [, secret] of [...names, ...ids, ...times]) {
      const text = (secret ?? '').trim();
      expect(out.includes(`"${text}"`), text).toBe(false);
    }
    expect(
      /tel:|mailto:|"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"/.exec(out),
    ).toBeNull();
  });
});
