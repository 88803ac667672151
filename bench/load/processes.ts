/** Processor time of a local network's processes by what they are, as the kernel counts it. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { processOf } from '../../local/lib/account-process.ts';
import { accountLayout, type Layout } from '../../local/lib/layout.ts';
import type { Plan } from '../../local/lib/plan.ts';

/** Processor time used so far, milliseconds. */
export interface CpuTimes {
  /** When it was read, milliseconds. */
  readonly at: number;
  readonly functions: number;
  readonly emulators: number;
  /** This process: signing, sending, verifying. */
  readonly load: number;
  /** Of the whole machine. */
  readonly busy: number;
  /** Of each account's emulator alone. */
  readonly byEmulator: ReadonlyMap<string, number>;
}

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** Clock ticks: its own, and of children that ended and were waited for. */
  readonly own: number;
  readonly ended: number;
}

/** Ticks a second of every Linux that Node runs on (`sysconf(_SC_CLK_TCK)`). */
const TICKS_PER_SECOND = 100;
const MS_PER_TICK = 1_000 / TICKS_PER_SECOND;

export const cores: number = availableParallelism();

/** Null on a system that has no /proc. */
export function readCpu(layout: Layout, plan: Plan): CpuTimes | null {
  if (process.platform !== 'linux') return null;
  const stats = readStats();
  const roots = plan.members.flatMap((member) => {
    const identity = processOf(accountLayout(layout, member.id));
    return identity ? [{ id: member.id, pid: identity.pid }] : [];
  });
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now(),
    ...timesOf(stats, roots),
    load: (user + system) / 1_000,
    busy: busyTicks(readFileSync('/proc/stat', 'utf8')) * MS_PER_TICK,
  };
}

/**
 * Sums what is below each emulator: Python is the emulator's own, the rest are functions. One that
 * ended meanwhile is counted by whoever waited for it.
 */
export function timesOf(
  stats: readonly ProcessStat[],
  roots: readonly { readonly id: string; readonly pid: number }[],
): Pick<CpuTimes, 'functions' | 'emulators' | 'byEmulator'> {
  const byPid = new Map(stats.map((one) => [one.pid, one]));
  const byParent = new Map<number, ProcessStat[]>();
  for (const one of stats) byParent.set(one.parent, [...(byParent.get(one.parent) ?? []), one]);
  let functions = 0;
  const byEmulator = new Map<string, number>();
  for (const { id, pid } of roots) {
    const root = byPid.get(pid);
    if (!root) continue;
    let emulator = root.own;
    functions += root.ended;
    const below = [...(byParent.get(pid) ?? [])];
    for (let one = below.pop(); one !== undefined; one = below.pop()) {
      if (one.name.startsWith('python')) emulator += one.own;
      else functions += one.own;
      functions += one.ended;
      below.push(...(byParent.get(one.pid) ?? []));
    }
    byEmulator.set(id, emulator * MS_PER_TICK);
  }
  const emulators = [...byEmulator.values()].reduce((sum, ms) => sum + ms, 0);
  return { functions: functions * MS_PER_TICK, emulators, byEmulator };
}

/** Of a line of /proc/PID/stat (proc(5)); the name in parentheses may hold anything. */
export function parseStat(text: string): ProcessStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  const fields = text
    .slice(close + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const at = (index: number): number => fields[index] ?? 0;
  return {
    pid: Number(text.slice(0, open)),
    parent,
    name: text.slice(open + 1, close),
    own: at(11) + at(12),
    ended: at(13) + at(14),
  };
}

/** Ticks in which a core did something, of the first line of /proc/stat. */
export function busyTicks(text: string): number {
  const [line = ''] = text.split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

function readStats(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      } catch {
        // It ended between the listing and the reading.
        return [];
      }
    });
}
