// A process is known by its id and its start time, so that a reused id is never taken for ours.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

export const processIdentitySchema = z.object({
  pid: z.int().positive(),
  /** Kernel's start time: clock ticks on Linux, the text of `ps` elsewhere. */
  started: z.string().min(1),
});
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

const POLL_MS = 50;
/** npm, its shell, and this process; a version manager may stand between. */
const NPM_GENERATIONS_MAX = 4;

/** Start time of a living process; undefined when there is none of that id, or its remains. */
export function startedAt(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxStartedAt(pid);
  return psFields(pid, 'lstart=') || undefined;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, started: startedAt(process.pid) ?? 'unknown' };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return startedAt(identity.pid) === identity.started;
}

/**
 * The npm process that runs this one, if any. Its end is the end of what the person started, though
 * a SIGKILL of it reaches neither the shell between nor this process.
 */
export function npmAncestor(): ProcessIdentity | undefined {
  if (process.env['npm_lifecycle_event'] === undefined) return undefined;
  let pid = process.ppid;
  for (let generation = 0; generation < NPM_GENERATIONS_MAX && pid > 1; generation += 1) {
    const [parent = '', ...title] = psFields(pid, 'ppid=,args=').split(/\s+/);
    const started = startedAt(pid);
    if (/^(\S*\/)?npm\b/.test(title.join(' ')) && started !== undefined) return { pid, started };
    pid = Number(parent);
  }
  return undefined;
}

/** Sends a signal to exactly that process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isAlive(identity) && tryKill(identity.pid, signal);
}

/** Sends a signal to the process group which that process leads; false when it is gone. */
export function signalGroup(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  return isAlive(identity) && tryKill(-identity.pid, signal);
}

/** Waits until the process is gone; false when it still lives after that many milliseconds. */
export async function waitUntilGone(
  identity: ProcessIdentity,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(identity)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** What `ps` says of a process; empty when there is none, or no `ps`. */
function psFields(pid: number, format: string): string {
  try {
    const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } } as const;
    return execFileSync('ps', ['-o', format, '-p', String(pid)], options).trim();
  } catch {
    return '';
  }
}

function linuxStartedAt(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may hold anything, so cut after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? undefined : fields[19];
}

function tryKill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
