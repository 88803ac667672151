// Keystores of a local network's operators: one per hospital, with its passphrase beside it.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeystore, type Keystore, openKeystore } from '../../sdk/keystore.ts';
import { parseKeystoreFile } from '../../sdk/keystore-format.ts';
import type { Layout } from './layout.ts';
import type { Plan, PlannedMember } from './plan.ts';

const PASSPHRASE_BYTES = 24;
/** log2 of scrypt's cost, which buys nothing: the passphrase is random and lies beside the file. */
const WORK_FACTOR = 10;

/**
 * Makes the keystores that are missing; returns each validator's key thumbprint, which stands in
 * the configuration of its stack. A passphrase in a file is for local networks only.
 */
export async function prepareOperators(
  layout: Layout,
  plan: Plan,
): Promise<Readonly<Record<string, string>>> {
  mkdirSync(layout.operators, { recursive: true, mode: 0o700 });
  const entries = validatorsOf(plan).map(async (member): Promise<[string, string]> => {
    const { keystore, passphrase } = operatorFiles(layout, member.id);
    if (!existsSync(keystore)) await makeKeystore(member, keystore, passphrase);
    return [member.id, parseKeystoreFile(readFileSync(keystore, 'utf8')).kid];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** Opens a hospital's operator keystore. */
export async function openOperator(layout: Layout, id: string): Promise<Keystore> {
  const { keystore, passphrase } = operatorFiles(layout, id);
  return openKeystore(keystore, readFileSync(passphrase, 'utf8').trim());
}

export function operatorFiles(
  layout: Layout,
  id: string,
): { readonly keystore: string; readonly passphrase: string } {
  return {
    keystore: join(layout.operators, `${id}.keystore`),
    passphrase: join(layout.operators, `${id}.passphrase`),
  };
}

export function validatorsOf(plan: Plan): readonly PlannedMember[] {
  return plan.members.filter((member) => member.kind === 'validator');
}

async function makeKeystore(
  member: PlannedMember,
  path: string,
  passphraseFile: string,
): Promise<void> {
  const passphrase = randomBytes(PASSPHRASE_BYTES).toString('base64url');
  // The passphrase first: a keystore without one could never be opened.
  writeFileSync(passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  await createKeystore({
    path,
    passphrase,
    kind: 'operator',
    label: `Operator of ${member.name}`,
    workFactor: WORK_FACTOR,
  });
}
