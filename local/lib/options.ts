// Command-line options that the local commands share.
import { Command, InvalidArgumentError } from 'commander';
import { DEFAULT_FOLDER } from './layout.ts';
import { type Emulator, emulators } from './plan.ts';

export interface FolderOption {
  readonly folder: string;
}

/** A command with `--folder`, help with examples, and its name as people call it. */
export function localCommand(name: string, description: string, examples: string): Command {
  return new Command(name)
    .description(description)
    .option('--folder <dir>', 'folder of the network', DEFAULT_FOLDER)
    .addHelpText('after', `\nExamples:\n${examples}`)
    .showHelpAfterError('(--help shows examples)');
}

/** The emulator that a person names. */
export function emulatorNamed(text: string): Emulator {
  const found = emulators.find((name) => name === text);
  if (found === undefined) throw new InvalidArgumentError(`One of: ${emulators.join(', ')}.`);
  return found;
}

/** Folder of networks on LocalStack, where the person names none. */
export const LOCALSTACK_NETWORK = '.local-localstack';

/** The option `--emulator` of commands that start a network. */
export function withEmulator(command: Command): Command {
  return command.option(
    '--emulator <name>',
    `ministack: a process for each account; localstack: one for all, in ${LOCALSTACK_NETWORK}`,
    emulatorNamed,
  );
}

/** The folder that a person gave, or the usual one of the emulator. */
export function folderOf(command: Command): string {
  const { folder, emulator } = command.opts<{ folder: string; emulator?: Emulator }>();
  return emulator === 'localstack' ? (givenFolder(command) ?? LOCALSTACK_NETWORK) : folder;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('Give a whole number.');
  return value;
}

/** The folder as the person gave it, undefined where it is the default. */
export function givenFolder(command: Command): string | undefined {
  return command.getOptionValueSource('folder') === 'cli'
    ? String(command.getOptionValue('folder'))
    : undefined;
}
