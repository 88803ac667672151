/** A hospital's copies, laid out as in its account, and the replicator over them. */
import type { Operations } from '../../functions/aws/http.ts';
import { validatorClient } from '../../functions/records/validator-client.ts';
import { copyOperations } from '../../functions/validator/copies/operations.ts';
import type {
  LedgerFeed,
  ReplicatorContext,
} from '../../functions/validator/replicator/context.ts';
import { markDue } from '../../functions/validator/replicator/due.ts';
import { replicate } from '../../functions/validator/replicator/run.ts';
import type { Transport } from '../../sdk/http.ts';
import { type MemoryItemStore, memoryItemStore } from '../membership/memory-item-store.ts';
import type { TestNetwork, TestValidator } from '../support/network.ts';
import { memoryObjects } from './world.ts';

export interface HospitalWorld {
  id: string;
  /** Address of its bucket. */
  origin: string;
  store: MemoryItemStore;
  objects: Map<string, Uint8Array>;
  log: { event: string; [fact: string]: unknown }[];
  context: ReplicatorContext;
  /** Runs the replicator until it has nothing to do now. */
  replicate(): Promise<void>;
  /** One run, with something that a test has changed; says when to come back. */
  run(change?: Partial<ReplicatorContext>): Promise<number | null>;
}

/** Longer than any test's run takes. */
const RUN_MS = 20_000;

export function hospitalOf({
  net,
  one,
  feed,
  transport,
  now,
}: {
  net: TestNetwork;
  one: TestValidator;
  feed: LedgerFeed;
  transport: Transport;
  now: () => number;
}): { hospital: HospitalWorld; operations: Operations } {
  const store = memoryItemStore();
  const objects = new Map<string, Uint8Array>();
  const origin = `http://objects-${one.id}.test`;
  const log: HospitalWorld['log'] = [];
  const context: ReplicatorContext = {
    network: net.genesis.document.network,
    hospital: one.id,
    genesis: net.genesis,
    feed,
    store,
    objects: memoryObjects(objects, origin),
    validators: validatorClient({ fetchUrl: transport, now }),
    key: one.read,
    fetchUrl: transport,
    now,
    log: (line) => log.push(line),
  };
  const run: HospitalWorld['run'] = (change = {}) => {
    const changed = { ...context, ...change };
    return replicate(changed, changed.now() + RUN_MS);
  };
  const untilDone = async (): Promise<void> => {
    while ((await run()) === 0);
  };
  const operations = copyOperations({
    store,
    objects: context.objects,
    genesis: { require: async () => net.genesis },
    addresses: () => [`http://${one.id}.test`],
    wake: (pseudonym) => markDue(store, [pseudonym], now()),
    now,
  });
  const hospital = { id: one.id, origin, store, objects, log, context, replicate: untilDone, run };
  return { hospital, operations };
}
