/** Blocks in DynamoDB: bodies in chunks by header hash, certified headers by height, locations by id. */

import { z } from 'zod';
import { fromHex, toHex } from '../../lib/crypto/bytes.ts';
import { limits } from '../../lib/limits.ts';
import { storedLinkSchema } from '../../lib/ledger/stored-link.ts';
import type { HistoryNode } from '../../lib/ledger/history-tree.ts';
import type { BlockStore, TransactionLocation } from '../../lib/ports.ts';
import { decodeWith, encodeCbor } from '../../lib/wire/codec.ts';
import { headerSchema } from '../../lib/wire/header.ts';
import { certificateSchema } from '../../lib/wire/vote.ts';
import type { BlockEvent, EventStore, FetchedBlock, FetchedStore } from '../validator/ports.ts';
import {
  batchGet,
  batchPut,
  binary,
  binaryOf,
  chunkItems,
  getItem,
  keyItem,
  number,
  numberOf,
  putItem,
  queryAll,
  readChunks,
  sortable,
  textOf,
  type DynamoTable,
  type Item,
} from './dynamo-table.ts';

/** Results are bounded one by one; together they may outgrow the transactions. */
const BODY_BYTES_MAX = 64 * 1024 * 1024;
const HEADER_BYTES_MAX = 16 * 1024;
const FETCHED_SECONDS = 24 * 3_600;

const bodySchema = z.strictObject({
  transactions: z.array(z.string().max(limits.transactionBytesMax)),
  results: z.array(z.instanceof(Uint8Array)),
});
const eventsSchema = z.array(
  z.strictObject({ index: z.int(), topic: z.string(), tag: z.string() }),
);
const fetchedSchema = z.strictObject({
  header: headerSchema,
  certificate: certificateSchema,
  transactions: z.array(z.string().max(limits.transactionBytesMax)),
});

/** Bodies, locations and events are staged in any order and repeated freely: same hash, same bytes. */
export function dynamoBlockStore(table: DynamoTable): BlockStore & EventStore {
  return {
    async stageBody(ledger, height, headerHash, body, transactionIds) {
      const locations = transactionIds.map((id, index) =>
        locationItem(ledger, id, { headerHash, height, index }),
      );
      const chunks = chunkItems(bodyKey(ledger, headerHash), encodeCbor(body));
      // A chunk is as large as some batches are: one put each.
      await Promise.all([
        ...chunks.map((chunk) => putItem(table, chunk)),
        batchPut(table, locations),
      ]);
    },
    async body(ledger, headerHash) {
      const bytes = await readChunks(table, bodyKey(ledger, headerHash));
      return bytes && decodeWith(bodySchema, bytes, BODY_BYTES_MAX);
    },
    async putCertified(ledger, header, headerHash, certificate) {
      await putItem(table, {
        ...keyItem(certifiedKey(ledger, header.height)),
        header: binary(encodeCbor(header)),
        headerHash: binary(headerHash),
        certificate: binary(encodeCbor(certificate)),
      });
    },
    async certified(ledger, height) {
      const item = await getItem(table, certifiedKey(ledger, height), ['header', 'certificate']);
      return (
        item && {
          header: decodeWith(headerSchema, binaryOf(item, 'header'), HEADER_BYTES_MAX),
          certificate: decodeWith(
            certificateSchema,
            binaryOf(item, 'certificate'),
            HEADER_BYTES_MAX,
          ),
        }
      );
    },
    ...dynamoLinks(table),
    async putHistory(ledger, nodes) {
      await batchPut(
        table,
        nodes.map((node) => ({ ...keyItem(historyKey(ledger, node)), hash: binary(node.hash) })),
      );
    },
    async history(ledger, nodes) {
      if (nodes.length === 0) return [];
      const keys = nodes.map((node) => historyKey(ledger, node));
      const items = await batchGet(table, keys, ['hash']);
      return items.map((item) => item && binaryOf(item, 'hash'));
    },
    async locations(ledger, transactionId) {
      const items = await queryAll(table, locationKey(ledger, transactionId));
      return items.map(locationOf);
    },
    async stageEvents(ledger, headerHash, events) {
      if (events.length === 0) return;
      const chunks = chunkItems(eventsKey(ledger, headerHash), encodeCbor(events));
      await Promise.all(chunks.map((chunk) => putItem(table, chunk)));
    },
    async events(ledger, headerHash): Promise<BlockEvent[]> {
      const bytes = await readChunks(table, eventsKey(ledger, headerHash));
      return bytes ? decodeWith(eventsSchema, bytes, BODY_BYTES_MAX) : [];
    },
  };
}

