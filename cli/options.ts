/** Options that commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Right, rightField } from '../lib/chaincode/fields.ts';
import { categoryName } from '../sdk/categories.ts';
import { disputeReasons } from '../sdk/patient.ts';
import { revocationReasons } from '../sdk/operator.ts';
import { type GrantablePurpose, purposeCodes, purposeOf } from './words.ts';

export interface CommonOptions {
  readonly network?: string;
  readonly validator?: string;
  readonly keystore?: string;
  readonly passphraseFile?: string;
  readonly receipts?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

export const NETWORK_DEFAULT = '.local/network.json';

export function jsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON document instead of text');
}

export function networkOptions(command: Command): Command {
  return jsonOption(command)
    .option(
      '--network <file>',
      `network file (default: CAREQUORUM_NETWORK, else ${NETWORK_DEFAULT})`,
    )
    .option('--validator <id>', 'hospital to ask first (default: any; all are equally good)');
}

export function keystoreOptions(command: Command): Command {
  return networkOptions(command)
    .option('--keystore <file>', 'file with your keys (default: CAREQUORUM_KEYSTORE)')
    .option(
      '--passphrase-file <file>',
      'file with the passphrase (default: CAREQUORUM_PASSPHRASE, else you are asked)',
    );
}

/** For commands whose outcome a quorum certifies. */
export function receiptsOption(command: Command): Command {
  return command.option(
    '--receipts <file>',
    'add the receipts to this file, one a line: `carequorum verify` checks them offline',
  );
}

export function yesOption(command: Command): Command {
  return command.option('--yes', 'do it without asking');
}

export function examples(command: Command, lines: readonly string[]): Command {
  const text = lines.map((line) => (line.startsWith('#') ? `  ${line}` : `  $ ${line}`)).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

const ID_MARK = 'id:';
const ID_LENGTHS: ReadonlySet<number> = new Set([22, 43]);

/**
 * Ids and their starts may begin with a hyphen, as options do: where a command of the program takes
 * ids, such words are marked, and `parseId` takes the mark off. Values of options stay as they are.
 */
export function markIds(argv: readonly string[], program: Command): string[] {
  let command = program;
  let isValue = false;
  let areOperands = false;
  return argv.map((word) => {
    if (isValue || areOperands) {
      isValue = false;
      return word;
    }
    areOperands = word === '--';
    isValue = command.options.some((one) => isNamed(one, word) && one.required);
    const below = command.commands.find((one) => one.name() === word);
    command = below ?? command;
    return isHyphenId(word, command) ? `${ID_MARK}${word}` : word;
  });
}

/** Options are in small letters and have two hyphens: of those, an id has other letters too. */
function isHyphenId(word: string, command: Command): boolean {
  const takesIds = command.registeredArguments.some(
    ({ parseArg }) => parseArg === parseId || parseArg === collectIds,
  );
  if (!takesIds || !/^-[A-Za-z0-9_-]{3,63}…?$/.test(word)) return false;
  const known = command.createHelp().visibleOptions(command);
  if (known.some((one) => isNamed(one, word) || isNamed(one, `-${word}`))) return false;
  return ID_LENGTHS.has(word.length) || !/^--[a-z-]+$/.test(word);
}

function isNamed({ short, long }: Option, word: string): boolean {
  return word === short || word === long;
}

/** An id, or its start. */
export function parseId(text: string): string {
  const id = (text.startsWith(ID_MARK) ? text.slice(ID_MARK.length) : text).replace(/…$/, '');
  if (/^[A-Za-z0-9_-]{4,64}$/.test(id)) return id;
  throw new InvalidArgumentError('Give an id, or at least its first four characters.');
}

/** For arguments of which there may be many. */
export function collectIds(text: string, known: readonly string[] = []): string[] {
  return [...known, parseId(text)];
}

/** In the place of an id: all that changed since a time that is given, too. */
export const RECENT = 'recent';

/** Ids with commas, or the word `recent` among them. */
export function collectLeftOut(text: string, known: readonly string[] = []): string[] {
  const ids = text.split(',').map((one) => one.trim());
  return [...known, ...ids.map((one) => (one === RECENT ? one : parseId(one)))];
}

export function collect(text: string, known: readonly string[] = []): string[] {
  return [...known, text];
}

/** Category names, separated by commas or the option repeated. */
export function collectCategories(text: string, known: readonly string[] = []): string[] {
  const names = text.split(',').map((part) => {
    try {
      return categoryName(part);
    } catch {
      throw new InvalidArgumentError('A category has 1 to 64 letters, digits and hyphens.');
    }
  });
  return [...new Set([...known, ...names])];
}

export function parseRights(text: string): Right[] {
  const rights = text.split(',').map((word) => {
    const parsed = rightField.safeParse(word.trim().toLowerCase());
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(`Rights are ${rightField.options.join(', ')}.`);
  });
  return [...new Set(rights)];
}

export function parsePurpose(text: string): GrantablePurpose {
  const code = purposeOf(text.trim());
  if (code) return code;
  throw new InvalidArgumentError(`Purposes are ${Object.keys(purposeCodes).join(', ')}.`);
}

export function collectPurposes(
  text: string,
  known: readonly GrantablePurpose[] = [],
): GrantablePurpose[] {
  return [...new Set([...known, ...text.split(',').map(parsePurpose)])];
}

export function purposeOption(): Option {
  const words = Object.keys(purposeCodes).join(', ');
  const text = `why you read: ${words} (default: treatment; patients: own-request)`;
  return new Option('--purpose <purpose>', text).argParser(parsePurpose);
}

export function parseLimit(text: string): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit > 0) return limit;
  throw new InvalidArgumentError('Give a whole number above 0.');
}

/** A block's height, or a version. */
export function parseHeight(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Give a whole number above 0.');
}

export function disputeReasonOption(): Option {
  return new Option('--reason <reason>', 'what is wrong with it')
    .choices(disputeReasons)
    .makeOptionMandatory();
}

export function revocationReasonOption(): Option {
  return new Option('--reason <reason>', 'with --revoke: why').choices(revocationReasons);
}
