// Brings a network up: leftovers, plan, processes, stacks, genesis. Each step can find itself done.
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Parameters } from '../../lib/wire/parameters.ts';
import { localstackIsReady, prepareLocalstack } from '../localstack/install.ts';
import { accountCommand } from './account-commands.ts';
import { startAccount } from './account-process.ts';
import { holdCeremony } from './ceremony.ts';
import { writeConfiguration } from './configuration.ts';
import {
  bootstrapAccount,
  deployAccount,
  needsDeploy,
  readApiUrls,
  readDeployed,
  synthesize,
} from './deploy.ts';
import { LocalError } from './errors.ts';
import { forgetNetwork, prepareFolder } from './folder.ts';
import { accountLayout, CDK_PROGRAM, type Layout } from './layout.ts';
import { prepareOperators } from './operators.ts';
import { ownerOf, takeOwnership } from './owner.ts';
import { inParallel } from './parallel.ts';
import {
  type Plan,
  type PlannedMember,
  type PlanOptions,
  preparePlan,
  processesOf,
  readPlan,
} from './plan.ts';
import { isFreePort } from './ports.ts';
import type { Progress } from './progress.ts';
import { preparePython, pythonIsReady } from './python-environment.ts';
import { runningMembers, stopProcesses } from './stop-network.ts';
import { explainLoss, requireQuorum, type Survey, surveyOf } from './survey.ts';

export interface BringUpOptions extends PlanOptions {
  readonly layout: Layout;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  /** Parameters of the genesis document that differ from the defaults. */
  readonly parameters?: Partial<Parameters> | undefined;
}

export interface BroughtUp {
  readonly plan: Plan;
  /** True when this start held the genesis ceremony. */
  readonly first: boolean;
}

/** Bootstrap and deploy are each one busy Node process. */
const DEPLOYS_AT_ONCE = Math.max(2, Math.min(6, cpus().length));

/** Does all steps that are not done yet; after a failure nothing runs. The caller has the lock. */
export async function bringUp(options: BringUpOptions): Promise<BroughtUp> {
  const { layout, progress } = options;
  checkPrerequisites();
  await endLeftovers(layout, progress);
  const plan = await preparePlan(layout, options);
  if (plan.emulator === 'localstack') startAnew(layout, progress);
  forgetUnfinishedStart(layout);
  const survey = surveyOf(layout, plan);
  requireQuorum(plan, survey);
  for (const member of survey.lost) progress.note(`  ! ${explain(member, survey)}`);
  await requireFreePorts(processesOf(plan).filter((one) => survey.startable.includes(one)));
  prepareFolder(layout);
  takeOwnership(layout);
  const failure = new AbortController();
  const synthesis = makeTemplates(options, plan, failure.signal);
  try {
    const python = await installEmulator(options, plan);
    await startProcesses(options, plan, survey, python, synthesis);
    await deployStacks(options, survey);
    if (!survey.established) await establish(options, plan);
  } catch (error) {
    failure.abort();
    await Promise.allSettled([synthesis]);
    await endFailedStart(options, plan);
    throw error;
  }
  return { plan, first: !survey.established };
}

/** Keystores, configuration and templates need no emulator, so they are made beside its start. */
function makeTemplates(
  { layout, signal }: BringUpOptions,
  plan: Plan,
  failed: AbortSignal,
): Promise<boolean> {
  const work = async (): Promise<boolean> => {
    const operatorKeys = await prepareOperators(layout, plan);
    writeConfiguration(layout, { plan, operatorKeys });
    return synthesize({ layout, signal: signal ? AbortSignal.any([signal, failed]) : failed });
  };
  const synthesis = work();
  // Its failure is shown where it is awaited; until then it must not end this program.
  synthesis.catch(() => undefined);
  return synthesis;
}

function checkPrerequisites(): void {
  if (process.platform === 'win32') {
    throw new LocalError('missing_prerequisite', 'The local network needs Linux or macOS.', {
      cure: 'On Windows run it in WSL: wsl --install',
    });
  }
  if (!existsSync(CDK_PROGRAM)) {
    throw new LocalError(
      'missing_prerequisite',
      'The packages of this project are not installed.',
      {
        cure: 'npm ci',
      },
    );
  }
}

/** Ends what an earlier start left because it was killed itself. Throws `busy` when it is kept. */
async function endLeftovers(layout: Layout, progress: Progress): Promise<void> {
  const plan = readPlan(layout);
  if (plan === undefined) return;
  const running = runningMembers(layout, plan);
  if (running.length === 0) return;
  if (ownerOf(layout) !== undefined) {
    throw new LocalError('busy', `The network in ${layout.root} is already running.`, {
      cure: 'npm run status   or   npm stop',
    });
  }
  await progress.step(`Stopping ${running.length} processes that an earlier start left`, () =>
    stopProcesses(layout, plan),
  );
}

