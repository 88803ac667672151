// One account's process: start, wait until healthy, stop in order, kill, and what became of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Environment } from './environment.ts';
import { LocalError } from './errors.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import type { AccountLayout } from './layout.ts';
import {
  isAlive,
  type ProcessIdentity,
  processIdentitySchema,
  signalGroup,
  signalProcess,
  waitUntilGone,
} from './process-identity.ts';

/**
 * What a start may find. `fresh`: never ran. `saved`: stopped in order, its state is complete.
 * `killed`: ended on command without saving. `lost`: ended without saving, by a crash.
 * `running`: alive.
 */
export type AccountLife = 'fresh' | 'saved' | 'running' | 'killed' | 'lost';

export interface AccountCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Environment;
  /** Answers once the process can serve. */
  readonly healthUrl: string;
}

const lifeSchema = z.object({ life: z.enum(['running', 'clean', 'killed']) });

const HEALTH_POLL_MS = 100;
const HEALTH_TIMEOUT_MS = 60_000;
const HEALTH_REQUEST_MS = 2_000;
/** Saving writes the whole state of an account, so a large ledger takes a while. */
const STOP_TIMEOUT_MS = 60_000;
const KILL_TIMEOUT_MS = 5_000;
const LOG_TAIL_LINES = 12;

/** The living process of an account, as it recorded itself. */
export function processOf(account: AccountLayout): ProcessIdentity | undefined {
  const identity = readJsonFile(account.process, processIdentitySchema);
  return identity !== undefined && isAlive(identity) ? identity : undefined;
}

export function lifeOf(account: AccountLayout): AccountLife {
  if (processOf(account) !== undefined) return 'running';
  const life = readJsonFile(account.life, lifeSchema)?.life;
  if (life === undefined) return 'fresh';
  if (life === 'clean') return 'saved';
  return life === 'killed' ? 'killed' : 'lost';
}

/** Starts the process in a group of its own and waits until it is healthy. */
export async function startAccount(
  account: AccountLayout,
  command: AccountCommand,
  signal?: AbortSignal,
): Promise<void> {
  rmSync(account.temporary, { recursive: true, force: true });
  for (const folder of [account.state, account.objects, account.temporary]) {
    mkdirSync(folder, { recursive: true });
  }
  const log = openSync(account.log, 'a');
  const child = spawn(command.program, command.args, {
    cwd: account.root,
    env: command.env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  child.unref();
  await waitUntilHealthy(account, command.healthUrl, child, signal);
}

/**
 * Stops the process in order; returns once its state is on disk and it is gone.
 * Throws `not_saved` when it did not finish, after ending it by force.
 */
export async function stopAccount(account: AccountLayout): Promise<void> {
  const identity = processOf(account);
  if (identity === undefined) return;
  signalProcess(identity, 'SIGTERM');
  // One that was paused must go on to save.
  signalGroup(identity, 'SIGCONT');
  if (!(await waitUntilGone(identity, STOP_TIMEOUT_MS))) {
    signalGroup(identity, 'SIGKILL');
    await waitUntilGone(identity, KILL_TIMEOUT_MS);
  }
  const life = lifeOf(account);
  if (life === 'lost') {
    throw new LocalError('not_saved', 'It ended without saving its state.', {
      cure: `See its log: ${account.log}`,
    });
  }
}

/** Ends the whole process group at once and destroys what was saved before. */
export async function killAccount(account: AccountLayout): Promise<void> {
  const identity = processOf(account);
  writeJsonFile(account.life, { life: 'killed' });
  if (identity !== undefined) {
    signalGroup(identity, 'SIGKILL');
    await waitUntilGone(identity, KILL_TIMEOUT_MS);
  }
  for (const folder of [account.state, account.objects, account.temporary]) {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Freezes the whole process group, or lets it go on. False when it does not run. */
export function pauseAccount(account: AccountLayout, isPaused: boolean): boolean {
  const identity = processOf(account);
  return identity !== undefined && signalGroup(identity, isPaused ? 'SIGSTOP' : 'SIGCONT');
}

/** True when the process answers its health route. */
export async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(HEALTH_REQUEST_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function waitUntilHealthy(
  account: AccountLayout,
  url: string,
  child: ChildProcess,
  signal: AbortSignal | undefined,
): Promise<void> {
  let failed: Error | undefined;
  child.once('error', (error) => {
    failed = error;
  });
  const deadline = performance.now() + HEALTH_TIMEOUT_MS;
  while (!(await isHealthy(url))) {
    if (signal?.aborted === true) throw new LocalError('interrupted', 'Interrupted.');
    const ended = failed !== undefined || child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > deadline) {
      throw new LocalError(
        'emulator_failed',
        `It ${ended ? 'ended' : 'did not answer'} during its start:\n${logTail(account.log)}`,
        { cure: `Its log: ${account.log}`, cause: failed },
      );
    }
    await sleep(HEALTH_POLL_MS);
  }
}

/** The last lines of a log, for a message. */
export function logTail(path: string): string {
  if (!existsSync(path)) return '';
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
  return lines.map((line) => `    ${line}`).join('\n');
}
