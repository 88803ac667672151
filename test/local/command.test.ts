// Programs that are run to their end: their last words, and Ctrl-C.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from '../../local/lib/command.ts';
import { inParallel } from '../../local/lib/parallel.ts';
import { temporaryFolder } from './temporary-folder.ts';

const script = (code: string): Parameters<typeof runCommand>[0] => {
  const cwd = temporaryFolder();
  return {
    title: 'cdk deploy of hospital-a',
    program: process.execPath,
    args: ['-e', code],
    env: {},
    cwd,
    log: join(cwd, 'logs', 'deploy.log'),
  };
};

test('output goes to the log', async () => {
  const command = script('console.log("deployed"); console.error("warned")');
  await expect(runCommand(command)).resolves.toContain('deployed');
  expect(readFileSync(command.log, 'utf8')).toMatch(/deployed[^]*warned|warned[^]*deployed/);
});

test('a failure shows its last lines and where all of them are', async () => {
  const command = script('console.error("no such role"); process.exit(3)');
  await expect(runCommand(command)).rejects.toMatchObject({
    code: 'command_failed',
    message: expect.stringMatching(/cdk deploy of hospital-a failed[^]*no such role/) as string,
    cure: expect.stringContaining(command.log) as string,
  });
});

test('an abort ends the program', async () => {
  const command = { ...script('setTimeout(() => {}, 30_000)'), signal: AbortSignal.timeout(100) };
  await expect(runCommand(command)).rejects.toMatchObject({ code: 'interrupted' });
});

test('parallel work is bounded, and a failure waits for what still runs', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  const work = async (item: number): Promise<void> => {
    most = Math.max(most, (running += 1));
    await new Promise((settle) => setTimeout(settle, 10));
    running -= 1;
    if (item === 2) throw new Error('second');
    done.push(item);
  };
  await expect(inParallel([1, 2, 3, 4, 5, 6], 2, work)).rejects.toThrow('second');
  expect(most).toBe(2);
  expect(running).toBe(0);
  expect(done).not.toContain(6);
  await inParallel([7, 8], 4, work);
  expect(done).toContain(8);
});
