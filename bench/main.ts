/** `npm run bench -- latency|emergency|rotation|throughput|files|ledger`: figures from this machine, printed as tables. */
import { Command } from 'commander';
import {
  circumstances,
  circumstancesText,
  recordSection,
  typedCommand,
} from '../local/lib/benchmarks-page.ts';
import { benchEmergency, emergencyTable } from './emergency.ts';
import { benchDocument, benchFiles, documentTable, filesTable } from './files.ts';
import { benchLedger, flatness, ledgerTables } from './ledger.ts';
import { benchLatency, latencyTables } from './latency.ts';
import { benchRotation, rotationTable } from './rotation.ts';
import { openMeasured } from './network.ts';
import { memoryThroughput } from './throughput-memory.ts';
import {
  type NetworkThroughput,
  networkThroughput,
  singleThroughput,
} from './throughput-network.ts';
import { throughputTable } from './throughput-table.ts';

interface Options {
  json?: boolean;
  write?: boolean;
  folder?: string;
  rounds: string;
  count: string;
  bulk: string;
  clients: string;
  memoryOnly?: boolean;
  sizes: string;
  block: string;
  blocks: string;
  cache: string;
}

const log = (line: string): void => console.error(`  ${line}`);

/** Prints what was measured, and writes it into the page where that is asked for. */
async function report(
  name: string,
  options: Options,
  figures: unknown,
  text: string,
): Promise<void> {
  const machine = await circumstances();
  if (options.write) {
    const title = titles[name] ?? name;
    const section = { name, title, command: typedCommand('bench'), output: text };
    log(`written to ${recordSection({ ...section, circumstances: machine })}`);
  }
  if (options.json) return console.log(JSON.stringify({ machine, figures }, null, 2));
  console.log(`\n${text}\n\n${circumstancesText(machine)}`);
}

/** Titles of the sections of `docs/benchmarks.md`. */
const titles: Readonly<Record<string, string>> = {
  latency: 'Commits, queries and the opening of a record',
  emergency: 'From a declaration of emergency to the open summary',
  rotation: 'Keys rotated after a compromise',
  throughput: 'Committed transactions a second',
  files: 'Encryption of files',
  ledger: 'The ledger as it grows',
};

async function latency(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const figures = await benchLatency(measured, Number(options.rounds), log);
    await report('latency', options, figures, latencyTables(figures));
  } finally {
    await measured.close();
  }
}

async function emergency(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const figures = await benchEmergency(measured, Number(options.rounds), log);
    await report('emergency', options, figures, emergencyTable(figures));
  } finally {
    await measured.close();
  }
}

async function rotation(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const wanted = { files: Number(options.count), kilobytes: Number(options.bulk) };
    const figures = await benchRotation(measured, wanted, log);
    await report('rotation', options, figures, rotationTable(figures));
  } finally {
    await measured.close();
  }
}

const WARM_UP = 4_000;

async function throughput(options: Options): Promise<void> {
  const [count, clients] = [Number(options.count), Number(options.clients)];
  const bulks = options.bulk.split(',').map(Number);
  log(`in memory: ${count} transactions, four replicas in one process`);
  const memory = await memoryThroughput(count, Math.max(...bulks));
  const network: NetworkThroughput[] = [];
  if (!options.memoryOnly) {
    const measured = await openMeasured(options.folder, log);
    try {
      // Processes compile what runs often: the first blocks of a network take twice as long.
      log(`local network: ${Math.min(count, WARM_UP)} transactions to warm up`);
      await networkThroughput(measured, Math.min(count, WARM_UP), 100);
      for (const bulk of bulks) {
        log(`local network: ${count} transactions, ${bulk} a request`);
        network.push(await networkThroughput(measured, count, bulk));
      }
      log(`local network: ${clients} clients, one transaction a request`);
      network.push(await singleThroughput(measured, Math.min(count, 20 * clients), clients));
    } finally {
      await measured.close();
    }
  }
  const text = throughputTable(memory, network);
  await report('throughput', options, { memory, network }, text);
}

async function files(options: Options): Promise<void> {
  const sizesMiB = options.sizes.split(',').map(Number);
  const figures = await benchFiles({ sizesMiB });
  const documents = [];
  for (const size of sizesMiB) documents.push(await benchDocument(size));
  const text = `${filesTable(figures)}\n\n${documentTable(documents)}`;
  await report('files', options, { figures, documents }, text);
}

async function ledger(options: Options): Promise<void> {
  const blockKeys = Number(options.block);
  const figures = await benchLedger(
    {
      sizes: options.sizes.split(',').map(Number),
      blockKeys,
      blocks: Number(options.blocks),
      cacheMiB: Number(options.cache),
    },
    log,
  );
  const text = ledgerTables(figures, blockKeys);
  await report('ledger', options, { ...flatness(figures), figures }, text);
}

const program = new Command('bench')
  .description('Measures CareQuorum on this machine.')
  .addHelpText(
    'after',
    `
Examples:
  npm run bench -- latency                    on a network of its own
  npm run bench -- latency --folder .local    on the running network of that folder
  npm run bench -- latency --write            and into docs/benchmarks.md
  npm run bench -- emergency                  a summary read by shares of the hospitals
  npm run bench -- rotation                   keys rotated, interrupted in the middle
  npm run bench -- throughput --count 4000 --bulk 100
  npm run bench -- files --sizes 1,100,2048
  npm run bench -- ledger                     10,000 to 1,000,000 keys, some minutes`,
  );
const folder = ['--folder <dir>', 'use the running network of this folder'] as const;
const json = ['--json', 'print figures for programs'] as const;
const write = ['--write', 'write the figures into docs/benchmarks.md'] as const;
program
  .command('latency')
  .description('commits at rest, a query and the opening of a record, split by hop')
  .option('--rounds <n>', 'measured repetitions', '40')
  .option(...folder)
  .option(...json)
  .option(...write)
  .action(latency);
program
  .command('emergency')
  .description('from the declaration of an emergency to the open summary')
  .option('--rounds <n>', 'measured repetitions', '20')
  .option(...folder)
  .option(...json)
  .option(...write)
  .action(emergency);
program
  .command('rotation')
  .description('files re-encrypted a second, and gone on with after an interruption')
  .option('--count <n>', 'files', '24')
  .option('--bulk <kB>', 'size of each', '100')
  .option(...folder)
  .option(...json)
  .option(...write)
  .action(rotation);
program
  .command('throughput')
  .description('committed transactions a second with bulk submission')
  .option('--count <n>', 'transactions', '4000')
  .option('--bulk <list>', 'transactions a request, separated by commas', '20,100')
  .option('--clients <n>', 'clients that submit one by one', '50')
  .option('--memory-only', 'no local network')
  .option(...folder)
  .option(...json)
  .option(...write)
  .action(throughput);
program
  .command('files')
  .description('encryption and decryption against raw WebCrypto')
  .option('--sizes <list>', 'MiB, separated by commas', '1,100,2048')
  .option(...json)
  .option(...write)
  .action(files);
program
  .command('ledger')
  .description('updates, proofs, reads, lists and history as the ledger grows')
  .option('--sizes <list>', 'keys in the state, separated by commas', '10000,100000,1000000')
  .option('--block <keys>', 'keys that a block writes', '100')
  .option('--blocks <n>', 'measured blocks', '40')
  .option('--cache <MiB>', 'cache of decoded pages', '1024')
  .option(...json)
  .option(...write)
  .action(ledger);
await program.parseAsync();
