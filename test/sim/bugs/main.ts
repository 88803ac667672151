/**
 * `npm run sim:bugs`: puts each seeded bug into a copy of the code and lets the general profiles hunt
 * it at random seeds. No check is written for a bug; one that is not caught fails the command.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { SeededBug } from './bug.ts';
import { seededBugs } from './catalogue.ts';
import { copyWithBug } from './copy.ts';
import { simulate } from '../simulate.ts';
import type { Catch } from './hunt.ts';

interface Options {
  bug: string[];
  rounds: number;
  seed?: number;
  replicas: number;
  workers: number;
  list?: boolean;
  json?: boolean;
}

interface Outcome extends Catch {
  readonly bug: SeededBug;
}

const root = resolve(import.meta.dirname, '..', '..', '..');
const children = new Set<ChildProcess>();
/** Runs that fail without any bug, as `profile:seed`. */
const skipped = new Set<string>();

const examples = `
Examples:
  npm run sim:bugs
  npm run sim:bugs -- --list
  npm run sim:bugs -- --bug quorum-one-short --bug prepared-ignored
  npm run sim:bugs -- --seed 7000 --rounds 200 --json`;

const options = new Command('sim:bugs')
  .description('Shows that the simulator catches every seeded bug, and how soon.')
  .option('--bug <name...>', 'these only', [])
  .option('--rounds <n>', 'seeds of each profile before a bug counts as missed', whole, 120)
  .option('--seed <s>', 'the first seed; else a random one, which is printed', whole)
  .option('--replicas <n>', 'size of the network', whole, 4)
  .option('--workers <n>', 'processes', whole, availableParallelism())
  .option('--list', 'names the bugs and the rules that they break')
  .option('--json', 'one JSON document, for programs')
  .addHelpText('after', examples)
  .parse()
  .opts<Options>();

if (options.list) list();
else process.exitCode = await run();

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('a whole number from 1 on');
}

function list(): void {
  if (options.json) return say(JSON.stringify(seededBugs, null, 2));
  for (const { name, rule, summary } of seededBugs) say(`${name.padEnd(36)} ${rule}: ${summary}`);
}

async function run(): Promise<number> {
  const unknown = options.bug.filter((name) => !seededBugs.some((bug) => bug.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`No bug ${unknown.join(', ')}; npm run sim:bugs -- --list names them.\n`);
    return 2;
  }
  const wanted = seededBugs.filter(
    ({ name }) => options.bug.length === 0 || options.bug.includes(name),
  );
  const seed = options.seed ?? randomInt(1, 2 ** 31 - 1_000_000);
  tell(
    `${wanted.length} seeded bugs, seeds from ${seed}, ${options.rounds} of each profile at most`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'carequorum-bugs-'));
  process.once('SIGINT', () => {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  });
  try {
    return report(await huntAll(wanted, seed, folder), seed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function huntAll(
  wanted: readonly SeededBug[],
  seed: number,
  folder: string,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...wanted];
  const worker = async (index: number): Promise<void> => {
    for (let bug = waiting.shift(); bug; bug = waiting.shift()) {
      const outcome = await huntTruly(bug, join(folder, `${index}`), seed);
      outcomes.push(outcome);
      tell(`${String(outcomes.length).padStart(3)}/${wanted.length} ${lineOf(outcome)}`);
    }
  };
  const count = Math.min(options.workers, wanted.length);
  await Promise.all(Array.from({ length: count }, (_, index) => worker(index)));
  return outcomes;
}

/** A catch counts only if the same seed passes without the bug; others are told and passed over. */
async function huntTruly(bug: SeededBug, folder: string, seed: number): Promise<Outcome> {
  const { replicas } = options;
  copyWithBug(root, folder, bug);
  for (;;) {
    const outcome = { bug, ...(await hunt(folder, seed)) };
    if (!outcome.found) return outcome;
    const { profile, seed: at } = outcome.found;
    const { failure } = await simulate({ profile, seed: at, replicas, suppressed: [] });
    if (!failure) return outcome;
    tell(`! ${profile} fails at seed ${at} without any bug: ${failure.message}`);
    skipped.add(`${profile}:${at}`);
  }
}

/** The hunt runs in the copy, as a process of its own. */
function hunt(folder: string, seed: number): Promise<Catch> {
  const script = join(folder, 'test', 'sim', 'bugs', 'hunt.ts');
  const flags = ['--seed', `${seed}`, '--rounds', `${options.rounds}`];
  const skips = [...skipped].flatMap((one) => ['--skip', one]);
  const args = ['--no-warnings', script, ...flags, '--replicas', `${options.replicas}`, ...skips];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let said = '';
  let complained = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()));
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (code) => {
      children.delete(child);
      const last = said.trimEnd().split('\n').at(-1) ?? '';
      if (code === 0) done(JSON.parse(last) as Catch);
      else failed(new Error(`a hunt ended with ${code}: ${complained.slice(-2_000)}`));
    });
  });
}

function lineOf({ bug, found, runs, seconds }: Outcome): string {
  const name = bug.name.padEnd(36);
  if (!found) return `✗ ${name} NOT CAUGHT in ${runs} runs, ${seconds} s`;
  const { profile, seed, checker } = found;
  return `✓ ${name} ${String(runs).padStart(5)} runs ${seconds.toFixed(1).padStart(6)} s  ${checker} in ${profile}, seed ${seed}`;
}

function report(outcomes: readonly Outcome[], seed: number): number {
  const missed = outcomes.filter(({ found }) => !found);
  const runs = outcomes.map((one) => one.runs).sort((a, b) => a - b);
  if (options.json) {
    const bugs = outcomes.map(({ bug: { name, rule, summary }, ...one }) => ({
      name,
      rule,
      summary,
      ...one,
    }));
    say(
      JSON.stringify(
        { seed, caught: outcomes.length - missed.length, missed: missed.length, bugs },
        null,
        2,
      ),
    );
  } else {
    say(
      `\n${outcomes.length - missed.length} of ${outcomes.length} caught; runs needed: median ${runs[runs.length >> 1]}, most ${runs.at(-1)}.`,
    );
    for (const { bug } of missed) say(`Not caught: ${bug.name} (${bug.rule}): ${bug.summary}.`);
  }
  return missed.length === 0 ? 0 : 1;
}

/** Progress, where no program reads. */
function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
