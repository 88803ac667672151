// One change at a time; a lock of a process that is gone holds nobody up.
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { layoutOf } from '../../local/lib/layout.ts';
import { lockHolder, withLock } from '../../local/lib/lock.ts';
import { ownIdentity } from '../../local/lib/process-identity.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('a second change is refused while the first runs, and allowed after', async () => {
  const layout = layoutOf(temporaryFolder());
  await withLock(layout, async () => {
    expect(lockHolder(layout)).toEqual(ownIdentity());
    await expect(withLock(layout, () => Promise.resolve())).rejects.toMatchObject({
      code: 'busy',
      message: expect.stringContaining(String(process.pid)) as string,
    });
  });
  await expect(withLock(layout, () => Promise.resolve('done'))).resolves.toBe('done');
});

test('a failure frees the lock', async () => {
  const layout = layoutOf(temporaryFolder());
  await expect(withLock(layout, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(lockHolder(layout)).toBeUndefined();
});

test('the lock of a killed command is taken over', async () => {
  const layout = layoutOf(temporaryFolder());
  writeFileSync(layout.lock, JSON.stringify({ pid: process.pid, started: 'long ago' }));
  await expect(withLock(layout, () => Promise.resolve('done'))).resolves.toBe('done');
});
