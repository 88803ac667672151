/**
 * `npm test`: the whole test, part by part. Each part runs although an earlier one failed, so that
 * one run shows everything; the last line is `<n> passed, <m> failed`, and any failure sets the
 * exit code. `npm test -- unit e2e` runs the named parts only.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runMain } from '../local/lib/console.ts';
import { LocalError } from '../local/lib/errors.ts';
import { requireJava } from '../local/localstack/install.ts';
import { preparePython } from '../local/lib/python-environment.ts';

const PROJECT_ROOT = resolve(import.meta.dirname, '..');
const OUTPUT_FOLDER = join(PROJECT_ROOT, '.cache', 'test');
const VITEST = join(PROJECT_ROOT, 'node_modules', 'vitest', 'vitest.mjs');

interface Part {
  readonly name: string;
  readonly title: string;
  readonly run: () => Promise<Counts>;
}

/** What takes longer hangs: nine minutes are usual on two cores, of them one to install all. */
const LOCALSTACK_MS_MAX = 900_000;

const parts: readonly Part[] = [
  {
    name: 'check',
    title: 'types, lint, format, imports',
    run: async () => oneTest(await runScript('check')),
  },
  {
    name: 'unit',
    title: 'unit tests, vectors, simulation',
    run: () => runFiles('unit', ['--exclude', 'test/e2e/**', '--exclude', '**/*.emulator.test.ts']),
  },
  {
    name: 'emulator',
    title: 'adapters against the emulator',
    run: () => runOnEmulators('emulator', ['.emulator.test.ts', '--exclude', 'test/e2e/**']),
  },
  { name: 'e2e', title: 'the whole network', run: () => runOnEmulators('e2e', ['test/e2e/']) },
  { name: 'localstack', title: 'smoke test and journey on one LocalStack', run: runLocalstack },
];

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A part that broke before it could name a test counts as one failure. */
const BROKEN: Counts = { passed: 0, failed: 1, skipped: 0 };

interface Outcome extends Counts {
  readonly part: Part;
  readonly seconds: number;
}

async function main(): Promise<Counts> {
  const chosen = chosenParts(process.argv.slice(2));
  mkdirSync(OUTPUT_FOLDER, { recursive: true });
  const outcomes: Outcome[] = [];
  for (const [index, part] of chosen.entries()) {
    say(`\n━━ ${index + 1}/${chosen.length} ${part.name}: ${part.title}\n`);
    const started = performance.now();
    const counts = await part.run();
    const seconds = (performance.now() - started) / 1000;
    outcomes.push({ part, seconds, ...counts });
    say(`\n━━ ${lineOf({ part, seconds, ...counts })}`);
  }
  return summarise(outcomes);
}

function chosenParts(names: readonly string[]): readonly Part[] {
  const unknown = names.filter((name) => !parts.some((part) => part.name === name));
  if (unknown.length > 0) {
    const known = parts.map((part) => part.name).join(', ');
    throw new LocalError('bad_option', `There is no part ${unknown.join(', ')}; parts: ${known}.`);
  }
  return names.length === 0 ? parts : parts.filter((part) => names.includes(part.name));
}

/** Files of tests; `args` of vitest say which, `added` what their environment has besides. */
async function runFiles(
  name: string,
  args: readonly string[],
  added: () => Promise<NodeJS.ProcessEnv> = () => Promise.resolve({}),
): Promise<Counts> {
  let counts: Counts = BROKEN;
  await runMain(async () => {
    counts = await runVitest(name, args, testEnvironment(await added()));
  });
  return counts;
}

/** Files that start emulators: they need the Python environment, and run one at a time. */
function runOnEmulators(name: string, args: readonly string[]): Promise<Counts> {
  return runFiles(name, [...args, '--no-file-parallelism'], emulatorEnvironment);
}

