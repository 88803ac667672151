/** POST /v1/team-keys and /v1/team-keys/fetch: what members of a care team seal to each other. */

import type { z } from 'zod';
import { readCapability, type TeamCapability } from '../../lib/records/capability.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReader } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import type { copiedTeamSchema } from './copy-routes.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import type { fetchTeamKeySchema, teamKeysSchema } from './routes.ts';
import {
  isNamed,
  type KeptSeal,
  saveTeam,
  sealTo,
  type TeamState,
  teamState,
} from './team-state.ts';

const ATTEMPTS_MAX = 4;

/** Which version a team has, and who is in it, as a receipt tells. */
type Membership = Pick<TeamCapability, 'teamId' | 'version' | 'memberKids'>;

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
  const { teamId } = team;
  const { version } = await takeOver(context, team, broughtSeals(team, body));
  return { status: 200, body: { teamId, version } };
}

/** What was sealed to the caller's key in this team. */
export async function fetchTeamKey(
  context: RecordsContext,
  request: HttpRequest,
  { teamId }: z.infer<typeof fetchTeamKeySchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  return { status: 200, body: { teamId, sealed: await sealTo(context.store, teamId, kid) } };
}

/**
 * For the team's hospital: the seals that the receipt names. It tells who is in the team, too, also
 * of those whose identity ended and who brought nothing here.
 */
export async function teamKeysForCopies(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof copiedTeamSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const team = readCapability('team-copy', receipt.result);
  requireReader(context, { proof, receipt }, team);
  const { seals } = await takeOver(context, team, []);
  const named = seals.filter((one) => isNamed(team.seals, one));
  return { status: 200, body: { seals: named.map(({ kid, sealed }) => ({ kid, sealed })) } };
}

async function takeOver(
  { store }: Pick<RecordsContext, 'store'>,
  team: Membership,
  brought: readonly KeptSeal[],
): Promise<TeamState> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const { state: before, item } = await teamState(store, team.teamId);
    const state = merged(before, team, brought);
    if (await saveTeam(store, team.teamId, { state, item })) return state;
  }
  throw conflict();
}

function broughtSeals(team: TeamCapability, body: z.infer<typeof teamKeysSchema>): KeptSeal[] {
  return (body.seals ?? []).map(({ kid, sealed }) => {
    if (!isNamed(team.seals, { kid, sealed })) {
      throw new HttpError('share_mismatch', 'This is not a seal that the ledger names.');
    }
    return { kid, sealed, version: team.version };
  });
}

function merged(before: TeamState, team: Membership, brought: readonly KeptSeal[]): TeamState {
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
