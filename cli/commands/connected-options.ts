/** What the commands of pharmacies and insurers read from the command line. */
import { InvalidArgumentError } from 'commander';
import {
  centsField,
  type ClaimLine,
  codeField,
  codeSystemField,
} from '../../lib/connected/claim-content.ts';

const NUMBER_MAX = 1_000_000;

export function wholeNumber(text: string): number {
  const number = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= NUMBER_MAX) return number;
  throw new InvalidArgumentError('Give a whole number.');
}

/** `system:code`, `system:code*units`, each with `=12.50` for what was charged. */
export function collectLines(text: string, known: readonly ClaimLine[] = []): ClaimLine[] {
  const [, system = '', code = '', units = '1', charge] =
    /^([^:=*]+):([^:=*]+)(?:\*(\d{1,6}))?(?:=(\d{1,8}(?:\.\d{2})?))?$/.exec(text) ?? [];
  const isGood =
    codeSystemField.safeParse(system).success &&
    codeField.safeParse(code).success &&
    Number(units) > 0;
  const cents = charge === undefined ? null : Math.round(Number(charge) * 100);
  if (!isGood || (cents !== null && !centsField.safeParse(cents).success)) {
    throw new InvalidArgumentError('Give SYSTEM:CODE*UNITS=CHARGE, as atc:L02BA01*30=45.00.');
  }
  return [...known, { system, code, units: Number(units), charge: cents }];
}

/** Cents as people write them. */
export function moneyText(cents: number, currency: string): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')} ${currency}`;
}
