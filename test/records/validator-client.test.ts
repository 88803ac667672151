/** Any validator will do: the client goes on to the next, with the same transaction. */
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { validatorClient } from '../../functions/records/validator-client.ts';
import { makeNetwork } from '../support/network.ts';

const transaction = { id: 'a'.repeat(64), compact: 'x.y.z' };
const receipt = Uint8Array.of(1, 2, 3);
const net = await makeNetwork(4);

type Behaviour = (path: string) => { status: number; body: unknown } | 'down';

async function settle(behaviours: Record<string, Behaviour>, waitMs = 5_000) {
  const seen: string[] = [];
  const client = validatorClient({
    fetchUrl: async (url, init) => {
      const { hostname, pathname } = new URL(url);
      const host = hostname.replace('.test', '');
      seen.push(`${host} ${init.method} ${typeof init.body === 'string' ? init.body : ''}`);
      const answer = (behaviours[host] ?? (() => 'down' as const))(pathname);
      if (answer === 'down') throw new TypeError('fetch failed');
      return new Response(JSON.stringify(answer.body), { status: answer.status });
    },
  });
  return {
    bytes: await client.settle(transaction, net.genesis, waitMs, async () => true),
    seen,
    client,
  };
}

const good: Behaviour = (path) =>
  path === '/v1/transactions'
    ? { status: 202, body: { id: transaction.id, status: 'PENDING' } }
    : { status: 200, body: { status: 'COMMITTED', receipt: toBase64url(receipt) } };
const slow = (polls: number): Behaviour => {
  let left = polls;
  return (path) => {
    if (path === '/v1/transactions') return good(path);
    left -= 1;
    return left < 0 ? good(path) : { status: 202, body: { status: 'PENDING' } };
  };
};

describe('validatorClient', () => {
  it('goes on past validators that are down, refuse or answer nonsense', async () => {
    const { bytes, seen } = await settle({
      'hospital-b': () => ({ status: 503, body: { code: 'not_initialised' } }),
      'hospital-c': (path) => (path === '/v1/transactions' ? good(path) : { status: 500, body: 1 }),
      'hospital-d': good,
    });
    expect(bytes).toEqual(receipt);
    const body = JSON.stringify({ transaction: transaction.compact });
    expect(seen.filter((line) => line.includes('POST'))).toEqual(
      ['a', 'b', 'c', 'd'].map((one) => `hospital-${one} POST ${body}`),
    );
  });

  it('polls while it is pending', async () => {
    const { bytes } = await settle({ 'hospital-a': slow(2) });
    expect(bytes).toEqual(receipt);
  });

  it('gives up in time', async () => {
    const startedAt = performance.now();
    const { bytes } = await settle({}, 600);
    expect(bytes).toBeNull();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
