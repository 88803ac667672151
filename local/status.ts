// `npm run status`: what runs, since when, and how high each hospital's ledger is; `--watch` live.
import { setTimeout as sleep } from 'node:timers/promises';
import { runMain, shortPath } from './lib/console.ts';
import { layoutOf, type Layout } from './lib/layout.ts';
import { liveLines, liveNetwork, type Sample, withSample } from './lib/live-status.ts';
import { localCommand } from './lib/options.ts';
import { readStatus, type MemberStatus, type NetworkStatus } from './lib/status.ts';

const command = localCommand(
  'npm run status --',
  'Shows which accounts run, their addresses and the height of each ledger.',
  `  npm run status
  npm run status -- --watch                        views, heights, lag and rates, until Ctrl-C
  npm run --silent status -- --json                for programs
  npm run --silent status -- --watch --json        one JSON object a line
  exit code: 0 all run, 3 some are down, 4 nothing runs`,
)
  .option('--json', 'print JSON')
  .option('--watch', 'look every two seconds, until Ctrl-C');

const EXIT_SOME_DOWN = 3;
const EXIT_NOTHING_RUNS = 4;
const WATCH_MS = 2_000;
const CLEAR_SCREEN = '\u001b[H\u001b[J';

async function main(): Promise<void> {
  const options = command.parse().opts<{ folder: string; json?: true; watch?: true }>();
  const layout = layoutOf(options.folder);
  if (options.watch === true) return watch(layout, options.json === true);
  const status = await readStatus(layout);
  if (options.json === true) {
    console.log(JSON.stringify(status, null, 2));
  } else {
    console.log(`\n${status.network} in ${shortPath(layout.root)}, ${status.keeper}\n`);
    for (const line of table(status.members)) console.log(line);
    console.log(`\n  Logs: ${shortPath(layout.logs)}/<account>.log`);
  }
  process.exitCode = exitCodeOf(status);
}

/** Until Ctrl-C, which ends it in order: the exit code is that of the last look. */
async function watch(layout: Layout, isJson: boolean): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  let samples: readonly Sample[] = [];
  while (!stop.signal.aborted) {
    const status = await readStatus(layout);
    samples = withSample(samples, { at: Date.now(), status });
    const live = liveNetwork(samples);
    if (isJson) {
      console.log(JSON.stringify(live));
    } else {
      if (process.stdout.isTTY) process.stdout.write(CLEAR_SCREEN);
      console.log(`${liveLines(live).join('\n')}\n`);
    }
    process.exitCode = exitCodeOf(status);
    await sleep(WATCH_MS, undefined, { signal: stop.signal }).catch(() => undefined);
  }
}

function exitCodeOf(status: NetworkStatus): number {
  const running = status.members.filter(({ life }) => life === 'running').length;
  if (running === 0) return EXIT_NOTHING_RUNS;
  return running < status.members.length ? EXIT_SOME_DOWN : 0;
}

function table(members: readonly MemberStatus[]): readonly string[] {
  const rows = members.map(({ id, life, health, pid, url }) => [
    id,
    life === 'saved' ? 'stopped' : life,
    health,
    pid === null ? '' : `process ${pid}`,
    url,
  ]);
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map(
    (row) => `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`,
  );
}

await runMain(main);
