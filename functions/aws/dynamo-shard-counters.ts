/**
 * How many entries a shard of the mempool holds, and its clock: one item a shard.
 *
 * The counter is moved by single updates: inside the transactions of the puts it would make every
 * two submissions of a shard conflict. A crash between two calls leaves it too high; it is set
 * right when the shard is found empty.
 */

import { ConditionalCheckFailedException, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { limits } from '../../lib/limits.ts';
import type { Room } from '../../lib/ports.ts';
import {
  keyItem,
  number,
  numberOf,
  type DynamoTable,
  type Item,
  type ItemKey,
} from './dynamo-table.ts';

/** A counter is only set right once no submission of its shard can be under way. */
const HEAL_AFTER_MS = 60_000;
const HAS_ROOM = 'attribute_not_exists(entries) OR entries <= :most';
const IS_LATER = 'attribute_not_exists(clock) OR clock < :clock';

/** What was reserved, and the shard as it was just before. */
export interface Reserved extends Room {
  readonly count: number;
}

export interface ShardCounters {
  /** Reserves room for as many of `wanted` as there is. */
  reserve(ledger: string, shard: number, wanted: number): Promise<Reserved>;
  release(ledger: string, shard: number, count: number): Promise<void>;
  /** Releases, and moves the clock, which never goes back. */
  advance(ledger: string, shard: number, count: number, clock: number): Promise<void>;
  /**
   * The shard was found empty: a counter that says otherwise has drifted, and nobody's turns count
   * any more, which a process that died in between may not have said.
   */
  heal(ledger: string, shard: number): Promise<void>;
}

export function shardCounters(
  table: DynamoTable,
  shardMax: number,
  now: () => number,
): ShardCounters {
  const healedAt = new Map<string, number>();

  /** The item after the update, or null and the item that stands where it was refused. */
  async function update(
    key: ItemKey,
    UpdateExpression: string,
    values: Item,
    ConditionExpression?: string,
  ): Promise<{ done: boolean; item: Item | undefined }> {
    const command = new UpdateItemCommand({
      TableName: table.name,
      Key: keyItem(key),
      UpdateExpression,
      ExpressionAttributeValues: values,
      ...(ConditionExpression === undefined ? {} : { ConditionExpression }),
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      return { done: true, item: (await table.client.send(command)).Attributes };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return { done: false, item: error.Item };
    }
  }

  async function reserve(ledger: string, shard: number, asked: number): Promise<Reserved> {
    const wanted = Math.min(asked, shardMax);
    if (wanted <= 0) return { count: 0, clock: 0, free: 0 };
    const values = {
      ':count': number(wanted),
      ':most': number(shardMax - wanted),
      ':now': number(now()),
    };
    const expression = 'ADD entries :count SET moved = :now';
    const { done, item } = await update(counterKey(ledger, shard), expression, values, HAS_ROOM);
    const held = item ? numberOf(item, 'entries') : shardMax;
    if (!done) return reserve(ledger, shard, Math.min(wanted - 1, shardMax - held));
    return { count: wanted, clock: clockOf(item), free: shardMax - held + wanted };
  }

  async function release(ledger: string, shard: number, count: number): Promise<void> {
    const values = { ':count': number(-count) };
    if (count > 0) await update(counterKey(ledger, shard), 'ADD entries :count', values);
  }

  return {
    reserve,
    release,
    async advance(ledger, shard, count, clock) {
      const values = { ':count': number(-count), ':clock': number(clock) };
      const expression = 'ADD entries :count SET clock = :clock';
      const { done } = await update(counterKey(ledger, shard), expression, values, IS_LATER);
      if (!done) await release(ledger, shard, count);
    },
    async heal(ledger, shard) {
      const key = counterKey(ledger, shard);
      if ((healedAt.get(key.sk) ?? -Infinity) > now() - HEAL_AFTER_MS) return;
      healedAt.set(key.sk, now());
      const values = {
        ':zero': number(0),
        ':now': number(now()),
        ':before': number(now() - HEAL_AFTER_MS),
        ':turns': number(limits.submitterTurnsMax),
      };
      const expression = 'SET entries = :zero, moved = :now ADD clock :turns';
      await update(key, expression, values, 'moved < :before');
    },
  };
}

function clockOf(item: Item | undefined): number {
  return item?.['clock'] ? numberOf(item, 'clock') : 0;
}

const counterKey = (ledger: string, shard: number): ItemKey => ({
  pk: `mempool-count#${ledger}#${shard}`,
  sk: `${ledger}#${shard}`,
});
