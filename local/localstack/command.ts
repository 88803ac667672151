// How LocalStack is started: one process for all accounts, functions as processes, loopback only.
import { delimiter, join } from 'node:path';
import type { AccountCommand } from '../lib/account-process.ts';
import { baseEnvironment } from '../lib/environment.ts';
import {
  accountLayout,
  DYNAMODB_FOLDER,
  type Layout,
  LOCALSTACK_FOLDER,
  PROJECT_ROOT,
} from '../lib/layout.ts';
import { makeMembers, VALIDATORS_MAX } from '../lib/members.ts';
import type { PlannedMember } from '../lib/plan.ts';

/** Seconds between two looks into a queue; LocalStack's own second would be a second for each hop. */
const POLL_SECONDS = '0.05';

const logNames = Object.fromEntries(
  makeMembers(VALIDATORS_MAX).map(({ id, account }) => [account ?? '', id]),
);

/** The interpreter is that of LocalStack's virtual environment (`install.ts`). */
export function localstackCommand(
  layout: Layout,
  member: PlannedMember,
  interpreter: string,
): AccountCommand {
  const { root, temporary, state } = accountLayout(layout, member.id);
  const python = join(LOCALSTACK_FOLDER, 'python');
  const address = `127.0.0.1:${member.port}`;
  return {
    program: interpreter,
    args: ['-B', '-u', join(python, 'emulator.py'), root, layout.owner],
    healthUrl: `http://${address}/_localstack/health`,
    env: {
      ...baseEnvironment(layout),
      PYTHONPATH: [python, join(PROJECT_ROOT, 'local', 'python')].join(delimiter),
      GATEWAY_LISTEN: address,
      LOCALSTACK_HOST: address,
      FILESYSTEM_ROOT: state,
      TMPDIR: temporary,
      // Without it a mark of a container engine on this machine would move its folders.
      OVERRIDE_IN_DOCKER: '0',
      ACTIVATE_PRO: '0',
      DISABLE_EVENTS: '1',
      SKIP_SSL_CERT_DOWNLOAD: '1',
      DNS_ADDRESS: '0',
      DYNAMODB_IN_MEMORY: '1',
      DYNAMODB_LOCAL_LIB: DYNAMODB_FOLDER,
      SQS_ENDPOINT_STRATEGY: 'path',
      LAMBDA_RUNTIME_EXECUTOR: 'process',
      LAMBDA_NODE: process.execPath,
      LAMBDA_LOGS: layout.logs,
      LAMBDA_LOG_NAMES: JSON.stringify(logNames),
      LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC: POLL_SECONDS,
      LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC: POLL_SECONDS,
      CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: '1',
    },
  };
}
