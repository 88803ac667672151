// Where everything of a local network lies: one folder per network, one sub-folder per account.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const PROJECT_ROOT: string = resolve(import.meta.dirname, '..', '..');
export const DEFAULT_FOLDER = '.local';

export interface Layout {
  readonly root: string;
  readonly plan: string;
  readonly owner: string;
  readonly lock: string;
  readonly config: string;
  readonly cloudAssembly: string;
  /** Fingerprints of what was synthesized and deployed. */
  readonly deployed: string;
  /** Genesis document and URLs, for the CLI and the SDK. Its presence ends the first start. */
  readonly networkFile: string;
  readonly operators: string;
  readonly accounts: string;
  readonly logs: string;
  /** Home folder of child processes: it holds no AWS profile. */
  readonly home: string;
}

export interface AccountLayout {
  readonly root: string;
  readonly state: string;
  readonly objects: string;
  readonly temporary: string;
  readonly process: string;
  readonly life: string;
  readonly log: string;
}

/** Paths below a network's folder, which is relative to the working folder or absolute. */
export function layoutOf(folder: string): Layout {
  const root = resolve(folder);
  return {
    root,
    plan: join(root, 'plan.json'),
    owner: join(root, 'owner.json'),
    lock: join(root, 'lock'),
    config: join(root, 'config.json'),
    cloudAssembly: join(root, 'cdk.out'),
    deployed: join(root, 'deployed.json'),
    networkFile: join(root, 'network.json'),
    operators: join(root, 'operators'),
    accounts: join(root, 'accounts'),
    logs: join(root, 'logs'),
    home: join(root, 'home'),
  };
}

export function accountLayout(layout: Layout, id: string): AccountLayout {
  const root = join(layout.accounts, id);
  return {
    root,
    state: join(root, 'state'),
    objects: join(root, 's3'),
    temporary: join(root, 'tmp'),
    process: join(root, 'process.json'),
    life: join(root, 'life.json'),
    log: join(layout.logs, `${id}.log`),
  };
}

export const REQUIREMENTS: string = join(PROJECT_ROOT, 'local', 'python', 'requirements.txt');
export const EMULATOR_SCRIPT: string = join(PROJECT_ROOT, 'local', 'python', 'emulator.py');
export const CERTIFICATE_SCRIPT: string = join(PROJECT_ROOT, 'local', 'python', 'certificate.py');
export const REGISTRY_SCRIPT: string = join(PROJECT_ROOT, 'local', 'registry.ts');
export const LOCALSTACK_FOLDER: string = join(PROJECT_ROOT, 'local', 'localstack');
export const LOCALSTACK_REQUIREMENTS: string = join(LOCALSTACK_FOLDER, 'requirements.txt');
/** DynamoDB Local's jars, shared by all networks of a clone. */
export const DYNAMODB_FOLDER: string = join(PROJECT_ROOT, '.cache', 'dynamodb-local-2.6.1');
export const CDK_PROGRAM: string = join(PROJECT_ROOT, 'node_modules', 'aws-cdk', 'bin', 'cdk');
export const LOCAL_BIN: string = join(PROJECT_ROOT, 'node_modules', '.bin');

/** The Python environment, shared by all networks of a clone and named by the hash of its pins. */
export function pythonFolder(requirements: string = REQUIREMENTS): string {
  const digest = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  return join(PROJECT_ROOT, '.cache', `python-${digest.slice(0, 12)}`);
}
