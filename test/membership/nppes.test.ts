/** The NPPES adapter: what verifies, what does not, and what leaves a claim pending. */
import { describe, expect, it } from 'vitest';
import { isValidNpi } from '../../lib/membership/npi.ts';
import { canonicalName, isSameName } from '../../lib/membership/person-name.ts';
import { nppesRegistry } from '../../functions/membership/registry/nppes.ts';
import type { ClinicianClaim } from '../../functions/membership/registry/registry.ts';

const claim: ClinicianClaim = {
  npi: '1720377294',
  name: 'Elise Hiza',
  state: 'NC',
  licence: '2017-01132',
};

/** An entry as the registry writes it; an invented licence in a second taxonomy. */
const entry = {
  enumeration_type: 'NPI-1',
  number: 1720377294 as number | string,
  basic: { first_name: 'ELISE', last_name: 'HIZA', middle_name: 'AILEEN', status: 'A' },
  other_names: [{ code: '1', type: 'Former Name', first_name: 'ELISE', last_name: 'SAMPLE' }],
  taxonomies: [
    { code: '390200000X', primary: false, state: '', license: '' },
    { code: '207X00000X', primary: true, state: 'NC', license: '2017-01132' },
    { code: '207X00000X', primary: false, state: 'GA', license: 'NA' },
  ],
};

function answering(body: unknown, status = 200) {
  const asked: string[] = [];
  const registry = nppesRegistry('http://registry.test/', async (url) => {
    asked.push(url);
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  });
  return { registry, asked };
}

const found = (change: object = {}) => ({ result_count: 1, results: [{ ...entry, ...change }] });

describe('nppesRegistry', () => {
  it('asks for the number in version 2.1', async () => {
    const { registry, asked } = answering(found());
    expect(await registry.verify(claim)).toBe('verified');
    expect(asked).toEqual(['http://registry.test/api/?version=2.1&number=1720377294']);
  });

  it.each<[string, object, Partial<ClinicianClaim>]>([
    ['a number as string, with newer members', { number: '1720377294', endpoints: [] }, {}],
    ['middle name, title, case and accents', {}, { name: 'Dr. élise A. HIZA, M.D.' }],
    ['a former name', {}, { name: 'Elise Sample' }],
    ['a licence without its punctuation', {}, { licence: '201701132', state: 'nc' }],
  ])('verifies %s', async (_name, change, claimed) => {
    expect(await answering(found(change)).registry.verify({ ...claim, ...claimed })).toBe(
      'verified',
    );
  });

  it.each<[string, unknown, Partial<ClinicianClaim>]>([
    ['an unknown or deactivated number', { result_count: 0, results: [] }, {}],
    ['another first name', found(), { name: 'Eliza Hiza' }],
    ['the last name alone', found(), { name: 'Hiza' }],
    ['a further name', found(), { name: 'Elise Hiza Other' }],
    ['another state', found(), { state: 'SC' }],
    ['another licence', found(), { licence: '2017-01133' }],
    ['state and licence of two taxonomies', found(), { state: 'GA' }],
    ['a licence that is none', found(), { state: 'GA', licence: 'NA' }],
    ['an empty licence', found(), { state: '', licence: '' }],
    ['an organisation', found({ enumeration_type: 'NPI-2' }), {}],
    ['an inactive entry', found({ basic: { ...entry.basic, status: 'D' } }), {}],
    ['the entry of another number', found({ number: 1063410173 }), {}],
    ['an entry of another form', { result_count: 1, results: [{ number: 1720377294 }] }, {}],
  ])('does not verify %s', async (_name, body, claimed) => {
    expect(await answering(body).registry.verify({ ...claim, ...claimed })).toBe('not_verified');
  });

  it('does not ask for a number without a right check digit', async () => {
    const { registry, asked } = answering(found());
    expect(await registry.verify({ ...claim, npi: '1720377295' })).toBe('not_verified');
    expect(asked).toEqual([]);
  });

  it.each<[string, unknown, number]>([
    ['5xx', 'down', 503],
    ['429', '{}', 429],
    ['not JSON', '<html>', 200],
    ['an error object', { Errors: [{ number: '04', description: 'No criteria' }] }, 200],
    ['another form', { results: 'x' }, 200],
  ])('is unavailable on %s', async (_name, body, status) => {
    expect(await answering(body, status).registry.verify(claim)).toBe('unavailable');
  });

  it('is unavailable where nothing answers, and after two seconds', async () => {
    const refused = nppesRegistry('http://registry.test', async () => {
      throw new TypeError('fetch failed');
    });
    expect(await refused.verify(claim)).toBe('unavailable');
    const silent = nppesRegistry('http://registry.test', (_url, init) => {
      return new Promise((_resolve, reject) => {
        init.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      });
    });
    const startedAt = performance.now();
    expect(await silent.verify(claim)).toBe('unavailable');
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe('isValidNpi', () => {
  it.each(['1234567893', '1720377294', '1114920071'])('takes %s', (npi) => {
    expect(isValidNpi(npi)).toBe(true);
  });
  it.each(['1234567890', '3234567893', '123456789', '12345678933', '', '12345678９3'])(
    'refuses %s',
    (npi) => {
      expect(isValidNpi(npi)).toBe(false);
    },
  );
});

describe('names', () => {
  it('reads names in any spelling and order', () => {
    expect(canonicalName('Dr. Zoë  Ångström, M.D.')).toBe('ANGSTROM ZOE');
    expect(canonicalName('ANGSTROM ZOE')).toBe('ANGSTROM ZOE');
    expect(canonicalName("O'Neill-Smith Pat")).toBe('ONEILL PAT SMITH');
  });
  it('asks for each word once', () => {
    expect(isSameName('Ali Ali', { first: 'Ali', last: 'Ali' })).toBe(true);
    expect(isSameName('Ali', { first: 'Ali', last: 'Ali' })).toBe(false);
    expect(isSameName('', { first: '', last: '' })).toBe(false);
  });
});
