/** How a command gets its context and hands over its result. */
import type { CommandContext } from './context.ts';
import type { CommonOptions } from './options.ts';
import type { CommandResult } from './output.ts';

/** Runs a command with its context, and prints what it gives. */
export type Runner = (
  options: CommonOptions,
  work: (context: CommandContext) => Promise<CommandResult>,
) => Promise<void>;
