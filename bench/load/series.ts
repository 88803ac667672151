/** Rates over time, from what became of each request and from readings of the processor. */
import type { Attempt } from './attempt.ts';
import { sharesOf } from './limit.ts';
import { mix } from './mix.ts';
import type { Point } from './plot.ts';
import type { CpuTimes } from './processes.ts';

/** So many stretches at most: a picture shows no more. */
const POINTS_MAX = 120;

export interface SeriesOptions {
  /** When the first request was due, milliseconds since the epoch. */
  readonly startMs: number;
  /** When the last receipt was there. */
  readonly untilMs: number;
  /** Zero of the readings' clock, milliseconds since the epoch. */
  readonly samplesFromMs: number;
  readonly cores: number;
}

/** Stretches of whole seconds from the first request that was due to the last receipt. */
export function pointsOf(
  attempts: readonly Attempt[],
  samples: readonly CpuTimes[],
  { startMs, untilMs, samplesFromMs, cores }: SeriesOptions,
): { points: Point[]; secondsPerPoint: number } {
  const lastSecond = Math.floor((untilMs - startMs) / 1_000);
  const secondsPerPoint = Math.ceil((lastSecond + 1) / POINTS_MAX);
  const count = Math.floor(lastSecond / secondsPerPoint) + 1;
  const rates = Array.from({ length: count }, () => ({ due: 0, committed: 0, tooMany: 0 }));
  const add = (ms: number | null, name: 'due' | 'committed' | 'tooMany'): void => {
    if (ms === null) return;
    // A block may say a time a little before the first request: its leader's clock.
    const index = Math.max(0, Math.floor((ms - startMs) / 1_000 / secondsPerPoint));
    const rate = rates[index];
    if (rate) rate[name] += 1 / secondsPerPoint;
  };
  for (const one of attempts) {
    if (mix[one.kind].isTransaction) add(one.dueMs, 'due');
    add(one.blockMs, 'committed');
    if (one.status === 429) add(one.answeredMs, 'tooMany');
  }
  const points = rates.map((rate, index) => {
    const second = index * secondsPerPoint;
    const from = startMs + second * 1_000 - samplesFromMs;
    return { second, ...rate, cpu: cpuAround(samples, from, secondsPerPoint * 1_000, cores) };
  });
  return { points, secondsPerPoint };
}

/** Between the readings nearest to both ends of the stretch. */
function cpuAround(
  samples: readonly CpuTimes[],
  from: number,
  length: number,
  cores: number,
): Point['cpu'] {
  const first = nearest(samples, from);
  const last = nearest(samples, from + length);
  if (!first || !last || last.at - first.at < length / 2) return null;
  const { functions, emulators, load, others } = sharesOf(first, last, cores);
  return { functions, emulators, load, others };
}

function nearest(samples: readonly CpuTimes[], at: number): CpuTimes | undefined {
  return samples.reduce<CpuTimes | undefined>(
    (best, one) => (best && Math.abs(best.at - at) <= Math.abs(one.at - at) ? best : one),
    undefined,
  );
}
