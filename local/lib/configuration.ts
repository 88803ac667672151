// The typed configuration of a local network, written for the stacks from its plan.
import { type NetworkConfigInput, parseConfig } from '../../cdk/config.ts';
import { REGION, requireLoopback } from './environment.ts';
import { LocalError } from './errors.ts';
import { writeJsonFile } from './json-file.ts';
import type { Layout } from './layout.ts';
import { endpointOf, type Plan, type PlannedMember } from './plan.ts';

/** High enough that only the machine limits; the throttle is tested on the templates. */
const THROTTLE = { ratePerSecond: 1_000, burst: 2_000 } as const;

export interface ConfigurationInput {
  readonly plan: Plan;
  /** Thumbprint of each validator's operator key. */
  readonly operatorKeys: Readonly<Record<string, string>>;
  /** Address of an account's emulator. @default its own port */
  readonly endpoint?: (member: PlannedMember) => string;
}

/** The configuration of a plan; throws when it could leave this machine. */
export function makeConfiguration(input: ConfigurationInput): NetworkConfigInput {
  const endpoint = input.endpoint ?? endpointOf;
  const only = (kind: PlannedMember['kind']): PlannedMember => {
    const member = input.plan.members.find((candidate) => candidate.kind === kind);
    if (member === undefined) throw new LocalError('bad_state_file', `The plan lacks ${kind}.`);
    return member;
  };
  const party = (member: PlannedMember): { account: string; endpoint: string } => {
    requireLoopback(endpoint(member));
    return { account: member.account ?? '', endpoint: endpoint(member) };
  };
  const validators = input.plan.members.filter((member) => member.kind === 'validator');
  return {
    network: input.plan.network,
    target: 'local',
    region: REGION,
    architecture: process.arch === 'arm64' ? 'arm64' : 'x86_64',
    retain: false,
    validators: validators.map((member) => ({
      id: member.id,
      name: member.name,
      operatorKey: input.operatorKeys[member.id] ?? '',
      ...party(member),
    })),
    membership: {
      ...party(only('membership')),
      registryUrl: `${endpointOf(only('registry'))}/api/`,
      deactivationUrl: `${endpointOf(only('registry'))}/deactivated.csv`,
      npdbUrl: `${endpointOf(only('registry'))}/npdb`,
    },
    records: party(only('records')),
    throttle: THROTTLE,
  };
}

/** Checks and writes the configuration file that `cdk synth` reads. */
export function writeConfiguration(layout: Layout, input: ConfigurationInput): void {
  const configuration = makeConfiguration(input);
  parseConfig(configuration);
  writeJsonFile(layout.config, configuration);
}
