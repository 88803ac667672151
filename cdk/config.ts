/** The one configuration of a network: who takes part, in which account, and where (design §10). */

import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';

import { registryListsSchema } from '../functions/membership/registry/configured.ts';

/** Why a configuration was refused. */
export type ConfigErrorCode = 'config_missing' | 'config_not_json' | 'config_invalid';

/** A configuration that cannot be used; `message` says what to do about it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Fewest validators of a PBFT network: 3f + 1 with f = 1 (design §1). */
const VALIDATORS_MIN = 4;
/** Most validators: a queue policy names every peer's account, and SQS takes 50 principals. */
const VALIDATORS_MAX = 51;
/** Ids that name the two other stacks of a network. */
const RESERVED_IDS: readonly string[] = ['membership', 'records'];

const accountSchema = z.string().regex(/^\d{12}$/, 'an AWS account id has 12 digits');
const validatorIdSchema = z
  .string()
  .regex(/^[a-z0-9-]{2,16}$/, '2 to 16 of a-z, 0-9 and -')
  .regex(/^[a-z0-9].*[a-z0-9]$/, 'starts and ends with a letter or digit');
/** RFC 7638 thumbprint: SHA-256 as 43 characters of canonical base64url. */
const thumbprintSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'an RFC 7638 SHA-256 thumbprint');
const urlSchema = z.url({ protocol: /^https?$/ });
/** `http://localhost:4566`: an origin, so that queue URLs can be made by appending a path. */
const endpointSchema = urlSchema.refine(
  (text) => new URL(text).origin === text,
  'only scheme, host and port, without a trailing slash',
);

const validatorSchema = z.strictObject({
  id: validatorIdSchema,
  /** What people read: the hospital's name. */
  name: z.string().min(1).max(100),
  account: accountSchema,
  /** Thumbprint of the operator's P-256 key, whose signature installs the genesis. */
  operatorKey: thumbprintSchema,
  /** Origin of this account's emulator; only with `target: local`. */
  endpoint: endpointSchema.optional(),
});

const membershipSchema = z.strictObject({
  account: accountSchema,
  endpoint: endpointSchema.optional(),
  /** Registry of clinicians: NPPES, or its local stand-in. */
  registryUrl: urlSchema,
  /** Keys of the certificate authority: one more makes a successor (docs/governance.md). */
  caKeys: z.int().min(1).max(16).default(1),
  /** Lists and the data bank beside it; docs/registries.md. */
  ...registryListsSchema.shape,
});

const recordsSchema = z.strictObject({
  account: accountSchema,
  endpoint: endpointSchema.optional(),
});

const throttleSchema = z.strictObject({
  /** Steady requests a second that each REST API admits. */
  ratePerSecond: z.number().positive().max(10_000),
  /** Requests that may come at once. */
  burst: z.int().positive().max(5_000),
});

const networkSchema = z.strictObject({
  network: z
    .string()
    .regex(/^[a-z0-9-]{3,32}$/, '3 to 32 of a-z, 0-9 and -')
    .regex(/^[a-z0-9].*[a-z0-9]$/, 'starts and ends with a letter or digit'),
  target: z.enum(['local', 'aws']),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'an AWS region such as eu-central-1'),
  architecture: z.enum(['x86_64', 'arm64']),
  /** Deletion protection, and removal of a stack keeps tables, keys, logs and the bucket. */
  retain: z.boolean(),
  validators: z.array(validatorSchema).min(VALIDATORS_MIN).max(VALIDATORS_MAX),
  membership: membershipSchema,
  records: recordsSchema,
  throttle: throttleSchema,
  /** Runs of `inbox` at once, reserved for it; 2 is the least that SQS event sources take. */
  inboxConcurrency: z.int().min(2).max(1_000).default(10),
  /** Days that logs are kept. */
  logRetentionDays: z.literal([7, 30, 90, 180, 365, 731]).default(365),
  /**
   * Policies for an emulator that enforces IAM: it calls a role by its session and knows no
   * condition keys of KMS and DynamoDB, so these conditions are left out. Only with `target: local`.
   */
  emulatedIam: z.boolean().default(false),
  /** X-Ray traces of functions and APIs. */
  tracing: z.boolean().default(false),
});

/** A validator of the network. */
export type ValidatorConfig = z.output<typeof validatorSchema>;
/** A checked configuration. */
export type NetworkConfig = z.output<typeof networkSchema>;
/** What a configuration file holds, with defaults left out. */
export type NetworkConfigInput = z.input<typeof networkSchema>;

interface Party {
  readonly path: readonly (string | number)[];
  readonly account: string;
  readonly endpoint?: string | undefined;
}