/** Skipped where Java or Maven are not there: they are no packages of this project. */
async function runLocalstack(): Promise<Counts> {
  try {
    await requireJava();
  } catch (error) {
    if (!(error instanceof LocalError)) throw error;
    say(`   skipped: ${error.message}\n   ${error.cure ?? ''}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  return oneTest(await runScript('test:localstack', LOCALSTACK_MS_MAX));
}

function oneTest(code: number): Counts {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
}

function runScript(name: string, timeoutMs?: number): Promise<number> {
  return run('npm', ['run', '--silent', name], testEnvironment({}), timeoutMs);
}

async function runVitest(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Counts> {
  const output = join(OUTPUT_FOLDER, `${name}.json`);
  rmSync(output, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${output}`];
  const code = await run(process.execPath, [VITEST, 'run', ...args, ...reporters], env);
  return countsOf(readReport(output), code === 0);
}

/** What is read of vitest's JSON report. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/** Null when vitest ended before it could write one. */
function readReport(path: string): VitestReport | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as VitestReport;
  } catch {
    return null;
  }
}

/** A file that fails without a failed test, and a run that breaks as a whole, count as one each. */
function countsOf(report: VitestReport | null, isOk: boolean): Counts {
  if (report === null) return BROKEN;
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  return {
    passed: report.numPassedTests,
    failed: !isOk && failed === 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * The program that starts an emulator, in CQ_MINISTACK. Its Python environment is made at the first
 * run and needs no network after; its own start script names the folder in which it was made, hence
 * this one.
 */
async function emulatorEnvironment(): Promise<NodeJS.ProcessEnv> {
  const python = await preparePython({ log: join(OUTPUT_FOLDER, 'python.log') });
  const program = join(OUTPUT_FOLDER, 'ministack');
  const quoted = `'${python.replaceAll("'", `'\\''`)}'`;
  writeFileSync(program, `#!/bin/sh\nexec ${quoted} -m ministack "$@"\n`, { mode: 0o755 });
  return { CQ_MINISTACK: program };
}

/** No test ever sees credentials or profiles of a real account. */
function testEnvironment(added: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  return { ...Object.fromEntries(own), AWS_EC2_METADATA_DISABLED: 'true', ...added };
}

/** The exit code of a program that shares this terminal; 1 when a signal ended it, as in the end of time. */
function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  timeout?: number,
): Promise<number> {
  return new Promise((settle, fail) => {
    const options = { cwd: PROJECT_ROOT, env, stdio: 'inherit' } as const;
    const child = spawn(program, args, {
      ...options,
      ...(timeout === undefined ? {} : { timeout }),
    });
    child.once('error', fail);
    child.once('close', (code) => {
      settle(code ?? 1);
    });
  });
}

function summarise(outcomes: readonly Outcome[]): Counts {
  say('\n━━ Summary\n');
  for (const outcome of outcomes) say(`   ${lineOf(outcome)}`);
  const total = (pick: (counts: Counts) => number): number =>
    outcomes.reduce((sum, outcome) => sum + pick(outcome), 0);
  const sums = {
    passed: total((counts) => counts.passed),
    failed: total((counts) => counts.failed),
    skipped: total((counts) => counts.skipped),
  };
  if (sums.failed > 0) process.exitCode = 1;
  return sums;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What continuous integration reads: exactly this form. */
function lastLineOf({ passed, failed }: Counts): string {
  return `${passed} passed, ${failed} failed`;
}

function lineOf({ part, seconds, passed, failed, skipped }: Outcome): string {
  const skips = skipped > 0 ? `, ${skipped} skipped` : '';
  const mark = failed === 0 ? '✓' : '✗';
  return `${mark} ${part.name.padEnd(10)} ${passed} passed, ${failed} failed${skips} (${seconds.toFixed(1)} s)`;
}

let lastLine = lastLineOf(BROKEN);
await runMain(async () => {
  lastLine = lastLineOf(await main());
});
say(`\n${lastLine}`);
