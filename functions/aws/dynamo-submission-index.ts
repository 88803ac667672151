/** Submitted ids in DynamoDB; TTL removes them once no transaction of then can still be valid. */

import type { SubmissionIndex } from '../validator/ports.ts';
import {
  batchPut,
  getItem,
  keyItem,
  number,
  numberOf,
  putItem,
  type DynamoTable,
  type ItemKey,
} from './dynamo-table.ts';

const KEPT_SECONDS = 3_600;

export function dynamoSubmissionIndex(table: DynamoTable): SubmissionIndex {
  return {
    async put(ledger, entries) {
      const items = entries.map(({ id, issuedAt, expiresAt }) => ({
        ...keyItem(submissionKey(ledger, id)),
        issuedAt: number(issuedAt),
        ttl: number(Math.floor(expiresAt / 1000) + KEPT_SECONDS),
      }));
      const [only] = items;
      if (only && items.length === 1) await putItem(table, only);
      else await batchPut(table, items);
    },
    async issuedAt(ledger, id) {
      const item = await getItem(table, submissionKey(ledger, id), ['issuedAt']);
      return item && numberOf(item, 'issuedAt');
    },
  };
}

const submissionKey = (ledger: string, id: string): ItemKey => ({
  pk: `submitted#${ledger}#${id}`,
  sk: 'submission',
});
