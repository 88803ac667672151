/** What an insurer pays for codes: a tariff and a policy as data, and one pure function over them. */
import { z } from 'zod';
import {
  centsField,
  type ClaimAnswer,
  type ClaimLine,
  type ClaimRequest,
  codeField,
  codeSystemField,
  currencyField,
  policyField,
} from './claim-content.ts';

const nameField = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a name of a plan');

const planSchema = z.strictObject({
  /** What the patient pays of a year before the insurer pays anything, cents. */
  deductible: centsField,
  /** Of each line, cents. */
  copay: centsField,
  /** Share of what is left that the patient pays. */
  coinsurancePercent: z.int().min(0).max(100),
  /** The most that a patient pays of a year for what is covered, cents. */
  outOfPocketMax: centsField,
});
export type Plan = z.infer<typeof planSchema>;

export const tariffSchema = z.strictObject({
  format: z.literal('carequorum-tariff-1'),
  name: z.string().min(1).max(100),
  currency: currencyField,
  /** How long an estimate holds, days. */
  estimateDays: z.int().min(1).max(90),
  plans: z.record(nameField, planSchema),
  /** What is allowed for one unit of a code, cents; what is not listed is not covered. */
  prices: z
    .array(z.strictObject({ system: codeSystemField, code: codeField, price: centsField }))
    .max(100_000),
});
export type Tariff = z.infer<typeof tariffSchema>;

const policySchema = z.strictObject({
  handle: policyField,
  plan: nameField,
  /** What this year's claims used up, cents. */
  deductibleMet: centsField,
  outOfPocketMet: centsField,
});
export type Policy = z.infer<typeof policySchema>;

export const policiesSchema = z.strictObject({
  format: z.literal('carequorum-policies-1'),
  policies: z.array(policySchema).max(100_000),
});
export type Policies = z.infer<typeof policiesSchema>;

export type Settlement = Pick<ClaimAnswer, 'decision' | 'lines' | 'patientPays' | 'insurerPays'> & {
  /** The policy as it is once this is paid; null where there is none. */
  readonly policy: Policy | null;
};

interface Left {
  deductible: number;
  outOfPocket: number;
}

/** Settles codes: the same for an estimate and a claim, so that an estimate tells the truth. */
export function settleCodes(
  { tariff, policies }: { tariff: Tariff; policies: Policies },
  request: Pick<ClaimRequest, 'kind' | 'policy' | 'currency' | 'lines'>,
): Settlement {
  const policy = policies.policies.find((one) => one.handle === request.policy);
  const plan = policy && tariff.plans[policy.plan];
  if (!policy || !plan || request.currency !== tariff.currency) {
    const lines = request.lines.map((line) => uncovered(line, 'unknown-policy'));
    return { ...totalsOf(request.kind, lines), policy: null };
  }
  const left: Left = {
    deductible: Math.max(0, plan.deductible - policy.deductibleMet),
    outOfPocket: Math.max(0, plan.outOfPocketMax - policy.outOfPocketMet),
  };
  const before = { ...left };
  const lines = request.lines.map((line) => settleLine(line, { tariff, plan, left }));
  const met = {
    deductibleMet: policy.deductibleMet + before.deductible - left.deductible,
    outOfPocketMet: policy.outOfPocketMet + before.outOfPocket - left.outOfPocket,
  };
  return { ...totalsOf(request.kind, lines), policy: { ...policy, ...met } };
}

/** The book of policies with one of them changed. */
export function withPolicy(book: Policies, policy: Policy): Policies {
  const policies = book.policies.map((one) => (one.handle === policy.handle ? policy : one));
  return { ...book, policies };
}

type Line = ClaimAnswer['lines'][number];

function settleLine(
  line: ClaimLine,
  { tariff, plan, left }: { tariff: Tariff; plan: Plan; left: Left },
): Line {
  const listed = tariff.prices.find(
    ({ system, code }) => system === line.system && code === line.code,
  );
  if (!listed) return uncovered(line, 'not-covered');
  const full = listed.price * line.units;
  const allowed = Math.min(full, line.charge ?? full);
  const copay = Math.min(plan.copay, allowed);
  const deductible = Math.min(left.deductible, allowed - copay);
  const rest = allowed - copay - deductible;
  const coinsurance = Math.ceil((rest * plan.coinsurancePercent) / 100);
  const patientPays = Math.min(copay + deductible + coinsurance, left.outOfPocket);
  left.deductible -= deductible;
  left.outOfPocket -= patientPays;
  const isAbove = (line.charge ?? 0) > allowed;
  return {
    reason: isAbove ? 'above-tariff' : 'covered',
    ...{ allowed, patientPays, insurerPays: allowed - patientPays },
  };
}

/** The patient pays what is charged; nobody knows the amount where none was given. */
function uncovered({ charge }: ClaimLine, reason: 'not-covered' | 'unknown-policy'): Line {
  return { reason, allowed: 0, patientPays: charge ?? 0, insurerPays: 0 };
}

function totalsOf(kind: ClaimRequest['kind'], lines: Line[]) {
  const sum = (key: 'patientPays' | 'insurerPays'): number =>
    lines.reduce((total, line) => total + line[key], 0);
  const isCovered = (line: Line): boolean =>
    line.reason === 'covered' || line.reason === 'above-tariff';
  const claimed = lines.every(({ reason }) => reason === 'covered') ? 'accepted' : 'reduced';
  const decision = lines.some(isCovered) ? claimed : 'denied';
  return {
    decision: kind === 'estimate' ? ('estimated' as const) : (decision as ClaimAnswer['decision']),
    ...{ lines, patientPays: sum('patientPays'), insurerPays: sum('insurerPays') },
  };
}
