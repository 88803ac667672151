/** How a case settles a disagreement: by a rule that is stated when the case is opened. */
import { z } from 'zod';
import { chaincodeBounds } from './bounds.ts';
import type { Role } from './roles.ts';

/** Frozen at `case.open`, so that nobody chooses it when the sides are known. */
export const caseRuleSchema = z.strictObject({
  /** Who votes: members of these roles when the question is put. */
  voters: z.enum(['doctors', 'clinicians', 'everybody']),
  /** Share of the electors that must vote, per cent. */
  quorumPercent: z.int().min(1).max(100),
  /** Of the votes that were cast: more than half, two thirds, or all. */
  majority: z.enum(['half', 'two-thirds', 'all']),
  /** How long votes are taken, milliseconds of block time. */
  votingMs: z.int().min(chaincodeBounds.caseVotingMsMin).max(chaincodeBounds.caseVotingMsMax),
  /** What happens where votes decide nothing: the attending clinician decides, or nobody does. */
  otherwise: z.enum(['attending', 'unsettled']),
});
export type CaseRule = z.infer<typeof caseRuleSchema>;

/** What votes say so far. */
export type Outcome =
  | { status: 'open' }
  | { status: 'decided'; option: number }
  | { status: 'undecided'; reason: 'quorum' | 'tie' | 'majority' };

/** Whether members of this role vote. */
export function isVoter({ voters }: CaseRule, role: Role): boolean {
  if (voters === 'everybody') return true;
  return voters === 'doctors' ? role === 'doctor' : role !== 'patient';
}

/**
 * The outcome of `tallies`, votes for each option, among as many electors. Before the end it is
 * decided only where no further vote could change it.
 */
export function outcomeOf(
  rule: CaseRule,
  tallies: readonly number[],
  { electors, isOver }: { electors: number; isOver: boolean },
): Outcome {
  const cast = tallies.reduce((sum, one) => sum + one, 0);
  const most = Math.max(0, ...tallies);
  const option = tallies.indexOf(most);
  if (!isOver && cast < electors) {
    const isSure = hasQuorum(rule, cast, electors) && hasMajority(rule, most, electors);
    return isSure ? { status: 'decided', option } : { status: 'open' };
  }
  if (!hasQuorum(rule, cast, electors)) return { status: 'undecided', reason: 'quorum' };
  if (tallies.lastIndexOf(most) !== option) return { status: 'undecided', reason: 'tie' };
  if (!hasMajority(rule, most, cast)) return { status: 'undecided', reason: 'majority' };
  return { status: 'decided', option };
}

/** In whole numbers: every validator counts alike. */
function hasQuorum({ quorumPercent }: CaseRule, cast: number, electors: number): boolean {
  return cast > 0 && cast * 100 >= quorumPercent * electors;
}

function hasMajority({ majority }: CaseRule, votes: number, of: number): boolean {
  if (majority === 'half') return votes * 2 > of;
  return majority === 'all' ? votes === of : votes * 3 >= of * 2;
}
