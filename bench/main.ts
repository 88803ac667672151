/** `npm run bench -- latency|emergency|rotation|throughput|files|ledger`: figures from this machine, printed as tables. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { Command } from 'commander';
import { benchEmergency, emergencyTable } from './emergency.ts';
import { benchDocument, benchFiles, documentTable, filesTable } from './files.ts';
import { benchLedger, flatness, ledgerTables } from './ledger.ts';
import { benchLatency, latencyTables } from './latency.ts';
import { benchRotation, rotationTable } from './rotation.ts';
import { openMeasured } from './network.ts';
import { table } from './report.ts';
import { memoryThroughput } from './throughput-memory.ts';
import { networkThroughput } from './throughput-network.ts';

interface Options {
  json?: boolean;
  folder?: string;
  rounds: string;
  count: string;
  bulk: string;
  memoryOnly?: boolean;
  sizes: string;
  block: string;
  blocks: string;
  cache: string;
}

const log = (line: string): void => console.error(`  ${line}`);

function report(options: Options, figures: unknown, text: string): void {
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0]?.toFixed(1),
  };
  if (options.json) return console.log(JSON.stringify({ machine, figures }, null, 2));
  console.log(`\n${text}\n`);
  const { date, cores, cpu, memoryGiB, load } = machine;
  console.log(
    `${date}, Node ${process.version}, ${cores} × ${cpu}, ${memoryGiB} GiB, load ${load}`,
  );
}

async function latency(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const figures = await benchLatency(measured, Number(options.rounds), log);
    report(options, figures, latencyTables(figures));
  } finally {
    await measured.close();
  }
}

async function emergency(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const figures = await benchEmergency(measured, Number(options.rounds), log);
    report(options, figures, emergencyTable(figures));
  } finally {
    await measured.close();
  }
}

async function rotation(options: Options): Promise<void> {
  const measured = await openMeasured(options.folder, log);
  try {
    const wanted = { files: Number(options.count), kilobytes: Number(options.bulk) };
    const figures = await benchRotation(measured, wanted, log);
    report(options, figures, rotationTable(figures));
  } finally {
    await measured.close();
  }
}

async function throughput(options: Options): Promise<void> {
  const [count, bulk] = [Number(options.count), Number(options.bulk)];
  log(`in memory: ${count} transactions, four replicas in one process`);
  const memory = await memoryThroughput(count, bulk);
  const row = (name: string, one: { transactions: number; blocks: number; perSecond: number }) => [
    name,
    String(one.transactions),
    String(one.blocks),
    one.perSecond.toFixed(0),
  ];
  const rows = [row('in memory, four replicas on one core', memory)];
  let network: Awaited<ReturnType<typeof networkThroughput>> | null = null;
  if (!options.memoryOnly) {
    const measured = await openMeasured(options.folder, log);
    try {
      await networkThroughput(measured, Math.min(count, 200), bulk);
      network = await networkThroughput(measured, count, bulk);
      rows.push(row(`local network, bulk of ${bulk}`, network));
    } finally {
      await measured.close();
    }
  }
  const head = ['committed transactions a second', 'transactions', 'blocks', 'per second'];
  report(options, { memory, network }, table(head, rows));
}

async function files(options: Options): Promise<void> {
  const sizesMiB = options.sizes.split(',').map(Number);
  const figures = await benchFiles({ sizesMiB });
  const documents = [];
  for (const size of sizesMiB) documents.push(await benchDocument(size));
  const text = `${filesTable(figures)}\n\n${documentTable(documents)}`;
  report(options, { figures, documents }, text);
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
  report(options, { ...flatness(figures), figures }, ledgerTables(figures, blockKeys));
}

const program = new Command('bench')
  .description('Measures CareQuorum on this machine.')
  .addHelpText(
    'after',
    `
Examples:
  npm run bench -- latency                    on a network of its own
  npm run bench -- latency --folder .local    on the running network of that folder
  npm run bench -- emergency                  a summary read by shares of the hospitals
  npm run bench -- rotation                   keys rotated, interrupted in the middle
  npm run bench -- throughput --count 2000 --bulk 100
  npm run bench -- files --sizes 1,100,2048
  npm run bench -- ledger                     10,000 to 1,000,000 keys, some minutes`,
  );
const folder = ['--folder <dir>', 'use the running network of this folder'] as const;
const json = ['--json', 'print figures for programs'] as const;
program
  .command('latency')
  .description('commits at rest, a query and the opening of a record, split by hop')
  .option('--rounds <n>', 'measured repetitions', '40')
  .option(...folder)
  .option(...json)
  .action(latency);
program
  .command('emergency')
  .description('from the declaration of an emergency to the open summary')
  .option('--rounds <n>', 'measured repetitions', '20')
  .option(...folder)
  .option(...json)
  .action(emergency);
program
  .command('rotation')
  .description('files re-encrypted a second, and gone on with after an interruption')
  .option('--count <n>', 'files', '24')
  .option('--bulk <kB>', 'size of each', '100')
  .option(...folder)
  .option(...json)
  .action(rotation);
program
  .command('throughput')
  .description('committed transactions a second with bulk submission')
  .option('--count <n>', 'transactions', '2000')
  .option('--bulk <n>', 'transactions a request', '100')
  .option('--memory-only', 'no local network')
  .option(...folder)
  .option(...json)
  .action(throughput);
program
  .command('files')
  .description('encryption and decryption against raw WebCrypto')
  .option('--sizes <list>', 'MiB, separated by commas', '1,100,2048')
  .option(...json)
  .action(files);
program
  .command('ledger')
  .description('updates, proofs, reads, lists and history as the ledger grows')
  .option('--sizes <list>', 'keys in the state, separated by commas', '10000,100000,1000000')
  .option('--block <keys>', 'keys that a block writes', '100')
  .option('--blocks <n>', 'measured blocks', '40')
  .option('--cache <MiB>', 'cache of decoded pages', '1024')
  .option(...json)
  .action(ledger);
await program.parseAsync();
