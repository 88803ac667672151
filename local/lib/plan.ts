// What a network is made of and must keep: its name, its members and their ports.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { LocalError } from './errors.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import type { Layout } from './layout.ts';
import { LOCALSTACK, makeMembers, type Member, VALIDATORS_MAX, VALIDATORS_MIN } from './members.ts';
import { findPorts, takePorts } from './ports.ts';

const plannedMemberSchema = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum(['validator', 'membership', 'records', 'registry', 'emulator']),
  account: z.string().nullable(),
  port: z.int(),
});
/** MiniStack: a process for each account. LocalStack: one for all of them. */
export const emulators = ['ministack', 'localstack'] as const;
export type Emulator = (typeof emulators)[number];

const planSchema = z.object({
  version: z.literal(1),
  network: z.string(),
  emulator: z.enum(emulators).default('ministack'),
  members: z.array(plannedMemberSchema),
  /** Folder of further answers of the registry. */
  fixtures: z.string().optional(),
});

export type PlannedMember = z.infer<typeof plannedMemberSchema>;
export type Plan = z.infer<typeof planSchema>;

export interface PlanOptions {
  /** @default 'ministack' */
  readonly emulator?: Emulator | undefined;
  /** First of a row of ports. @default free ones, remembered */
  readonly ports?: number | undefined;
  /** @default 4 */
  readonly validators?: number | undefined;
  /** Folder of further answers of the registry, remembered. */
  readonly fixtures?: string | undefined;
}

export function readPlan(layout: Layout): Plan | undefined {
  return readJsonFile(layout.plan, planSchema);
}

/** The plan of a folder that must have one; throws `not_running`. */
export function requirePlan(layout: Layout): Plan {
  const plan = readPlan(layout);
  if (plan === undefined) {
    throw new LocalError('not_running', `There is no local network in ${layout.root}.`, {
      cure: 'npm start',
    });
  }
  return plan;
}

/** Throws `bad_option` for a folder that holds something else: `reset` deletes the whole folder. */
export function refuseForeignFolder(layout: Layout): void {
  if (!existsSync(layout.root) || existsSync(layout.plan)) return;
  const foreign = readdirSync(layout.root).filter((name) => !name.startsWith('lock'));
  if (foreign.length === 0) return;
  throw new LocalError('bad_option', `${layout.root} holds something else than a local network.`, {
    cure: 'Give a folder that does not exist yet: npm start -- --folder .local-two',
  });
}

/** The remembered plan, or a new one. Throws `bad_option` when the options contradict it. */
export async function preparePlan(layout: Layout, options: PlanOptions): Promise<Plan> {
  const validators = options.validators ?? VALIDATORS_MIN;
  if (!Number.isInteger(validators) || validators < VALIDATORS_MIN || validators > VALIDATORS_MAX) {
    throw new LocalError(
      'bad_option',
      `A network has ${VALIDATORS_MIN} to ${VALIDATORS_MAX} validators.`,
    );
  }
  const fixtures = options.fixtures === undefined ? {} : { fixtures: resolve(options.fixtures) };
  const known = readPlan(layout);
  if (known !== undefined) {
    refuseChange(known, options);
    return options.fixtures === undefined ? known : savePlan(layout, { ...known, ...fixtures });
  }
  const emulator = options.emulator ?? 'ministack';
  return savePlan(layout, {
    version: 1,
    network: `local-${randomBytes(3).toString('hex')}`,
    emulator,
    members: await placeMembers(makeMembers(validators), emulator, options.ports),
    ...fixtures,
  });
}

/** Gives each process a port; with one emulator for all accounts they share its port. */
async function placeMembers(
  members: readonly Member[],
  emulator: Emulator,
  base: number | undefined,
): Promise<PlannedMember[]> {
  const processes =
    emulator === 'ministack'
      ? members
      : [LOCALSTACK, ...members.filter(({ account }) => account === null)];
  const ports =
    base === undefined
      ? await findPorts(processes.length)
      : await takePorts(base, processes.length);
  const placed = processes.map((member, index) => ({ ...member, port: ports[index] ?? 0 }));
  if (emulator === 'ministack') return placed;
  const port = ports[0] ?? 0;
  const accounts = members.filter(({ account }) => account !== null);
  return [...accounts.map((member) => ({ ...member, port })), ...placed];
}

/** Members that have a process of their own. */
export function processesOf(plan: Plan): readonly PlannedMember[] {
  const isShared = plan.emulator === 'localstack';
  return plan.members.filter(({ account }) => !isShared || account === null);
}

function savePlan(layout: Layout, plan: Plan): Plan {
  writeJsonFile(layout.plan, plan);
  return plan;
}

/** Throws `unknown_account`, naming those that there are. */
export function memberOf(plan: Plan, id: string): PlannedMember {
  const member = plan.members.find((candidate) => candidate.id === id);
  if (member === undefined) {
    const ids = plan.members.map((candidate) => candidate.id).join(', ');
    throw new LocalError('unknown_account', `There is no account "${id}" here.`, {
      cure: `One of: ${ids}`,
    });
  }
  return member;
}

export function endpointOf(member: PlannedMember): string {
  return `http://localhost:${member.port}`;
}

/** Addresses are in the genesis document, which all operators signed. */
function refuseChange(plan: Plan, options: PlanOptions): void {
  if (options.emulator !== undefined && options.emulator !== plan.emulator) {
    throw new LocalError('bad_option', `The network in this folder runs on ${plan.emulator}.`, {
      cure: 'Give another folder: npm start -- --emulator localstack --folder .local-localstack',
    });
  }
  const base = processesOf(plan)[0]?.port;
  const validators = plan.members.filter((member) => member.kind === 'validator').length;
  const otherPorts = options.ports !== undefined && options.ports !== base;
  const otherCount = options.validators !== undefined && options.validators !== validators;
  if (!otherPorts && !otherCount) return;
  throw new LocalError(
    'bad_option',
    `This network has ${validators} validators and its ports start at ${base ?? 0}; ` +
      'both stand in its genesis document.',
    { cure: 'npm run reset   (or give another --folder)' },
  );
}
