/** Pages of the custodian are followed to the last one. */
import { expect, it } from 'vitest';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { CustodianClient } from '../../sdk/custodian-client.ts';
import { networkOf } from '../../sdk/network-file.ts';
import { sealedText } from '../records/fixture.ts';
import { makeNetwork } from '../support/network.ts';
import { type FakeAnswer, fakeFetch } from './fake-fetch.ts';

const PAGES = 3;

async function setUp(list: 'shares' | 'records', entry: () => object) {
  const net = await makeNetwork(4);
  const entries = Array.from({ length: PAGES }, entry);
  /** One entry a page; `next` is the number of the page. */
  const answer = (after: string | undefined): FakeAnswer => {
    const page = Number(after ?? 0);
    const next = page + 1 < PAGES ? { next: String(page + 1) } : {};
    return { json: { [list]: [entries[page]], ...next } };
  };
  const transport = fakeFetch({
    'http://records.test': ({ body }) => answer((body as { after?: string }).after),
  });
  const network = await networkOf({ genesis: net.signed });
  const client = new CustodianClient(network, { transport });
  return { client, transport, entries, key: await generateSigningKey() };
}

it('follows pages of shares, with a fresh proof for each', async () => {
  const entry = () => ({ permissionId: randomId(), ...sealedText() });
  const { client, transport, entries, key } = await setUp('shares', entry);
  const found = await client.shares(key);
  expect(found.map(({ permissionId, sealed }) => ({ permissionId, ...sealed }))).toEqual(entries);
  expect(new Set(transport.calls.map(({ headers }) => headers.get('dpop'))).size).toBe(PAGES);
});

it('follows pages of metadata, with the receipt in each call', async () => {
  const entry = () => ({ recordId: randomId(), wrap: sealedText(), sealedMetadata: sealedText() });
  const { client, transport, entries, key } = await setUp('records', entry);
  expect(await client.metadata({ key, receipt: new Uint8Array(3) })).toEqual(entries);
  const bodies = transport.calls.map(({ body }) => body);
  expect(bodies).toEqual([
    { receipt: 'AAAA' },
    { receipt: 'AAAA', after: '1' },
    { receipt: 'AAAA', after: '2' },
  ]);
});
