// The stand-in registry answers in the public form of NPPES 2.1 about invented people.
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { answerQuery, CLINICIANS, loadFixtures, npiOf } from '../../local/lib/registry-answers.ts';
import { isValidNpi } from '../../lib/membership/npi.ts';
import { temporaryFolder } from './temporary-folder.ts';

const query = (text: string): URLSearchParams => new URLSearchParams(`version=2.1&${text}`);

test('the check digit is the one of the published example 123456789 → 1234567893', () => {
  expect(npiOf('123456789')).toBe('1234567893');
  expect(isValidNpi('1234567893')).toBe(true);
  expect(isValidNpi('1234567890')).toBe(false);
});

test('all numbers are valid and distinct', () => {
  expect(CLINICIANS.every(({ npi }) => isValidNpi(npi))).toBe(true);
  expect(new Set(CLINICIANS.map(({ npi }) => npi)).size).toBe(CLINICIANS.length);
});

test('a number gives the clinician with name, state and licence', () => {
  const [ada] = CLINICIANS;
  expect(answerQuery(query(`number=${ada?.npi ?? ''}`))).toMatchObject({
    result_count: 1,
    results: [
      {
        number: ada?.npi,
        enumeration_type: 'NPI-1',
        basic: { first_name: 'ADA', last_name: 'OKONJO', status: 'A' },
        taxonomies: [{ code: '2085R0001X', primary: true, state: 'NY', license: '900001' }],
      },
    ],
  });
});

test('a deactivated number answers like one that was never issued', () => {
  const deactivated = CLINICIANS.find(({ active }) => !active);
  const never = { result_count: 0, results: [] };
  expect(answerQuery(query(`number=${deactivated?.npi ?? ''}`))).toEqual(never);
  expect(answerQuery(query(`number=${npiOf('199999999')}`))).toEqual(never);
});

test.each([
  ['last_name=okonjo', 1],
  ['last_name=OKON*', 1],
  ['first_name=Ada&last_name=Nordqvist', 0],
  ['state=CA', 1],
])('a search by %s finds %i', (text, count) => {
  expect(answerQuery(query(text))).toHaveProperty('result_count', count);
});

test.each(['number=12', '', 'limit=5'])('%s is refused as the registry refuses it', (text) => {
  expect(answerQuery(query(text))).toHaveProperty('Errors');
});

describe('with real answers of the registry', () => {
  const folder = process.env['NPPES_ANSWERS'] ?? '';
  test.skipIf(!existsSync(folder))('every single answer is found again by its number', () => {
    const extra = loadFixtures(folder);
    expect(readdirSync(folder).length).toBeGreaterThan(0);
    for (const record of extra) {
      const { number } = record as { number: string | number };
      const { results } = answerQuery(query(`number=${number}`), extra) as { results: object[] };
      expect(results).toContain(record);
    }
  });
});

test('a folder without answers adds nothing', () => {
  expect(loadFixtures(temporaryFolder())).toEqual([]);
});