/** Set changes: one item each, in the order of their heights. */
function dynamoLinks(table: DynamoTable): Pick<BlockStore, 'putLink' | 'links'> {
  return {
    async putLink(ledger, link) {
      const key = { pk: linksKey(ledger), sk: sortable(link.fromHeight) };
      await putItem(table, { ...keyItem(key), link: binary(encodeCbor(link)) });
    },
    async links(ledger) {
      const items = await queryAll(table, linksKey(ledger));
      return items.map((item) =>
        decodeWith(storedLinkSchema, binaryOf(item, 'link'), limits.chunkBytesMax),
      );
    },
  };
}

/** Blocks between the catch-up worker and the replica; TTL removes them after a day. */
export function dynamoFetchedStore(table: DynamoTable, now: () => number): FetchedStore {
  return {
    async put(ledger, height, block) {
      const ttl = number(Math.floor(now() / 1000) + FETCHED_SECONDS);
      const chunks = chunkItems(fetchedKey(ledger, height), encodeCbor(block), { ttl });
      await Promise.all(chunks.map((chunk) => putItem(table, chunk)));
    },
    async get(ledger, height): Promise<FetchedBlock | null> {
      const bytes = await readChunks(table, fetchedKey(ledger, height));
      return bytes && decodeWith(fetchedSchema, bytes, BODY_BYTES_MAX);
    },
    async work(ledger, name) {
      const item = await getItem(table, workKey(ledger, name));
      return item && { version: numberOf(item, 'version'), bytes: binaryOf(item, 'bytes') };
    },
    async saveWork(ledger, name, expected, bytes) {
      const item = { ...keyItem(workKey(ledger, name)), bytes: binary(bytes) };
      const condition =
        expected === null
          ? { expression: 'attribute_not_exists(pk)' }
          : { expression: 'version = :expected', values: { ':expected': number(expected) } };
      return putItem(table, { ...item, version: number((expected ?? 0) + 1) }, condition);
    },
  };
}

const bodyKey = (ledger: string, hash: Uint8Array) => `body#${ledger}#${toHex(hash)}`;
const eventsKey = (ledger: string, hash: Uint8Array) => `events#${ledger}#${toHex(hash)}`;
const workKey = (ledger: string, name: string) => ({ pk: `work#${ledger}`, sk: name });
const fetchedKey = (ledger: string, height: number) => `fetched#${ledger}#${height}`;
const linksKey = (ledger: string) => `links#${ledger}`;
const locationKey = (ledger: string, id: string) => `tx#${ledger}#${id}`;
const historyKey = (ledger: string, { level, index }: HistoryNode) => ({
  pk: `history#${ledger}#${level}#${index}`,
  sk: 'node',
});
const certifiedKey = (ledger: string, height: number) => ({
  pk: `certified#${ledger}#${height}`,
  sk: 'block',
});

function locationItem(
  ledger: string,
  id: string,
  { headerHash, height, index }: TransactionLocation,
): Item {
  const sk = `${sortable(height)}#${toHex(headerHash)}`;
  return { ...keyItem({ pk: locationKey(ledger, id), sk }), position: number(index) };
}

function locationOf(item: Item): TransactionLocation {
  const [height, hash] = textOf(item, 'sk').split('#');
  return {
    headerHash: fromHex(hash ?? ''),
    height: Number(height),
    index: numberOf(item, 'position'),
  };
}
