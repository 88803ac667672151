// Command-line options that the local commands share.
import { Command, InvalidArgumentError } from 'commander';
import { DEFAULT_FOLDER } from './layout.ts';

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
