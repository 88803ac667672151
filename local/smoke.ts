// `npm run smoke`: 100 transactions through every API, singly and in bulk, while the leader dies.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readNetworkFile } from '../sdk/genesis.ts';
import { openKeystore } from '../sdk/keystore.ts';
import type { Network } from '../sdk/network-file.ts';
import { Operator } from '../sdk/operator.ts';
import { requireAll } from '../sdk/patient.ts';
import type { CertifiedResult } from '../sdk/proofs.ts';
import { openSession } from '../sdk/session.ts';
import { openDemoNetwork } from './demo-network.ts';
import { genesisText, leaderNow } from './lib/network-facts.ts';
import { runMain } from './lib/console.ts';
import { folderOf, localCommand, withEmulator } from './lib/options.ts';
import type { Emulator } from './lib/plan.ts';
import { verifyInOwnProcess } from './verify-offline.ts';

export interface SmokeOptions {
  readonly networkFile: string;
  /** Keystores of the operators, in the order of the validators. @default beside the network file */
  readonly operators?: readonly { keystorePath: string; passphrasePath: string }[] | undefined;
  /** Kills an account for real in the middle. @default nothing is killed */
  readonly kill?: ((account: string) => Promise<void>) | undefined;
  /** @default nothing is printed */
  readonly report?: (line: string) => void;
}

export interface SmokeResult {
  readonly transactions: number;
  readonly seconds: number;
  /** The account that was killed, or null. */
  readonly killed: string | null;
}

const TRANSACTIONS = 100;
/** Of each API's share, how many are sent one by one; the rest goes in bulk. */
const SINGLE_PART = 0.4;
/** The leader dies this long after the second half was sent. */
const KILL_AFTER_MS = 150;

/** An operator whose first choice is the API of its own hospital. */
interface Lane {
  readonly operator: Operator;
  readonly hospital: string;
  /** Transactions that this very API took. */
  readonly taken: Set<string>;
}

/** Throws unless all are committed, each API took some, and all receipts verify offline. */
export async function runSmoke(options: SmokeOptions): Promise<SmokeResult> {
  const report = options.report ?? (() => undefined);
  const started = performance.now();
  const network = await readNetworkFile(options.networkFile);
  const lanes = await openLanes(options, network);
  const half = Math.floor(TRANSACTIONS / 2);
  const before = await sendAll(lanes, half, 'before');
  for (const { hospital, taken } of lanes) {
    if (taken.size === 0) throw new Error(`the API of ${hospital} took no transaction`);
  }
  report(`${before.length} committed through ${lanes.length} APIs`);
  const sending = sendAll(lanes, TRANSACTIONS - half, 'after');
  // Its failure is thrown below, after the kill.
  sending.catch(() => undefined);
  let killed: string | null = null;
  if (options.kill) {
    killed = await leaderNow(network);
    await sleep(KILL_AFTER_MS);
    await options.kill(killed);
    report(`${killed}, the leader, is killed while ${TRANSACTIONS - half} are under way`);
  }
  const results = [...before, ...(await sending)];
  report(
    `${results.length} committed, at blocks up to ${Math.max(...results.map((r) => r.height))}`,
  );
  await verify(options.networkFile, results);
  const seconds = (performance.now() - started) / 1000;
  report(`${results.length} receipts verified offline by genesis alone; ${seconds.toFixed(1)} s`);
  return { transactions: results.length, seconds, killed };
}

async function openLanes(options: SmokeOptions, network: Network): Promise<Lane[]> {
  const folder = join(dirname(options.networkFile), 'operators');
  return Promise.all(
    network.validators.map(async ({ id }, index) => {
      const files = options.operators?.[index] ?? {
        keystorePath: join(folder, `${id}.keystore`),
        passphrasePath: join(folder, `${id}.passphrase`),
      };
      const passphrase = readFileSync(files.passphrasePath, 'utf8').trim();
      const taken = new Set<string>();
      const session = openSession(network, {
        preferred: id,
        onNotice: (notice) => {
          if (notice.type === 'placed' && notice.validator === id) taken.add(notice.id);
        },
      });
      const keystore = await openKeystore(files.keystorePath, passphrase);
      return { operator: new Operator(session, keystore), hospital: id, taken };
    }),
  );
}

/** Every API's share at the same time: some one by one, the rest in bulk. */
async function sendAll(
  lanes: readonly Lane[],
  total: number,
  name: string,
): Promise<CertifiedResult[]> {
  const shares = lanes.map((lane, index) => {
    const count = Math.floor(total / lanes.length) + (index < total % lanes.length ? 1 : 0);
    return sendShare(lane, count, name);
  });
  return (await Promise.all(shares)).flat();
}

async function sendShare(
  { operator, hospital }: Lane,
  count: number,
  name: string,
): Promise<CertifiedResult[]> {
  const labels = Array.from({ length: count }, (_, index) => `smoke.${name}.${hospital}.${index}`);
  const singles = Math.ceil(count * SINGLE_PART);
  const bulk = operator.probeAll(labels.slice(singles));
  // Its failure is thrown below, once those sent one by one are through.
  bulk.catch(() => undefined);
  const results: CertifiedResult[] = [];
  for (const label of labels.slice(0, singles)) results.push(await operator.probe(label));
  return [...results, ...requireAll(await bulk)];
}

async function verify(networkFile: string, results: readonly CertifiedResult[]): Promise<void> {
  const receipts = results.map(({ receipt }) => receipt);
  const verdict = await verifyInOwnProcess(await genesisText(networkFile), receipts);
  const { failures, transactions } = verdict;
  if (failures.length === 0 && transactions === TRANSACTIONS) return;
  throw new Error(
    `${transactions} of ${TRANSACTIONS} transactions are proven, ${failures.length} receipts fail: ` +
      (failures[0]?.reason ?? 'none'),
  );
}

interface Options {
  readonly folder: string;
  readonly emulator?: Emulator;
  readonly network?: string;
  readonly allowKill?: true;
}

const command = withEmulator(
  localCommand(
    'npm run smoke --',
    '100 signed transactions through all APIs, singly and in bulk; the leader is killed in the\n' +
      'middle; all receipts are verified offline by a process that has only the genesis document.',
    `  npm run smoke                     a network of its own, gone afterwards
  npm run smoke -- --allow-kill     in the running network, whose leader dies
  exit code: 0 all committed and proven, 1 not`,
  ),
)
  .option('--network <file>', 'network.json of a running network')
  .option('--allow-kill', "let a running network lose its leader's account for good");

async function main(): Promise<void> {
  const options = command.parse().opts<Options>();
  const report = (line: string): void => {
    console.log(line);
  };
  const allowKill = options.allowKill === true;
  const network = await openDemoNetwork({
    ...options,
    folder: folderOf(command),
    allowKill,
    report,
  });
  try {
    const { networkFile, accounts } = network;
    const kill = accounts ? (id: string) => accounts.kill(id) : undefined;
    await runSmoke({ networkFile, kill, report });
  } finally {
    await network.close();
  }
}

if (import.meta.main) await runMain(main);
