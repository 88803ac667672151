/** A process that runs seeds for `pool.ts`: jobs come as messages, outcomes go back. */
import { simulate } from './simulate.ts';
import type { Job, JobResult } from './pool.ts';

process.on('message', (job: Job) => {
  void work(job);
});
// Ctrl-C reaches the whole group; the parent decides when this process ends.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

async function work(job: Job): Promise<void> {
  for (const spec of job.specs) {
    // Lines are made again where they are wanted: a run repeats.
    const outcome = await simulate(spec);
    const result: JobResult = { ...outcome, lines: [], faults: [] };
    process.send?.(result);
  }
}
