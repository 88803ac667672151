// LocalStack and DynamoDB Local, brought to this clone once: pinned Python packages, pinned jars.
import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from '../lib/command.ts';
import { LocalError } from '../lib/errors.ts';
import {
  DYNAMODB_FOLDER,
  LOCALSTACK_FOLDER,
  LOCALSTACK_REQUIREMENTS,
  pythonFolder,
} from '../lib/layout.ts';
import { pipEnvironment, preparePython, pythonIsReady } from '../lib/python-environment.ts';

/** SHA-256 over names and SHA-256 of all jars of DynamoDB Local 2.6.1 and what it needs. */
const JARS_DIGEST = 'fc65f12e5db3d214e4f0dcf0466fe38e11f8b91224a71af28be76c00387e616e';
const INSTALL_JAVA = 'sudo apt-get install openjdk-17-jre-headless maven   (Debian, Ubuntu)';
/** DynamoDB Local 2 is compiled for it. */
const JAVA_MIN = 17;

const run = promisify(execFile);

export interface InstallOptions {
  readonly log: string;
  readonly signal?: AbortSignal | undefined;
}

/** True when nothing is left to install. */
export function localstackIsReady(): boolean {
  return pythonIsReady(pythonFolder(LOCALSTACK_REQUIREMENTS)) && existsSync(DYNAMODB_FOLDER);
}

/** Throws `missing_prerequisite`, with the command that cures it, where LocalStack cannot run here. */
export async function requireJava(): Promise<void> {
  const said = await requireProgram('java', ['-version']);
  const major = Number(/version "(\d+)/.exec(said)?.[1] ?? 0);
  if (major < JAVA_MIN) {
    const message = `LocalStack needs Java ${JAVA_MIN} or later; java is ${major}.`;
    throw new LocalError('missing_prerequisite', message, { cure: INSTALL_JAVA });
  }
  if (!existsSync(DYNAMODB_FOLDER)) await requireProgram('mvn', ['--version']);
}

/**
 * Returns the interpreter that runs LocalStack, after installing what is not there.
 * Throws `missing_prerequisite` with the command that cures it.
 */
export async function prepareLocalstack(options: InstallOptions): Promise<string> {
  await requireJava();
  const interpreter = await preparePython({ ...options, requirements: LOCALSTACK_REQUIREMENTS });
  await runCommand({
    ...options,
    title: 'Making LocalStack readable for this Python',
    program: interpreter,
    args: ['-B', join(LOCALSTACK_FOLDER, 'python', 'carequorum_localstack', 'source.py')],
    env: pipEnvironment(process.env),
    cwd: dirname(DYNAMODB_FOLDER),
  });
  await prepareDynamodb(options);
  return interpreter;
}

async function prepareDynamodb(options: InstallOptions): Promise<void> {
  if (existsSync(DYNAMODB_FOLDER)) return;
  const building = `${DYNAMODB_FOLDER}.building-${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  try {
    await runCommand({
      ...options,
      title: 'Fetching DynamoDB Local',
      program: 'mvn',
      args: [
        ...['--quiet', '--batch-mode', '--file', join(LOCALSTACK_FOLDER, 'dynamodb', 'pom.xml')],
        'dependency:copy-dependencies',
        `-DoutputDirectory=${building}`,
      ],
      env: pipEnvironment(process.env),
      cwd: building,
    });
    requireKnownJars(building);
    renameSync(building, DYNAMODB_FOLDER);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

function requireKnownJars(folder: string): void {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    const digest = createHash('sha256').update(readFileSync(join(folder, name)));
    hash.update(`${name} ${digest.digest('hex')}\n`);
  }
  const digest = hash.digest('hex');
  if (digest === JARS_DIGEST) return;
  throw new LocalError(
    'command_failed',
    `The jars of DynamoDB Local are not those that were pinned (${digest}).`,
    { cure: 'Look at what your Maven repository serves; nothing of it was kept.' },
  );
}

/** What the program says of itself. */
async function requireProgram(name: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(name, args, { env: pipEnvironment(process.env) });
    return stdout + stderr;
  } catch (cause) {
    throw new LocalError('missing_prerequisite', `LocalStack needs ${name}, which does not run.`, {
      cure: INSTALL_JAVA,
      cause,
    });
  }
}
