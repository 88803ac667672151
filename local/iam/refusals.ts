// What the functions were refused by policies, read from the emulator's log.
import { existsSync, readFileSync } from 'node:fs';

const REFUSED = /assumed-role\/([\w-]+)\/\S+ is not authorized to perform: ([\w:]+)/g;

/** `role: action` and how often, most frequent first; empty when nothing was refused. */
export function refusalsIn(log: string): readonly string[] {
  if (!existsSync(log)) return [];
  const counts = new Map<string, number>();
  for (const [, role = '', action = ''] of readFileSync(log, 'utf8').matchAll(REFUSED)) {
    const refusal = `${role}: ${action}`;
    counts.set(refusal, (counts.get(refusal) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, first], [, second]) => second - first);
  return sorted.map(([refusal, count]) => `${refusal} (${count} times)`);
}
