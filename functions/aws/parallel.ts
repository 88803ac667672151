/** Bounded parallelism and jittered back-off for calls to AWS. */

const BACKOFF_MS_FIRST = 20;
const BACKOFF_MS_MAX = 1_000;

/** Maps with at most `parallelMax` calls in flight; the first rejection rejects all. */
export async function mapParallel<T, R>(
  items: readonly T[],
  parallelMax: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index] as T, index);
    }
  };
  const lanes = Math.min(parallelMax, items.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

/** Waits before attempt `attempt` (1 is the first retry): exponential, with full jitter. */
export async function backOff(attempt: number): Promise<void> {
  const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** attempt);
  await sleep(Math.random() * most);
}

export async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Consecutive parts of at most `size` items. */
export function partsOf<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
