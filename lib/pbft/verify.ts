/** Checks a peer's message before it is applied: signatures, certificates and what they bind. */
import { headerHash } from '../wire/header.ts';
import {
  type Message,
  type NewView,
  newViewDigest,
  type ViewChange,
  viewChangeDigest,
} from '../wire/messages.ts';
import { leaderOf, quorumSize, validatorsHash } from '../wire/validators.ts';
import { verifyCertificate, verifyVote } from '../wire/verify-certificate.ts';
import type { Certificate, VoteContext } from '../wire/vote.ts';
import { sameHash } from './draft.ts';
import { slotAt } from './record.ts';
import type { ReplicaState } from './state.ts';

/**
 * Cheap and before any signature is checked: whether a message could change anything. Votes
 * that are held, old views and heights out of reach are dropped here.
 */
export function isRelevant(state: ReplicaState, message: Message): boolean {
  if (message.type === 'vote') {
    const { vote } = message;
    const slot = slotAt(state, vote.height);
    if (!slot) return vote.height > state.head.header.height;
    if (slot.decided?.header) return false;
    const held = vote.phase === 'prepare' ? slot.prepares : slot.commits;
    const same = held.find((one) => one.validator === vote.validator);
    if (same && same.view >= vote.view) return false;
    return vote.phase === 'commit' || vote.view >= state.view;
  }
  if (message.type === 'pre-prepare') return message.header.height > state.head.header.height;
  if (message.type === 'decided') return message.header.height > state.head.header.height;
  if (message.type === 'view-change') return message.viewChange.view >= state.view;
  if (message.type === 'new-view') {
    const { view } = message.newView;
    return view > state.view || (view === state.view && state.changing);
  }
  return true;
}

/** Whether a message is what its signatures say; false drops it. */
export async function verifyMessage(
  state: ReplicaState,
  from: string,
  message: Message,
): Promise<boolean> {
  switch (message.type) {
    case 'forward':
    case 'status':
      return true;
    case 'session':
      return false;
    case 'vote':
      return isBallot(message.vote.phase) && checkVote(state, message.vote);
    case 'pre-prepare': {
      const { header, vote } = message;
      // Whoever prepared a header may carry its body; only its leader's makes it a proposal.
      const same = vote.height === header.height && sameHash(vote.hash, headerHash(header));
      return vote.phase === 'prepare' && same && checkVote(state, vote);
    }
    case 'view-change':
      return (
        message.viewChange.vote.validator === from && verifyViewChange(state, message.viewChange)
      );
    case 'new-view':
      return verifyNewView(state, message.newView);
    case 'decided':
      return certifies(state, message.header, message.certificate, 'commit');
  }
}

function isBallot(phase: string): boolean {
  return phase === 'prepare' || phase === 'commit';
}

/** The head is committed, what was prepared is prepared, and the sender says so. */
export async function verifyViewChange(
  state: ReplicaState,
  viewChange: ViewChange,
): Promise<boolean> {
  const { view, head, prepared, vote } = viewChange;
  if (vote.phase !== 'view-change' || vote.view !== view) return false;
  if (vote.height !== head.header.height || !sameHash(vote.hash, viewChangeDigest(viewChange))) {
    return false;
  }
  if (!(await checkVote(state, vote))) return false;
  if (!(await headHolds(state, head))) return false;
  if (!prepared) return true;
  if (prepared.header.height !== head.header.height + 1) return false;
  if (!sameHash(prepared.header.previousHash, headerHash(head.header))) return false;
  return (
    prepared.certificate.view < view &&
    (await certifies(state, prepared.header, prepared.certificate, 'prepare'))
  );
}

/** A quorum of distinct validators asked for this view, and its leader says so. */
export async function verifyNewView(state: ReplicaState, newView: NewView): Promise<boolean> {
  const { view, viewChanges, vote } = newView;
  const leader = leaderOf(state.validators, view, state.leaderOffset).id;
  if (vote.phase !== 'new-view' || vote.view !== view || vote.validator !== leader) return false;
  if (!sameHash(vote.hash, newViewDigest(newView))) return false;
  const senders = new Set(viewChanges.map((one) => one.vote.validator));
  const quorum = quorumSize(state.validators.length);
  // Exactly a quorum: certificates and new-views are stored, so one leader must not make them grow.
  if (senders.size !== viewChanges.length || senders.size !== quorum) return false;
  if (viewChanges.some((one) => one.view !== view)) return false;
  if (!(await checkVote(state, vote))) return false;
  const checks = await Promise.all(viewChanges.map((one) => verifyViewChange(state, one)));
  return checks.every(Boolean);
}

async function headHolds(state: ReplicaState, head: ViewChange['head']): Promise<boolean> {
  const { header, certificate } = head;
  if (certificate) return certifies(state, header, certificate, 'commit');
  // Only genesis has no certificate, and it is an ancestor of every head: its height says so.
  return header.height === 0 && sameHash(headerHash(header), state.genesisHeaderHash);
}

async function certifies(
  state: ReplicaState,
  header: ViewChange['head']['header'],
  certificate: Certificate,
  phase: Certificate['phase'],
): Promise<boolean> {
  if (certificate.phase !== phase || certificate.height !== header.height) return false;
  if (!sameHash(certificate.hash, headerHash(header))) return false;
  if (certificate.votes.length !== quorumSize(state.validators.length)) return false;
  return verifyCertificate(certificate, contextOf(state), state.validators, state.sessions);
}

function checkVote(state: ReplicaState, vote: Parameters<typeof verifyVote>[0]): Promise<boolean> {
  return verifyVote(vote, contextOf(state), state.validators, state.sessions);
}

export function contextOf(state: ReplicaState): VoteContext {
  const { genesisHash, ledger } = state;
  return { genesisHash, ledger, validatorsHash: validatorsHash(state.validators) };
}
