// The mark of a clean stop: no state is ever loaded that is older than what an account did.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EMULATOR_SCRIPT } from '../../local/lib/layout.ts';
import { ownIdentity } from '../../local/lib/process-identity.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** MiniStack as far as the script touches it: it loads, serves until SIGTERM, saves. */
const FAKE_APP = `
import logging, os, signal, threading
from ministack.core import persistence
logger = logging.getLogger("ministack")
AUTH = False
def _load_persisted_state():
    if os.environ.get("FAKE") == "load-fails": logger.error("could not restore")
def save_all(services):
    if os.environ.get("FAKE") == "save-fails": persistence.logger.error("disk full")
def main():
    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    _load_persisted_state()
    print("serving", flush=True)
    while not end.wait(0.05): pass
    save_all({})
`;
const FAKE_LAMBDA = `
_ESM_IDLE_WAKE_GAP_SECONDS = 0.05
def lambda_execute_result_to_api_proxy_response(result): return result, None
`;
const FAKE_PERSISTENCE = 'import logging\nlogger = logging.getLogger("persistence")\n';

const hasPython = spawnSync('python3', ['--version']).status === 0;

interface Emulator {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly ownerFile: string;
  readonly life: () => unknown;
}

function makeFolder(owner: object): { folder: string; ownerFile: string } {
  const folder = temporaryFolder();
  for (const [path, content] of [
    ['ministack/__init__.py', ''],
    ['ministack/app.py', FAKE_APP],
    ['ministack/core/__init__.py', ''],
    ['ministack/services/__init__.py', ''],
    ['ministack/services/lambda_svc.py', FAKE_LAMBDA],
    ['ministack/core/lambda_runtime.py', 'class Worker:\n    def _spawn(self): pass\n'],
    ['ministack/services/apigateway_v1.py', 'async def _call_lambda_raw(): pass\n'],
    ['ministack/services/dynamodb.py', 'def _condition_syntax_error(): pass\n'],
    ['ministack/core/persistence.py', FAKE_PERSISTENCE],
    ['owner.json', JSON.stringify(owner)],
  ] as const) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return { folder, ownerFile: join(folder, 'owner.json') };
}

async function run(
  { folder, ownerFile }: { folder: string; ownerFile: string },
  fake = '',
): Promise<Emulator> {
  const child = spawn('python3', ['-u', EMULATOR_SCRIPT, folder, ownerFile], {
    detached: true,
    env: {
      PATH: process.env['PATH'],
      PYTHONPATH: folder,
      FAKE: fake,
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  const life = (): unknown =>
    existsSync(join(folder, 'life.json'))
      ? (JSON.parse(readFileSync(join(folder, 'life.json'), 'utf8')) as { life: string }).life
      : undefined;
  return { child, folder, ownerFile, life };
}

async function exitCode({ child }: Emulator): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

describe.skipIf(!hasPython)('an emulator with the mark of a clean stop', () => {
  const DETACHED = { mode: 'detached' } as const;

  test('is running, then clean, and starts again', async () => {
    const place = makeFolder(DETACHED);
    const first = await run(place);
    expect(first.life()).toBe('running');
    first.child.kill('SIGTERM');
    expect(await exitCode(first)).toBe(0);
    expect(first.life()).toBe('clean');
    const second = await run(place);
    expect(second.life()).toBe('running');
  });

  test('records itself with its start time', async () => {
    const { folder, child } = await run(makeFolder(DETACHED));
    const identity: unknown = JSON.parse(readFileSync(join(folder, 'process.json'), 'utf8'));
    expect(identity).toMatchObject({ pid: child.pid, started: expect.any(String) as string });
  });

  test('refuses to start after a SIGKILL: what is on disk is older than what ran', async () => {
    const place = makeFolder(DETACHED);
    const first = await run(place);
    first.child.kill('SIGKILL');
    await exitCode(first);
    expect(first.life()).toBe('running');
    expect(await exitCode(await run(place))).toBe(3);
  });

  test('is not clean when something could not be saved', async () => {
    const emulator = await run(makeFolder(DETACHED), 'save-fails');
    emulator.child.kill('SIGTERM');
    expect(await exitCode(emulator)).toBe(4);
    expect(emulator.life()).toBe('running');
  });

  test('does not serve when something could not be loaded, and stays clean', async () => {
    const emulator = await run(makeFolder(DETACHED), 'load-fails');
    expect(await exitCode(emulator)).toBe(5);
    expect(emulator.life()).toBe('clean');
  });

  test('stops in order by itself when its launcher is gone', async () => {
    const place = makeFolder({ mode: 'attached', ...ownIdentity() });
    const emulator = await run(place);
    expect(emulator.life()).toBe('running');
    const gone = { mode: 'attached', pid: process.pid, started: 'an earlier process of this id' };
    writeFileSync(place.ownerFile, JSON.stringify(gone));
    expect(await exitCode(emulator)).toBe(0);
    expect(emulator.life()).toBe('clean');
  });

  test('lives while its launcher lives', async () => {
    const emulator = await run(makeFolder({ mode: 'attached', ...ownIdentity() }));
    await sleep(1_200);
    expect(emulator.child.exitCode).toBeNull();
  });
});
