/** Governance: operators propose and approve, a quorum decides, a height makes it act (design §4). */
import { z } from 'zod';
import { heightField, transactionIdField } from '../wire/fields.ts';
import { ACTIVATION_DELAY } from '../wire/governed.ts';
import { quorumSize, type ValidatorSet } from '../wire/validators.ts';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells, listCells } from './cells.ts';
import { type Change, changeSchema } from './change-schema.ts';
import { applyChange, baseOf, isParameterChange, isSetChange, parametersOf } from './changes.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { digestField } from './fields.ts';
import {
  type ChaincodeContext,
  defineTransaction,
  type PlainValue,
  type TransactionCall,
} from './functions.ts';
import { keys } from './keys.ts';
import { setOf } from './seats.ts';
import type { Governance, Proposal } from './values.ts';

const nothing: Governance = {
  open: [],
  scheduled: [],
  setChangedAt: null,
  parametersChange: null,
};
const governing = [keys.governance, keys.validators, keys.parameters];

export const governancePropose = defineTransaction({
  name: 'governance.propose',
  summary:
    'Proposes a change to the operators; who proposes approves. Its id is the transaction’s.',
  roles: ['operator'],
  schema: z.strictObject({
    change: changeSchema.describe('a change: see docs/governance.md'),
    /** What the proposer saw: from `network.validators`. */
    base: digestField,
    activateAt: heightField.optional(),
  }),
  hints: () => governing,
  async run({ change, base, activateAt = null }, call) {
    const { draft, context, transactionId: id } = call;
    const { time, height } = context;
    const approval = await approvalOf(call);
    const governance = await governanceOf(draft.reader);
    const { proposalsMax, proposalsOfHospitalMax, activationAheadMax } = chaincodeBounds;
    const own = governance.open.filter((one) => one.hospital === approval.hospital);
    if (own.length >= proposalsOfHospitalMax || governance.open.length >= proposalsMax) {
      throw new ChaincodeError('too_many_proposals');
    }
    if (base !== (await baseOf(draft.reader, change))) throw new ChaincodeError('proposal_stale');
    if (activateAt !== null && activateAt > height + activationAheadMax) {
      throw new ChaincodeError('activation_too_far');
    }
    // What cannot be done now is not worth asking others for.
    await tryChange(draft, change, context, earliest(activateAt, height));
    const expiresAt = time + chaincodeBounds.proposalMs;
    const proposal: Proposal = {
      ...{ id, change, base, activateAt, expiresAt, proposer: approval.hospital },
      made: { time, height },
      approvals: [approval],
      ...{ status: 'open', decided: null, actsAt: null, code: '' },
    };
    await draft.append(listCells.proposals(), { proposalId: id });
    const entry = { proposalId: id, hospital: approval.hospital, expiresAt };
    return decide(call, { ...governance, open: [...governance.open, entry] }, proposal);
  },
});

export const governanceApprove = defineTransaction({
  name: 'governance.approve',
  summary: 'Approves a proposal; with a quorum of the present members’ operators it is decided.',
  roles: ['operator'],
  schema: z.strictObject({ proposalId: transactionIdField }),
  hints: ({ proposalId }) => [...governing, keys.proposal(proposalId)],
  async run({ proposalId }, call) {
    const { draft } = call;
    const approval = await approvalOf(call);
    const { hospital, kid } = approval;
    const proposal = await openProposal(call, proposalId);
    const given = proposal.approvals.find((one) => one.hospital === hospital);
    if (given?.kid === kid) throw new ChaincodeError('already_approved');
    if (proposal.base !== (await baseOf(draft.reader, proposal.change))) {
      throw new ChaincodeError('proposal_stale');
    }
    const others = proposal.approvals.filter((one) => one !== given);
    const approved = { ...proposal, approvals: [...others, approval] };
    return decide(call, await governanceOf(draft.reader), approved);
  },
});

