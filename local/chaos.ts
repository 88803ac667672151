// `npm run chaos`: a hospital's worst days, under load, each in one command, and what comes of them.
import type { Command } from 'commander';
import { byzantine, reinstate } from './chaos/byzantine.ts';
import { conclude, countsText, loadFor, proveVote, requireSpare } from './chaos/proof.ts';
import { replace } from './chaos/replace.ts';
import { openStage, type Phase, type Stage } from './chaos/stage.ts';
import { upgrade } from './chaos/upgrade.ts';
import { wipe } from './chaos/wipe.ts';
import { runMain } from './lib/console.ts';
import { LocalError } from './lib/errors.ts';
import type { LedgerCheck } from './lib/ledger-check.ts';
import type { LoadCounts } from './lib/load.ts';
import { type FolderOption, localCommand, wholeNumber } from './lib/options.ts';
import { type Progress, progressFor } from './lib/progress.ts';

interface Options {
  readonly validator: string;
  readonly rate: number;
  readonly seconds: number;
  readonly json?: true;
  readonly reinstate?: true;
  readonly from?: string;
}

/** What a chaos command says at its end; `--json` prints it. */
export interface ChaosReport {
  readonly scenario: string;
  readonly network: string;
  readonly validator: string;
  readonly isGood: boolean;
  readonly phases: readonly Phase[];
  readonly load: LoadCounts;
  readonly ledger: LedgerCheck;
}

export interface ChaosOptions {
  readonly folder: string;
  /** Id of a validator, or `leader`. */
  readonly validator: string;
  readonly ratePerSecond: number;
  /** Load before the fault, and again after it is healed. */
  readonly seconds: number;
  /** Whether the liar gets its vote back at the end. @default false */
  readonly reinstate?: boolean;
  /** Commit whose bundle all run before the upgrade. @default the bundle that is deployed */
  readonly from?: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

type Scenario = (stage: Stage, options: ChaosOptions) => Promise<void>;

const SECONDS = 5;
const RATE_PER_SECOND = 5;

const scenarios: Readonly<Record<string, Scenario>> = {
  async wipe(stage) {
    await wipe(stage);
    await proveVote(stage);
  },
  async replace(stage) {
    await replace(stage);
    await proveVote(stage);
  },
  async byzantine(stage, { reinstate: isReinstated = false }) {
    await byzantine(stage);
    if (!isReinstated) return;
    await reinstate(stage);
    await proveVote(stage);
  },
  async upgrade(stage, { from }) {
    await upgrade(stage, from);
  },
};

/** Plays one scenario; what it changed is taken back whatever happens. Throws where it fails. */
export async function runChaos(name: string, options: ChaosOptions): Promise<ChaosReport> {
  const play = scenarios[name];
  if (!play) throw new RangeError(`there is no scenario ${name}`);
  const stage = await openStage(options);
  try {
    await requireSpare(stage);
    await loadFor(stage, options.seconds, `Load: ${options.ratePerSecond} a second`);
    await play(stage, options);
    await loadFor(stage, options.seconds, 'Load goes on');
    const { counts, ledger } = await conclude(stage);
    const failed = Object.values(counts.errors).reduce((sum, count) => sum + count, 0);
    return {
      scenario: name,
      network: stage.network.genesis.document.network,
      validator: stage.victim.id,
      isGood: failed === 0 && counts.committed === counts.submitted && ledger.faults.length === 0,
      phases: stage.phases,
      load: counts,
      ledger,
    };
  } finally {
    await stage.close();
  }
}

const program = localCommand(
  'npm run chaos --',
  'Lets one hospital have its worst day while load goes on, and shows that nothing committed is lost.',
  `  npm run chaos -- wipe                            tables and queues gone, KMS key kept
  npm run chaos -- replace                         everything gone, the KMS key too
  npm run chaos -- byzantine                       the leader lies, is blamed and suspended
  npm run chaos -- upgrade                         all get a new bundle, one at a time
  npm run chaos -- upgrade --from HEAD~1           from the bundle of that commit to this one
  npm run chaos -- wipe --validator hospital-b --rate 20 --seconds 15
  npm run --silent chaos -- wipe --json            for programs
Uses the network that runs; where none does, one is started for this run alone.
exit code: 0 all as it must be, 1 not, 130 interrupted (what was changed is taken back)`,
);

function scenario(name: string, validator: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--validator <id>', 'the hospital that it happens to', validator)
    .option('--seconds <n>', 'load before it, and after it is healed', wholeNumber, SECONDS)
    .option('--rate <n>', 'probes a second, 1 to 50', wholeNumber, RATE_PER_SECOND)
    .option('--json', 'print the report as JSON; progress goes to the other stream')
    .action(async (options: Options) => {
      const signal = interruptSignal();
      await runMain(() =>
        main(name, options, signal).catch((error: unknown) => {
          throw signal.aborted ? signal.reason : error;
        }),
      );
      if (signal.aborted) process.exitCode = INTERRUPTED;
    });
}

scenario(
  'wipe',
  'hospital-c',
  'empties tables and queues; it recovers, catches up, rejoins and votes by itself',
);
scenario(
  'replace',
  'hospital-c',
  'kills the account with its KMS key; a new one is let in by the operators',
);
scenario(
  'byzantine',
  'leader',
  'one account runs a bundle that equivocates; it is blamed and suspended',
).option('--reinstate', 'at the end the operators give it its vote back, under new keys');

scenario(
  'upgrade',
  'leader',
  'gives all validators a new bundle, one at a time, the named one first; old and new work together',
).option('--from <commit>', 'first all go back to the bundle of this commit, one at a time');

async function main(name: string, options: Options, signal: AbortSignal): Promise<void> {
  const { validator, rate, seconds, json } = options;
  if (rate < 1 || rate > 50) throw new LocalError('bad_option', 'Give a --rate from 1 to 50.');
  if (seconds < 1) throw new LocalError('bad_option', 'Give one second or more.');
  const progress = progressFor(json === true ? process.stderr : process.stdout);
  const { folder } = program.opts<FolderOption>();
  const started = performance.now();
  progress.note(`\nCareQuorum chaos: ${name}\n`);
  const isReinstated = options.reinstate === true;
  const given = { folder, validator, ratePerSecond: rate, seconds, progress, signal };
  const { from } = options;
  const more = { reinstate: isReinstated, ...(from === undefined ? {} : { from }) };
  const report = await runChaos(name, { ...given, ...more });
  if (!report.isGood) process.exitCode = 1;
  if (json === true) console.log(JSON.stringify(report, null, 2));
  for (const fault of report.ledger.faults) progress.note(`  ! ${fault}`);
  const total = ((performance.now() - started) / 1000).toFixed(0);
  const verdict = report.isGood ? 'All as it must be' : 'NOT as it must be';
  progress.note(`\n${verdict}: ${countsText(report.load)} (${total} s).`);
}

const INTERRUPTED = 130;

/** Aborts at the first Ctrl-C, hang-up or SIGTERM; what was changed is then taken back. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) console.error('\nTaking back what was changed …');
      controller.abort(new LocalError('interrupted', 'Interrupted.'));
    });
  }
  return controller.signal;
}

if (import.meta.main) await program.parseAsync();
