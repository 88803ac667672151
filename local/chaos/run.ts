// Plays one story on a network under load, takes back what it changed, and judges what came of it.
import { LocalError } from '../lib/errors.ts';
import type { LedgerCheck } from '../lib/ledger-check.ts';
import type { LoadCounts } from '../lib/load.ts';
import type { Emulator } from '../lib/plan.ts';
import type { Progress } from '../lib/progress.ts';
import { type HeldLoad, heldLoad, recoveryMs, verdictOf } from './measure.ts';
import { conclude, loadFor, requireSpare } from './proof.ts';
import type { SeenErrors } from './records-away.ts';
import { openStage, type Phase, type Stage } from './stage.ts';
import { PAUSE_SECONDS, type Story, type StoryOptions, stories } from './stories.ts';

/** What a chaos command says at its end; `--json` prints it. */
export interface ChaosReport {
  readonly scenario: string;
  readonly network: string;
  /** Whom it happened to: the id of a validator, or the accounts beside them. */
  readonly validator: string;
  readonly isGood: boolean;
  /** What is wrong, for people; empty when all is as it must be. */
  readonly faults: readonly string[];
  readonly phases: readonly Phase[];
  readonly ratePerSecond: number;
  readonly load: LoadCounts;
  readonly held: HeldLoad;
  /** Other errors, which clients had to see in this story, by what they did and code. */
  readonly seen: SeenErrors;
  /** From the fault to the first receipt of what was submitted after it, milliseconds. */
  readonly recoveryMs: number | null;
  /** Transactions that a validator took, and that stand in no block. */
  readonly lost: number;
  readonly ledger: LedgerCheck;
}

export interface ChaosOptions {
  readonly folder: string;
  /** What a network of this run alone runs on. @default 'ministack' */
  readonly emulator?: Emulator | undefined;
  /** Id of a validator, `leader` or `follower`. @default what the story says */
  readonly validator?: string | undefined;
  readonly ratePerSecond: number;
  /** Load before the fault, and again after it is healed. */
  readonly seconds: number;
  /** What one story alone knows. @default `PAUSE_SECONDS`, the liar stays suspended, no `from` */
  readonly story?: Partial<StoryOptions>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const defaults: StoryOptions = { pauseSeconds: PAUSE_SECONDS, reinstate: false, from: undefined };

/** Plays one story; what it changed is taken back whatever happens. Throws where it fails. */
export async function runChaos(name: string, options: ChaosOptions): Promise<ChaosReport> {
  const story = stories[name];
  if (!story) throw new RangeError(`there is no story ${name}`);
  refuseHosted(name, story, options.emulator);
  const { clients } = story;
  const validator = options.validator ?? story.validator;
  const stage = await openStage({ ...options, validator, clients });
  try {
    refuseHosted(name, story, stage.plan.emulator);
    const report = await play(name, story, stage, options);
    stage.hasFailed = !report.isGood;
    return report;
  } catch (error) {
    const isMistake = error instanceof LocalError && error.code === 'bad_option';
    stage.hasFailed = !stage.signal.aborted && !isMistake;
    throw error;
  } finally {
    await stage.close();
  }
}

async function play(
  name: string,
  story: Story,
  stage: Stage,
  { ratePerSecond, seconds, ...options }: ChaosOptions,
): Promise<ChaosReport> {
  if (story.needsSpare) await requireSpare(stage);
  const start = await loadFor(stage, seconds, `Load: ${ratePerSecond} a second`);
  const begun = performance.now();
  const seen = await story.play(stage, { ...defaults, ...options.story });
  const { fault, healed } = { fault: begun, healed: performance.now(), ...stage.times };
  await loadFor(stage, seconds, 'Load goes on');
  const end = performance.now();
  const { counts, ledger } = await conclude(stage);
  const { receipts } = stage.load;
  const recovered = recoveryMs(receipts, fault);
  const { allowed = [] } = story;
  const faults = [
    ...verdictOf({ load: counts, ledger, recoveryMs: recovered, allowed }),
    ...(story.judge?.(stage) ?? []),
  ];
  return {
    scenario: name,
    network: stage.network.genesis.document.network,
    validator: story.account ?? stage.victim.id,
    isGood: faults.length === 0,
    faults,
    phases: stage.phases,
    ratePerSecond,
    load: counts,
    held: heldLoad(receipts, { start, fault, healed, end }),
    seen: seen ?? {},
    recoveryMs: recovered,
    lost: ledger.lost,
    ledger,
  };
}

function refuseHosted(name: string, { needsProcess }: Story, emulator: Emulator | undefined): void {
  if (needsProcess !== true || emulator !== 'localstack') return;
  throw new LocalError(
    'bad_option',
    `${name} cannot be played on LocalStack, which runs all accounts in one process.`,
    { cure: `npm run chaos -- ${name}   (on MiniStack, a process for each account)` },
  );
}
