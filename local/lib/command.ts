// Runs a program to its end: output to a log file, failure as an error that shows the last lines.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Environment } from './environment.ts';
import { LocalError } from './errors.ts';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
  /** Everything that the program prints is appended here. */
  readonly log: string;
  /** What a person calls this, for the message of a failure. */
  readonly title: string;
  readonly signal?: AbortSignal | undefined;
}

const TAIL_LINES = 15;
const TAIL_CHARS_MAX = 20_000;

/**
 * Runs the command in a process group of its own, so that Ctrl-C reaches this program alone.
 * Throws `command_failed` with the end of the output, or `interrupted` when the signal aborted it.
 */
export async function runCommand(command: Command): Promise<string> {
  mkdirSync(dirname(command.log), { recursive: true });
  const log = createWriteStream(command.log, { flags: 'a' });
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  const keep = (chunk: Buffer): void => {
    log.write(chunk);
    tail = (tail + chunk.toString('utf8')).slice(-TAIL_CHARS_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const abort = (): void => {
    if (child.pid !== undefined) endGroup(child.pid);
  };
  command.signal?.addEventListener('abort', abort);
  try {
    if (command.signal?.aborted === true) abort();
    const code = await new Promise<number | null>((settle, fail) => {
      child.once('error', fail);
      child.once('close', settle);
    });
    if (command.signal?.aborted === true) throw new LocalError('interrupted', 'Interrupted.');
    if (code === 0) return tail;
    throw failure(command, code, tail);
  } finally {
    command.signal?.removeEventListener('abort', abort);
    log.end();
  }
}

function failure(command: Command, code: number | null, tail: string): LocalError {
  const lines = tail.trimEnd().split('\n').slice(-TAIL_LINES);
  const text = lines.map((line) => `    ${line}`).join('\n');
  const program = basename(command.program);
  return new LocalError(
    'command_failed',
    `${command.title} failed (${program} ended with ${code ?? 'a signal'}):\n${text}`,
    { cure: `All of its output: ${command.log}` },
  );
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // It ended by itself meanwhile.
  }
}