/** LocalStack keeps nothing: what an earlier run left is of a network that is gone. */
function startAnew(layout: Layout, progress: Progress): void {
  if (!existsSync(layout.networkFile)) return;
  progress.note(
    '  ! LocalStack keeps no state: the network of the last run is gone, a new one starts.',
  );
  forgetNetwork(layout);
}

/** Until the genesis is installed nothing is worth keeping, and half a deployment is a trap. */
function forgetUnfinishedStart(layout: Layout): void {
  if (!existsSync(layout.networkFile)) forgetNetwork(layout);
}

function explain(member: PlannedMember, survey: Survey): string {
  return explainLoss(member, survey.lives.get(member.id));
}

async function requireFreePorts(members: readonly PlannedMember[]): Promise<void> {
  for (const member of members) {
    if (await isFreePort(member.port)) continue;
    throw new LocalError(
      'port_in_use',
      `Port ${member.port} of ${member.id} is in use by another program.`,
      {
        cure:
          `Find it: ss -ltnp 'sport = :${member.port}'   (macOS: lsof -i :${member.port})\n` +
          'The port stands in the genesis document; for new ports: npm run reset && npm start',
      },
    );
  }
}

/** Returns the interpreter that runs the emulators. */
async function installEmulator(
  { layout, progress, signal }: BringUpOptions,
  plan: Plan,
): Promise<string> {
  const log = join(layout.logs, 'python.log');
  if (plan.emulator === 'localstack') {
    if (localstackIsReady()) return prepareLocalstack({ log });
    return progress.step('LocalStack and DynamoDB Local installed (only the first time)', () =>
      prepareLocalstack({ log, signal }),
    );
  }
  if (pythonIsReady()) return preparePython({ log });
  return progress.step('Emulator installed in a virtual environment (only the first time)', () =>
    preparePython({ log, signal }),
  );
}

/** Starts all processes side by side, and waits for the stacks' templates. */
async function startProcesses(
  options: BringUpOptions,
  plan: Plan,
  survey: Survey,
  python: string,
  synthesis: Promise<boolean>,
): Promise<void> {
  const { layout, progress, signal } = options;
  const processes = processesOf(plan).filter((member) => survey.startable.includes(member));
  const total = processes.length;
  await progress.step(`${total} processes started`, async (step) => {
    let ready = 0;
    const start = async (member: PlannedMember): Promise<void> => {
      const command = accountCommand(layout, member, python, plan.fixtures);
      await named(member, () => startAccount(accountLayout(layout, member.id), command, signal));
      ready += 1;
      step.update(`${ready} of ${total} ready`);
    };
    const templates = synthesis.then((anew) => {
      step.result(anew ? 'stacks synthesized' : 'stacks unchanged');
    });
    await settleAll([...processes.map(start), templates]);
  });
}

/** Deploys the stacks whose templates changed, or all the first time. */
async function deployStacks(options: BringUpOptions, survey: Survey): Promise<void> {
  const { layout, progress, signal } = options;
  const accounts = survey.startable.filter((member) => member.account !== null);
  const changed = accounts.filter((member) => needsDeploy(layout, member));
  if (changed.length === 0) return;
  await progress.step(`${changed.length} stacks deployed`, async (step) => {
    let done = 0;
    await inParallel(changed, DEPLOYS_AT_ONCE, async (member) => {
      const deployed = readDeployed(layout).templates[member.id] !== undefined;
      if (!deployed) await bootstrapAccount({ layout, signal }, member);
      await deployAccount({ layout, signal }, member);
      done += 1;
      step.update(`${done} of ${changed.length}, last ${member.id}`);
    });
  });
}

/** Days of delay would be too long to try out what waits for them. */
const localParameters: Partial<Parameters> = { recoveryDelayMs: 10_000 };

/** The genesis ceremony; its network file ends the first start. */
async function establish(options: BringUpOptions, plan: Plan): Promise<void> {
  const { layout, progress, signal } = options;
  await progress.step('Genesis', async (step) => {
    const apiUrls = readApiUrls(layout);
    const parameters = { ...localParameters, ...options.parameters };
    const input = { layout, plan, apiUrls, parameters, signal, onStep: step.update };
    const { signatures, parties } = await holdCeremony(input);
    step.result(`signed by ${signatures} operators, installed at ${parties} parties`);
  });
}

/** What failed matters more to the person than that stopping failed, too. */
async function endFailedStart({ layout }: BringUpOptions, plan: Plan): Promise<void> {
  await stopProcesses(layout, plan).catch(() => undefined);
}

async function named(member: PlannedMember, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof LocalError)) throw error;
    const options = error.cure === undefined ? {} : { cure: error.cure };
    throw new LocalError(error.code, `${member.id}: ${error.message}`, options);
  }
}

/** Waits for all, so that nothing still runs when the first failure is thrown. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
