// The state of each account as a person or a program asks for it.
import { z } from 'zod';
import { healthUrlOf } from './account-commands.ts';
import { lifeOfMember } from '../localstack/hosted.ts';
import { type AccountLife, isHealthy, processOf } from './account-process.ts';
import { readApiUrls } from './deploy.ts';
import { accountLayout, type Layout } from './layout.ts';
import { ownerOf } from './owner.ts';
import { endpointOf, type Plan, type PlannedMember, requirePlan } from './plan.ts';

export interface MemberStatus {
  readonly id: string;
  readonly name: string;
  readonly kind: PlannedMember['kind'];
  readonly life: AccountLife;
  /** What its own health route says, for people; empty when it does not run. */
  readonly health: string;
  /** Committed blocks of a validator's main ledger; null when it does not say. */
  readonly height: number | null;
  /** Of the consensus on the main ledger, and who leads it; null and empty where it does not say. */
  readonly view: number | null;
  readonly leader: string;
  /** Whether it follows without voting. */
  readonly learner: boolean;
  /** Why it has stopped itself, else empty. */
  readonly halted: string;
  /** Whether requests wait there. */
  readonly pending: boolean;
  readonly pid: number | null;
  readonly url: string;
}

export interface NetworkStatus {
  readonly network: string;
  /** Who keeps it, for people. */
  readonly keeper: string;
  readonly members: readonly MemberStatus[];
}

const healthSchema = z.looseObject({
  status: z.string().optional(),
  code: z.string().optional(),
  height: z.int().optional(),
  view: z.int().optional(),
  leader: z.string().optional(),
  learner: z.boolean().optional(),
  halted: z.string().optional(),
  pending: z.boolean().optional(),
});
type Health = z.infer<typeof healthSchema>;

const HEALTH_TIMEOUT_MS = 5_000;

/** Throws `not_running` when the folder holds no network. */
export async function readStatus(layout: Layout): Promise<NetworkStatus> {
  const plan = requirePlan(layout);
  const apiUrls = readApiUrls(layout);
  return {
    network: plan.network,
    keeper: keeperText(layout),
    members: await Promise.all(
      plan.members.map((member) => memberStatus(layout, plan, member, apiUrls[member.id])),
    ),
  };
}

async function memberStatus(
  layout: Layout,
  plan: Plan,
  member: PlannedMember,
  apiUrl: string | undefined,
): Promise<MemberStatus> {
  const account = accountLayout(layout, member.id);
  const life = lifeOfMember(layout, plan, member);
  const health = life === 'running' ? await healthOf(member, apiUrl) : undefined;
  return {
    id: member.id,
    name: member.name,
    kind: member.kind,
    life,
    health: health === undefined ? '' : healthText(health),
    height: health?.height ?? null,
    view: health?.view ?? null,
    leader: health?.leader ?? '',
    learner: health?.learner ?? false,
    halted: health?.halted ?? '',
    pending: health?.pending ?? false,
    pid: processOf(account)?.pid ?? null,
    url: apiUrl ?? endpointOf(member),
  };
}

async function healthOf(member: PlannedMember, apiUrl: string | undefined): Promise<Health> {
  if (apiUrl === undefined) {
    return { status: (await isHealthy(healthUrlOf(member))) ? 'ok' : 'silent' };
  }
  try {
    const response = await fetch(`${apiUrl}/v1/health`, {
      signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
    });
    const parsed = healthSchema.safeParse(await response.json());
    return parsed.success && response.ok ? parsed.data : { code: `HTTP ${response.status}` };
  } catch {
    return { status: 'silent' };
  }
}

function healthText({ status, code, height }: Health): string {
  const word = code ?? status ?? 'ok';
  return height === undefined ? word : `${word}, height ${height}`;
}

function keeperText(layout: Layout): string {
  const owner = ownerOf(layout);
  if (owner === undefined) return 'not running';
  return owner.mode === 'detached'
    ? 'detached'
    : `kept by process ${owner.pid} (Ctrl-C there stops it)`;
}
