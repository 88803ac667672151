// The emulator's virtual environment: made once per set of pinned hashes, needs no network after.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from './command.ts';
import type { Environment } from './environment.ts';
import { LocalError } from './errors.ts';
import { pythonFolder, REQUIREMENTS } from './layout.ts';

const PYTHON_NAMES = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.14'] as const;
const PYTHON_MIN = [3, 11] as const;
const INSTALL_PYTHON =
  'sudo apt-get install python3 python3-venv   (Debian, Ubuntu)\n' +
  'sudo dnf install python3                    (Fedora, Red Hat)\n' +
  'brew install python3                        (macOS)';

const run = promisify(execFile);

export interface PythonOptions {
  /** @default the folder named by the hash of the pins, in the clone's .cache */
  readonly folder?: string;
  /** @default local/python/requirements.txt */
  readonly requirements?: string;
  readonly log: string;
  readonly signal?: AbortSignal | undefined;
  readonly inherited?: NodeJS.ProcessEnv;
}

/** True when nothing is left to install. */
export function pythonIsReady(folder: string = pythonFolder()): boolean {
  return existsSync(interpreter(folder));
}

/**
 * Returns the interpreter of the virtual environment, after making it if it is not there.
 * Throws `missing_prerequisite` with the command that cures it.
 */
export async function preparePython(options: PythonOptions): Promise<string> {
  const requirements = options.requirements ?? REQUIREMENTS;
  const folder = options.folder ?? pythonFolder(requirements);
  if (pythonIsReady(folder)) return interpreter(folder);
  const env = pipEnvironment(options.inherited ?? process.env);
  const python = await findPython(env);
  const building = `${folder}.building-${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  try {
    await makeEnvironment(python, building, env);
    await runCommand({
      title: 'Installing the emulator',
      program: interpreter(building),
      args: ['-m', 'pip', 'install', '--require-hashes', '--no-input', '-r', requirements],
      env,
      cwd: dirname(folder),
      log: options.log,
      signal: options.signal,
    });
    publish(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return interpreter(folder);
}

/** The person's settings of pip and proxies hold here alone; hashes guard the result. */
export function pipEnvironment(inherited: NodeJS.ProcessEnv): Environment {
  const environment: Environment = {};
  for (const [name, value] of Object.entries(inherited)) {
    const foreign = /^(AWS_|PYTHON|VIRTUAL_ENV|NODE_|npm_)/.test(name);
    if (value !== undefined && !foreign) environment[name] = value;
  }
  environment['PIP_DISABLE_PIP_VERSION_CHECK'] = '1';
  return environment;
}

/** First Python that is new enough; throws `missing_prerequisite` naming what was found. */
async function findPython(env: Environment): Promise<string> {
  const tooOld: string[] = [];
  for (const name of PYTHON_NAMES) {
    const version = await pythonVersion(name, env);
    if (version === undefined) continue;
    const [major = 0, minor = 0] = version;
    if (major > PYTHON_MIN[0] || (major === PYTHON_MIN[0] && minor >= PYTHON_MIN[1])) return name;
    tooOld.push(`${name} is ${major}.${minor}`);
  }
  const found = tooOld.length === 0 ? 'none was found' : tooOld.join(', ');
  throw new LocalError(
    'missing_prerequisite',
    `The local network needs Python ${PYTHON_MIN.join('.')} or later; ${found}.`,
    { cure: INSTALL_PYTHON },
  );
}

async function pythonVersion(
  name: string,
  env: Environment,
): Promise<readonly number[] | undefined> {
  const code = 'import sys; print("%d.%d" % sys.version_info[:2])';
  try {
    const { stdout } = await run(name, ['-c', code], { env });
    return stdout.trim().split('.').map(Number);
  } catch {
    return undefined;
  }
}

async function makeEnvironment(python: string, folder: string, env: Environment): Promise<void> {
  try {
    await run(python, ['-m', 'venv', folder], { env });
  } catch (cause) {
    throw new LocalError(
      'missing_prerequisite',
      `${python} cannot make a virtual environment (its modules venv and ensurepip are missing).`,
      { cure: 'sudo apt-get install python3-venv', cause },
    );
  }
}

/** Gives the finished environment its name; another start may have been faster. */
function publish(building: string, folder: string): void {
  try {
    renameSync(building, folder);
  } catch (cause) {
    if (pythonIsReady(folder)) return;
    rmSync(folder, { recursive: true, force: true });
    renameSync(building, folder);
    if (!pythonIsReady(folder)) throw cause;
  }
}

function interpreter(folder: string): string {
  return join(folder, 'bin', 'python');
}
