/** Care teams of the hospital: who is in them, as the own ledger says, and what members sealed. */

import { z } from 'zod';
import { cells, listCells } from '../../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../../lib/chaincode/bounds.ts';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import { countedSeals } from '../../../lib/chaincode/team-parts.ts';
import type { Team } from '../../../lib/chaincode/team-values.ts';
import { wrapKeys } from '../../../lib/records/wrap-keys.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { TransactionResult } from '../../../lib/wire/result.ts';
import type { ItemStore } from '../../aws/item-store.ts';
import { isNamed, saveTeam, teamState, type TeamState } from '../../records/team-state.ts';
import { CustodianAway, OutOfTime, type ReplicatorContext } from './context.ts';
import { CustodianRefused, teamKeysAtCustodian } from './custodian.ts';
import { Refused, say } from './say.ts';

const TEAMS = { pk: 'service', sk: 'teams' };
/** Something was in the way: the custodian, most likely. */
const RETRY_MS = 60_000;
/** The custodian answered and has not all: a member has sealed and not brought it yet. */
const LACKING_MS = 3_600_000;

/** When to look at the teams, or null where nothing has happened to one. */
const turnSchema = z.strictObject({ at: z.int().min(0).nullable() });

const touchedSchema = z.looseObject({
  fn: z.string(),
  team: z.unknown().optional(),
  teamId: z.unknown().optional(),
});

/** Whether a block may have changed who is in a team, what is sealed to whom, or what a team has. */
export function touchesTeams({ status, value }: TransactionResult): boolean {
  const touched = touchedSchema.safeParse(value).data;
  if (status !== 'COMMITTED' || !touched || touched.fn.startsWith('copy.')) return false;
  const { fn, team, teamId } = touched;
  return fn.startsWith('identity.') || typeof team === 'string' || typeof teamId === 'string';
}

/** Asks for a look at the teams of the hospital now. The same again is harmless. */
export async function markTeamsDue(store: Pick<ItemStore, 'stage'>): Promise<void> {
  await store.stage([{ key: TEAMS, value: { at: 0 } }]);
}

/** Looks at the teams if it is their turn; gives when it is next, in milliseconds, or null. */
export async function lookAtTeams(
  context: ReplicatorContext,
  state: Reader,
  deadline: number,
): Promise<number | null> {
  const { store } = context;
  const item = await store.get(TEAMS);
  // A hospital that never looked begins with all that its ledger has.
  const at = item ? parseWith(turnSchema, item.value).at : 0;
  if (at === null) return null;
  if (at > context.now()) return at - context.now();
  const waitMs = await followTeams(context, state, deadline);
  const next = waitMs === null ? null : context.now() + waitMs;
  await store.stage([{ key: TEAMS, value: { at: next } }]);
  return waitMs;
}

/** What is in the way of one team keeps no other waiting. */
async function followTeams(
  context: ReplicatorContext,
  state: Reader,
  deadline: number,
): Promise<number | null> {
  let waitMs: number | null = null;
  const sooner = (ms: number): void => void (waitMs = Math.min(waitMs ?? ms, ms));
  for (const team of await teamsOf(context.hospital, state)) {
    try {
      if (context.now() >= deadline) throw new OutOfTime('teams');
      if (!(await followTeam(context, state, team))) sooner(LACKING_MS);
    } catch (error) {
      if (error instanceof OutOfTime) return 0;
      const isAway = error instanceof CustodianAway;
      context.log({ event: isAway ? 'custodian away' : 'team not looked at', error });
      sooner(RETRY_MS);
    }
  }
  return waitMs;
}

async function teamsOf(hospital: string, state: Reader): Promise<Team[]> {
  const found: Team[] = [];
  const size = chaincodeBounds.pageMax;
  for (let from = 0; ; from += size) {
    const page = await state.page(listCells.teams(hospital), { from, count: size });
    const teams = await state.many(page.items.map(({ teamId }) => cells.team(teamId)));
    found.push(...teams.filter((one) => one !== null));
    if (from + size >= page.count) return found;
  }
}

/**
 * Who left goes first, before anything is asked of anybody. The version that is kept is the one of
 * which the custodian was told: that an identity ended, nobody else tells it. False where a seal is
 * lacking.
 */
async function followTeam(
  context: ReplicatorContext,
  ledger: Reader,
  { id, closed, members, version }: Team,
): Promise<boolean> {
  const { store } = context;
  const { state: before, item } = await teamState(store, id);
  const grants = await ledger.page(listCells.teamGrants(id), { from: 0, count: 1 });
  if (closed !== null || grants.count === 0) {
    if (item !== null) await store.remove([wrapKeys.teamKeys(id)]);
    return true;
  }
  const named = await countedSeals(ledger, members);
  const seals = before.seals.filter((one) => isNamed(named, one));
  const memberKids = named.filter(({ isActive }) => isActive).map(({ kid }) => kid);
  await save(context, id, { version: before.version, memberKids, seals });
  if (before.version === version && seals.length === named.length) return true;
  const brought = await sealsFor(context, id);
  if (brought === null) return false;
  const fresh = brought
    .filter((one) => isNamed(named, one) && !seals.some(({ kid }) => kid === one.kid))
    .map((one) => ({ ...one, version }));
  const all = [...seals, ...fresh];
  await save(context, id, { version, memberKids, seals: all });
  if (fresh.length > 0) context.log({ event: 'team copied' });
  return all.length === named.length;
}

/** Throws RangeError where another run was first: one works at a time. */
async function save({ store }: ReplicatorContext, teamId: string, state: TeamState): Promise<void> {
  const { item } = await teamState(store, teamId);
  if (!(await saveTeam(store, teamId, { state, item }))) throw new RangeError('two runs at once');
}

/** Null where it is refused: a later block says why, or people have to look. Throws CustodianAway. */
async function sealsFor(context: ReplicatorContext, teamId: string) {
  try {
    const { receipt } = await say(context, { fn: 'copy.team', args: { teamId } });
    return await teamKeysAtCustodian(context, receipt);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof CustodianRefused)) throw error;
    context.log({ event: 'team refused', code: error.code });
    return null;
  }
}
