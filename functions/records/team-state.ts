/** Who is in a care team, and what members sealed to each other: at the custodian, and in copies. */

import { z } from 'zod';
import { digestOfSealed, type SealedText } from '../../lib/records/sealed.ts';
import { teamSealSchema } from '../../lib/records/team-key.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';

const keptSealSchema = teamSealSchema.extend({ version: z.int().min(1) });
export type KeptSeal = z.infer<typeof keptSealSchema>;

const stateSchema = z.strictObject({
  /** The newest version of the team that is known, and who is in it since. */
  version: z.int().min(0),
  memberKids: z.array(z.string()),
  seals: z.array(keptSealSchema),
});
export type TeamState = z.infer<typeof stateSchema>;
const NOBODY: TeamState = { version: 0, memberKids: [], seals: [] };

/** What is known of a team, and the version of its item; null where nothing was ever kept. */
export async function teamState(
  store: Pick<ItemStore, 'get'>,
  teamId: string,
): Promise<{ state: TeamState; item: number | null }> {
  const found = await store.get(wrapKeys.teamKeys(teamId));
  return found
    ? { state: parseWith(stateSchema, found.value), item: found.version }
    : { state: NOBODY, item: null };
}

/** Takes the place of what `item` names. False where another run was first. */
export async function saveTeam(
  store: Pick<ItemStore, 'insert' | 'replace'>,
  teamId: string,
  { state, item }: { state: TeamState; item: number | null },
): Promise<boolean> {
  const key = wrapKeys.teamKeys(teamId);
  return item === null ? store.insert(key, state) : store.replace(key, item, state);
}

/** The team, if this key is of a present member as far as is known here. Throws HttpError. */
export async function requireMember(
  store: Pick<ItemStore, 'get'>,
  teamId: string,
  kid: string,
): Promise<TeamState> {
  const { state } = await teamState(store, teamId);
  if (state.memberKids.includes(kid)) return state;
  throw new HttpError('not_in_team', 'This key is of no present member of the team.');
}

/** What was sealed to the holder of a key, a member of the team; null where nobody did. */
export async function sealTo(
  store: Pick<ItemStore, 'get'>,
  teamId: string,
  kid: string,
): Promise<SealedText | null> {
  const { seals } = await requireMember(store, teamId, kid);
  return seals.find((one) => one.kid === kid)?.sealed ?? null;
}

/** Whether the ledger names exactly this seal. */
export function isNamed(
  named: readonly { readonly kid: string; readonly digest: string }[],
  { kid, sealed }: Pick<KeptSeal, 'kid' | 'sealed'>,
): boolean {
  const digest = digestOfSealed(sealed);
  return named.some((one) => one.kid === kid && one.digest === digest);
}
