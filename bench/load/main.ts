// `npm run load`: many patients and doctors at a network's APIs, and what it makes of a given rate.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  circumstances,
  circumstancesText,
  recordSection,
} from '../../local/lib/benchmarks-page.ts';
import { runMain, shortPath } from '../../local/lib/console.ts';
import { LocalError } from '../../local/lib/errors.ts';
import { INTERRUPTED, interruptSignal, interruption } from '../../local/lib/interrupt.ts';
import { PROJECT_ROOT } from '../../local/lib/layout.ts';
import { localCommand, wholeNumber } from '../../local/lib/options.ts';
import { progressFor } from '../../local/lib/progress.ts';
import { mixTable } from './mix.ts';
import { plotSvg } from './plot.ts';
import { reportText } from './report.ts';
import { type LoadReport, runLoad, shapeText } from './run.ts';

interface Options {
  readonly folder: string;
  readonly rate: number;
  readonly duration: number;
  readonly bulk: number;
  readonly ramp?: true;
  readonly patients: number;
  readonly doctors: number;
  readonly plot?: string;
  readonly mix?: true;
  readonly json?: true;
  readonly write?: true;
}

const RATE_MAX = 1_000;
const SECONDS_MAX = 3_600;
/** As many as one request may carry. */
const BULK_MAX = 500;
const PEOPLE_MAX = 1_000;

const command = localCommand(
  'npm run load --',
  'Many patients and doctors at the APIs of all validators, in open loop: requests fall due by the\n' +
    'clock, whatever became of earlier ones. Prints percentiles, errors by code, the committed rate and\n' +
    'what limits it, draws the rate over time, and looks for each committed transaction in every ledger.',
  `  npm run load -- --rate 5 --duration 60             five requests a second for a minute
  npm run load -- --rate 100 --duration 120 --ramp   in ten steps beyond what it can take
  npm run load -- --rate 60 --duration 60 --bulk 20  20 transactions in each POST
  npm run load -- --mix                              what the load is made of
  npm run --silent load -- --rate 5 --json           for programs
Uses the network that runs; where none does, one is started for this run alone.
Ctrl-C ends the load and follows what is under way to its end; once more ends at once.
exit code: 0 all as it must be, 1 something lost, doubled or wedged, 130 interrupted`,
)
  .option('--rate <n>', 'requests that fall due a second', Number, 5)
  .option('--duration <seconds>', 'how long they do', wholeNumber, 60)
  .option('--bulk <n>', 'transactions in one POST', wholeNumber, 1)
  .option('--ramp', 'ten steps, from a tenth of the rate up to it')
  .option('--patients <n>', 'patients with certificates and keys of their own', wholeNumber, 40)
  .option('--doctors <n>', 'doctors of the register, of all hospitals', wholeNumber, 8)
  .option('--plot <file>', 'where to draw the rate over time (default: below .cache/load)')
  .option('--mix', 'print what the load is made of, and do nothing')
  .option('--write', 'write the figures into docs/benchmarks.md, with the plot beside it')
  .option('--json', 'print the report as JSON; progress goes to the other stream');

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  if (options.mix) {
    console.log(mixTable());
    return;
  }
  checkOptions(options);
  const { folder, bulk, patients, doctors, json } = options;
  const progress = progressFor(json ? process.stderr : process.stdout);
  const interrupt = interruptSignals();
  const shape = {
    ratePerSecond: options.rate,
    seconds: options.duration,
    isRamp: options.ramp === true,
  };
  progress.note('\nCareQuorum load\n');
  const people = { patients, doctors };
  const given = { folder, shape, bulk, ...people, progress, ...interrupt };
  const report = await runLoad(given).catch((error: unknown) => {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
    return null;
  });
  if (!report) return;
  process.exitCode = exitCodeOf(report);
  const text = reportText(report);
  const plot = await draw(report, options);
  const machine = await circumstances();
  progress.note(`\n${text}\n\nplot: ${shortPath(plot)}\n${circumstancesText(machine)}`);
  if (options.write) {
    const output = `${text}\n\nplot: ${shortPath(plot)}`;
    const section = {
      name: sectionName(options),
      title: titleOf(options),
      command: typed(options),
    };
    progress.note(
      `written to ${shortPath(recordSection({ ...section, output, circumstances: machine }))}`,
    );
  }
  if (json) console.log(JSON.stringify({ machine, ...report }, null, 2));
}

