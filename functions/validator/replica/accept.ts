/** Takes envelopes of peers: drops what does not belong, verifies, then feeds. */
import { equalBytes, toHex } from '../../../lib/crypto/bytes.ts';
import { isRelevant, verifyMessage } from '../../../lib/pbft/verify.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import type { Envelope, Message, MessageOf } from '../../../lib/wire/messages.ts';
import type { Validator } from '../../../lib/wire/validators.ts';
import type { FetchedBlock } from '../ports.ts';
import { checksOf, spendChecks } from './budget.ts';
import { transactionsRoot } from './execute-block.ts';
import { acceptForwarded } from './pending.ts';
import { feed } from './perform.ts';
import type { ReplicaState } from '../../../lib/pbft/state.ts';
import type { Run } from './run.ts';

export async function acceptEnvelope(run: Run, envelope: Envelope, sender = ''): Promise<void> {
  run.sender = sender;
  const reason = envelopeFault(run, envelope);
  if (reason) return drop(run, envelope.from, reason);
  const { from, messages } = envelope;
  const heard = isHeard(run.state, from) ? messages : messages.filter(isBehind(run.state));
  for (const message of heard) await acceptMessage(run, from, message);
}

/** L17: a certified block needs no sender that is heard: who has no seat follows too. */
export async function acceptFetched(run: Run, block: FetchedBlock): Promise<void> {
  await acceptMessage(run, run.state.self, { type: 'decided', ...block });
}

function envelopeFault(run: Run, envelope: Envelope): string | null {
  if (envelope.ledger !== run.ledger) return 'ledger';
  if (!equalBytes(envelope.genesisHash, run.runtime.genesis.hash)) return 'genesis';
  // Nobody sends to himself: the own name has no bound on its checks.
  if (envelope.from === run.state.self) return 'sender';
  return hasSeat(run.state, envelope.from) ? null : 'sender';
}

/** Of head + 1 or of head + 2. */
function hasSeat(state: ReplicaState, id: string): boolean {
  return seatsOf(state).some((seat) => seat.id === id);
}

/** Who votes on head + 1 or will on head + 2. */
function isHeard(state: ReplicaState, id: string): boolean {
  return seatsOf(state).some((seat) => seat.id === id && !seat.suspended);
}

function seatsOf({ validators, upcoming }: ReplicaState): Validator[] {
  return [...validators, ...(upcoming?.validators ?? [])];
}

/** L15: a suspended validator follows; all that is heard of it is what blocks it lacks. */
function isBehind(state: ReplicaState): (message: Message) => boolean {
  const { height } = state.head.header;
  return (message) => message.type === 'status' && message.height < height;
}

async function acceptMessage(run: Run, from: string, message: Message): Promise<void> {
  if (message.type === 'forward') return acceptForwarded(run, from, message);
  if (!isRelevant(run.state, message)) return;
  if (!spendChecks(run, from, checksOf(run, message))) return;
  if (!(await verifyMessage(run.state, from, message, run.runtime.verify))) {
    const height = heightOf(message);
    // Perhaps a set votes there that this replica has yet to learn of.
    if (height >= run.state.head.header.height + 2) await feed(run, { type: 'ahead', height });
    return drop(run, from, message.type);
  }
  if (message.type === 'pre-prepare' || message.type === 'decided') await keepBody(run, message);
  await feed(run, { type: 'message', from, message });
}

/** The height that a message speaks of; 0 where it speaks of none. */
function heightOf(message: Message): number {
  switch (message.type) {
    case 'vote':
      return message.vote.height;
    case 'pre-prepare':
    case 'decided':
      return message.header.height;
    case 'view-change':
      return message.viewChange.head.header.height + 1;
    case 'new-view':
      return message.newView.vote.height;
    case 'forward':
    case 'status':
      return 0;
  }
}

/** A body is held under its header's hash only if it is the body of that header. */
async function keepBody(
  run: Run,
  message: MessageOf<'pre-prepare'> | MessageOf<'decided'>,
): Promise<void> {
  const { header, transactions } = message;
  if (!transactions || !equalBytes(transactionsRoot(transactions), header.transactionsRoot)) return;
  const hash = headerHash(header);
  run.warm.bodies.set(toHex(hash), transactions);
  await feed(run, { type: 'body', hash });
}

function drop(run: Run, from: string, reason: string): void {
  run.runtime.log({ event: 'dropped', ledger: run.ledger, reason, from });
}
