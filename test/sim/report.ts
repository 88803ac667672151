/** What a sweep over many seeds says while it runs and at its end. */
import type { Profile } from './profiles.ts';
import type { RunOutcome } from './simulate.ts';

interface Tally {
  runs: number;
  failed: number;
  steps: number;
  blocks: number;
  virtualMs: number;
  /** Longest from healing until all was committed somewhere, and until all replicas had it. */
  servedMs: number;
  liveMs: number;
}

const progressMs = process.stderr.isTTY ? 1_000 : 10_000;

export function describeProfiles(profiles: readonly Profile[]): string {
  return profiles.map((one) => `  ${one.name.padEnd(21)} ${one.summary}`).join('\n');
}

export class Report {
  readonly #expected: number;
  readonly #json: boolean;
  readonly #tallies = new Map<string, Tally>();
  readonly #failures: RunOutcome[] = [];
  readonly #started = performance.now();
  #lastProgress = performance.now();
  #done = 0;

  constructor(expected: number, json: boolean) {
    this.#expected = expected;
    this.#json = json;
  }

  add(outcome: RunOutcome): void {
    const { spec, failure, steps, blocks, virtualMs, servedAfterMs, liveAfterMs } = outcome;
    const tally = this.#tallies.get(spec.profile) ?? emptyTally();
    this.#tallies.set(spec.profile, tally);
    tally.runs += 1;
    tally.steps += steps;
    tally.blocks += blocks;
    tally.virtualMs += virtualMs;
    tally.servedMs = Math.max(tally.servedMs, servedAfterMs ?? 0);
    tally.liveMs = Math.max(tally.liveMs, liveAfterMs ?? 0);
    this.#done += 1;
    if (failure) {
      tally.failed += 1;
      this.#failures.push(outcome);
      console.error(`FAILED ${spec.profile} --seed ${spec.seed}: ${failure.checker}`);
    }
    this.#progress();
  }

  /** In the order of profile and seed, whichever worker was first. */
  failures(): RunOutcome[] {
    return this.#failures.sort(
      ({ spec: a }, { spec: b }) => a.profile.localeCompare(b.profile) || a.seed - b.seed,
    );
  }

  finish(isInterrupted: boolean): void {
    const seconds = (performance.now() - this.#started) / 1000;
    const all = [...this.#tallies.values()];
    const virtualHours = sum(all.map((one) => one.virtualMs)) / 3_600_000;
    const perMinute = Math.round((this.#done / seconds) * 60);
    const failures = this.failures().map(({ spec, failure }) => ({ ...spec, ...failure }));
    if (this.#json) {
      const profiles = Object.fromEntries(this.#tallies);
      const runs = this.#done;
      console.log(
        JSON.stringify({
          runs,
          seconds,
          perMinute,
          virtualHours,
          isInterrupted,
          profiles,
          failures,
        }),
      );
      return;
    }
    console.log(table(this.#tallies));
    for (const { profile, seed, replicas, checker, message } of failures) {
      console.log(`✗ ${profile} --seed ${seed} --replicas ${replicas}: ${checker}: ${message}`);
    }
    const cut = isInterrupted ? ' (interrupted)' : '';
    console.log(
      `\n${this.#done} of ${this.#expected} runs${cut}, ${failures.length} failed; ` +
        `${seconds.toFixed(1)} s, ${perMinute} runs a minute, ` +
        `${virtualHours.toFixed(1)} virtual hours`,
    );
  }

  #progress(): void {
    const now = performance.now();
    if (now - this.#lastProgress < progressMs || this.#done === this.#expected) return;
    this.#lastProgress = now;
    const perMinute = Math.round((this.#done / (now - this.#started)) * 60_000);
    console.error(`  ${this.#done} of ${this.#expected} runs, ${perMinute} a minute`);
  }
}

function emptyTally(): Tally {
  return { runs: 0, failed: 0, steps: 0, blocks: 0, virtualMs: 0, servedMs: 0, liveMs: 0 };
}

function table(tallies: ReadonlyMap<string, Tally>): string {
  const head = [
    'profile',
    'runs',
    'failed',
    'steps/run',
    'blocks/run',
    'all served',
    'all caught up',
  ];
  const rows = [...tallies]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { runs, failed, steps, blocks, servedMs, liveMs }]) => [
      name,
      String(runs),
      String(failed),
      (steps / runs).toFixed(0),
      (blocks / runs).toFixed(1),
      `${(servedMs / 1000).toFixed(1)} s`,
      `${(liveMs / 1000).toFixed(1)} s`,
    ]);
  return [head, ...rows]
    .map(([first = '', ...rest]) => first.padEnd(22) + rest.map((one) => one.padStart(16)).join(''))
    .join('\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((total, one) => total + one, 0);
}
