// `npm run chaos`: a hospital's worst days, under load, each in one command, and what comes of them.
import { Option } from 'commander';
import { figureLines, phaseLines } from './chaos/report-text.ts';
import { type ChaosReport, runChaos } from './chaos/run.ts';
import { PAUSE_SECONDS, stories } from './chaos/stories.ts';
import {
  type Circumstances,
  circumstances,
  recordSection,
  typedCommand,
} from './lib/benchmarks-page.ts';
import { runMain, shortPath } from './lib/console.ts';
import { LocalError } from './lib/errors.ts';
import { INTERRUPTED, interruptSignal } from './lib/interrupt.ts';
import { folderOf, localCommand, wholeNumber, withEmulator } from './lib/options.ts';
import type { Emulator } from './lib/plan.ts';
import { type Progress, progressFor } from './lib/progress.ts';

interface Options {
  readonly validator?: string;
  readonly rate: number;
  readonly seconds: number;
  readonly json?: true;
  readonly write?: true;
  readonly pause?: number;
  readonly reinstate?: true;
  readonly from?: string;
}

const SECONDS = 5;
const RATE_PER_SECOND = 5;
const RATE_MAX = 50;
const PAUSE_SECONDS_MAX = 120;

/** Options of one story alone. */
const ownOptions: Readonly<Record<string, Option>> = {
  pause: new Option('--pause <n>', `how long it lasts, seconds, 1 to ${PAUSE_SECONDS_MAX}`)
    .argParser(wholeNumber)
    .default(PAUSE_SECONDS),
  byzantine: new Option(
    '--reinstate',
    'at the end the operators give it its vote back, under new keys',
  ),
  upgrade: new Option(
    '--from <commit>',
    'first all go back to the bundle of this commit, one at a time',
  ),
};

const program = withEmulator(
  localCommand(
    'npm run chaos --',
    'Lets hospitals have their worst day while load goes on, and shows that nothing committed is lost.',
    `  npm run chaos -- kill-leader                     the account that leads dies, and comes back
  npm run chaos -- kill-follower --validator hospital-b
  npm run chaos -- restart                         all validators stop in order, and start again
  npm run chaos -- pause --pause 30                the leader freezes for 30 seconds
  npm run chaos -- redelivery                      every message comes twice, and again late
  npm run chaos -- records-away                    no custodian: reading goes on from copies
  npm run chaos -- restore                         all lost: a backup and hospitals give back
  npm run chaos -- wipe                            tables and queues gone, KMS key kept
  npm run chaos -- replace                         everything gone, the KMS key too
  npm run chaos -- byzantine                       the leader lies, is blamed and suspended
  npm run chaos -- upgrade                         all get a new bundle, one at a time
  npm run chaos -- upgrade --from HEAD~1           from the bundle of that commit to this one
  npm run chaos -- wipe --validator hospital-b --rate 20 --seconds 15
  npm run --silent chaos -- wipe --json            for programs
  npm run chaos -- restart --write                 and into docs/benchmarks.md
Uses the network that runs; where none does, one is started for this run alone.
exit code: 0 all as it must be, 1 not, 130 interrupted (what was changed is taken back; an account
that was killed comes back by replace)`,
  ),
);

for (const [name, story] of Object.entries(stories)) {
  const command = program.command(name).description(story.description);
  if (story.isFixed !== true) {
    command.option('--validator <id>', 'the hospital that it happens to', story.validator);
  }
  const own = ownOptions[name];
  if (own) command.addOption(own);
  command
    .option('--seconds <n>', 'load before it, and after it is healed', wholeNumber, SECONDS)
    .option('--rate <n>', `probes a second, 1 to ${RATE_MAX}`, wholeNumber, RATE_PER_SECOND)
    .option('--json', 'print the report as JSON; progress goes to the other stream')
    .option('--write', 'write the figures into docs/benchmarks.md')
    .addHelpText(
      'after',
      `\nExamples:\n  npm run chaos -- ${name}\n  npm run --silent chaos -- ${name} --rate 20 --seconds 15 --json`,
    )
    .action(async (options: Options) => {
      const signal = interruptSignal((isAgain) => {
        if (!isAgain) console.error('\nTaking back what was changed …');
      });
      await runMain(() =>
        main(name, options, signal).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : error;
        }),
      );
      if (signal.aborted) process.exitCode = INTERRUPTED;
    });
}

async function main(name: string, options: Options, signal: AbortSignal): Promise<void> {
  const { validator, rate, seconds, json, from, pause = PAUSE_SECONDS } = options;
  // The load that this run makes itself is none of the machine's.
  const measured = await circumstances();
  requireWithin('--rate', rate, RATE_MAX);
  requireWithin('--seconds', seconds, Infinity);
  requireWithin('--pause', pause, PAUSE_SECONDS_MAX);
  const progress = progressFor(json === true ? process.stderr : process.stdout);
  const started = performance.now();
  progress.note(`\nCareQuorum chaos: ${name}\n`);
  const report = await runChaos(name, {
    folder: folderOf(program),
    emulator: program.opts<{ emulator?: Emulator }>().emulator,
    validator,
    ratePerSecond: rate,
    seconds,
    story: { pauseSeconds: pause, reinstate: options.reinstate === true, from },
    progress,
    signal,
  });
  if (!report.isGood) process.exitCode = 1;
  if (json === true) console.log(JSON.stringify(report, null, 2));
  show(report, progress, (performance.now() - started) / 1000);
  if (options.write === true) write(report, measured, progress);
}

function show(report: ChaosReport, { note }: Progress, seconds: number): void {
  note('');
  for (const line of figureLines(report)) note(`  ${line}`);
  const verdict = report.isGood ? 'All as it must be' : 'NOT as it must be';
  note(`\n${verdict} (${seconds.toFixed(0)} s).`);
}

/** Puts the report into the page of figures. */
function write(report: ChaosReport, measured: Circumstances, { note }: Progress): void {
  const { scenario } = report;
  const path = recordSection({
    name: `chaos-${scenario}`,
    title: `Chaos: ${scenario}`,
    command: typedCommand('chaos'),
    output: [...figureLines(report), '', ...phaseLines(report)].join('\n'),
    circumstances: measured,
  });
  note(`  written to ${shortPath(path)}`);
}

function requireWithin(option: string, value: number, most: number): void {
  if (value >= 1 && value <= most) return;
  const text = most === Infinity ? '1 or more' : `1 to ${most}`;
  throw new LocalError('bad_option', `Give ${option} ${text}.`);
}

await program.parseAsync();
