/** Spin and a C compiler: found, installed where that is allowed, and run on one model. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ModelError } from './errors.ts';

const run = promisify(execFile);
const source = import.meta.dirname;
export const workFolder = resolve(source, '..', '..', '.cache', 'model');
const outputMax = 16 * 1024 * 1024;
/** More memory than the largest model needs; Spin stops with an error when it is used up. */
const memoryMb = 4000;

export interface Outcome {
  /** What Spin found broken, or null after every state was seen. */
  readonly violated: string | null;
  readonly states: number;
  readonly depth: number;
  readonly seconds: number;
  readonly output: string;
}

const installCommand =
  'apt-get update && apt-get install -y --no-install-recommends spin gcc libc6-dev';

/** Finds Spin and gcc; as root on Debian it installs what is missing, else it says how. */
export async function prepareTools(say: (line: string) => void): Promise<void> {
  const missing = await missingTools();
  if (missing.length === 0) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync('/usr/bin/apt-get')) {
    say(`Installing ${missing.join(' and ')} …`);
    await run('/bin/sh', ['-c', installCommand], { maxBuffer: outputMax }).catch(() => undefined);
  }
  const still = await missingTools();
  if (still.length === 0) return;
  const command = `${isRoot ? '' : 'sudo '}sh -c '${installCommand}'`;
  throw new ModelError(
    'missing_tool',
    `${still.join(' and ')} not found. Install with:\n  ${command}`,
  );
}

async function missingTools(): Promise<string[]> {
  const found = await Promise.all(
    [
      ['spin', '-V'],
      ['gcc', '--version'],
    ].map(([tool = '', flag = '']) =>
      run(tool, [flag]).then(
        () => null,
        () => tool,
      ),
    ),
  );
  return found.filter((one) => one !== null);
}

interface Job {
  /** Names the folder that it is built in. */
  readonly name: string;
  readonly file: string;
  readonly flags: readonly string[];
  /** Of the C compiler: building takes longer than searching a small world. */
  readonly optimise: 0 | 1 | 2;
  /** Files besides the models, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Builds the checker of one model and runs it until it has seen every state or a violation. */
export async function check(job: Job): Promise<Outcome> {
  const { name, file, flags, files = {}, signal } = job;
  const folder = join(workFolder, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const one of readdirSync(source)) {
    if (one.endsWith('.pml')) copyFileSync(join(source, one), join(folder, one));
  }
  for (const [one, text] of Object.entries(files)) writeFileSync(join(folder, one), text);
  const options = { cwd: folder, maxBuffer: outputMax, ...(signal ? { signal } : {}) };
  try {
    const { stdout } = await run('spin', ['-a', ...flags, file], options);
    if (/error/i.test(stdout)) throw new ModelError('spin_failed', `${name}: ${stdout}`);
    const build = [
      '-w',
      `-O${job.optimise}`,
      '-DSAFETY',
      `-DMEMLIM=${memoryMb}`,
      '-DVECTORSZ=65536',
    ];
    await run('gcc', [...build, '-o', 'pan', 'pan.c'], options);
    const started = performance.now();
    const { stdout: output } = await run('./pan', ['-E', '-m200000'], options);
    return outcomeOf(name, output, (performance.now() - started) / 1000);
  } catch (cause) {
    if (cause instanceof ModelError || signal?.aborted) throw cause;
    const said = cause as { stdout?: string; stderr?: string };
    throw new ModelError('spin_failed', `${name}: ${said.stdout ?? ''}${said.stderr ?? ''}`, {
      cause,
    });
  }
}

function outcomeOf(name: string, output: string, seconds: number): Outcome {
  const errors = /errors: (\d+)/.exec(output)?.[1];
  const violated = /assertion violated (.*) \(at depth/.exec(output)?.[1] ?? null;
  const isWhole = !/max search depth too small|out of memory|Search not completed/.test(output);
  if (errors === undefined || (violated === null && (errors !== '0' || !isWhole))) {
    throw new ModelError('spin_failed', `${name}: the search did not end:\n${output.slice(-2000)}`);
  }
  return {
    violated,
    states: Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0),
    depth: Number(/depth reached (\d+)/.exec(output)?.[1] ?? 0),
    seconds,
    output,
  };
}
