// The stage of a chaos command: a network, its operators, a load, and what must be undone at the end.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig, type NetworkConfig } from '../../cdk/config.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import { type Network, parseNetworkFile } from '../../sdk/network-file.ts';
import { shortPath } from '../lib/console.ts';
import { LocalError } from '../lib/errors.ts';
import type { Layout } from '../lib/layout.ts';
import { Load } from '../lib/load.ts';
import { openOperator, validatorsOf } from '../lib/operators.ts';
import {
  type Emulator,
  memberOf,
  type Plan,
  type PlannedMember,
  requirePlan,
} from '../lib/plan.ts';
import type { Progress, Step } from '../lib/progress.ts';
import { ValidatorReader } from '../lib/validator-reader.ts';
import { leaderNow } from '../lib/network-facts.ts';
import { HOSTED_STOP_NOTE } from '../localstack/hosted.ts';
import { networkForRun } from '../network-for-run.ts';

export interface StageOptions {
  /** Folder of a network that may run; where none does, one is started for this run alone. */
  readonly folder: string;
  /** What a network of this run alone runs on. @default 'ministack' */
  readonly emulator?: Emulator | undefined;
  /**
   * Id of the validator that something happens to, `leader` for the one that leads, or `follower`
   * for one that does not.
   */
  readonly validator: string;
  /** Whose operators submit: the other hospitals', or the victim's too. @default 'others' */
  readonly clients?: 'others' | 'all' | undefined;
  readonly ratePerSecond: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface Phase {
  readonly title: string;
  readonly seconds: number;
  readonly result: string;
}

export type Undo = () => Promise<void>;

/** When the fault began and when it was healed, by `performance.now`. */
interface FaultTimes {
  fault?: number;
  healed?: number;
}

/** Opened by `openStage`; whoever opens it closes it. */
export class Stage {
  readonly layout: Layout;
  readonly plan: Plan;
  readonly config: NetworkConfig;
  readonly network: Network;
  readonly victim: PlannedMember;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** What was done so far, in order. */
  readonly phases: Phase[] = [];
  readonly times: FaultTimes = {};
  /** The story failed: the logs of a network of this run alone are kept. */
  hasFailed = false;
  readonly #clients: 'others' | 'all';
  readonly #operators: ReadonlyMap<string, Keystore>;
  readonly #rate: number;
  readonly #undo: Undo[] = [];
  #load: Load | null = null;

  constructor(
    options: StageOptions,
    parts: {
      layout: Layout;
      network: Network;
      operators: ReadonlyMap<string, Keystore>;
      victim: PlannedMember;
    },
  ) {
    this.layout = parts.layout;
    this.plan = requirePlan(parts.layout);
    this.config = loadConfig(parts.layout.config);
    this.network = parts.network;
    this.victim = parts.victim;
    this.signal = options.signal;
    this.progress = options.progress;
    this.#operators = parts.operators;
    this.#rate = options.ratePerSecond;
    this.#clients = options.clients ?? 'others';
  }

  get validators(): readonly PlannedMember[] {
    return validatorsOf(this.plan);
  }

  /** Validators that nothing happens to. */
  get others(): readonly PlannedMember[] {
    return this.validators.filter(({ id }) => id !== this.victim.id);
  }

  operator(hospital: string): Keystore {
    const keystore = this.#operators.get(hospital);
    if (!keystore) throw new RangeError(`${hospital} has no operator here`);
    return keystore;
  }

  reader(id: string): ValidatorReader {
    const [first] = this.others;
    return new ValidatorReader(this.network, id, this.operator(first?.id ?? '').signingKey);
  }

