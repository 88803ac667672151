/** The table of costs in the guide is what the formula gives (`UPDATE_DOCS=1` writes it). */
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { costTable, monthlyCosts, prices, stepsPerBlock } from '../../bench/costs.ts';

const guide = new URL('../../docs/operations.md', import.meta.url);
const load = { validators: 4, blocksPerDay: 10_000, transactionsPerDay: 10_000 };
const total = (costs: Readonly<Record<string, number>>): number =>
  Object.values(costs).reduce((sum, cost) => sum + cost, 0);

describe('costs', () => {
  it('at rest are those of keys, alarms and polling', () => {
    const rest = monthlyCosts({ validators: 4, blocksPerDay: 0, transactionsPerDay: 0 });
    expect(rest).toMatchObject({ 'SQS messages': 0, DynamoDB: 0, 'API Gateway': 0, 'KMS keys': 2 });
    expect(rest['Lambda']).toBeGreaterThan(0);
  });

  it('fall per transaction as blocks hold more, and rise with the number of validators', () => {
    const bulk = monthlyCosts({ ...load, blocksPerDay: 1_000 });
    expect(total(bulk)).toBeLessThan(total(monthlyCosts(load)));
    expect(total(monthlyCosts({ ...load, validators: 7 }))).toBeGreaterThan(
      total(monthlyCosts(load)),
    );
    expect([stepsPerBlock(4), stepsPerBlock(7)]).toEqual([8, 14]);
  });

  it('are linear in each price', () => {
    const dearer = { ...prices, dynamoWriteUnit: 2 * prices.dynamoWriteUnit };
    const [before, after] = [monthlyCosts(load), monthlyCosts(load, dearer)];
    const writes = 30 * (10_000 * 60 + 10_000 * 20);
    expect((after['DynamoDB'] ?? 0) - (before['DynamoDB'] ?? 0)).toBeCloseTo(
      writes * prices.dynamoWriteUnit,
      6,
    );
    expect(after['Lambda']).toBe(before['Lambda']);
  });

  it('stand in the guide', async () => {
    const text = readFileSync(guide, 'utf8');
    const part = /<!-- costs -->[^]*<!-- \/costs -->/;
    const made = `<!-- costs -->\n\n${costTable()}\n\n<!-- /costs -->`;
    const options = { parser: 'markdown', printWidth: 100 } as const;
    const wanted = await format(
      text.replace(part, () => made),
      options,
    );
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(guide, wanted);
    expect(part.exec(readFileSync(guide, 'utf8'))?.[0]).toBe(part.exec(wanted)?.[0]);
  });
});
