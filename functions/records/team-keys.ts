/** POST /v1/team-keys and /v1/team-keys/fetch: what members of a care team seal to each other. */

import { z } from 'zod';
import { readCapability, type TeamCapability } from '../../lib/records/capability.ts';
import { digestOfSealed } from '../../lib/records/sealed.ts';
import { teamSealSchema } from '../../lib/records/team-key.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import type { fetchTeamKeySchema, teamKeysSchema } from './routes.ts';

const ATTEMPTS_MAX = 4;

const keptSealSchema = teamSealSchema.extend({ version: z.int().min(1) });
type KeptSeal = z.infer<typeof keptSealSchema>;
const stateSchema = z.strictObject({
  /** The newest version of the team that was brought, and who is in it since. */
  version: z.int().min(0),
  memberKids: z.array(z.string()),
  seals: z.array(keptSealSchema),
});
type TeamState = z.infer<typeof stateSchema>;
const NOBODY: TeamState = { version: 0, memberKids: [], seals: [] };

/**
 * Takes over who is in a team now, and new seals. Seals of those who left are forgotten. Receipts
 * may come in any order: an older one lets nobody back in and replaces no newer seal.
 */
export async function putTeamKeys(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof teamKeysSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const team = readCapability('team', receipt.result);
  const brought = broughtSeals(team, body);
  const key = wrapKeys.teamKeys(team.teamId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await context.store.get(key);
    const before = item ? parseWith(stateSchema, item.value) : NOBODY;
    const next = merged(before, team, brought);
    const isDone = await (item
      ? context.store.replace(key, item.version, next)
      : context.store.insert(key, next));
    if (isDone) return { status: 200, body: { teamId: team.teamId, version: next.version } };
  }
  throw conflict();
}

/** What was sealed to the caller's key in this team. */
export async function fetchTeamKey(
  context: RecordsContext,
  request: HttpRequest,
  { teamId }: z.infer<typeof fetchTeamKeySchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  const { seals } = await requireMember(context, teamId, kid);
  const sealed = seals.find((one) => one.kid === kid)?.sealed ?? null;
  return { status: 200, body: { teamId, sealed } };
}

/** The team, if this key is of a present member as far as receipts tell. */
export async function requireMember(
  context: RecordsContext,
  teamId: string,
  kid: string,
): Promise<TeamState> {
  const item = await context.store.get(wrapKeys.teamKeys(teamId));
  const state = item ? parseWith(stateSchema, item.value) : NOBODY;
  if (state.memberKids.includes(kid)) return state;
  throw new HttpError('not_in_team', 'This key is of no present member of the team.');
}

function broughtSeals(team: TeamCapability, body: z.infer<typeof teamKeysSchema>): KeptSeal[] {
  return (body.seals ?? []).map(({ kid, sealed }) => {
    const digest = digestOfSealed(sealed);
    if (!team.seals.some((one) => one.kid === kid && one.digest === digest)) {
      throw new HttpError('share_mismatch', 'This is not a seal that the ledger names.');
    }
    return { kid, sealed, version: team.version };
  });
}

function merged(before: TeamState, team: TeamCapability, brought: readonly KeptSeal[]): TeamState {
  const isNewer = team.version >= before.version;
  const memberKids = isNewer ? team.memberKids : before.memberKids;
  const newest = new Map(before.seals.map((one) => [one.kid, one]));
  for (const one of brought) {
    const kept = newest.get(one.kid);
    if (!kept || kept.version <= one.version) newest.set(one.kid, one);
  }
  const seals = [...newest.values()].filter(({ kid }) => memberKids.includes(kid));
  return { version: Math.max(team.version, before.version), memberKids, seals };
}
