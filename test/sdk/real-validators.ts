/** The production step and the real API of every validator, in the place of a world's made-up ledger. */
import { MemoryGenesisStore } from '../../functions/memory/genesis-store.ts';
import { operationsOf } from '../../functions/validator/api/operations.ts';
import { ApiRuntime } from '../../functions/validator/api/runtime.ts';
import type { Keyring } from '../../functions/validator/keyring.ts';
import { routes } from '../../functions/validator/routes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { Cluster } from '../sim/cluster.ts';
import type { TestValidator } from '../support/network.ts';
import type { FakeHandler } from './fake-fetch.ts';
import { serve, type World } from './world.ts';

/** What hospitals serve beside the ledger. */
const OTHERS = /^\/v1\/(?:escrow|copies)\//;

/**
 * Call it before anything is on the ledger. Virtual time passes where an API waits for a block; the
 * clocks of everybody else follow.
 */
export async function startRealValidators(world: World): Promise<Cluster> {
  const { net, handlers, skewMs } = world;
  const cluster = await Cluster.start(net, { seed: 1, delayMsMax: 5 });
  const present = (): number => Date.now() + skewMs.value;
  cluster.now = present();
  let turn: Promise<void> = Promise.resolve();
  /** One after the other: two runs at once would take the same messages. */
  const pass = (ms: number): Promise<void> => {
    turn = turn.then(async () => {
      await cluster.run(Math.max(cluster.now + ms, present()));
      skewMs.value = Math.max(skewMs.value, cluster.now - Date.now());
    });
    return turn;
  };
  for (const one of net.validators) {
    const runtime = await runtimeOf(world, cluster, one, pass);
    const api = serve(routes, operationsOf(runtime));
    const origin = `http://${one.id}.test`;
    const others = handlers[origin];
    const handler: FakeHandler = async (request) => {
      if (others && OTHERS.test(request.url.pathname)) return others(request);
      await pass(0);
      return api(request);
    };
    handlers[origin] = handler;
  }
  return cluster;
}

async function runtimeOf(
  { net }: World,
  cluster: Cluster,
  { id, operator, kms, read }: TestValidator,
  sleep: (ms: number) => Promise<void>,
): Promise<ApiRuntime> {
  const genesis = new MemoryGenesisStore();
  await genesis.save(net.signed);
  const inbox = { wake: async (of: string) => cluster.wake(id, of), send: async () => undefined };
  return new ApiRuntime({
    network: net.genesis.document.network,
    validator: id,
    operatorKey: thumbprint(operator.publicKey),
    apiUrl: `http://${id}.test`,
    ports: { ...cluster.node(id).ports, genesis, inbox },
    keyring: { openReadKey: async () => read } as unknown as Keyring,
    kmsKey: async () => kms.publicKey,
    clock: () => cluster.now,
    sleep,
  });
}
