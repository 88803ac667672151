/** Whether the model allows what the replicas of one run of the simulator did. */
import type { SimEvent } from '../sim/events.ts';
import { check } from './tools.ts';
import { playsFor, toPromela, traceOf } from './trace.ts';

export interface Verdict {
  readonly isAllowed: boolean;
  /** Steps of honest replicas in the trace, and how many of them the model took. */
  readonly steps: number;
  readonly taken: number;
  /** The first step that the model refuses, as a person reads it. */
  readonly refused: string | null;
}

export async function conforms(
  name: string,
  events: readonly SimEvent[],
  signal?: AbortSignal,
): Promise<Verdict> {
  const trace = traceOf(events);
  const plays = playsFor(trace);
  const { output, violated } = await check({
    name: `trace ${name}`.replaceAll(/[^a-z0-9]+/gi, '-'),
    file: 'conform.pml',
    flags: [],
    optimise: 0,
    files: { 'trace.pml': toPromela(trace) },
    ...(signal ? { signal } : {}),
  });
  const taken = Number([...output.matchAll(/took (\d+)/g)].at(-1)?.[1] ?? 0);
  // The last statement of conform.pml fails on purpose; any other failure is a broken property.
  const isAllowed = violated === '0' && taken > plays.length;
  const next = plays[taken];
  const refused =
    isAllowed || !next ? null : `line ${next.line}: ${next.replica} ${describe(next)}`;
  return { isAllowed, steps: plays.length, taken: Math.min(taken, plays.length), refused };
}

function describe({ what, height, view, hash }: ReturnType<typeof playsFor>[number]): string {
  return `${what} at height ${height}, view ${view}, ${hash?.slice(0, 12) ?? 'no hash'}`;
}

/** The runs of an events file: each begins with its `start`. */
export function runsOf(text: string): SimEvent[][] {
  const runs: SimEvent[][] = [];
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const event = JSON.parse(line) as SimEvent;
    if (event.type === 'start') runs.push([]);
    runs.at(-1)?.push(event);
  }
  return runs;
}
