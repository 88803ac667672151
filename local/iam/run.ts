// `npm run test:iam`: the network under real policies; every role works, and none reaches too far.
import { setTimeout as sleep } from 'node:timers/promises';
import { runMain } from '../lib/console.ts';
import { LocalError } from '../lib/errors.ts';
import { accountLayout, layoutOf } from '../lib/layout.ts';
import { localCommand } from '../lib/options.ts';
import { type Progress, progressFor } from '../lib/progress.ts';
import { runSmoke } from '../smoke.ts';
import { tryAllRoles } from './isolation.ts';
import { type Lane, openLane } from './lane.ts';
import { refusalsIn } from './refusals.ts';

/** A missing grant shows as calls that are tried again for ever. */
const SMOKE_TIMEOUT_MS = 300_000;

const command = localCommand(
  'npm run test:iam --',
  'Deploys all stacks to an emulator that checks IAM policies, runs the smoke test through\n' +
    'them, and tries every role on every other account.',
  `  npm run test:iam
  npm run test:iam -- --keep         leaves it running until Ctrl-C, to look at`,
).option('--keep', 'keep the network running afterwards, until Ctrl-C');

async function main(): Promise<void> {
  const options = command.parse().opts<{ folder: string; keep?: true }>();
  const folder = command.getOptionValueSource('folder') === 'cli' ? options.folder : '.local-iam';
  const layout = layoutOf(folder);
  const progress = progressFor(process.stdout);
  const interrupted = new Promise((end) => process.once('SIGINT', end));
  const lane = await openLane(layout, progress);
  const problems: string[] = [];
  try {
    problems.push(...(await collect(() => smoke(lane, progress))));
    const refused = refusalsIn(accountLayout(layout, 'aws').log);
    problems.push(...refused.map((refusal) => `missing grant: ${refusal}`));
    problems.push(...(await collect(() => isolation(lane, progress))));
    if (options.keep === true) await interrupted;
  } finally {
    await lane.stop();
  }
  if (problems.length === 0) return;
  throw new LocalError('command_failed', `Not as it must be:\n  ${problems.join('\n  ')}`, {
    cure: `Log: ${accountLayout(layout, 'aws').log}`,
  });
}

/** 100 transactions through every API, each function under its own role. */
async function smoke(lane: Lane, progress: Progress): Promise<void> {
  await progress.step('Smoke test, every function under its own role', async (step) => {
    const timeout = sleep(SMOKE_TIMEOUT_MS, undefined, { ref: false }).then(() => {
      throw new LocalError('command_failed', 'The smoke test did not end in time.');
    });
    const { transactions } = await Promise.race([
      runSmoke({ networkFile: lane.networkFile, report: step.update }),
      timeout,
    ]);
    step.result(`${transactions} transactions`);
  });
}

async function isolation(lane: Lane, progress: Progress): Promise<void> {
  await progress.step('Every role tried on every other account', async (step) => {
    const report = await tryAllRoles(lane.endpoint, lane.parties);
    const { roles, refused, allowed, failures } = report;
    step.result(`${roles} roles, ${refused} refused, ${allowed} sends between peers allowed`);
    if (failures.length > 0) throw new LocalError('command_failed', failures.join('\n  '));
  });
}

/** The failure's message instead of its throw, so that the other checks still run. */
async function collect(check: () => Promise<void>): Promise<readonly string[]> {
  try {
    await check();
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

await runMain(main);
// A smoke test that hangs holds connections open; the lane itself is stopped by now.
process.exit();
