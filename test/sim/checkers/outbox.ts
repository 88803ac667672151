/** Persist, then send: what a stored record owes is sent, under its ids, before the next one is stored. */
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import type { SimNode } from '../node.ts';
import type { JournalEntry, Tables } from '../tables.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

/** Decoding each record costs time: looked at where processes often die or stand still. */
export function outbox(world: World): Checker {
  const name = 'outbox';
  const { timeline, refused } = world.profile;
  const isLookedAt = refused === 0 && ((timeline.crash ?? 0) >= 3 || (timeline.stall ?? 0) >= 3);
  /** Of each ledger of these tables: the ids that its record owes. */
  const owed = new WeakMap<Tables, Map<string, Set<string>>>();
  if (!isLookedAt) return { name };
  const onSave = (node: SimNode, { port, method, args }: JournalEntry, result: unknown): void => {
    if (port !== 'replicas' || method !== 'save' || result !== true) return;
    const [ledger, , record] = args as [string, unknown, Uint8Array];
    const here = owed.get(node.tables) ?? new Map<string, Set<string>>();
    const left = here.get(ledger)?.size ?? 0;
    if (left > 0) world.fail(name, `${node.name} never sent ${left} envelopes of ${ledger}`);
    const ids = decodeRecord(record).outbox.map((entry) => entry.deduplicationId);
    owed.set(node.tables, here.set(ledger, new Set(ids)));
  };
  return {
    name,
    /** What a replica that counts among the faulty sends is not told: it may have sent all of it. */
    async beforeStep(node) {
      if (!node.honest) owed.delete(node.tables);
      return null;
    },
    onSend(node, deduplicationId) {
      for (const ids of owed.get(node.tables)?.values() ?? []) ids.delete(deduplicationId);
    },
    onWrite: onSave,
    onCaseWrite: onSave,
  };
}