  /** Probes by operators of the hospitals, from the first call on. */
  get load(): Load {
    const submitting = this.#clients === 'all' ? this.validators : this.others;
    this.#load ??= new Load({
      network: this.network,
      operators: submitting.map(({ id }) => ({ hospital: id, keystore: this.operator(id) })),
      ratePerSecond: this.#rate,
    });
    return this.#load;
  }

  /** From now on something is wrong; the first call counts. Answers when, by `performance.now`. */
  faultBegins(): number {
    this.times.fault ??= performance.now();
    return this.times.fault;
  }

  /** All is well again; the last call counts. */
  healed(): void {
    this.times.healed = performance.now();
  }

  /** Shows a step with its time, and remembers it for the report. */
  async phase<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const started = performance.now();
    let result = '';
    const value = await this.progress.step(title, (step) =>
      work({
        ...step,
        result: (text) => {
          result = text;
          step.result(text);
        },
      }),
    );
    this.phases.push({ title, seconds: (performance.now() - started) / 1000, result });
    return value;
  }

  /**
   * Registers what takes a change back, also after a failure or Ctrl-C; the answer does it now,
   * and once only.
   */
  undoLater(work: Undo): Undo {
    let isDone = false;
    const once: Undo = async () => {
      if (isDone) return;
      isDone = true;
      await work();
    };
    this.#undo.push(once);
    return once;
  }

  /** Ends the load and takes back what was not; the latest first. */
  async close(): Promise<void> {
    await this.#load?.abort();
    for (const undo of this.#undo.reverse()) {
      try {
        await undo();
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.progress.note(`  ! could not be undone: ${why}`);
        process.exitCode = 1;
      }
    }
  }
}

/** Uses the network that runs in the folder; where there is none, starts one for this run alone. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { layout, close } = await networkForRun({ ...options, command: 'chaos' });
  try {
    const stage = await stageIn(layout, options);
    stage.undoLater(() => close(stage.hasFailed));
    return stage;
  } catch (error) {
    await close();
    throw error;
  }
}

async function stageIn(layout: Layout, options: StageOptions): Promise<Stage> {
  const plan = requirePlan(layout);
  if (plan.emulator === 'localstack') options.progress.note(HOSTED_STOP_NOTE);
  const network = await parseNetworkFile(readFileSync(layout.networkFile, 'utf8'));
  const victim = memberOf(plan, await namedValidator(plan, network, options.validator));
  const { id } = victim;
  if (victim.kind !== 'validator') {
    throw new LocalError('bad_option', `${id} is no hospital.`, {
      cure: `One of: ${validatorsOf(plan)
        .map((member) => member.id)
        .join(', ')}`,
    });
  }
  const opened = validatorsOf(plan).map(async (member): Promise<[string, Keystore]> => [
    member.id,
    await openOperator(layout, member.id),
  ]);
  const operators = new Map(await Promise.all(opened));
  return new Stage(options, { layout, network, operators, victim });
}

/** The id of a validator that is named by what it does. */
async function namedValidator(plan: Plan, network: Network, name: string): Promise<string> {
  if (name !== 'leader' && name !== 'follower') return name;
  const leader = await leaderNow(network);
  if (name === 'leader') return leader;
  return validatorsOf(plan).findLast(({ id }) => id !== leader)?.id ?? '';
}

/** The next step where one did not do what it must. */
export function logsCure({ layout }: Pick<Stage, 'layout'>): string {
  return `The logs of the accounts say more: ${shortPath(layout.logs)}`;
}

export interface Wait {
  readonly withinMs: number;
  readonly everyMs?: number;
  /** What did not come about, for the message; asked for when it did not. */
  readonly what: string | (() => string);
}

/** Asks again until there is an answer; throws `no_recovery`, or what the signal was aborted with. */
export async function until<T>(
  { signal, layout }: Pick<Stage, 'signal' | 'layout'>,
  { withinMs, everyMs = 200, what }: Wait,
  ask: () => Promise<T | null>,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > deadline) {
      const text = typeof what === 'string' ? what : what();
      throw new LocalError('no_recovery', `${text}: not within ${withinMs / 1000} s.`, {
        cure: logsCure({ layout }),
      });
    }
    await sleep(everyMs);
  }
}
