/** Bounds what peers can make a replica verify: signature checks for each peer and step. */
import { limits } from '../../../lib/limits.ts';
import { quorumSize } from '../../../lib/wire/validators.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { Run } from './run.ts';

/**
 * Takes checks from the peer's budget of this step; false, and a log line, once it is used up. What
 * another account sends in its name is not held against it.
 */
export function spendChecks(run: Run, from: string, count: number): boolean {
  // Blocks that the catch-up worker fetched are asked for, a bounded number at a time.
  if (from === run.state.self) return true;
  const payer = `${run.sender} ${from}`;
  const spent = run.checks.get(payer) ?? 0;
  if (spent > limits.checksPerPeerMax) return false;
  run.checks.set(payer, spent + count);
  if (spent + count <= limits.checksPerPeerMax) return true;
  run.checks.set(payer, limits.checksPerPeerMax + 1);
  run.runtime.log({ event: 'dropped', ledger: run.ledger, reason: 'too much at once', from });
  return false;
}

/** Signatures that a message may hold: certificates are quorums, a new-view a quorum of changes. */
export function checksOf(run: Run, message: Message): number {
  const quorum = quorumSize(run.state.validators.length);
  switch (message.type) {
    case 'decided':
      return quorum;
    case 'view-change':
      return 1 + 2 * quorum;
    case 'new-view':
      return 1 + quorum * (1 + 2 * quorum);
    case 'forward':
    case 'status':
      return 0;
    case 'vote':
    case 'pre-prepare':
      return 1;
  }
}
