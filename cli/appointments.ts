/** What a representative may do, in words that a patient understands. */
import type { Power } from '../lib/chaincode/representative-values.ts';
import { powerField } from '../lib/chaincode/representative-values.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import { InvalidArgumentError } from 'commander';
import { timeText } from './times.ts';

/** Rights by the word that is typed. */
const powerTexts: Readonly<Record<Power, string>> = {
  read: 'read your records of these kinds',
  grant:
    'let doctors and nurses read or write records of these kinds, never for longer than this lasts',
  revoke: 'end permissions that lie within these kinds, and see which you gave',
  countersign: 'confirm or dispute records of these kinds for you',
  history: 'see all that was done with your data, of every kind',
};

/** All that there is to give, one a line. */
export const powersHelp = Object.entries(powerTexts)
  .map(([word, text]) => `${word.padEnd(12)} ${text}`)
  .join('\n');

export function parsePowers(text: string): Power[] {
  const powers = text.split(',').map((word) => {
    const parsed = powerField.safeParse(word.trim().toLowerCase());
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`Rights are ${powerField.options.join(', ')}.`);
  });
  return [...new Set(powers)];
}

/** What somebody may do, with what, and when. */
export function appointmentLines(
  {
    dataFrom,
    dataUntil,
    from,
    until,
  }: Pick<Permission, 'dataFrom' | 'dataUntil' | 'from' | 'until'>,
  {
    powers,
    categories,
    now,
  }: { powers: readonly Power[]; categories: readonly string[]; now: number },
): string[] {
  const months = [dataFrom && `from ${dataFrom}`, dataUntil && `until ${dataUntil}`].filter(
    Boolean,
  );
  return [
    ...powers.map(
      (power, at) => `  ${at === 0 ? 'may        ' : '           '} ${powerTexts[power]}`,
    ),
    `  kinds       ${categories.join(', ')}${months.length > 0 ? `, data ${months.join(' ')}` : ''}`,
    `  when        from ${from <= now ? 'now' : timeText(from)} until ${timeText(until)}`,
  ];
}
