/** What peers say of a seat's incarnation is believed as far as one honest peer may have said it. */
import { expect, it } from 'vitest';
import { claimedIncarnation } from '../../../functions/validator/claimed-incarnation.ts';
import type { Genesis } from '../../../lib/wire/genesis.ts';

const ids = ['north', 'east', 'south', 'west'];
const validators = ids.map((id) => ({ id, apiUrl: `http://${id}.test` }));
// Nothing else of a genesis is read.
const genesis = { document: { network: 'local-test', validators } } as unknown as Genesis;

/** West asks; `said` by host, null for a peer that does not answer. */
async function claimed(said: Readonly<Record<string, unknown>>): Promise<number> {
  const ask = async (url: string): Promise<Response> => {
    const answer = said[new URL(url).hostname.split('.')[0] ?? ''];
    if (answer === undefined) throw new TypeError('fetch failed');
    return Response.json({ validators: [{ id: 'west', incarnation: answer }] });
  };
  return claimedIncarnation(genesis, 'west', { fetch: ask as typeof fetch, clock: Date.now });
}

it('is the highest of the honest', async () => {
  expect(await claimed({ north: 3, east: 3, south: 2 })).toBe(3);
});

it('is not pushed up by one that lies', async () => {
  expect(await claimed({ north: 2, east: 900, south: 2 })).toBe(2);
  expect(await claimed({ north: 2, east: 0, south: 2 })).toBe(2);
});

it('passes over what is no answer', async () => {
  expect(await claimed({ north: 2, east: 'many', south: 2 })).toBe(2);
});

it('is nothing where too few answer', async () => {
  expect(await claimed({ north: 5 })).toBe(0);
  expect(await claimed({})).toBe(0);
});
