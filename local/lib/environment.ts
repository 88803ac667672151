// What child processes inherit: a short list of harmless variables, and loopback endpoints only.
import { delimiter } from 'node:path';
import { LocalError } from './errors.ts';
import { LOCAL_BIN, type Layout } from './layout.ts';

export type Environment = Record<string, string>;

export const REGION = 'us-east-1';

/**
 * A list of what may pass, so that no AWS_* variable, profile, proxy, NODE_OPTIONS or other setting
 * of the person's shell can ever point a local network at real AWS.
 */
const INHERITED = ['PATH', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TERM', 'USER', 'LOGNAME', 'SHELL'];
const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Environment of every child of the local network: Node of this project first on the PATH. */
export function baseEnvironment(
  layout: Pick<Layout, 'home'>,
  inherited: NodeJS.ProcessEnv = process.env,
): Environment {
  const environment: Environment = {};
  for (const name of INHERITED) {
    const value = inherited[name];
    if (value !== undefined) environment[name] = value;
  }
  environment['PATH'] = [LOCAL_BIN, environment['PATH'] ?? '/usr/bin:/bin'].join(delimiter);
  environment['HOME'] = layout.home;
  return environment;
}

/** Environment of the CDK program for one account; throws `not_loopback`. */
export function cdkEnvironment(
  layout: Pick<Layout, 'home'>,
  target: { readonly account: string; readonly endpoint: string } | null,
  inherited: NodeJS.ProcessEnv = process.env,
): Environment {
  const environment: Environment = {
    ...baseEnvironment(layout, inherited),
    CI: 'true',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
    CDK_DISABLE_VERSION_CHECK: 'true',
    JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION: 'true',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: `${layout.home}/aws-config`,
    AWS_SHARED_CREDENTIALS_FILE: `${layout.home}/aws-credentials`,
    AWS_REGION: REGION,
    AWS_DEFAULT_REGION: REGION,
  };
  if (target === null) return environment;
  requireLoopback(target.endpoint);
  return {
    ...environment,
    // The emulator takes the access key for the account's number; no such key exists at AWS.
    AWS_ACCESS_KEY_ID: target.account,
    AWS_SECRET_ACCESS_KEY: 'local-network-only',
    AWS_ENDPOINT_URL: target.endpoint,
    AWS_ENDPOINT_URL_S3: target.endpoint,
  };
}

/** Throws `not_loopback` unless the URL's host is this machine's loopback. */
export function requireLoopback(url: string): void {
  const host = URL.canParse(url) ? new URL(url).hostname : undefined;
  if (host === undefined || !LOOPBACK_HOSTS.has(host)) {
    throw new LocalError(
      'not_loopback',
      `The local network only talks to this machine, not to ${url}.`,
    );
  }
}
