/** One correlation id is found in the logs of two accounts: where a request came in, and at the leader. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { randomUuid } from '../../lib/crypto/random.ts';
import { signCall } from '../../sdk/signing.ts';
import { eventually, healthOf, post } from './support/http.ts';
import { VALIDATORS, type World } from './support/world.ts';

const lineSchema = z.looseObject({
  message: z.string(),
  route: z.string().optional(),
  status: z.int().optional(),
  height: z.int().optional(),
});

/** Lines of an account's log that have the id, as JSON. */
function linesWith(world: World, validator: string, id: string): z.infer<typeof lineSchema>[] {
  const lines = readFileSync(world.logFile(validator), 'utf8').split('\n');
  return lines
    .filter((line) => line.includes(id))
    .flatMap((line) => {
      const parsed = lineSchema.safeParse(JSON.parse(line.slice(line.indexOf('{'))));
      return parsed.success ? [parsed.data] : [];
    });
}

export function correlationSuite(getWorld: () => World): void {
  it('one correlation id leads from the API of one account to the block of another', async () => {
    const world = getWorld();
    const { leader } = await healthOf(world, 'hospital-a');
    const taker = VALIDATORS.find((id) => id !== leader) ?? '';
    const { signer } = await world.operator(taker);
    const network = world.network.genesis.document.network;
    const call = { fn: 'governance.probe', args: { label: 'traced' } };
    const { compact } = await signCall(call, {
      network,
      now: Date.now(),
      kind: 'transaction',
      signer,
    });
    const id = randomUuid();
    const url = `${world.local.urls[taker] ?? ''}/v1/transactions`;
    const answer = await post(url, { transaction: compact }, { 'x-correlation-id': id });
    expect(answer.status).toBe(202);
    const heights = await eventually(async () => {
      const found = [taker, leader].map(
        (one) => linesWith(world, one, id).find(({ message }) => message === 'committed')?.height,
      );
      return found.includes(undefined) ? null : found;
    });
    expect(heights[0]).toBe(heights[1]);
    const [request] = linesWith(world, taker, id).filter(({ message }) => message === 'request');
    expect(request).toMatchObject({ route: 'POST /v1/transactions', status: 202 });
  });
}
