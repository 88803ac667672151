// A process id alone is never trusted: it may belong to a stranger by now.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import {
  isAlive,
  ownIdentity,
  signalGroup,
  signalProcess,
  startedAt,
  waitUntilGone,
} from '../../local/lib/process-identity.ts';

function sleeper(): ReturnType<typeof spawn> {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

test('this process is alive under its own identity', () => {
  expect(isAlive(ownIdentity())).toBe(true);
});

test('a stranger with a recorded id is neither ours nor signalled', async () => {
  const { pid = 0 } = sleeper();
  const remembered = { pid, started: 'an earlier process of this id' };
  expect(isAlive(remembered)).toBe(false);
  expect(signalProcess(remembered, 'SIGKILL')).toBe(false);
  expect(signalGroup(remembered, 'SIGKILL')).toBe(false);
  expect(startedAt(pid)).toBeDefined();
  await expect(waitUntilGone(remembered, 0)).resolves.toBe(true);
});

test('ends a process group and sees that it is gone', async () => {
  const child = sleeper();
  const identity = { pid: child.pid ?? 0, started: startedAt(child.pid ?? 0) ?? '' };
  await expect(waitUntilGone(identity, 10)).resolves.toBe(false);
  expect(signalGroup(identity, 'SIGKILL')).toBe(true);
  await expect(waitUntilGone(identity, 2_000)).resolves.toBe(true);
  expect(signalProcess(identity, 'SIGTERM')).toBe(false);
});

test('remains that nobody has collected yet count as gone', async () => {
  const child = sleeper();
  const identity = { pid: child.pid ?? 0, started: startedAt(child.pid ?? 0) ?? '' };
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(identity)).toBe(false);
});
