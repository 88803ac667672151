// `npm run status`: what runs, since when, and how high each hospital's ledger is.
import { runMain, shortPath } from './lib/console.ts';
import { layoutOf } from './lib/layout.ts';
import { localCommand } from './lib/options.ts';
import { readStatus, type MemberStatus } from './lib/status.ts';

const command = localCommand(
  'npm run status --',
  'Shows which accounts run, their addresses and the height of each ledger.',
  `  npm run status
  npm run --silent status -- --json      for programs
  exit code: 0 all run, 3 some are down, 4 nothing runs`,
).option('--json', 'print JSON');

const EXIT_SOME_DOWN = 3;
const EXIT_NOTHING_RUNS = 4;

async function main(): Promise<void> {
  const options = command.parse().opts<{ folder: string; json?: true }>();
  const layout = layoutOf(options.folder);
  const status = await readStatus(layout);
  if (options.json === true) {
    console.log(JSON.stringify(status, null, 2));
  } else {
    console.log(`\n${status.network} in ${shortPath(layout.root)}, ${status.keeper}\n`);
    for (const line of table(status.members)) console.log(line);
    console.log(`\n  Logs: ${shortPath(layout.logs)}/<account>.log`);
  }
  const running = status.members.filter(({ life }) => life === 'running').length;
  if (running === 0) process.exitCode = EXIT_NOTHING_RUNS;
  else if (running < status.members.length) process.exitCode = EXIT_SOME_DOWN;
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
