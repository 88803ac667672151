/** What the subcommands of `carequorum case` share: one change that is certified, and its receipt. */
import type { Command } from 'commander';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { caseIdOf, casePerson } from '../cases.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import {
  type CommonOptions,
  examples,
  keystoreOptions,
  receiptsOption,
  yesOption,
} from '../options.ts';
import { certifiedJson, certifiedLine } from '../results.ts';
import type { Runner } from '../runner.ts';

/** For examples. */
export const key = '--keystore ada.keystore';
export const caseArgument = ['<case>', 'id of the case, or its start'] as const;

/** A subcommand of which one change is certified. */
export function addDeed<O, A extends unknown[]>(
  parent: Command,
  run: Runner,
  head: { usage: string; summary: string; description: string; examples: readonly string[] },
  work: (context: CommandContext, options: O, ...args: A) => Promise<Deed>,
): Command {
  const command = parent.command(head.usage).summary(head.summary).description(head.description);
  return examples(yesOption(receiptsOption(keystoreOptions(command))), head.examples).action(
    (...all: unknown[]) => {
      const options = all.at(-2) as CommonOptions & O;
      const args = all.slice(0, -2) as A;
      return run(options, async (context) => {
        const { results, json, lines } = await work(context, options, ...args);
        await context.keepReceipts(results);
        const last = results.at(-1) as CertifiedResult;
        return {
          json: { ...json, ...certifiedJson(last) },
          lines: [...lines, certifiedLine(last)],
        };
      });
    },
  );
}

export interface Deed {
  results: readonly CertifiedResult[];
  json: Readonly<Record<string, unknown>>;
  lines: readonly string[];
}

/** A change that needs the case alone. */
export async function plainDeed(
  context: CommandContext,
  wanted: string,
  line: string,
  work: (
    person: Awaited<ReturnType<typeof casePerson>>,
    caseId: string,
  ) => Promise<CertifiedResult>,
): Promise<Deed> {
  const person = await casePerson(context);
  const caseId = await caseIdOf(person, wanted);
  const result = await context.work('Asking the hospitals', () => work(person, caseId));
  return { results: [result], json: { caseId }, lines: [line] };
}

export function usage(message: string): UsageError {
  return new UsageError(message, 'See `carequorum case --help`.');
}
