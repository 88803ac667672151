/** Pages of the state tree in DynamoDB: immutable, one item each. */

import type { PageStore } from '../../lib/ports.ts';
import { batchGet, batchPut, binary, binaryOf, keyItem, type DynamoTable } from './dynamo-table.ts';

export function dynamoPageStore(table: DynamoTable): PageStore {
  return {
    async getPages(ledger, ids) {
      const items = await batchGet(
        table,
        ids.map((id) => pageKey(ledger, id)),
        ['bytes'],
      );
      return items.map((item) => item && binaryOf(item, 'bytes'));
    },
    async putPages(ledger, pages) {
      const distinct = new Map(pages.map((page) => [page.id, page.bytes]));
      await batchPut(
        table,
        [...distinct].map(([id, bytes]) => ({
          ...keyItem(pageKey(ledger, id)),
          bytes: binary(bytes),
        })),
      );
    },
  };
}

const pageKey = (ledger: string, id: string) => ({ pk: `page#${ledger}#${id}`, sk: 'page' });
