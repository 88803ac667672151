/** Plain HTTP calls of a party's API, as a stranger would make them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { SigningKey } from '../../../lib/crypto/p256.ts';
import { peerAuthorization } from '../../../functions/validator/block-request.ts';
import type { World } from './world.ts';

const bodySchema = z.looseObject({
  code: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  status: z.union([z.string(), z.number()]).optional(),
});

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: z.infer<typeof bodySchema>;
}

/** Posts a body: text as it is, everything else as JSON. */
export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return answerOf(response);
}

export async function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return answerOf(await fetch(url, { headers }));
}

async function answerOf(response: Response): Promise<Answer> {
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  const parsed = bodySchema.safeParse(text.startsWith('{') ? JSON.parse(text) : {});
  return { status: response.status, type, body: parsed.data ?? {} };
}

/** Hands a transaction to one validator. */
export function submitTo(world: World, validator: string, compact: string): Promise<Answer> {
  return post(`${world.local.urls[validator] ?? ''}/v1/transactions`, { transaction: compact });
}

const blockSchema = z.object({
  header: z.string(),
  certificate: z.string().nullable(),
  /** For operators. */
  transactionIds: z.array(z.string()).default([]),
});
const healthSchema = z.object({ height: z.int(), leader: z.string(), view: z.int() });

/** A block as anyone sees it, or with the ids of its transactions as the holder of `key` does. */
export async function blockOf(world: World, validator: string, height: number, key?: SigningKey) {
  const { network } = world.network.genesis.document;
  const fn = 'ledger.block' as const;
  const wanted = { network, ledger: 'main', fn, height, now: Date.now() };
  const headers = key ? { authorization: await peerAuthorization(wanted, key) } : {};
  const { body } = await get(`${world.local.urls[validator] ?? ''}/v1/blocks/${height}`, headers);
  return blockSchema.parse(body);
}

export async function healthOf(world: World, validator: string) {
  const { body } = await get(`${world.local.urls[validator] ?? ''}/v1/health`);
  return healthSchema.parse(body);
}

/** Waits until `ask` gives something else than null, false or an error; throws what was last. */
export async function eventually<T>(
  ask: () => Promise<T | null | false>,
  { withinMs = 60_000, everyMs = 250 } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    let failure: unknown = new Error(`not within ${withinMs} ms`);
    try {
      const answer = await ask();
      if (answer !== null && answer !== false) return answer;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > deadline) throw failure;
    await sleep(everyMs);
  }
}

/** Waits until these validators are at one height, and gives the height and the block's header. */
export async function agreedHead(
  world: World,
  validators: readonly string[],
  atLeast = 0,
): Promise<{ height: number; header: string }> {
  return eventually(async () => {
    const healths = await Promise.all(validators.map((id) => healthOf(world, id)));
    const height = healths[0]?.height ?? 0;
    if (height < atLeast || healths.some((one) => one.height !== height)) return null;
    const blocks = await Promise.all(validators.map((id) => blockOf(world, id, height)));
    const header = blocks[0]?.header ?? '';
    if (blocks.some((one) => one.header !== header)) throw new Error('validators differ');
    return { height, header };
  });
}
