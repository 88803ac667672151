/** Checks a peer's message before it is applied: signatures, certificates and what they bind. */
import type { VerifySignature } from '../crypto/p256.ts';
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
import type { Certificate, Vote, VoteContext } from '../wire/vote.ts';
import { contradict, isAccused } from './contradiction.ts';
import { sameHash } from './draft.ts';
import { seatsAt } from './seats.ts';
import { selection } from './selection.ts';
import { slotAt } from './slot.ts';
import type { ReplicaState, Seats } from './state.ts';

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
    if (same && contradict(same, vote)) return !isAccused(state, vote.validator);
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
  verify: VerifySignature,
): Promise<boolean> {
  switch (message.type) {
    case 'forward':
    case 'status':
      return true;
    case 'vote':
      return isBallot(message.vote.phase) && checkVote(state, message.vote, verify);
    case 'pre-prepare': {
      const { header, vote } = message;
      // Whoever prepared a header may carry its body; only its leader's makes it a proposal.
      const same = vote.height === header.height && sameHash(vote.hash, headerHash(header));
      return vote.phase === 'prepare' && same && checkVote(state, vote, verify);
    }
    case 'view-change':
      return (
        message.viewChange.vote.validator === from &&
        verifyViewChange(state, message.viewChange, verify)
      );
    case 'new-view':
      return verifyNewView(state, message.newView, verify);
    case 'decided':
      return certifies(state, message.header, message.certificate, 'commit', verify);
  }
}

function isBallot(phase: string): boolean {
  return phase === 'prepare' || phase === 'commit';
}

/** The head is committed, what was prepared is prepared, and the sender says so. */
export async function verifyViewChange(
  state: ReplicaState,
  viewChange: ViewChange,
  verify: VerifySignature,
): Promise<boolean> {
  const height = state.head.header.height;
  const seats = seatsAt(state, Math.max(viewChange.vote.height, height + 1));
  return (
    (await saysSo(state, viewChange, seats, verify)) &&
    (await certificatesHold(state, viewChange, height, verify))
  );
}

/** Form and signature of a view-change, judged by one set. */
async function saysSo(
  state: ReplicaState,
  viewChange: ViewChange,
  seats: Seats,
  verify: VerifySignature,
): Promise<boolean> {
  const { view, head, prepared, vote } = viewChange;
  if (vote.phase !== 'view-change' || vote.view !== view) return false;
  if (vote.height !== head.header.height + 1) return false;
  // L22: a set may come back, as one joins and leaves; what it said before was other views.
  if (vote.height < state.setFromHeight) return false;
  if (!sameHash(vote.hash, viewChangeDigest(viewChange))) return false;
  const quorum = quorumSize(seats.validators.length);
  if (prepared) {
    if (prepared.header.height !== vote.height || prepared.certificate.view >= view) return false;
    if (!sameHash(prepared.header.previousHash, headerHash(head.header))) return false;
    if (prepared.certificate.votes.length !== quorum) return false;
  }
  return checkVoteOf(state, vote, seats, verify);
}

/**
 * The certificates of a view-change, from a height on: what is claimed below it has no effect, and
 * the set that certified it may no longer be known here.
 */
async function certificatesHold(
  state: ReplicaState,
  { head, prepared }: ViewChange,
  fromHeight: number,
  verify: VerifySignature,
): Promise<boolean> {
  if (head.header.height < fromHeight) return true;
  if (!(await headHolds(state, head, verify))) return false;
  if (!prepared) return true;
  return certifies(state, prepared.header, prepared.certificate, 'prepare', verify);
}

/**
 * A quorum of the set of H + 1 asked for this view, and its leader says so. Below the own head it is
 * judged by the set that votes now, so that none of an earlier set passes.
 */
export async function verifyNewView(
  state: ReplicaState,
  newView: NewView,
  verify: VerifySignature,
): Promise<boolean> {
  const { view, viewChanges, vote } = newView;
  const { height } = selection(viewChanges);
  const fromHeight = Math.max(height, state.head.header.height);
  const seats = seatsAt(state, fromHeight + 1);
  const leader = leaderOf(seats.validators, view, state.leaderOffset).id;
  if (vote.phase !== 'new-view' || vote.view !== view || vote.validator !== leader) return false;
  if (vote.height !== height + 1 || !sameHash(vote.hash, newViewDigest(newView))) return false;
  const senders = new Set(viewChanges.map((one) => one.vote.validator));
  const quorum = quorumSize(seats.validators.length);
  // Exactly a quorum: certificates and new-views are stored, so one leader must not make them grow.
  if (senders.size !== viewChanges.length || senders.size !== quorum) return false;
  if (viewChanges.some((one) => one.view !== view)) return false;
  if (!(await checkVoteOf(state, vote, seats, verify))) return false;
  const checks = await Promise.all(
    viewChanges.map(
      async (one) =>
        (await saysSo(state, one, seats, verify)) &&
        (await certificatesHold(state, one, fromHeight, verify)),
    ),
  );
  return checks.every(Boolean);
}

async function headHolds(
  state: ReplicaState,
  head: ViewChange['head'],
  verify: VerifySignature,
): Promise<boolean> {
  const { header, certificate } = head;
  if (certificate) return certifies(state, header, certificate, 'commit', verify);
  // Only genesis has no certificate, and it is an ancestor of every head: its height says so.
  return header.height === 0 && sameHash(headerHash(header), state.genesisHeaderHash);
}

async function certifies(
  state: ReplicaState,
  header: ViewChange['head']['header'],
  certificate: Certificate,
  phase: Certificate['phase'],
  verify: VerifySignature,
): Promise<boolean> {
  if (certificate.phase !== phase || certificate.height !== header.height) return false;
  if (!sameHash(certificate.hash, headerHash(header))) return false;
  const { validators, sessions } = seatsAt(state, header.height);
  if (certificate.votes.length !== quorumSize(validators.length)) return false;
  const context = contextOf(state, header.height);
  return verifyCertificate(certificate, context, validators, sessions, verify);
}

function checkVote(state: ReplicaState, vote: Vote, verify: VerifySignature): Promise<boolean> {
  return checkVoteOf(state, vote, seatsAt(state, vote.height), verify);
}

function checkVoteOf(
  state: ReplicaState,
  vote: Vote,
  seats: Seats,
  verify: VerifySignature,
): Promise<boolean> {
  const context = { ...contextOf(state, 0), validatorsHash: validatorsHash(seats.validators) };
  return verifyVote(vote, context, seats.validators, seats.sessions, verify);
}

/** What votes of a height are bound to. */
export function contextOf(state: ReplicaState, height: number): VoteContext {
  const { genesisHash, ledger } = state;
  const { validators } = seatsAt(state, height);
  return { genesisHash, ledger, validatorsHash: validatorsHash(validators) };
}
