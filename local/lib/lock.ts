// One change at a time per network folder: a lock file that names its holder, void once it is gone.
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { LocalError } from './errors.ts';
import { readJsonFile } from './json-file.ts';
import type { Layout } from './layout.ts';
import {
  isAlive,
  ownIdentity,
  type ProcessIdentity,
  processIdentitySchema,
} from './process-identity.ts';

/** The program that is changing the network now, if any. */
export function lockHolder(layout: Layout): ProcessIdentity | undefined {
  const holder = readJsonFile(layout.lock, processIdentitySchema);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Runs the work while holding the folder's lock; throws `busy` when another program holds it. */
export async function withLock<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  acquire(layout);
  try {
    return await work();
  } finally {
    rmSync(layout.lock, { force: true });
  }
}

function acquire(layout: Layout): void {
  mkdirSync(layout.root, { recursive: true });
  if (tryAcquire(layout.lock)) return;
  const holder = lockHolder(layout);
  if (holder !== undefined) {
    throw new LocalError(
      'busy',
      `Another command is changing this network (process ${holder.pid}).`,
      { cure: 'Wait for it to end, or give another --folder.' },
    );
  }
  rmSync(layout.lock, { force: true });
  if (!tryAcquire(layout.lock)) throw new LocalError('busy', 'Another command was faster.');
}

/** A link appears with all of its content, and only if no other is there. */
function tryAcquire(path: string): boolean {
  const staging = `${path}.${process.pid}`;
  writeFileSync(staging, JSON.stringify(ownIdentity()));
  try {
    linkSync(staging, path);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(staging, { force: true });
  }
}
