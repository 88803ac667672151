// What the APIs may take of one machine: functions give way to replicas, and who waited too long is told so.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EMULATOR_SCRIPT } from '../../local/lib/layout.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** The places of MiniStack that are bounded; `Worker` starts a process that waits. */
const FAKES = {
  'ministack/__init__.py': '',
  'ministack/core/__init__.py': '',
  'ministack/services/__init__.py': '',
  'ministack/core/lambda_runtime.py': `
import subprocess
class Worker:
    def __init__(self, name):
        self.config = {"FunctionName": name}
    def _spawn(self):
        self._proc = subprocess.Popen(["sleep", "60"])
`,
  'ministack/services/lambda_svc.py': `
def lambda_execute_result_to_api_proxy_response(result):
    return {"statusCode": 200, "body": result.get("body")}, None
`,
};

const SCRIPT = `
import json, os
import admission
admission.apply()
from ministack.core.lambda_runtime import Worker
from ministack.services import lambda_svc

def niceness(name):
    worker = Worker(name)
    worker._spawn()
    try:
        return os.getpriority(os.PRIO_PROCESS, worker._proc.pid) - os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        worker._proc.kill()
        worker._proc.wait()

respond = lambda_svc.lambda_execute_result_to_api_proxy_response
print(json.dumps({
    "own": os.getpriority(os.PRIO_PROCESS, 0),
    "niceness": [niceness("cq-x-a-api"), niceness("cq-x-a-inbox")],
    "throttled": respond({"throttle": True, "error": True, "body": {"Reason": "x"}})[0],
    "done": respond({"body": "fine"})[0],
}))
`;

const hasPython = spawnSync('python3', ['--version']).status === 0;

interface Found {
  readonly own: number;
  readonly niceness: readonly number[];
  readonly throttled: { statusCode: number; headers: Record<string, string>; body: string };
  readonly done: object;
}

function run(): Found {
  const folder = temporaryFolder();
  for (const [path, content] of Object.entries(FAKES)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  const env = { ...process.env, PYTHONPATH: `${dirname(EMULATOR_SCRIPT)}:${folder}` };
  const { stdout, stderr } = spawnSync('python3', ['-B', '-c', SCRIPT], { env, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Found;
}

describe.skipIf(!hasPython)('a flood of API calls', () => {
  test('gives way to what is no API', () => {
    const { own, niceness } = run();
    expect(niceness).toEqual([Math.min(5, 19 - own), 0]);
  });

  test('is told to wait as by a throttled gateway', () => {
    const { throttled, done } = run();
    expect(throttled.statusCode).toBe(429);
    expect(throttled.headers['Retry-After']).toBe('1');
    expect(throttled.headers['Content-Type']).toBe('application/problem+json');
    expect(JSON.parse(throttled.body)).toMatchObject({ status: 429, code: 'throttled' });
    expect(done).toEqual({ statusCode: 200, body: 'fine' });
  });
});
