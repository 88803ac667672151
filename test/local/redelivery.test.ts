/** The queue at its worst of `npm run chaos -- redelivery`: what comes again, and what comes late. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { redeliveredIn, redeliveryBundle } from '../../local/chaos/redelivery-bundle.ts';
import { COPY_PREFIX, deliveriesOf, HeldBack } from '../../local/redelivery/deliveries.ts';

/** What of a record is read here. */
const record = (body: string, received = 1, deduplicationId = 'own'): SQSRecord =>
  ({
    messageId: body,
    body,
    attributes: {
      ApproximateReceiveCount: String(received),
      MessageGroupId: 'main',
      MessageDeduplicationId: deduplicationId,
    },
  }) as SQSRecord;

describe('the deliveries of a batch', () => {
  it('are the first, those that the queue made again, and copies, which never fail', () => {
    const records = [
      record('new'),
      record('seen', 2),
      record('copied', 1, `${COPY_PREFIX}x`),
      record('copied-again', 3, `${COPY_PREFIX}y`),
    ];
    const { first, again, copies } = deliveriesOf(records);
    expect(first.map(({ body }) => body)).toEqual(['new']);
    expect(again.map(({ body }) => body)).toEqual(['seen']);
    expect(copies.map(({ body }) => body)).toEqual(['copied', 'copied-again']);
  });

  it('are copied late and in reverse order, each once', () => {
    const held = new HeldBack(3);
    const bodies = (names: string[]): string[] =>
      held.add(names.map((name) => record(name))).map(({ body }) => body);
    expect(bodies(['a', 'b'])).toEqual([]);
    expect(bodies(['c', 'd'])).toEqual(['c', 'b', 'a']);
    expect(bodies(['e', 'f', 'g', 'h', 'i'])).toEqual(['f', 'e', 'd', 'i', 'h', 'g']);
    expect(new HeldBack(1).add([record('x')])).toEqual([{ group: 'main', body: 'x' }]);
  });
});

describe('the function behind it', () => {
  it('says in its log what came again and late', () => {
    const log =
      '[inbox] {"message":"step"}\n[inbox] {"redelivery":{"again":3,"late":8}}\n' +
      '{"redelivery":{"again":1,"late":0}}\nEND RequestId';
    expect(redeliveredIn(log)).toEqual({ again: 4, late: 8 });
    expect(redeliveredIn('')).toEqual({ again: 0, late: 0 });
  });

  it('is bundled around the production function', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cq-redelivery-'));
    try {
      const zip = await redeliveryBundle(folder);
      expect(zip.subarray(0, 2).toString()).toBe('PK');
      const code = readFileSync(join(folder, 'index.mjs'), 'utf8');
      expect(code).toContain(COPY_PREFIX);
      expect(code).toContain('message dropped');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
