/** The accepted genesis document in DynamoDB: chunks first, then the one item that names them. */

import { fromUtf8, toHex, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import { signedGenesisSchema } from '../../lib/wire/genesis.ts';
import type { GenesisStore } from '../validator/ports.ts';
import {
  chunkItems,
  getItem,
  keyItem,
  putItem,
  readChunks,
  text,
  textOf,
  type DynamoTable,
} from './dynamo-table.ts';
import { StorageError } from './storage-error.ts';

const ACCEPTED = { pk: 'genesis', sk: 'accepted' } as const;
const IS_NEW = 'attribute_not_exists(pk)';

export function dynamoGenesisStore(table: DynamoTable): GenesisStore {
  return {
    async load() {
      const item = await getItem(table, ACCEPTED);
      if (item === null) return null;
      const bytes = await readChunks(table, chunksKey(textOf(item, 'digest')));
      if (bytes === null) throw new StorageError('corrupt_item', 'the genesis document is cut');
      return parseWith(signedGenesisSchema, JSON.parse(fromUtf8(bytes)));
    },
    async save(signed) {
      const bytes = utf8(JSON.stringify(signed));
      const digest = toHex(sha256(bytes));
      const chunks = chunkItems(chunksKey(digest), bytes);
      await Promise.all(chunks.map((chunk) => putItem(table, chunk)));
      const accepted = { ...keyItem(ACCEPTED), digest: text(digest) };
      return putItem(table, accepted, { expression: IS_NEW });
    },
  };
}

const chunksKey = (digest: string) => `genesis-document#${digest}`;
