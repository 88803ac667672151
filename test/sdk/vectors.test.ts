/** Fixed values of our own formats: a change of any of them locks people out of what they stored. */
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { categoryName, categoryOfContent } from '../../sdk/categories.ts';
import {
  categoryKeyPair,
  categorySeed,
  categoryTag,
  lookupKey,
  monthOf,
  monthRange,
  monthsFrom,
  pseudonymOf,
} from '../../sdk/category-keys.ts';
import { mediaTypeOf } from '../../sdk/media-type.ts';
import { reviseRange, revisionAt } from '../../sdk/publication.ts';
import { fileAad } from '../../sdk/seal.ts';
import { canonicalUii } from '../../sdk/uii.ts';

const root = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
const uii = { name: 'Anna Müller', birthDate: '1961-04-23', nationalId: '756.1234.5678.97' };
const epoch = { network: 'local-test', category: 'laboratory', month: '2026-11', revision: 2 };

describe('derivations of a patient’s root', () => {
  it('give the values of version 1', async () => {
    const lookup = lookupKey(root);
    const pair = await categoryKeyPair(root, epoch);
    expect({
      lookup: toHex(lookup),
      pseudonym: pseudonymOf(lookup, uii),
      tag: categoryTag(root, 'laboratory'),
      seed: toHex(categorySeed(root, epoch)),
      publicKey: toHex(sha256(pair.publicKey)),
      aad: toHex(fileAad('local-test', 'AAAAAAAAAAAAAAAAAAAAAA')),
      uii: toHex(canonicalUii(uii)),
    }).toEqual({
      aad: '146028d6c2a55f03edda6cbc25b340a6f1449c79c221f67aaac95c2afa4b846e',
      lookup: '56d793e8326389509bd7635c3aa62ef6d87031cbbef5293474a3e19218a53766',
      pseudonym: '6TPrz_zXudxnI3zwohinNTxt9uCbOydiJD6-lDYQO70',
      publicKey: '669e4af7fd68c92790176a9e8e2efdb2cab5f3a02de7563de26d0ce608c6a896',
      seed: '2b2a8b38d3d723890ee93e0e4c8c0a4c16d486fc673dab51425c803882bff712',
      tag: 'iN3gLMWNQeI1LLhn_dRhfw',
      uii: 'a2666669656c6473a3646e616d656c616e6e61206dc3bc6c6c6572696269727468446174656a313936312d30342d32336a6e6174696f6e616c49646d373536313233343536373839376776657273696f6e01',
    });
  });

  it('differ in every input', () => {
    const seeds = [
      epoch,
      { ...epoch, network: 'local-other' },
      { ...epoch, category: 'laborator' },
      { ...epoch, month: '2026-12' },
      { ...epoch, revision: 3 },
    ].map((one) => toHex(categorySeed(root, one)));
    expect(new Set(seeds).size).toBe(seeds.length);
  });
});

describe('identifying information', () => {
  it('is one whatever the capitals, accents’ form, blanks and punctuation', () => {
    const same = { name: ' MU\u0308LLER'.replace('MU', 'Mu'), birthDate: '1961-04-23' };
    expect(canonicalUii(same)).toEqual(canonicalUii({ name: 'müller', birthDate: '1961-04-23' }));
    expect(canonicalUii({ nationalId: '756.1234-5678 97' })).toEqual(
      canonicalUii({ nationalId: '7561234567897' }),
    );
  });

  it('keeps fields apart, and refuses to be empty', () => {
    expect(canonicalUii({ name: 'a' })).not.toEqual(canonicalUii({ address: 'a' }));
    expect(() => canonicalUii({ name: ' - ' })).toThrow(/identifies/);
  });
});

describe('months and revisions', () => {
  it('count over years', () => {
    expect(monthOf(Date.UTC(2026, 10, 30, 23, 59))).toBe('2026-11');
    expect(monthsFrom('2026-11', 4)).toEqual(['2026-11', '2026-12', '2027-01', '2027-02']);
    expect(monthRange('2026-12', '2026-11')).toEqual([]);
  });

  it('rise above every month of the range', () => {
    const before = new Map([['t', [{ month: '2026-12', revision: 4 }]]]);
    const { ranges, revised } = reviseRange(before, ['t'], { from: '2026-11', until: '2027-01' });
    expect(ranges).toEqual([{ categoryTag: 't', from: '2026-11', until: '2027-01', revision: 5 }]);
    expect(revisionAt(revised, 't', '2026-11')).toBe(5);
    expect(revisionAt(revised, 't', '2027-02')).toBe(0);
  });
});

describe('categories and media types', () => {
  it('take folder names of any kind', () => {
    expect(categoryName('Radiation  Dose')).toBe('radiation-dose');
    expect(() => categoryName('   ')).toThrow();
    expect(() => categoryName('x'.repeat(65))).toThrow();
  });

  it('follow the content, not the name alone', () => {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    const dicom = new Uint8Array(200);
    dicom.set(text('DICM'), 128);
    expect(categoryOfContent('a.bin', dicom)).toBe('radiation-dose');
    expect(categoryOfContent('a.xml', text('<code code="11502-2"/>'))).toBe('laboratory');
    expect(categoryOfContent('a.txt', text('hello'))).toBeNull();
    expect(mediaTypeOf('text.pdf', text('no pdf'))).toBe('application/octet-stream');
    expect(mediaTypeOf('no-extension', text('%PDF-1.7'))).toBe('application/pdf');
  });
});