export const governanceWithdraw = defineTransaction({
  name: 'governance.withdraw',
  summary: 'Takes a proposal of one’s own hospital back, while it is open.',
  roles: ['operator'],
  since: 2,
  schema: z.strictObject({ proposalId: transactionIdField }),
  hints: ({ proposalId }) => [...governing, keys.proposal(proposalId)],
  async run({ proposalId }, call) {
    const { draft, context } = call;
    const { hospital } = await approvalOf(call);
    const proposal = await openProposal(call, proposalId);
    if (proposal.proposer !== hospital) throw new ChaincodeError('not_own_proposal');
    const governance = await governanceOf(draft.reader);
    close(draft, governance, { ...proposal, status: 'withdrawn' }, context);
    return { proposalId, status: 'withdrawn' };
  },
});

export async function governanceOf(reader: Reader): Promise<Governance> {
  return (await reader.get(cells.governance)) ?? nothing;
}

/**
 * Approvals that count: of a present member by its present operator. While a validator is
 * suspended its hospital decides nothing; the others are enough for a quorum.
 */
export async function countedApprovals(
  reader: Reader,
  set: ValidatorSet,
  { approvals }: Proposal,
): Promise<string[]> {
  const counted: string[] = [];
  for (const { id, suspended } of set) {
    const given = approvals.find((one) => one.hospital === id);
    if (!given || suspended) continue;
    if ((await reader.get(cells.hospital(id)))?.operator === given.kid) counted.push(id);
  }
  return counted;
}

/**
 * Makes the changes whose height has come, and ends proposals that nobody decided in time: a few
 * in one block, the rest in the next.
 */
export async function foldChanges(draft: Draft, context: ChaincodeContext): Promise<void> {
  const governance = await draft.get(cells.governance);
  if (!governance) return;
  const { foldedMax } = chaincodeBounds;
  const { height, time } = context;
  const due = governance.scheduled.filter((one) => one.activateAt <= height + ACTIVATION_DELAY);
  for (const { proposalId } of due.slice(0, foldedMax)) {
    await foldChange(draft, await proposalOf(draft.reader, proposalId), context);
  }
  const over = governance.open.filter((one) => one.expiresAt <= time);
  for (const { proposalId } of over.slice(0, foldedMax)) {
    const proposal = await proposalOf(draft.reader, proposalId);
    const present = await governanceOf(draft.reader);
    close(draft, present, { ...proposal, status: 'expired' }, context);
  }
}

/** What no longer fits is recorded as failed; what another change holds up waits for a block. */
async function foldChange(
  draft: Draft,
  proposal: Proposal,
  context: ChaincodeContext,
): Promise<void> {
  const governance = await governanceOf(draft.reader);
  const trial = draft.trial();
  try {
    if (proposal.base !== (await baseOf(draft.reader, proposal.change))) {
      throw new ChaincodeError('proposal_stale');
    }
    await carryOut(trial, governance, proposal, context);
    draft.absorb(trial);
  } catch (error) {
    if (!(error instanceof ChaincodeError)) throw error;
    if (error.code === 'change_pending') return;
    close(draft, governance, { ...proposal, status: 'failed', code: error.code }, context);
  }
}

/** Carries the proposal out, sets it down for its height, or keeps it open for more approvals. */
async function decide(
  { draft, context }: TransactionCall,
  governance: Governance,
  proposal: Proposal,
): Promise<PlainValue> {
  const { id: proposalId, change, activateAt } = proposal;
  const { time, height } = context;
  const set = await setOf(draft);
  const approvals = await countedApprovals(draft.reader, set, proposal);
  const quorum = quorumSize(set.length);
  const answer = { proposalId, approvals: approvals.length, quorum };
  const actsAt = earliest(activateAt, height);
  if (approvals.length < quorum) {
    draft.put(cells.governance, governance);
    draft.put(cells.proposal(proposalId), proposal);
    return { ...answer, status: 'open', actsAt: null };
  }
  if (actsAt === height + ACTIVATION_DELAY) {
    await carryOut(draft, governance, proposal, context);
    return { ...answer, status: 'done', actsAt };
  }
  if (governance.scheduled.length >= chaincodeBounds.scheduledMax) {
    throw new ChaincodeError('too_many_proposals');
  }
  await tryChange(draft, change, context, actsAt);
  draft.put(cells.governance, {
    ...governance,
    open: governance.open.filter((one) => one.proposalId !== proposalId),
    scheduled: [...governance.scheduled, { proposalId, activateAt: actsAt }],
  });
  const decided = { time, height };
  draft.put(cells.proposal(proposalId), { ...proposal, status: 'scheduled', decided });
  return { ...answer, status: 'scheduled', actsAt };
}

