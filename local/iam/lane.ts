// The IAM lane's network: one emulator for all accounts that checks every policy, over TLS.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { accountCommand, emulatorCommand } from '../lib/account-commands.ts';
import { type AccountCommand, startAccount, stopAccount } from '../lib/account-process.ts';
import { holdCeremony } from '../lib/ceremony.ts';
import { runCommand } from '../lib/command.ts';
import { writeConfiguration } from '../lib/configuration.ts';
import {
  bootstrapAccount,
  deployAccount,
  type DeployOptions,
  readApiUrls,
  synthesize,
} from '../lib/deploy.ts';
import { baseEnvironment } from '../lib/environment.ts';
import { prepareFolder } from '../lib/folder.ts';
import { accountLayout, CERTIFICATE_SCRIPT, type Layout, PROJECT_ROOT } from '../lib/layout.ts';
import { prepareOperators } from '../lib/operators.ts';
import { takeOwnership } from '../lib/owner.ts';
import { inParallel } from '../lib/parallel.ts';
import { type Plan, type PlannedMember, preparePlan } from '../lib/plan.ts';
import { findPorts } from '../lib/ports.ts';
import type { Progress } from '../lib/progress.ts';
import { preparePython } from '../lib/python-environment.ts';
import { openDoor } from './door.ts';
import { type Party, partyOf } from './resources.ts';

export interface Lane {
  readonly networkFile: string;
  /** Where the emulator answers for every account. */
  readonly endpoint: string;
  readonly parties: readonly Party[];
  readonly plan: Plan;
  stop(): Promise<void>;
}

/** Lambda runs at once over all accounts: one process serves them, so more only wait. */
const LAMBDA_CONCURRENCY = 32;
/** One emulator serves them all, so more at once gain little. */
const DEPLOYS_AT_ONCE = 2;

interface LaneParts {
  readonly layout: Layout;
  readonly progress: Progress;
  readonly plan: Plan;
  readonly python: string;
  /** The one emulator, written down like a member. */
  readonly emulator: PlannedMember;
  readonly certificate: string;
  readonly key: string;
}

/** Brings the lane's network up from nothing; the caller stops it. */
export async function openLane(layout: Layout, progress: Progress): Promise<Lane> {
  const parts = await prepareLane(layout, progress);
  const { plan, emulator } = parts;
  const endpoint = `https://localhost:${emulator.port}`;
  const doors: Server[] = [];
  const stop = async (): Promise<void> => {
    for (const door of doors) {
      door.close();
      door.closeAllConnections();
    }
    await Promise.all(
      ['aws', 'registry'].map((id) =>
        stopAccount(accountLayout(layout, id)).catch(() => undefined),
      ),
    );
  };
  try {
    await startLane(parts, endpoint);
    await deployLane(parts, endpoint);
    for (const member of accountsOf(plan)) {
      doors.push(await openDoor({ port: member.port, account: member.account ?? '' }, endpoint));
    }
    await progress.step('Genesis', (step) =>
      holdCeremony({ layout, plan, apiUrls: doorUrls(layout, plan), onStep: step.update }),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  const parties = accountsOf(plan).map((member) => partyOf(layout, member));
  return { networkFile: layout.networkFile, endpoint, parties, plan, stop };
}

async function prepareLane(layout: Layout, progress: Progress): Promise<LaneParts> {
  rmSync(layout.root, { recursive: true, force: true });
  prepareFolder(layout);
  mkdirSync(accountLayout(layout, 'aws').root);
  const plan = await preparePlan(layout, {});
  const python = await preparePython({ log: join(layout.logs, 'python.log') });
  const [port = 0] = await findPorts(1);
  const { account = null } = plan.members[0] ?? {};
  const emulator = { id: 'aws', name: 'All accounts', kind: 'validator', account, port } as const;
  const certificate = join(layout.home, 'localhost.crt');
  const key = join(layout.home, 'localhost.key');
  await runCommand({
    title: 'Making a certificate for localhost',
    program: python,
    args: ['-B', CERTIFICATE_SCRIPT, certificate, key],
    env: baseEnvironment(layout),
    cwd: PROJECT_ROOT,
    log: join(layout.logs, 'python.log'),
  });
  const pem = readFileSync(certificate, 'utf8');
  setDefaultCACertificates([...getCACertificates('default'), pem]);
  takeOwnership(layout);
  return { layout, progress, plan, python, emulator, certificate, key };
}

async function startLane(parts: LaneParts, endpoint: string): Promise<void> {
  const { layout, progress, plan, python, emulator } = parts;
  await progress.step('Emulator with policies and TLS started, stacks synthesized', async () => {
    const registry = plan.members.find(({ kind }) => kind === 'registry');
    if (registry !== undefined) {
      const command = accountCommand(layout, registry, python);
      mkdirSync(accountLayout(layout, registry.id).root, { recursive: true });
      await startAccount(accountLayout(layout, registry.id), command);
    }
    await startAccount(accountLayout(layout, emulator.id), laneCommand(parts, endpoint));
    const operatorKeys = await prepareOperators(layout, plan);
    writeConfiguration(layout, { plan, operatorKeys, endpoint: () => endpoint });
    await synthesize({ layout });
  });
}

/** The ordinary emulator command, with policies checked, TLS, and nothing kept. */
function laneCommand(
  { layout, emulator, python, certificate, key }: LaneParts,
  endpoint: string,
): AccountCommand {
  const command = emulatorCommand(layout, emulator, python);
  return {
    ...command,
    healthUrl: `${endpoint}/_ministack/health`,
    env: {
      ...command.env,
      AUTH: 'true',
      USE_SSL: '1',
      MINISTACK_SSL_CERT: certificate,
      MINISTACK_SSL_KEY: key,
      NODE_EXTRA_CA_CERTS: certificate,
      LAMBDA_ACCOUNT_CONCURRENCY: String(LAMBDA_CONCURRENCY),
    },
  };
}

async function deployLane(parts: LaneParts, endpoint: string): Promise<void> {
  const { layout, plan, certificate, progress } = parts;
  const options: DeployOptions = { layout, certificate, endpoint: () => endpoint };
  const accounts = accountsOf(plan);
  await progress.step(`${accounts.length} stacks deployed`, async (step) => {
    await inParallel(accounts, DEPLOYS_AT_ONCE, async (member) => {
      step.update(member.id);
      await bootstrapAccount(options, member);
      await deployAccount(options, member);
    });
  });
}

function accountsOf(plan: Plan): readonly PlannedMember[] {
  return plan.members.filter((member) => member.account !== null);
}

/** The APIs' URLs through the accounts' doors. */
function doorUrls(layout: Layout, plan: Plan): Readonly<Record<string, string>> {
  const urls = readApiUrls(layout);
  return Object.fromEntries(
    accountsOf(plan).map(({ id, port }) => {
      const { pathname } = new URL(urls[id] ?? '');
      return [id, `http://localhost:${port}${pathname}`];
    }),
  );
}
