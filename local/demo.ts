// `npm run demo`: stories played through a network for real, step by step, each with its proof.
import { writeFileSync } from 'node:fs';
import { runMain } from './lib/console.ts';
import { folderOf, localCommand, withEmulator } from './lib/options.ts';
import type { Emulator } from './lib/plan.ts';
import { openDemoNetwork } from './demo-network.ts';
import { scenarios, scenariosNamed } from './scenarios/index.ts';
import { play } from './scenarios/scenario.ts';
import { summaryTable } from './scenarios/steps.ts';

interface Options {
  readonly folder: string;
  readonly emulator?: Emulator;
  readonly scenario: readonly string[];
  readonly documents?: string;
  readonly category?: string;
  readonly network?: string;
  readonly allowKill?: true;
  readonly summary?: string;
}

const list = scenarios.map((one) => `  ${one.name.padEnd(10)}  ${one.title}`).join('\n');

const command = withEmulator(
  localCommand(
    'npm run demo --',
    `Stories played through a network for real, step by step, each step with its proof:\n${list}`,
    `  npm run demo                                  the journey, with documents that this project makes
  npm run demo -- --scenario all                every story, one after the other
  npm run demo -- --documents ~/records         your folder; a sub-folder names a category
  npm run demo -- --documents scans --category laboratory
  npm run demo -- --allow-kill                  in the running network, whose accounts are stopped
  npm run demo -- --emulator localstack         in a LocalStack of its own
  exit code: 0 all as it must be, 1 not`,
  ),
)
  .option('--scenario <name...>', 'the stories to play, or all', ['journey'])
  .option('--documents <dir>', 'folder of documents to share; every regular file below it')
  .option('--category <name>', 'category of files that lie in no sub-folder (default: by content)')
  .option('--network <file>', 'network.json of a running network')
  .option('--allow-kill', 'let accounts of a running network be stopped, and its leader be killed')
  .option('--summary <file>', 'write the steps as JSON');

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  const chosen = scenariosNamed(options.scenario);
  const report = (line: string): void => {
    console.log(line);
  };
  const network = await openDemoNetwork({
    ...options,
    folder: folderOf(command),
    allowKill: options.allowKill === true,
    report,
  });
  try {
    const { networkFile, accounts } = network;
    const { documents, category } = options;
    const summary = await play(chosen, { networkFile, documents, category, accounts, report });
    report('');
    for (const line of summaryTable(summary)) report(line);
    if (options.summary !== undefined) {
      writeFileSync(options.summary, `${JSON.stringify(summary, null, 2)}\n`);
    }
    if (!summary.isGood) process.exitCode = 1;
  } finally {
    await network.close();
  }
}

await runMain(main);
