// The state of each account as a person or a program asks for it.
import { z } from 'zod';
import { healthUrlOf } from './account-commands.ts';
import { type AccountLife, isHealthy, lifeOf, processOf } from './account-process.ts';
import { readApiUrls } from './deploy.ts';
import { accountLayout, type Layout } from './layout.ts';
import { ownerOf } from './owner.ts';
import { endpointOf, type PlannedMember, requirePlan } from './plan.ts';

export interface MemberStatus {
  readonly id: string;
  readonly name: string;
  readonly life: AccountLife;
  /** What its own health route says, for people; empty when it does not run. */
  readonly health: string;
  /** Committed blocks of a validator's main ledger; null when it does not say. */
  readonly height: number | null;
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
      plan.members.map((member) => memberStatus(layout, member, apiUrls[member.id])),
    ),
  };
}

async function memberStatus(
  layout: Layout,
  member: PlannedMember,
  apiUrl: string | undefined,
): Promise<MemberStatus> {
  const account = accountLayout(layout, member.id);
  const life = lifeOf(account);
  const health = life === 'running' ? await healthOf(member, apiUrl) : undefined;
  const height = health?.height ?? null;
  return {
    id: member.id,
    name: member.name,
    life,
    health: health === undefined ? '' : healthText(health),
    height,
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
