/**
 * Turns of submitters in DynamoDB: an item for each holds its last turn.
 *
 *   add the costs, if the last turn is at the clock or after it and the quota allows (one call)
 *   else the item says what is so: start at the clock, or ask for fewer
 *
 * The quota counts turns ahead of the clock, not entries, so that nothing is given back when a
 * transaction is committed: a block of 2,000 submitters costs no call here.
 */

import { ConditionalCheckFailedException, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { nextTurns, quotaOf } from '../../lib/pbft/fair-order.ts';
import type { Room, TurnSource } from '../../lib/ports.ts';
import { keyItem, number, numberOf, type DynamoTable, type Item } from './dynamo-table.ts';
import { backOff } from './parallel.ts';
import { StorageError } from './storage-error.ts';

const ATTEMPTS_MAX = 8;
/** Longer than a transaction can be valid: a submitter is forgotten when nothing of it waits. */
const KEPT_SECONDS = 3_600;

const ADD = 'ADD lastTurn :cost SET #ttl = :ttl';
const START = 'SET lastTurn = :turn, #ttl = :ttl';

interface Update {
  readonly expression: string;
  readonly condition: string;
  readonly values: Item;
}

export function dynamoTurns(table: DynamoTable, now: () => number): TurnSource {
  /** The last turn after the update; where it was refused, the one that stands (null: none). */
  async function attempt(
    ledger: string,
    submitter: string,
    { expression, condition, values }: Update,
  ): Promise<{ done: boolean; last: number | null }> {
    const ttl = number(Math.floor(now() / 1000) + KEPT_SECONDS);
    const command = new UpdateItemCommand({
      TableName: table.name,
      Key: keyItem({ pk: `submitter#${ledger}#${submitter}`, sk: 'turns' }),
      UpdateExpression: expression,
      ConditionExpression: condition,
      ExpressionAttributeNames: { '#ttl': 'ttl' },
      ExpressionAttributeValues: { ...values, ':ttl': ttl },
      ReturnValues: 'UPDATED_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      const { Attributes: item } = await table.client.send(command);
      return { done: true, last: numberOf(item ?? {}, 'lastTurn') };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return { done: false, last: error.Item ? numberOf(error.Item, 'lastTurn') : null };
    }
  }

  return {
    async claim(ledger, submitter, costs, room) {
      let wanted = costs.slice(0, nextTurns(null, costs, room).length);
      if (wanted.length === 0) return [];
      let update = adding(sumOf(wanted), room);
      for (let tried = 0; tried < ATTEMPTS_MAX; tried += 1) {
        if (tried > 2) await backOff(tried - 2);
        const { done, last } = await attempt(ledger, submitter, update);
        if (done) return turnsUpTo(last ?? 0, wanted);
        const turns = nextTurns(last, costs, room);
        if (turns.length === 0) return [];
        wanted = costs.slice(0, turns.length);
        update = isBehind(last, room)
          ? starting(last, room.clock + sumOf(wanted))
          : adding(sumOf(wanted), room);
      }
      throw new StorageError('unprocessed', 'turns of one submitter conflict');
    },
  };
}

function adding(cost: number, { clock, free }: Room): Update {
  return {
    expression: ADD,
    condition: 'lastTurn BETWEEN :clock AND :most',
    values: {
      ':cost': number(cost),
      ':clock': number(clock),
      ':most': number(clock + quotaOf(free) - cost),
    },
  };
}

function starting(last: number | null, turn: number): Update {
  if (last === null) {
    const condition = 'attribute_not_exists(lastTurn)';
    return { expression: START, condition, values: { ':turn': number(turn) } };
  }
  const values = { ':turn': number(turn), ':last': number(last) };
  return { expression: START, condition: 'lastTurn = :last', values };
}

function isBehind(last: number | null, { clock }: Room): boolean {
  return last === null || last < clock;
}

function sumOf(costs: readonly number[]): number {
  return costs.reduce((sum, cost) => sum + cost, 0);
}

/** The turns of a run of costs that ends at `last`. */
function turnsUpTo(last: number, costs: readonly number[]): number[] {
  let turn = last - sumOf(costs);
  return costs.map((cost) => (turn += cost));
}
