/** One correlation id from an API to the block, over accounts, and never part of what is agreed on. */
import { beforeEach, describe, expect, it } from 'vitest';
import { encodePeerMessage, decodeInboxMessage } from '../../../functions/aws/inbox-message.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { randomId, randomUuid } from '../../../lib/crypto/random.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import { encodeRequest, jwsTypes } from '../../../lib/wire/transaction.ts';
import { NETWORK } from '../validator-api/fixture.ts';
import { SmallNetwork } from './small-network.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
let network: SmallNetwork;

beforeEach(async () => {
  network = await SmallNetwork.start();
});

async function signed(id: string, label: string): Promise<string> {
  const { operator } = network.node(id).party;
  const payload = encodeRequest({
    network: NETWORK,
    ledger: 'main',
    fn: 'governance.probe',
    args: { label },
    nonce: randomId(),
    issuedAt: network.now,
    expiresAt: network.now + 600_000,
  });
  const kid = thumbprint(operator.publicKey);
  return signJws({ typ: jwsTypes.transaction, kid }, payload, operator);
}

async function submit(
  id: string,
  transaction: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const answer = await network.call(`http://${id}.test/v1/transactions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ transaction }),
  });
  network.post(id, { kind: 'wake' });
  return answer;
}

/** By validator the correlation ids of all blocks that it committed. */
function traced(): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const line of network.logs) {
    if (line.event === 'committed') (found[line.at] ??= []).push(...line.correlationIds);
  }
  return found;
}

async function envelopeOf(message: Message): Promise<string> {
  const { genesis } = network;
  return encodePeerMessage({
    genesisHash: genesis.hash,
    ledger: 'main',
    from: 'west',
    messages: [message],
  });
}

describe('a correlation id', () => {
  it('goes from the API to the committed block, here and at the leader', async () => {
    const correlationId = randomUuid();
    const { leader } = await leaderOf();
    const origin = leader === 'south' ? 'west' : 'south';
    const answer = await submit(origin, await signed(origin, 'traced'), {
      'X-Correlation-Id': correlationId,
    });
    expect(answer.status).toBe(202);
    await network.run(5_000);
    expect((await network.state(origin)).head.header.height).toBe(1);
    expect(traced()[origin]).toEqual([correlationId]);
    expect(traced()[leader]).toEqual([correlationId]);
  });

  it('is made at the API where a client sends none, or one that says something', async () => {
    const named = { 'X-Correlation-Id': 'ada-okonjo-1961-04-23' };
    await submit('south', await signed('south', 'one'));
    await submit('south', await signed('south', 'two'), named);
    await network.run(5_000);
    const ids = traced()['south'] ?? [];
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
    for (const one of ids) expect(one).toMatch(uuid);
  });

  it('is in nothing that is stored once the block is there', async () => {
    const correlationId = randomUuid();
    await submit('south', await signed('south', 'gone'), { 'X-Correlation-Id': correlationId });
    await network.run(5_000);
    for (const { tables } of network.nodes.values()) {
      expect(await tables.mempool.next('main', { count: 10, bytes: 100_000 })).toEqual([]);
      const stored = await tables.replicas.load('main');
      expect(Buffer.from(stored?.state ?? []).includes(correlationId)).toBe(false);
      const certified = await tables.blocks.certified('main', 1);
      expect(JSON.stringify(certified)).not.toContain(correlationId);
    }
    const roots = await Promise.all(['north', 'south'].map((id) => network.state(id)));
    expect(roots[0]?.head.hash).toEqual(roots[1]?.head.hash);
  });

  it('of a peer is a hint: too few, too many and other ones change no block', async () => {
    const [first, second] = [await signed('west', 'first'), await signed('west', 'second')];
    const forward = (transactions: string[], correlationIds: (string | null)[]): Message => ({
      type: 'forward',
      transactions,
      correlationIds,
    });
    const { leader } = await leaderOf();
    const [known, other] = [randomUuid(), randomUuid()];
    network.post(leader, await envelopeOf(forward([first, second], [known])));
    network.post(leader, await envelopeOf(forward([first], [other, other, other])));
    await network.run(5_000);
    const { head } = await network.state(leader);
    expect(head.header.height).toBeGreaterThan(0);
    expect(new Set(traced()[leader])).toEqual(new Set([known]));
    const states = await Promise.all(['north', 'east', 'south'].map((id) => network.state(id)));
    for (const state of states) expect(state.head.hash).toEqual(head.hash);
  });

  it.each(['ada-okonjo', '', randomUuid().toUpperCase(), `${randomUuid()}\n`])(
    'of another form makes the envelope malformed: %j',
    async (correlationId) => {
      const message = { type: 'forward', transactions: [], correlationIds: [correlationId] };
      const body = await envelopeOf(message as unknown as Message);
      expect(() => decodeInboxMessage(body)).toThrow(
        expect.objectContaining({ code: 'malformed' }),
      );
    },
  );
});

async function leaderOf(): Promise<{ leader: string }> {
  const answer = await network.call('http://north.test/v1/health');
  return (await answer.json()) as { leader: string };
}
