/** What is not known is never shown as «none»; and a card is typed as people type. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { randomBytes } from '../../lib/crypto/random.ts';
import { formatCardCode, parseCardCode } from '../../sdk/card-code.ts';
import { SdkError } from '../../sdk/errors.ts';
import {
  type EmergencySummary,
  NO_SUMMARY_TEXT,
  openSummary,
  sealSummary,
  sectionLines,
  sectionNames,
  type Source,
  summaryLines,
  summarySchema,
} from '../../sdk/emergency-summary.ts';

const time = Date.parse('2026-11-20T10:00:00Z');
const patient: Source = { by: 'patient', time };
const record: Source = { by: 'record', recordId: 'A'.repeat(22), author: 'Ada (doctor)', time };
const summary: EmergencySummary = {
  format: 'carequorum-emergency-1',
  person: { name: 'Anna Muster', birthDate: '1961-04-23' },
  madeAt: time,
  allergies: { state: 'recorded', entries: [{ text: 'Penicillin: anaphylaxis', source: record }] },
  medicines: { state: 'none-known', source: patient },
  conditions: { state: 'not-asked' },
};
const none = /none known/i;

describe('an emergency summary', () => {
  it('shows allergies first, each with who says so and when', () => {
    const lines = summaryLines(summary);
    const heads = lines.filter((line) => /^[A-Z]+$/.test(line));
    expect(heads).toEqual(['ALLERGIES', 'MEDICINES', 'CONDITIONS']);
    expect(lines[0]).toBe('Emergency summary of Anna Muster, born 1961-04-23');
    expect(lines.join('\n')).toContain(
      `Penicillin: anaphylaxis   [Ada (doctor), record ${'A'.repeat(22)}, 2026-11-20]`,
    );
    expect(lines.join('\n')).toContain('None known, says the patient, 2026-11-20.');
  });

  it('says «none known» only where somebody says so', () => {
    for (const name of sectionNames) {
      expect(sectionLines(name, { state: 'none-known', source: patient })[1]).toMatch(none);
      const others = [
        sectionLines(name, { state: 'not-asked' }),
        sectionLines(name, { state: 'nothing-recorded', source: record }),
        sectionLines(name, summary.allergies),
      ];
      for (const lines of others) expect(lines.join(' ')).not.toMatch(none);
      expect(new Set(others.map(String)).size).toBe(3);
    }
    expect(NO_SUMMARY_TEXT).not.toMatch(none);
  });

  it('cannot say it by an empty list, or by saying nothing', () => {
    const wrong = [
      { state: 'recorded', entries: [] },
      { state: 'none-known' },
      { state: 'nothing-recorded' },
      {},
      [],
      null,
    ];
    for (const allergies of wrong) {
      expect(summarySchema.safeParse({ ...summary, allergies }).success).toBe(false);
    }
    const without: Record<string, unknown> = { ...summary };
    delete without['allergies'];
    expect(summarySchema.safeParse(without).success).toBe(false);
  });

  it('opens with its secret and for its patient only, and hides its length', async () => {
    const [secret, other] = [randomBytes(32), randomBytes(32)];
    const place = { network: 'local-test', pseudonym: toBase64url(randomBytes(32)) };
    const payload = await sealSummary(summary, secret, place);
    expect(await openSummary(payload, secret, place)).toEqual(summary);
    const longer = {
      ...summary,
      conditions: {
        state: 'recorded' as const,
        entries: [{ text: 'x'.repeat(380), source: patient }],
      },
    };
    const sealed = await sealSummary(longer, secret, place);
    expect(Math.abs(sealed.length - payload.length)).toBeLessThan(8);
    const elsewhere = { ...place, pseudonym: toBase64url(randomBytes(32)) };
    const altered = Uint8Array.from(payload);
    altered[altered.length - 1]! ^= 1;
    for (const [bytes, key, at] of [
      [payload, other, place],
      [payload, secret, elsewhere],
      [altered, secret, place],
      [new Uint8Array(), secret, place],
    ] as const) {
      const error: unknown = await openSummary(bytes, key, at).catch((thrown: unknown) => thrown);
      expect((error as SdkError).code).toBe('not_readable');
      expect((error as SdkError).message).toContain('does NOT mean');
    }
  });

  it('is refused where it is too long to be of use', async () => {
    const entries = Array.from({ length: 64 }, () => ({ text: 'ä'.repeat(400), source: patient }));
    const long = { state: 'recorded' as const, entries };
    const place = { network: 'local-test', pseudonym: 'p' };
    const much = { ...summary, allergies: long, medicines: long };
    await expect(sealSummary(much, randomBytes(32), place)).rejects.toMatchObject({
      code: 'bad_input',
    });
  });
});

describe('the number on a card', () => {
  it('comes back however it is typed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const handle = toBase64url(bytes);
        const code = formatCardCode(handle);
        expect(code).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}$/);
        for (const typed of [
          code,
          code.toLowerCase(),
          code.replaceAll('-', ' '),
          ` ${code.replaceAll('0', 'o').replaceAll('1', 'l')} `,
        ]) {
          expect(parseCardCode(typed)).toBe(handle);
        }
      }),
    );
  });

  it('is refused with a letter wrong, missing or too many', () => {
    const code = formatCardCode(toBase64url(Uint8Array.from({ length: 16 }, (_, at) => at * 11)));
    let noticed = 0;
    const places = [...code].flatMap((letter, at) => (letter === '-' ? [] : [at]));
    for (const at of places) {
      const other = code[at] === '7' ? '8' : '7';
      const typed = code.slice(0, at) + other + code.slice(at + 1);
      try {
        parseCardCode(typed);
      } catch (error) {
        if (error instanceof SdkError && error.code === 'bad_input') noticed += 1;
      }
    }
    expect(noticed).toBe(places.length);
    for (const typed of ['', code.slice(1), `${code}A`, code.replace(/.$/, 'U')]) {
      expect(() => parseCardCode(typed)).toThrow(SdkError);
    }
  });
});
