// `npm run demo`: the journey of records, the leader's account killed for real, the journey again.
import { writeFileSync } from 'node:fs';
import { runMain } from './lib/console.ts';
import { localCommand } from './lib/options.ts';
import { openDemoNetwork } from './demo-network.ts';
import { runJourney, summaryTable } from './journey.ts';

interface Options {
  readonly folder: string;
  readonly documents?: string;
  readonly category?: string;
  readonly network?: string;
  readonly allowKill?: true;
  readonly summary?: string;
}

const command = localCommand(
  'npm run demo --',
  'A patient, two doctors at two hospitals, and a folder of documents: consent, upload, reading,\n' +
    'refusals, history. Then the leader is killed for real, and all of it is done again.',
  `  npm run demo                                  documents that this project makes itself
  npm run demo -- --documents ~/records         your folder; a sub-folder names a category
  npm run demo -- --documents scans --category laboratory
  npm run demo -- --allow-kill                  in the running network, whose leader dies
  exit code: 0 all as it must be, 1 not`,
)
  .option('--documents <dir>', 'folder of documents to share; every regular file below it')
  .option('--category <name>', 'category of files that lie in no sub-folder (default: by content)')
  .option('--network <file>', 'network.json of a running network')
  .option('--allow-kill', "let a running network lose its leader's account for good")
  .option('--summary <file>', 'write the steps as JSON');

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  const report = (line: string): void => {
    console.log(line);
  };
  const network = await openDemoNetwork({
    ...options,
    allowKill: options.allowKill === true,
    report,
  });
  try {
    const { networkFile, kill } = network;
    const { documents, category } = options;
    const summary = await runJourney({ networkFile, documents, category, kill, report });
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
