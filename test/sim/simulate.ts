/** Runs one seed of one profile: trouble, healing, and the last checks. */
import type { SimEvent } from './events.ts';
import { CheckFailure } from './failure.ts';
import { simNetwork, startTime } from './network.ts';
import { profileNamed } from './profiles.ts';
import { World } from './world.ts';

/** What makes a run what it is: the same spec gives the same run. */
export interface RunSpec {
  profile: string;
  seed: number;
  replicas: number;
  /** Ids of faults that are left out, or whole kinds as `kind:*`. */
  suppressed: readonly string[];
}

export interface RunFailure {
  /** The checker that says so. */
  checker: string;
  message: string;
  /** Virtual milliseconds since the start. */
  at: number;
}

export interface RunOutcome {
  spec: RunSpec;
  failure: RunFailure | null;
  /** Ids of the faults that took effect, in order. */
  faults: readonly string[];
  /** SHA-256 of the trace. */
  digest: string;
  lines: readonly string[];
  steps: number;
  blocks: number;
  virtualMs: number;
  /** From healing until every transaction was committed somewhere; null where one never was. */
  servedAfterMs: number | null;
  /** From healing until every honest replica held everything; null where that never was. */
  liveAfterMs: number | null;
}

/** What goes on for a while after all is well must do no harm either. */
const tailMs = 2_000;

export async function simulate(
  spec: RunSpec,
  onEvent?: (event: SimEvent) => void,
): Promise<RunOutcome> {
  const profile = profileNamed(spec.profile);
  const network = await simNetwork(spec.replicas, profile.keys);
  const { seed, suppressed } = spec;
  const world = await World.start({ network, profile, seed, suppressed, onEvent });
  const { agenda } = world;
  let failure: RunFailure | null = null;
  const healAt = startTime + profile.troubleMs;
  try {
    await runUntil(world, healAt);
    await world.heal();
    const end = healAt + profile.liveMs;
    while (!world.isLive() && (await agenda.step(end))) world.noteServed();
    world.noteServed();
    if (world.isLive()) world.liveAt = agenda.now;
    else agenda.now = Math.max(agenda.now, end);
    await runUntil(world, agenda.now + tailMs);
    world.rethrow();
    for (const one of world.checkers) await one.atEnd?.();
  } catch (error) {
    failure = failureOf(error, agenda.now - startTime);
    world.trace.line(agenda.now, '✗', `${failure.checker}: ${failure.message}`);
  }
  return {
    spec,
    failure,
    faults: world.plan.occurred,
    digest: world.trace.digest(),
    lines: world.trace.lines,
    steps: world.steps,
    blocks: Math.max(0, ...world.all().map((one) => one.observed.height)),
    virtualMs: agenda.now - startTime,
    servedAfterMs: world.servedAt === null ? null : Math.max(0, world.servedAt - healAt),
    liveAfterMs: world.liveAt === null ? null : world.liveAt - healAt,
  };
}

async function runUntil(world: World, until: number): Promise<void> {
  while (await world.agenda.step(until));
  world.agenda.now = Math.max(world.agenda.now, until);
}

/** A bug of the simulator itself, or of a place that no checker names, is a failure as well. */
function failureOf(error: unknown, at: number): RunFailure {
  if (error instanceof CheckFailure) {
    return { checker: error.checker, message: error.message, at };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { checker: 'no-throw', message, at };
}
