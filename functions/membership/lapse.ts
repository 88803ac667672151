/** The end of a clinician whom a registry no longer confirms: here, then on the ledger. */

import { z } from 'zod';
import { parseWith } from '../../lib/wire/codec.ts';
import type { LapseReason, MembershipContext } from './context.ts';
import { type Enrolment, findPointer, itemKeys, requireEnrolment } from './enrolment.ts';

/** Steps on the ledger of one run: each ends some dozens of grants. */
const STEPS_MAX = 200;
const RUN_MS_MAX = 5_000;
const PAGE = 50;

const lapsingSchema = z.strictObject({
  reason: z.enum(['licence-lapsed', 'number-deactivated', 'excluded', 'left-hospital']),
});

/** Ends every enrolment of a person, and remembers that the ledger has to be told. */
export async function lapse(
  context: MembershipContext,
  { subject }: Enrolment,
  reason: LapseReason,
): Promise<void> {
  // First what makes a crash go on: whoever is to end is told to the ledger in any case.
  await context.store.insert(itemKeys.lapsing(subject), { reason });
  let next = (await findPointer(context.store, itemKeys.subject(subject)))?.id ?? null;
  while (next !== null) {
    const { enrolment, version } = await requireEnrolment(context.store, next);
    if (enrolment.status !== 'revoked') {
      const revoked = { at: context.now(), reason, by: 'registry' };
      const ended: Enrolment = { ...enrolment, status: 'revoked', revoked };
      // A writer who came between is met again by the next run: the subject still lapses.
      await context.store.replace(itemKeys.enrolment(next), version, ended);
    }
    await context.store.remove([itemKeys.checked(next)]);
    next = enrolment.predecessor;
  }
}

/** Tells the ledger of those who ended; what it does not take now is told by the next run. */
export async function tellLapses(context: MembershipContext): Promise<number> {
  let told = 0;
  let steps = 0;
  const until = context.now() + RUN_MS_MAX;
  for (const { sk, value } of await context.store.list('lapsing', { limit: PAGE })) {
    if (context.now() > until) return told;
    const { reason } = parseWith(lapsingSchema, value);
    let answer = await context.ledger.lapse(sk, reason);
    while (answer === 'more' && (steps += 1) < STEPS_MAX && context.now() <= until) {
      answer = await context.ledger.lapse(sk, reason);
    }
    if (answer === 'unavailable') return told;
    if (answer === 'more') continue;
    await context.store.remove([itemKeys.lapsing(sk)]);
    told += 1;
  }
  return told;
}
