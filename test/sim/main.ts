/** `npm run sim`: many seeds of the simulator, one trace, or one replay file. */
import { createWriteStream } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { runAll } from './pool.ts';
import { profileNamed, profiles } from './profiles.ts';
import { readReplay, writeReplay } from './replay.ts';
import { describeProfiles, Report } from './report.ts';
import { shrink } from './shrink.ts';
import { type RunOutcome, type RunSpec, simulate } from './simulate.ts';

interface Options {
  runs: number;
  seed: number;
  replicas: number;
  profile: string;
  workers: number;
  trace?: boolean;
  replay?: string;
  events?: string;
  json?: boolean;
  first?: boolean;
  shrink: boolean;
  out: string;
}

/** How long one failure may be shrunk, and how many are. */
const shrinkMs = 20_000;
const shrinkRunsMax = 400;
const shrunkMax = 3;

const examples = `
Examples:
  npm run sim -- --runs 100 --profile all
  npm run sim -- --runs 2000 --profile twins --replicas 7
  npm run sim -- --profile mixed --seed 42 --trace
  npm run sim -- --replay .cache/sim/mixed-4-42.json
  npm run sim -- --profile crashes --seed 7 --events events.jsonl

Profiles:
${describeProfiles(profiles)}`;

const program = new Command('sim')
  .description('Runs the production step over seeded queues, tables, clocks and faults.')
  .option('--runs <n>', 'seeds for each profile', wholeNumber, 100)
  .option('--seed <s>', 'the first seed', wholeNumber, 1)
  .addOption(new Option('--replicas <n>', 'size of the network').argParser(wholeNumber).default(4))
  .option('--profile <name>', 'a profile, or all', 'all')
  .option('--workers <n>', 'processes', wholeNumber, Math.max(1, availableParallelism()))
  .option('--trace', 'print the whole trace of each seed; --runs is 1 unless given')
  .option('--replay <file>', 'run what a replay file says, with its trace')
  .option('--events <file>', 'write what replicas did as JSON lines (test/sim/events.ts)')
  .option('--json', 'print the figures as JSON')
  .option('--first', 'stop at the first failure')
  .option('--no-shrink', 'do not look for a shorter failing run')
  .option('--out <folder>', 'where replay files go', '.cache/sim')
  .addHelpText('after', examples)
  .action(main);

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number');
  return value;
}

async function main(options: Options): Promise<void> {
  if (options.replay !== undefined) return replay(options.replay);
  const specs = specsOf(options);
  if (options.trace || options.events !== undefined) return inProcess(specs, options);
  const report = new Report(specs.length, options.json === true);
  let isInterrupted = false;
  process.on('SIGINT', () => {
    isInterrupted = true;
  });
  await runAll(specs, {
    workers: options.workers,
    goesOn: () => !isInterrupted,
    onOutcome: (outcome) => {
      report.add(outcome);
      return !isInterrupted && !(options.first && outcome.failure);
    },
  });
  report.finish(isInterrupted);
  if (!isInterrupted) await explain(report.failures(), options);
  if (isInterrupted) process.exitCode = 130;
  else if (report.failures().length > 0) process.exitCode = 1;
}

/** Seeds come in turn over the profiles, so that an interrupted run has looked at all of them. */
function specsOf({ profile: name, runs, seed, replicas, trace }: Options): RunSpec[] {
  const chosen = name === 'all' ? profiles : [profileNamed(name)];
  const fitting = chosen.filter((one) => one.replicas.includes(replicas));
  if (fitting.length === 0) {
    const [only] = chosen;
    throw new RangeError(`${name} runs with ${only?.replicas.join(', ')} replicas`);
  }
  const isGiven = program.getOptionValueSource('runs') === 'cli';
  const count = trace && !isGiven ? 1 : runs;
  return Array.from({ length: count }, (_, index) =>
    fitting.map(({ name: profile }) => ({
      profile,
      seed: seed + index,
      replicas,
      suppressed: [],
    })),
  ).flat();
}

/** Traces and events are written here, one run after the other. */
async function inProcess(specs: readonly RunSpec[], options: Options): Promise<void> {
  const file = options.events === undefined ? null : createWriteStream(options.events);
  for (const spec of specs) {
    const outcome = await simulate(spec, (event) => {
      const { profile, seed, replicas } = spec;
      const named = event.type === 'start' ? { ...event, profile, seed, replicas } : event;
      file?.write(`${JSON.stringify(named)}\n`);
    });
    if (options.trace) console.log(outcome.lines.join('\n'));
    console.log(lastLine(outcome));
    if (outcome.failure) process.exitCode = 1;
  }
  file?.end();
}

async function replay(path: string): Promise<void> {
  const { profile, seed, replicas, suppressed, expected } = readReplay(path);
  const outcome = await simulate({ profile, seed, replicas, suppressed });
  console.log(outcome.lines.join('\n'));
  console.log(lastLine(outcome));
  const { failure } = outcome;
  const isAsExpected = failure?.checker === expected?.checker;
  console.log(isAsExpected ? 'As the file says.' : `The file says: ${expected?.checker ?? 'ok'}.`);
  if (failure || !isAsExpected) process.exitCode = 1;
}

function lastLine({ spec, failure, steps, virtualMs, digest }: RunOutcome): string {
  const verdict = failure ? `FAILED ${failure.checker}: ${failure.message}` : 'ok';
  const seconds = (virtualMs / 1000).toFixed(1);
  const name = `${spec.profile} --seed ${spec.seed} --replicas ${spec.replicas}`;
  return `${name}: ${verdict} (${steps} steps, ${seconds} virtual s, trace ${digest.slice(0, 16)})`;
}

/** A shorter run for each of the first failures, its trace, and a file to run it again. */
async function explain(failures: readonly RunOutcome[], options: Options): Promise<void> {
  for (const failed of failures.slice(0, shrunkMax)) {
    const { spec } = failed;
    let shortest = await simulate(spec);
    if (options.shrink) {
      console.error(`shrinking ${spec.profile} seed ${spec.seed} …`);
      const until = performance.now() + shrinkMs;
      const goesOn = (): boolean => performance.now() < until;
      const shrunk = await shrink(shortest, { runsMax: shrinkRunsMax, goesOn });
      shortest = shrunk.outcome;
      console.error(`  ${shortest.faults.length} faults and requests left (${shrunk.runs} runs)`);
    }
    console.log(`\n── shortest trace of ${spec.profile} seed ${spec.seed}\n`);
    console.log(shortest.lines.join('\n'));
    console.log(`\n${lastLine(shortest)}`);
    console.log(`left: ${shortest.faults.join(' ') || 'nothing'}`);
    console.log(`again: npm run sim -- --replay ${writeReplay(options.out, shortest)}`);
  }
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof RangeError ? error.message : error);
  process.exitCode = 2;
}