function checkOptions({ rate, duration, bulk, patients, doctors }: Options): void {
  const within = (name: string, value: number, least: number, most: number): void => {
    if (value >= least && value <= most) return;
    throw new LocalError('bad_option', `Give a --${name} from ${least} to ${most}.`, {
      cure: 'npm run load -- --help',
    });
  };
  within('rate', rate, 0.1, RATE_MAX);
  within('duration', duration, 1, SECONDS_MAX);
  within('bulk', bulk, 1, BULK_MAX);
  within('patients', patients, 1, PEOPLE_MAX);
  within('doctors', doctors, 1, PEOPLE_MAX);
  within('doctors', doctors, 1, patients);
}

function exitCodeOf({ faults, isInterrupted }: LoadReport): number {
  if (isInterrupted) return INTERRUPTED;
  return faults.length > 0 ? 1 : 0;
}

async function draw(report: LoadReport, options: Options): Promise<string> {
  const { shape, bulk, points, secondsPerPoint } = report;
  const { cpu, cores, memoryGiB, date } = await circumstances();
  const path = options.plot === undefined ? plotFile(options, date) : resolve(options.plot);
  mkdirSync(dirname(path), { recursive: true });
  const perRequest = bulk > 1 ? `, ${bulk} transactions a POST` : '';
  const svg = plotSvg({
    title: `Load on ${report.network}: ${shapeText(shape)}${perRequest}`,
    subtitle: `${date.slice(0, 16).replace('T', ' ')} UTC, ${cores} × ${cpu}, ${memoryGiB} GiB, everything on one machine`,
    ...{ points, secondsPerPoint, dueUntilSecond: Math.min(shape.seconds, report.drivenSeconds) },
  });
  writeFileSync(path, svg);
  return path;
}

function plotFile(options: Options, date: string): string {
  if (options.write) return join(PROJECT_ROOT, 'docs', `${sectionName(options)}.svg`);
  const name = `${sectionName(options)}-${date.slice(0, 19).replaceAll(':', '-')}.svg`;
  return join(PROJECT_ROOT, '.cache', 'load', name);
}

/** A section of the page for each way to run it. */
function sectionName({ ramp, bulk }: Options): string {
  return ['load', ...(ramp ? ['ramp'] : []), ...(bulk > 1 ? ['bulk'] : [])].join('-');
}

function titleOf({ ramp, bulk }: Options): string {
  const how = [...(ramp ? ['in rising steps'] : []), ...(bulk > 1 ? ['in bulk'] : [])].join(', ');
  return `Load by patients and doctors${how === '' ? '' : `, ${how}`}`;
}

function typed({ rate, duration, bulk, ramp, patients, doctors }: Options): string {
  const more = [
    ...(bulk > 1 ? [`--bulk ${bulk}`] : []),
    ...(ramp ? ['--ramp'] : []),
    `--patients ${patients} --doctors ${doctors}`,
  ].join(' ');
  return `npm run load -- --rate ${rate} --duration ${duration} ${more}`;
}

/** The first Ctrl-C ends the load, the second everything. */
function interruptSignals(): { signal: AbortSignal; atOnce: AbortSignal } {
  const everything = new AbortController();
  const signal = interruptSignal((isAgain) => {
    if (isAgain) return everything.abort(interruption());
    console.error('\nThe load ends; what is under way is followed to its end (Ctrl-C: at once) …');
  });
  return { signal, atOnce: everything.signal };
}

if (import.meta.main) await runMain(main);
