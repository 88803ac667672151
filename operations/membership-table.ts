/** The enrolment table of a membership service, read and filled as a whole by its operator. */
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { fromBase64, toBase64, toHex } from '../lib/crypto/bytes.ts';
import { parseWith } from '../lib/wire/codec.ts';
import { signedGenesisSchema, verifyGenesis } from '../lib/wire/genesis.ts';
import { dynamoItemStore } from '../functions/aws/dynamo-item-store.ts';
import {
  binary,
  binaryOf,
  type DynamoTable,
  type Item,
  number,
  numberOf,
  putItem,
  queryAll,
  text,
  textOf,
} from '../functions/aws/dynamo-table.ts';
import { mapParallel } from '../functions/aws/parallel.ts';
import { LocalError } from '../local/lib/errors.ts';
import type { BackupItem } from './backup-file.ts';

/** What a table belongs to. */
export interface TableOwner {
  readonly network: string;
  /** Hexadecimal. */
  readonly genesisHash: string;
}

/** Partition of what the service keeps for itself: genesis document, certificates, wrapped secrets. */
export const SERVICE = 'service';
/** What makes the service answer; see `functions/aws/service-genesis.ts`. */
export const GENESIS = 'genesis';
/** Only a membership service has it; see `functions/membership/authority.ts`. */
const AUTHORITY = 'authority';
const SERVICE_ITEMS_MAX = 100;
const WRITES_AT_ONCE = 16;

/**
 * Whose membership table it is. Throws LocalError `wrong_table` for every other table: what a patient
 * erased, and session keys, must never be in a backup.
 */
export async function ownerOfTable(table: DynamoTable): Promise<TableOwner> {
  const kept = await dynamoItemStore(table).list(SERVICE, { limit: SERVICE_ITEMS_MAX });
  const valueOf = (sk: string): unknown => kept.find((one) => one.sk === sk)?.value;
  const genesis = valueOf(GENESIS);
  if (genesis === undefined || valueOf(AUTHORITY) === undefined) {
    throw new LocalError('wrong_table', `${table.name} is no table of a membership service.`, {
      cure:
        'Give the output MembershipTable of the stack cq-NETWORK-membership. Tables of validators and of the ' +
        'custodian are never backed up: docs/operations.md says what is done instead.',
    });
  }
  const { document, hash } = await verifyGenesis(parseWith(signedGenesisSchema, genesis));
  return { network: document.network, genesisHash: toHex(hash) };
}

/** The version of each item by its name; read consistently, page by page. */
export async function versionsOf(table: DynamoTable): Promise<ReadonlyMap<string, number>> {
  const versions = new Map<string, number>();
  for await (const item of scan(table, ['pk', 'sk', 'version'])) {
    versions.set(nameOf(keyOf(item)), numberOf(item, 'version'));
  }
  return versions;
}

/** Every item, in the order of the table. Throws LocalError `wrong_table` for one that it does not know. */
export async function* itemsOf(table: DynamoTable): AsyncGenerator<BackupItem> {
  for await (const { pk, sk, version, data, ttl, ...others } of scan(table)) {
    if (!pk || !sk || !version || !data || Object.keys(others).length > 0) {
      throw new LocalError('wrong_table', `${table.name} holds items of another kind.`, {
        cure: 'Run the command of the release that this network runs.',
      });
    }
    const item = { pk, sk, version, data };
    yield {
      ...keyOf(item),
      version: numberOf(item, 'version'),
      data: toBase64(binaryOf(item, 'data')),
      ...(ttl ? { ttl: Number(ttl.N) } : {}),
    };
  }
}

/** Items of the service itself by sort key, as base64 of what is stored. */
export async function serviceItemsOf(table: DynamoTable): Promise<ReadonlyMap<string, string>> {
  const items = await queryAll(table, SERVICE);
  return new Map(items.map((one) => [textOf(one, 'sk'), toBase64(binaryOf(one, 'data'))]));
}

/** Writes each item where none is. Answers how many were written; the others stay as they are. */
export async function putAbsent(table: DynamoTable, items: readonly BackupItem[]): Promise<number> {
  const written = await mapParallel(items, WRITES_AT_ONCE, ({ pk, sk, version, data, ttl }) =>
    putItem(
      table,
      {
        ...{ pk: text(pk), sk: text(sk), version: number(version) },
        data: binary(fromBase64(data)),
        ...(ttl === undefined ? {} : { ttl: number(ttl) }),
      },
      { expression: 'attribute_not_exists(pk)' },
    ),
  );
  return written.filter(Boolean).length;
}

/** Names an item; no key holds this character. */
export function nameOf({ pk, sk }: { readonly pk: string; readonly sk: string }): string {
  return `${pk}\u0000${sk}`;
}

async function* scan(table: DynamoTable, attributes?: readonly string[]): AsyncGenerator<Item> {
  const names = attributes?.map((name, index) => [`#${index}`, name] as const);
  let start: Item | undefined;
  do {
    const page = await table.client.send(
      new ScanCommand({
        TableName: table.name,
        ConsistentRead: true,
        ...(names && {
          ProjectionExpression: names.map(([alias]) => alias).join(', '),
          ExpressionAttributeNames: Object.fromEntries(names),
        }),
        ...(start && { ExclusiveStartKey: start }),
      }),
    );
    yield* page.Items ?? [];
    start = page.LastEvaluatedKey;
  } while (start !== undefined);
}

function keyOf(item: Item): { pk: string; sk: string } {
  return { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') };
}
