/** Active clinicians are looked up again on a schedule; whom the registries deny for long lapses. */

import { z } from 'zod';
import { parseWith } from '../../lib/wire/codec.ts';
import type { StoredItem } from '../aws/item-store.ts';
import type { MembershipContext } from './context.ts';
import { type Enrolment, identitySchema, itemKeys, requireEnrolment } from './enrolment.ts';
import { lapse } from './lapse.ts';
import type { RegistryVerdict } from './registry/registry.ts';

const PAGE = 50;
const RUN_MS_MAX = 6_000;
/** How long a look-up counts. */
const CHECK_MS = 24 * 3_600_000;
/** A registry may err for a while: two denials this far apart end somebody. */
const DOUBT_MS = 20 * 3_600_000;
/** From so many look-ups on, a run that denies more than every fifth blames the registry. */
const LOOKUPS_MIN = 10;
const DENIALS_SHARE_MAX = 0.2;

/** Counts only: no names leave this function. */
export interface ActiveOutcome {
  confirmed: number;
  doubted: number;
  lapsed: number;
  /** True where the registry was down, or denied too many to be believed. */
  isStopped: boolean;
}

const checkedSchema = z.strictObject({ at: z.int() });

interface Finding {
  stored: { enrolment: Enrolment; version: number };
  item: StoredItem;
  verdict: RegistryVerdict;
}

/** Looks up whoever is due, in pages; judges a page as a whole, so that no outage ends people. */
export async function recheckActive(context: MembershipContext): Promise<ActiveOutcome> {
  const outcome: ActiveOutcome = { confirmed: 0, doubted: 0, lapsed: 0, isStopped: false };
  const until = context.now() + RUN_MS_MAX;
  let after: string | undefined;
  for (;;) {
    const page = await context.store.list('checked', {
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    const last = page.at(-1);
    if (!last || context.now() > until) return outcome;
    after = last.sk;
    const due = page.filter((one) => {
      const { at } = parseWith(checkedSchema, one.value);
      return at + CHECK_MS <= context.now();
    });
    const findings: Finding[] = [];
    for (const item of due) {
      if (context.now() > until) break;
      const finding = await lookUp(context, item);
      if (finding === null) continue;
      if (finding.verdict === 'unavailable') return { ...outcome, isStopped: true };
      findings.push(finding);
    }
    if (!isBelievable(findings)) return { ...outcome, isStopped: true };
    for (const finding of findings) await judge(context, finding, outcome);
  }
}

async function lookUp(context: MembershipContext, item: StoredItem): Promise<Finding | null> {
  const stored = await requireEnrolment(context.store, item.sk);
  const { id, status, identity: sealed } = stored.enrolment;
  if (status !== 'active') {
    await context.store.remove([itemKeys.checked(id)]);
    return null;
  }
  const { npi, name, state, licence } = parseWith(
    identitySchema,
    await context.vault.open(id, sealed),
  );
  // Whom no registry lists, the hospital's operator vouches for.
  if (npi === undefined || state === undefined || licence === undefined) {
    return { stored, item, verdict: 'verified' };
  }
  return { stored, item, verdict: await context.registry.verify({ npi, name, state, licence }) };
}

function isBelievable(findings: readonly Finding[]): boolean {
  if (findings.length < LOOKUPS_MIN) return true;
  // A list of ended numbers can be wrong as well, and who lapsed does not come back.
  const denied = findings.filter(
    ({ verdict }) => verdict === 'not_verified' || verdict === 'ended',
  ).length;
  return denied <= findings.length * DENIALS_SHARE_MAX;
}

async function judge(
  context: MembershipContext,
  { stored, item, verdict }: Finding,
  outcome: ActiveOutcome,
): Promise<void> {
  const { enrolment, version } = stored;
  // It may have ended with another enrolment of the same person just before.
  const current = await requireEnrolment(context.store, enrolment.id);
  if (current.version !== version) return;
  const now = context.now();
  const key = itemKeys.enrolment(enrolment.id);
  const seen = (): Promise<boolean> =>
    context.store.replace(itemKeys.checked(enrolment.id), item.version, { at: now });
  switch (verdict) {
    case 'ended':
      await lapse(context, enrolment, 'number-deactivated');
      outcome.lapsed += 1;
      return;
    case 'not_verified':
      if (enrolment.doubtedAt !== null && enrolment.doubtedAt + DOUBT_MS <= now) {
        await lapse(context, enrolment, 'licence-lapsed');
        outcome.lapsed += 1;
        return;
      }
      if (enrolment.doubtedAt === null) {
        await context.store.replace(key, version, { ...enrolment, doubtedAt: now });
      }
      outcome.doubted += 1;
      await seen();
      return;
    case 'verified':
    case 'review':
      if (enrolment.doubtedAt !== null) {
        await context.store.replace(key, version, { ...enrolment, doubtedAt: null });
      }
      outcome.confirmed += 1;
      await seen();
      return;
    case 'unavailable':
      throw new Error('a page with an outage is not judged');
  }
}
