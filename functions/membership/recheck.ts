/** What the schedule does: those who wait for the registry are looked up again. */

import { HttpError } from '../aws/problems.ts';
import { advance } from './activate.ts';
import type { MembershipContext } from './context.ts';
import { itemKeys, requireEnrolment } from './enrolment.ts';

const PAGE = 50;
/** Look-ups of one run, which shares the 29 seconds of a call with what else the schedule does. */
const LOOKUPS_MAX = 500;
const RUN_MS_MAX = 6_000;

/** How many were looked up and what came of it: counts only. */
export interface RecheckOutcome {
  active: number;
  pending: number;
  refused: number;
}

/** Goes through the waiting ones, and stops early while the registry is still down. */
export async function recheckPending(context: MembershipContext): Promise<RecheckOutcome> {
  const outcome: RecheckOutcome = { active: 0, pending: 0, refused: 0 };
  const until = context.now() + RUN_MS_MAX;
  let after: string | undefined;
  for (let seen = 0; seen < LOOKUPS_MAX;) {
    const page = await context.store.list(itemKeys.pending('').pk, {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    if (page.length === 0) return outcome;
    for (const { sk } of page) {
      if (context.now() > until) return outcome;
      const isDown = await recheckOne(context, sk, outcome);
      if (isDown) return outcome;
      seen += 1;
      after = sk;
    }
  }
  return outcome;
}

/** True where the registry did not answer. */
async function recheckOne(
  context: MembershipContext,
  id: string,
  outcome: RecheckOutcome,
): Promise<boolean> {
  try {
    const stored = await requireEnrolment(context.store, id);
    if (stored.enrolment.status !== 'pending') {
      await context.store.remove([itemKeys.pending(id)]);
      return false;
    }
    const answer = await advance(context, stored);
    const isActive = answer.status === 200;
    outcome[isActive ? 'active' : 'pending'] += 1;
    const { reason } = answer.body as { reason?: string };
    return reason === 'registry_unavailable';
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    outcome.refused += 1;
    return false;
  }
}