/** Makes the change in this block. @throws ChaincodeError why it cannot be made now */
async function carryOut(
  draft: Draft,
  governance: Governance,
  proposal: Proposal,
  context: ChaincodeContext,
): Promise<void> {
  const { change } = proposal;
  const { height } = context;
  const { setChangedAt } = governance;
  const isOfSet = isSetChange(change);
  if (isOfSet && setChangedAt !== null && height < setChangedAt + ACTIVATION_DELAY) {
    throw new ChaincodeError('change_pending');
  }
  const before = await parametersOf(draft.reader);
  const actsAt = height + ACTIVATION_DELAY;
  await applyChange({ draft, context, actsAt }, change);
  const isOfParameters = isParameterChange(change);
  // Of two changes in one block, what was before the first is what was in force.
  const isFirst = governance.parametersChange?.height !== height;
  const changed: Governance = {
    ...governance,
    setChangedAt: isOfSet ? height : setChangedAt,
    parametersChange: isOfParameters && isFirst ? { height, before } : governance.parametersChange,
  };
  close(draft, changed, { ...proposal, status: 'done', actsAt }, context);
}

/** A proposal that is over leaves the lists of those that are not. */
function close(
  draft: Draft,
  governance: Governance,
  proposal: Proposal,
  { time, height }: ChaincodeContext,
): void {
  const isOther = (one: { proposalId: string }): boolean => one.proposalId !== proposal.id;
  draft.put(cells.governance, {
    ...governance,
    open: governance.open.filter(isOther),
    scheduled: governance.scheduled.filter(isOther),
  });
  const decided = proposal.decided ?? { time, height };
  draft.put(cells.proposal(proposal.id), { ...proposal, decided });
}

/** Throws as the change would, and leaves nothing. */
async function tryChange(
  draft: Draft,
  change: Change,
  context: ChaincodeContext,
  actsAt: number,
): Promise<void> {
  await applyChange({ draft: draft.trial(), context, actsAt }, change);
}

/** What is committed now acts two heights on, at the soonest. */
function earliest(activateAt: number | null, height: number): number {
  return Math.max(activateAt ?? 0, height + ACTIVATION_DELAY);
}

/** @throws ChaincodeError `not_a_member` where the operator has no seat in the set */
async function approvalOf({
  actor,
  draft,
  context,
}: TransactionCall): Promise<Proposal['approvals'][number]> {
  const { identity, kid } = identityOf(actor);
  const { hospital } = identity;
  const set = await setOf(draft);
  if (hospital === null || !set.some((one) => one.id === hospital)) {
    throw new ChaincodeError('not_a_member');
  }
  const { time, height } = context;
  return { hospital, kid, at: { time, height } };
}

/** @throws ChaincodeError `unknown_proposal`, `proposal_over` */
async function openProposal({ draft, context }: TransactionCall, id: string): Promise<Proposal> {
  const proposal = await proposalOf(draft.reader, id);
  if (proposal.status !== 'open' || proposal.expiresAt <= context.time) {
    throw new ChaincodeError('proposal_over');
  }
  return proposal;
}

export async function proposalOf(reader: Reader, id: string): Promise<Proposal> {
  const proposal = await reader.get(cells.proposal(id));
  if (!proposal) throw new ChaincodeError('unknown_proposal');
  return proposal;
}
