/** A network to synthesize in tests: no bundles, no files, no network access. */

import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { z } from 'zod';

import { parseConfig, type NetworkConfig, type NetworkConfigInput } from '../../cdk/config.ts';
import { addNetwork, type NetworkStacks } from '../../cdk/network.ts';
import type { Route } from '../../functions/aws/route.ts';

const IDS = ['north', 'east', 'south', 'west', 'mid', 'upper', 'lower'];
/** Base64url of 32 bytes, so that thumbprints are well formed and distinct. */
const thumbprint = (seed: number): string => Buffer.alloc(32, seed + 1).toString('base64url');

/** A configuration for AWS with `n` validators; accounts are 1…, 2…, and so on. */
export function configInput(
  n = 4,
  overrides: Partial<NetworkConfigInput> = {},
): NetworkConfigInput {
  return {
    network: 'test-net',
    target: 'aws',
    region: 'eu-central-1',
    architecture: 'arm64',
    retain: true,
    validators: IDS.slice(0, n).map((id, index) => ({
      id,
      name: `Hospital ${id}`,
      account: String(index + 1).repeat(12),
      operatorKey: thumbprint(index),
    })),
    membership: { account: '888888888888', registryUrl: 'https://registry.example/api/' },
    records: { account: '999999999999' },
    throttle: { ratePerSecond: 100, burst: 200 },
    ...overrides,
  };
}

/** The same network on this machine. */
export function localConfigInput(n = 4): NetworkConfigInput {
  const input = configInput(n);
  return {
    ...input,
    network: 'local-test',
    target: 'local',
    retain: false,
    validators: input.validators.map((validator, index) => ({
      ...validator,
      endpoint: `http://localhost:${4601 + index}`,
    })),
    membership: {
      account: '888888888888',
      endpoint: 'http://localhost:4620',
      registryUrl: 'http://localhost:4622/api/',
    },
    records: { account: '999999999999', endpoint: 'http://localhost:4621' },
  };
}

const bodySchema = z.strictObject({ jws: z.base64url().max(100_000), ref: z.string().optional() });

/** Routes enough to see methods with and without bodies and path parameters. */
export const sampleRoutes: readonly Route[] = [
  { method: 'POST', path: '/v1/transactions', body: bodySchema, summary: 'Submit.' },
  { method: 'GET', path: '/v1/transactions/{id}', summary: 'Status.' },
  { method: 'PUT', path: '/v1/records/{id}', body: bodySchema, summary: 'Store.' },
  { method: 'GET', path: '/v1/health', summary: 'Health.' },
];

/** Routes of the function for escrow, beside those of the API. */
const escrowSampleRoutes: readonly Route[] = [
  { method: 'PUT', path: '/v1/escrow/{id}', body: bodySchema, summary: 'Keep.' },
];

/** Routes of the function for copies. */
const copiesSampleRoutes: readonly Route[] = [
  { method: 'POST', path: '/v1/copies/access', body: bodySchema, summary: 'Open.' },
];

/** The feature flags that `cdk synth` uses. */
function flags(): Record<string, unknown> {
  const file: unknown = JSON.parse(
    readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8'),
  );
  return z.object({ context: z.record(z.string(), z.unknown()) }).parse(file).context;
}

/** An app without CDK's own validation, which takes seconds and runs in every `cdk synth`. */
export function makeApp(): App {
  return new App({
    context: flags(),
    analyticsReporting: false,
    treeMetadata: false,
    builtinCloudFormationValidation: false,
  });
}

/** An app with every stack of a network. */
export interface Synthesized extends NetworkStacks {
  readonly app: App;
  readonly config: NetworkConfig;
}

/** Makes the stacks; templates are made when asked for. */
export function makeNetwork(input: NetworkConfigInput): Synthesized {
  const config = parseConfig(input);
  const app = makeApp();
  const stacks = addNetwork(app, {
    config,
    code: (service, fn) => Code.fromInline(`exports.handler = '${service}-${fn}';`),
    bundleDigest: 'f'.repeat(64),
    routes: {
      validator: sampleRoutes,
      escrow: escrowSampleRoutes,
      copies: copiesSampleRoutes,
      membership: sampleRoutes,
      records: sampleRoutes,
    },
  });
  return { app, config, ...stacks };
}

/** The template of a stack by its party's id. */
export function templateOf(network: Synthesized, id: string): Template {
  const stacks = [...network.validators, network.membership, network.records];
  const stack = stacks.find(({ stackName }) => stackName === `cq-${network.config.network}-${id}`);
  if (stack === undefined) throw new Error(`no stack ${id}`);
  return Template.fromStack(stack);
}
