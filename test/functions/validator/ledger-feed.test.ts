/** What the replicator reads of committed blocks: no large result may stop it for ever. */
import { expect, it } from 'vitest';
import { ledgerFeed } from '../../../functions/validator/replicator/ledger-feed.ts';
import { genesisHeader } from '../../../lib/ledger/genesis-header.ts';
import { PageCache } from '../../../lib/ledger/page-cache.ts';
import { limits } from '../../../lib/limits.ts';
import { encodeResult } from '../../../lib/wire/result.ts';
import { makeNetwork } from '../../support/network.ts';

it('reads a result that is larger than any value of state', async () => {
  // As `copy.request` of many categories: a patient and a hospital can make one.
  const scopes = Array.from({ length: 1_024 }, (_, at) => ({
    ...{ tag: `${at}`.padStart(43, 'A'), dataFrom: '2025-01', dataUntil: '2025-12' },
  }));
  const result = { id: 'a'.repeat(64), status: 'COMMITTED', code: '', value: { scopes } } as const;
  const bytes = encodeResult(result);
  expect(bytes.length).toBeGreaterThan(limits.stateValueBytesMax);
  const { genesis } = await makeNetwork(4);
  const header = genesisHeader(genesis, new Uint8Array(32));
  const feed = ledgerFeed({
    replicas: { head: async () => null },
    blocks: {
      certified: async () => ({ header, certificate: {} as never }),
      body: async () => ({ transactions: [], results: [bytes] }),
    },
    pages: { getPages: async () => [] as never },
    cache: new PageCache(1),
  });
  expect(await feed.results(7)).toEqual([result]);
});
