/** The whole network: six accounts in emulators, deployed by cdk, driven through the SDK. */
import { afterAll, beforeAll, describe } from 'vitest';
import { correlationSuite } from './correlation.ts';
import { custodianFaults, nodeFaults, queueFaults, transactionFaults } from './faults.ts';
import { loadSuite } from './load.ts';
import { scanOnDiskSuite, scanSuite } from './scan.ts';
import { startWorld, type World } from './support/world.ts';

let world: World | undefined;
const getWorld = (): World => {
  if (!world) throw new Error('the network did not start');
  return world;
};

beforeAll(async () => {
  world = await startWorld();
}, 240_000);
afterAll(async () => {
  await world?.close();
}, 90_000);

loadSuite(getWorld);
const lost: string[] = [];
const facts = scanSuite(getWorld);
correlationSuite(getWorld);
queueFaults(getWorld, facts);
transactionFaults(getWorld, facts);
custodianFaults(getWorld, facts);
nodeFaults(getWorld, lost);

describe('at the end', () => {
  scanOnDiskSuite(getWorld, facts, () => lost);
});
