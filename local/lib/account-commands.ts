// How each process is started: MiniStack per AWS account or one LocalStack, and the registry's server.
import { localstackCommand } from '../localstack/command.ts';
import type { AccountCommand } from './account-process.ts';
import { baseEnvironment, REGION } from './environment.ts';
import { accountLayout, EMULATOR_SCRIPT, type Layout, REGISTRY_SCRIPT } from './layout.ts';
import type { PlannedMember } from './plan.ts';

/** Services that the stacks, their bootstrap and the CDK program use; the rest stays off. */
const SERVICES = [
  'apigateway',
  'cloudformation',
  'dynamodb',
  'ecr',
  'events',
  'iam',
  'kms',
  'lambda',
  'logs',
  'monitoring',
  's3',
  'sns',
  'sqs',
  'ssm',
  'sts',
  'tagging',
  'wafv2',
] as const;

/** Lambda runs that one account may have at once: each holds a Node process of about 90 MB. */
const LAMBDA_CONCURRENCY = 32;

/** The command of a member; the interpreter is that of the emulator's virtual environment. */
export function accountCommand(
  layout: Layout,
  member: PlannedMember,
  interpreter: string,
  fixtures?: string,
): AccountCommand {
  if (member.kind === 'registry') return registryCommand(layout, member, fixtures);
  return member.kind === 'emulator'
    ? localstackCommand(layout, member, interpreter)
    : emulatorCommand(layout, member, interpreter);
}

export function healthUrlOf(member: PlannedMember): string {
  const paths: Partial<Record<PlannedMember['kind'], string>> = {
    registry: '/health',
    emulator: '/_localstack/health',
  };
  return `http://127.0.0.1:${member.port}${paths[member.kind] ?? '/_ministack/health'}`;
}

export function emulatorCommand(
  layout: Layout,
  member: PlannedMember,
  interpreter: string,
): AccountCommand {
  const account = accountLayout(layout, member.id);
  return {
    program: interpreter,
    args: ['-B', '-u', EMULATOR_SCRIPT, account.root, layout.owner],
    healthUrl: healthUrlOf(member),
    env: {
      ...baseEnvironment(layout),
      GATEWAY_PORT: String(member.port),
      BIND_HOST: '127.0.0.1',
      MINISTACK_ACCOUNT_ID: member.account ?? '',
      MINISTACK_REGION: REGION,
      SERVICES: SERVICES.join(','),
      PERSIST_STATE: '1',
      S3_PERSIST: '1',
      STATE_DIR: account.state,
      S3_DATA_DIR: account.objects,
      TMPDIR: account.temporary,
      LAMBDA_EXECUTOR: 'local',
      LAMBDA_ACCOUNT_CONCURRENCY: String(LAMBDA_CONCURRENCY),
      // Else every account would listen on 0.0.0.0:8883, or ask a container engine that is there.
      IOT_MTLS_ENABLED: 'false',
      SFTP_ENABLED: '0',
      DOCKER_HOST: 'unix:///nonexistent/docker.sock',
    },
  };
}

function registryCommand(layout: Layout, member: PlannedMember, fixtures?: string): AccountCommand {
  const account = accountLayout(layout, member.id);
  const files = fixtures === undefined ? [] : ['--fixtures', fixtures];
  return {
    program: process.execPath,
    args: [REGISTRY_SCRIPT, account.root, layout.owner, String(member.port), ...files],
    healthUrl: healthUrlOf(member),
    env: baseEnvironment(layout),
  };
}
