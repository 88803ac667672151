// Who keeps a network: the program that started it, or nobody once it was started with --detach.
import { existsSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { readJsonFile, writeJsonFile } from './json-file.ts';
import type { Layout } from './layout.ts';
import { isAlive, ownIdentity, processIdentitySchema } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

const ownerSchema = z.discriminatedUnion('mode', [
  processIdentitySchema.extend({ mode: z.literal('attached') }),
  z.object({ mode: z.literal('detached') }),
]);
export type Owner = z.infer<typeof ownerSchema>;

/** The keeper of a network; undefined when it has none, or one that is gone. */
export function ownerOf(layout: Layout): Owner | undefined {
  const owner = readJsonFile(layout.owner, ownerSchema);
  if (owner?.mode === 'attached' && !isAlive(owner)) return undefined;
  return owner;
}

/** This program keeps the network: its processes stop in order once it is gone. */
export function takeOwnership(layout: Layout): void {
  writeJsonFile(layout.owner, { mode: 'attached', ...ownIdentity() } satisfies Owner);
}

/** Nobody keeps the network: it runs until `npm stop`. */
export function detach(layout: Layout): void {
  writeJsonFile(layout.owner, { mode: 'detached' } satisfies Owner);
}

export function removeOwner(layout: Layout): void {
  if (existsSync(layout.owner)) rmSync(layout.owner);
}

export function isThisProcess(identity: ProcessIdentity): boolean {
  const own = ownIdentity();
  return identity.pid === own.pid && identity.started === own.started;
}
