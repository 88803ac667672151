// `npm run test:localstack`: the whole network on one LocalStack: smoke test, then the journey.
import { dirname } from 'node:path';
import { type DemoNetwork, ownNetwork } from '../demo-network.ts';
import { runMain } from '../lib/console.ts';
import { layoutOf } from '../lib/layout.ts';
import { localCommand } from '../lib/options.ts';
import { scenariosNamed } from '../scenarios/index.ts';
import { play } from '../scenarios/scenario.ts';
import { summaryTable } from '../scenarios/steps.ts';
import { runSmoke } from '../smoke.ts';
import { whileLocalstackRuns } from './end.ts';

const command = localCommand(
  'npm run test:localstack --',
  'Deploys all stacks to one LocalStack (no container engine, no token), then runs the smoke test,\n' +
    'in which the leader is taken away, and the journey.',
  `  npm run test:localstack
  npm run test:localstack -- --documents ~/records
  exit code: 0 all as it must be, 1 not`,
).option('--documents <dir>', 'folder of documents for the journey');

async function main(): Promise<void> {
  const { documents } = command.parse().opts<{ documents?: string }>();
  const report = (line: string): void => {
    console.log(line);
  };
  const network = await ownNetwork(report, 'localstack');
  const layout = layoutOf(dirname(network.networkFile));
  try {
    await whileLocalstackRuns(layout, () => runAll(network, documents, report));
  } finally {
    await network.close();
  }
}

async function runAll(
  { networkFile, accounts }: DemoNetwork,
  documents: string | undefined,
  report: (line: string) => void,
): Promise<void> {
  let away: string | null = null;
  const kill = async (id: string): Promise<void> => {
    away = id;
    await accounts?.stop(id);
  };
  await runSmoke({ networkFile, kill, report });
  if (away !== null) await accounts?.restart(away);
  const scenarios = scenariosNamed(['journey']);
  const summary = await play(scenarios, { networkFile, documents, accounts, report });
  for (const line of ['', ...summaryTable(summary)]) report(line);
  if (!summary.isGood) process.exitCode = 1;
}

await runMain(main);
// What was under way when LocalStack ended would go on against a network that is gone.
process.exit();
