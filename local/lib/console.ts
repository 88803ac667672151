// What the commands print: addresses, what to do next, and failures with their cure.
import { relative } from 'node:path';
import { LocalError } from './errors.ts';
import type { Layout } from './layout.ts';
import type { PlannedMember } from './plan.ts';
import { keepsState } from './stop-network.ts';

/** Runs a command's work; a failure is shown with what cures it and sets the exit code. */
export async function runMain(work: () => Promise<void>): Promise<void> {
  process.stdout.on('error', () => undefined);
  try {
    await work();
  } catch (error) {
    process.exitCode = 1;
    if (!(error instanceof LocalError)) {
      console.error(error);
      return;
    }
    console.error(`\n${error.message}`);
    if (error.cure !== undefined) console.error(`\n  ${error.cure.replaceAll('\n', '\n  ')}`);
  }
}

/** A path as short as a person would type it. */
export function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}

/** The addresses of a network, a line each. */
export function addressLines(
  members: readonly PlannedMember[],
  urls: Readonly<Record<string, string>>,
): readonly string[] {
  const width = Math.max(...members.map(({ id }) => id.length));
  const names = Math.max(...members.map(({ name }) => name.length));
  return members.map(
    ({ id, name }) => `  ${id.padEnd(width)}  ${name.padEnd(names)}  ${urls[id] ?? ''}`,
  );
}

/** What a person may want next; `--folder` is repeated where it was given. */
export function nextSteps(layout: Layout, folderOption: string | undefined): readonly string[] {
  const folder = folderOption === undefined ? '' : ` --folder ${folderOption}`;
  const dashes = folder === '' ? '' : ' --';
  const steps: readonly (readonly [string, string])[] = [
    [`npm run status${dashes}${folder}`, 'what runs, and how high the ledger is'],
    [`npm run network -- stop hospital-b${folder}`, 'take a hospital down, in order'],
    [`npm run network -- restart hospital-b${folder}`, 'and bring it back with its state'],
    [`npm run network -- kill hospital-b${folder}`, 'lose a hospital for good'],
    [`npm stop${dashes}${folder}`, stopText(layout)],
    [`${shortPath(layout.logs)}/<account>.log`, 'what each account says'],
    [shortPath(layout.networkFile), 'what the CLI and the SDK read'],
  ];
  const width = Math.max(...steps.map(([first]) => first.length));
  return steps.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`);
}

function stopText(layout: Layout): string {
  if (keepsState(layout)) return 'stop all; state is kept for the next start';
  return 'stop all; LocalStack keeps no state, the next start is a new network';
}
