// Synthesizes once and deploys each account with the ordinary cdk program, against loopback only.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../../cdk/config.ts';
import { stackName } from '../../cdk/names.ts';
import { runCommand } from './command.ts';
import { cdkEnvironment, REGION } from './environment.ts';
import { LocalError } from './errors.ts';
import { sourceFingerprint, templateFingerprint } from './fingerprint.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import { CDK_PROGRAM, type Layout, PROJECT_ROOT } from './layout.ts';
import { endpointOf, type PlannedMember } from './plan.ts';

const deployedSchema = z.object({
  /** Digest of the sources that `cdk.out` was made from. */
  synthesized: z.string().optional(),
  /** Digest of the template that each account has. */
  templates: z.record(z.string(), z.string()),
  /** Outputs of each account's stack, by name. */
  outputs: z.record(z.string(), z.record(z.string(), z.string())),
});
export type Deployed = z.infer<typeof deployedSchema>;

const outputsSchema = z.record(z.string(), z.record(z.string(), z.string()));
const NO_NOTICES = ['--no-notices', '--no-color'];

export interface DeployOptions {
  readonly layout: Layout;
  /** Where an account's emulator answers. @default the account's own port */
  readonly endpoint?: (member: PlannedMember) => string;
  /** PEM file of the certificate to trust where endpoints are https. */
  readonly certificate?: string;
  readonly signal?: AbortSignal | undefined;
}

export function readDeployed(layout: Layout): Deployed {
  return readJsonFile(layout.deployed, deployedSchema) ?? { templates: {}, outputs: {} };
}

/** An output of a member's stack by its name. Throws `bad_state_file` where it has none. */
export function outputOf(layout: Layout, id: string, output: string): string {
  const value = readDeployed(layout).outputs[id]?.[output];
  if (value !== undefined) return value;
  throw new LocalError('bad_state_file', `The stack of ${id} has no output ${output}.`);
}

/** URL of each deployed account's API, by the account's id. */
export function readApiUrls(layout: Layout): Readonly<Record<string, string>> {
  const entries = Object.entries(readDeployed(layout).outputs);
  return Object.fromEntries(entries.map(([id, outputs]) => [id, outputs['ApiUrl'] ?? '']));
}

/**
 * Runs `cdk synth` unless the cloud assembly was made from the same sources and configuration;
 * false when nothing was to do.
 */
export async function synthesize({ layout, signal }: DeployOptions): Promise<boolean> {
  const fingerprint = sourceFingerprint(layout.config);
  const deployed = readDeployed(layout);
  if (deployed.synthesized === fingerprint && existsSync(layout.cloudAssembly)) return false;
  rmSync(layout.cloudAssembly, { recursive: true, force: true });
  mkdirSync(layout.home, { recursive: true });
  await runCommand({
    title: 'cdk synth',
    program: process.execPath,
    args: [
      CDK_PROGRAM,
      'synth',
      '--quiet',
      ...NO_NOTICES,
      ...['--output', layout.cloudAssembly],
      ...['--context', `config=${layout.config}`],
    ],
    env: cdkEnvironment(layout, null),
    cwd: PROJECT_ROOT,
    log: join(layout.logs, 'synth.log'),
    signal,
  });
  writeJsonFile(layout.deployed, { ...readDeployed(layout), synthesized: fingerprint });
  return true;
}

/** Nothing is deployed in the account any more: its emulator begins anew. */
export function forgetDeployed(layout: Layout, id: string): void {
  const deployed = readDeployed(layout);
  const templates = Object.entries(deployed.templates).filter(([one]) => one !== id);
  writeJsonFile(layout.deployed, { ...deployed, templates: Object.fromEntries(templates) });
}

/** True when the account lacks the synthesized template. */
export function needsDeploy(layout: Layout, member: PlannedMember): boolean {
  const stack = stackName(loadConfig(layout.config), member.id);
  const wanted = templateFingerprint(layout.cloudAssembly, stack);
  return readDeployed(layout).templates[member.id] !== wanted;
}

/** Makes the account ready for the cdk program: `cdk bootstrap`, needed once. */
export async function bootstrapAccount(
  options: DeployOptions,
  member: PlannedMember,
): Promise<void> {
  mkdirSync(options.layout.home, { recursive: true });
  await runCdk(options, member, [
    'bootstrap',
    `aws://${member.account ?? ''}/${REGION}`,
    ...NO_NOTICES,
  ]);
}

/** Deploys the account's stack with `cdk deploy` and remembers its template and outputs. */
export async function deployAccount(options: DeployOptions, member: PlannedMember): Promise<void> {
  const { layout } = options;
  const stack = stackName(loadConfig(layout.config), member.id);
  const fingerprint = templateFingerprint(layout.cloudAssembly, stack);
  const outputsFile = join(layout.home, `${member.id}-outputs.json`);
  await runCdk(options, member, [
    'deploy',
    stack,
    ...['--app', layout.cloudAssembly],
    ...['--require-approval', 'never'],
    ...['--progress', 'events'],
    ...['--method', 'direct'],
    ...['--outputs-file', outputsFile],
    ...NO_NOTICES,
  ]);
  const outputs = readJsonFile(outputsFile, outputsSchema)?.[stack];
  if (outputs?.['ApiUrl'] === undefined) {
    throw new LocalError('command_failed', `The stack ${stack} has no output ApiUrl.`);
  }
  rmSync(outputsFile);
  const deployed = readDeployed(layout);
  writeJsonFile(layout.deployed, {
    ...deployed,
    templates: { ...deployed.templates, [member.id]: fingerprint },
    outputs: { ...deployed.outputs, [member.id]: outputs },
  } satisfies Deployed);
}

async function runCdk(
  { layout, signal, endpoint = endpointOf, certificate }: DeployOptions,
  member: PlannedMember,
  args: readonly string[],
): Promise<void> {
  const target = { account: member.account ?? '', endpoint: endpoint(member) };
  const trust =
    certificate === undefined
      ? {}
      : { AWS_CA_BUNDLE: certificate, NODE_EXTRA_CA_CERTS: certificate };
  await runCommand({
    title: `cdk ${args[0] ?? ''} of ${member.id}`,
    program: process.execPath,
    args: [CDK_PROGRAM, ...args],
    env: { ...cdkEnvironment(layout, target), ...trust },
    // Not in the project: its cdk.json would have the program synthesize again.
    cwd: layout.home,
    log: join(layout.logs, `${member.id}.deploy.log`),
    signal,
  });
}
