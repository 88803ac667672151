/** Persist, then send: what a stored record owes is sent, under its ids, before the next one is stored. */
import { decodeRecord } from '../../../functions/validator/replica/record.ts';
import type { Tables } from '../tables.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

/** Decoding each record costs time: looked at where processes often die or stand still. */
export function outbox(world: World): Checker {
  const name = 'outbox';
  const { timeline, refused } = world.profile;
  const isLookedAt = refused === 0 && ((timeline.crash ?? 0) >= 3 || (timeline.stall ?? 0) >= 3);
  const owed = new WeakMap<Tables, Set<string>>();
  if (!isLookedAt) return { name };
  return {
    name,
    onSend(node, deduplicationId) {
      owed.get(node.tables)?.delete(deduplicationId);
    },
    onWrite(node, { port, method, args }, result) {
      if (port !== 'replicas' || method !== 'save' || result !== true) return;
      const left = [...(owed.get(node.tables) ?? [])];
      if (left.length > 0) world.fail(name, `${node.name} never sent ${left.length} envelopes`);
      const record = decodeRecord(args[2] as Uint8Array);
      owed.set(node.tables, new Set(record.outbox.map((entry) => entry.deduplicationId)));
    },
  };
}
