/** When requests of an open-loop load are due: by the clock alone, whatever became of earlier ones. */

export interface Shape {
  /** Arrivals a second; with `isRamp` at the end. */
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Ten equal steps, from a tenth of the rate up to it. */
  readonly isRamp: boolean;
}

/** A time of one rate. */
export interface Step {
  readonly fromSeconds: number;
  readonly seconds: number;
  readonly ratePerSecond: number;
}

/** Arrivals that are spread evenly from `startMs` on. */
export interface Slice {
  readonly startMs: number;
  readonly count: number;
  readonly intervalMs: number;
}

const RAMP_STEPS = 10;
/** A slice is begun as a whole: an interruption takes effect within one. */
const SLICE_SECONDS = 1;

export function stepsOf({ ratePerSecond, seconds, isRamp }: Shape): Step[] {
  const count = isRamp ? RAMP_STEPS : 1;
  return Array.from({ length: count }, (_, index) => ({
    fromSeconds: (seconds / count) * index,
    seconds: seconds / count,
    ratePerSecond: (ratePerSecond * (index + 1)) / count,
  }));
}

/** Slices of a stream that gets `share` of the rate, in order; those without arrivals are left out. */
export function slicesOf(steps: readonly Step[], share: number): Slice[] {
  const slices: Slice[] = [];
  let due = 0;
  let begun = 0;
  for (const { fromSeconds, seconds, ratePerSecond } of steps) {
    const parts = Math.ceil(seconds / SLICE_SECONDS);
    for (let part = 0; part < parts; part += 1) {
      const length = Math.min(SLICE_SECONDS, seconds - part * SLICE_SECONDS);
      due += length * ratePerSecond * share;
      // Rounded down over the whole run, so that no fraction of an arrival is lost or made up.
      const count = Math.floor(due + 1e-9) - begun;
      begun += count;
      if (count === 0) continue;
      const startMs = (fromSeconds + part * SLICE_SECONDS) * 1_000;
      slices.push({ startMs, count, intervalMs: (length * 1_000) / count });
    }
  }
  return slices;
}

/** When the arrival of that number in a slice is due, milliseconds since the start. */
export function dueMs({ startMs, intervalMs }: Slice, index: number): number {
  return startMs + index * intervalMs;
}