function parties(config: NetworkConfig): readonly Party[] {
  return [
    ...config.validators.map((validator, index) => ({ path: ['validators', index], ...validator })),
    { path: ['membership'], ...config.membership },
    { path: ['records'], ...config.records },
  ];
}

/** True for an URL that cannot leave this machine. */
function isLoopback(text: string): boolean {
  const { hostname } = new URL(text);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

type Complain = (path: readonly (string | number)[], message: string) => void;

function checkDistinct(config: NetworkConfig, complain: Complain): void {
  const accounts = new Set<string>();
  for (const { path, account } of parties(config)) {
    if (accounts.has(account)) complain([...path, 'account'], `account ${account} is used twice`);
    accounts.add(account);
  }
  const ids = new Set<string>(RESERVED_IDS);
  const operatorKeys = new Set<string>();
  config.validators.forEach(({ id, operatorKey }, index) => {
    if (ids.has(id)) complain(['validators', index, 'id'], `id ${id} is taken`);
    if (operatorKeys.has(operatorKey)) {
      complain(['validators', index, 'operatorKey'], 'each operator has a key of its own');
    }
    ids.add(id);
    operatorKeys.add(operatorKey);
  });
}

/** Every address at which clinicians are looked up, by the member that names it. */
function registryUrls({ membership }: NetworkConfig): [string, string][] {
  const { registryUrl, deactivationUrl, licenceLists, npdbUrl } = membership;
  const lists = licenceLists.map(({ url }): [string, string] => ['licenceLists', url]);
  const named: [string, string | undefined][] = [
    ['registryUrl', registryUrl],
    ['deactivationUrl', deactivationUrl],
    ['npdbUrl', npdbUrl],
  ];
  return [...named.filter((one): one is [string, string] => one[1] !== undefined), ...lists];
}

function checkLocal(config: NetworkConfig, complain: Complain): void {
  if (!config.network.startsWith('local-')) {
    complain(['network'], 'with target local the name starts with local-');
  }
  for (const { path, endpoint } of parties(config)) {
    if (endpoint === undefined) {
      complain([...path, 'endpoint'], 'target local needs an endpoint');
    } else if (!isLoopback(endpoint)) {
      complain([...path, 'endpoint'], `${endpoint} is not a loopback address`);
    }
  }
  for (const [name, url] of registryUrls(config)) {
    if (!isLoopback(url)) complain(['membership', name], 'target local uses a loopback registry');
  }
}

function checkAws(config: NetworkConfig, complain: Complain): void {
  if (config.emulatedIam) complain(['emulatedIam'], 'is for emulators only');
  if (config.network.startsWith('local-')) {
    complain(['network'], 'names that start with local- have unsafe durations: not for aws');
  }
  for (const { path, endpoint } of parties(config)) {
    if (endpoint !== undefined) {
      complain([...path, 'endpoint'], 'target aws takes no endpoint');
    }
  }
  for (const [name, url] of registryUrls(config)) {
    if (!url.startsWith('https://')) complain(['membership', name], 'target aws needs https');
  }
}

const configSchema = networkSchema.superRefine((config, context) => {
  const complain: Complain = (path, message) => {
    context.addIssue({ code: 'custom', path: [...path], message });
  };
  checkDistinct(config, complain);
  if (config.target === 'local') checkLocal(config, complain);
  else checkAws(config, complain);
});

/**
 * Checks a configuration.
 * @throws ConfigError `config_invalid`, with one line for each thing that is wrong
 */
export function parseConfig(input: unknown): NetworkConfig {
  const result = configSchema.safeParse(input);
  if (!result.success) {
    const lines = result.error.issues.map(
      ({ path, message }) => `  ${path.join('.') || '(root)'}: ${message}`,
    );
    throw new ConfigError('config_invalid', ['The configuration is refused:', ...lines].join('\n'));
  }
  return result.data;
}

/**
 * Reads and checks a configuration file.
 * @throws ConfigError `config_missing`, `config_not_json` or `config_invalid`
 */
export function loadConfig(path: string): NetworkConfig {
  if (!existsSync(path)) {
    throw new ConfigError(
      'config_missing',
      `There is no configuration ${path}. For a local network, npm start writes ` +
        '.local/config.json and names it. For AWS, copy config/aws.example.json, fill it in and name it: ' +
        'npx cdk synth -c config=config/aws.json',
    );
  }
  try {
    return parseConfig(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (error instanceof ConfigError) {
      throw new ConfigError(error.code, `${path}: ${error.message}`, { cause: error });
    }
    throw new ConfigError('config_not_json', `${path} is not JSON.`, { cause: error });
  }
}
