// `npm run test:iam`: the network under real policies; every role works, and none reaches too far.
import { runMain } from '../lib/console.ts';
import { LocalError } from '../lib/errors.ts';
import { layoutOf } from '../lib/layout.ts';
import { localCommand } from '../lib/options.ts';
import { progressFor } from '../lib/progress.ts';
import { tryAllRoles } from './isolation.ts';
import { openLane } from './lane.ts';

const command = localCommand(
  'npm run test:iam --',
  'Deploys all stacks to an emulator that checks IAM policies, runs the smoke test through them,\n' +
    'and tries every role on every other account.',
  '  npm run test:iam',
).option('--keep', 'keep the network running afterwards, until Ctrl-C, to look at');

async function main(): Promise<void> {
  const options = command.parse().opts<{ folder: string; keep?: true }>();
  const folder = command.getOptionValueSource('folder') === 'cli' ? options.folder : '.local-iam';
  const progress = progressFor(process.stdout);
  const lane = await openLane(layoutOf(folder), progress);
  try {
    await progress.step('Smoke test, every function under its own role', async () => {
      const { runSmoke } = await import('../smoke.ts');
      await runSmoke({ networkFile: lane.networkFile });
    });
    await progress.step('Every role tried on every other account', async (step) => {
      const report = await tryAllRoles(lane.endpoint, lane.parties);
      const { roles, refused, allowed, failures } = report;
      step.result(`${roles} roles, ${refused} refused, ${allowed} votes between peers allowed`);
      if (failures.length === 0) return;
      throw new LocalError('command_failed', `Not as it must be:\n  ${failures.join('\n  ')}`);
    });
    if (options.keep === true) await new Promise((end) => process.once('SIGINT', end));
  } finally {
    await lane.stop();
  }
}

await runMain(main);
