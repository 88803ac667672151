/** Runs many seeds on several processes; what comes out does not depend on how many. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type RunOutcome, type RunSpec, simulate } from './simulate.ts';

export interface Job {
  specs: readonly RunSpec[];
}
export type JobResult = RunOutcome;

export interface PoolOptions {
  workers: number;
  /** Hears each outcome as it comes; false stops the rest. */
  onOutcome: (outcome: RunOutcome) => boolean;
  /** Asked before each job: false stops the rest. */
  goesOn: () => boolean;
}

const jobSpecs = 8;
/** There is a worker for each core: room for what a run throws away, and no threads to collect it. */
const workerOptions = {
  execArgv: [
    ...process.execArgv,
    '--min-semi-space-size=32',
    '--max-semi-space-size=64',
    '--single-threaded-gc',
  ],
};
const workerPath = fileURLToPath(new URL('worker.ts', import.meta.url));

/** Rejects when a worker dies: its runs would be missing. */
export async function runAll(specs: readonly RunSpec[], options: PoolOptions): Promise<void> {
  if (options.workers <= 1) return runHere(specs, options);
  const jobs: Job[] = [];
  for (let at = 0; at < specs.length; at += jobSpecs) {
    jobs.push({ specs: specs.slice(at, at + jobSpecs) });
  }
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
  };
  const count = Math.min(options.workers, jobs.length);
  await Promise.all(
    Array.from({ length: count }, () => {
      const next = (): Job | undefined => {
        return isStopped || !options.goesOn() ? undefined : jobs.shift();
      };
      return serve(fork(workerPath, workerOptions), next, options, stop);
    }),
  );
}

async function runHere(specs: readonly RunSpec[], options: PoolOptions): Promise<void> {
  for (const spec of specs) {
    // A turn of the event loop, so that Ctrl-C is heard.
    await new Promise((resolve) => setImmediate(resolve));
    if (!options.goesOn() || !options.onOutcome(await simulate(spec))) return;
  }
}

/** Gives a worker job after job. */
function serve(
  worker: ChildProcess,
  next: () => Job | undefined,
  options: PoolOptions,
  stop: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = 0;
    const give = (): void => {
      const job = next();
      if (!job) {
        worker.disconnect();
        return resolve();
      }
      open = job.specs.length;
      worker.send(job);
    };
    worker.on('message', (result: JobResult) => {
      open -= 1;
      if (!options.onOutcome(result)) stop();
      if (open === 0) give();
    });
    worker.on('exit', (code) => {
      if (open > 0) reject(new Error(`a worker ended with ${code} in the middle of its runs`));
    });
    worker.on('error', reject);
    give();
  });
}
