/** Reads committed blocks from a cursor on: whose copies may have to change. */

import { z } from 'zod';
import { cells, listCells } from '../../../lib/chaincode/cells.ts';
import { chaincodeBounds } from '../../../lib/chaincode/bounds.ts';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { TransactionResult } from '../../../lib/wire/result.ts';
import type { ReplicatorContext } from './context.ts';
import { markDue } from './due.ts';
import { noteErasures } from './erasures.ts';
import { markTeamsDue, touchesTeams } from './teams.ts';

const CURSOR = { pk: 'service', sk: 'cursor' };
const cursorSchema = z.strictObject({ height: z.int().min(0) });
/** Functions that move no copy: reading, the rules of the network, and what hospitals say. */
const IDLE =
  /^(?:(?:access|copy|erasure|governance|validator|history|inbox|network)\.|record\.(?:register|countersign|dispute|erased)$|patient\.(?:publish-keys|erased)$)/;

const touchedSchema = z.looseObject({
  fn: z.string(),
  pseudonym: z.string().optional(),
  /** Of an erasure: all that the patient ever had. */
  pseudonyms: z.array(z.string()).optional(),
  /** Of a rotation, the earlier pseudonym; of a permission, a time. */
  from: z.unknown().optional(),
  recordId: z.string().optional(),
  recordIds: z.array(z.string()).optional(),
  permissionId: z.string().optional(),
  subject: z.string().optional(),
  teamId: z.string().optional(),
});
type Touched = z.infer<typeof touchedSchema>;

/** Goes on where the last run ended; a block whose body is not here yet ends this one. */
export async function scanBlocks(
  context: ReplicatorContext,
  { height, state }: { height: number; state: Reader },
  deadline: number,
): Promise<{ isDone: boolean }> {
  const { store, feed } = context;
  const now = (): number => context.now();
  const item = await store.get(CURSOR);
  let at = item ? parseWith(cursorSchema, item.value).height : 0;
  const start = at;
  while (at < height && now() < deadline) {
    const results = await feed.results(at + 1);
    if (results === null) break;
    const touched = results.flatMap(touchedBy);
    await markDue(store, await pseudonymsOf(state, touched), now());
    await noteErasures(store, results);
    if (results.some(touchesTeams)) await markTeamsDue(store);
    at += 1;
  }
  if (at > start) {
    const value = { height: at };
    // Where another run was first, it has noted the same.
    await (item ? store.replace(CURSOR, item.version, value) : store.insert(CURSOR, value));
  }
  return { isDone: at >= height };
}

function touchedBy({ status, value }: TransactionResult): Touched[] {
  const parsed = touchedSchema.safeParse(value);
  if (status !== 'COMMITTED' || !parsed.success || IDLE.test(parsed.data.fn)) return [];
  return [parsed.data];
}

async function pseudonymsOf(state: Reader, touched: readonly Touched[]): Promise<string[]> {
  const found = new Set<string>();
  for (const one of touched) {
    const { fn, pseudonym, from, recordId, recordIds = [], permissionId, subject, teamId } = one;
    for (const name of [pseudonym, from, ...(one.pseudonyms ?? [])])
      if (typeof name === 'string') found.add(name);
    const records = recordId === undefined ? recordIds : [...recordIds, recordId];
    for (const record of await state.many(records.map(cells.record))) {
      if (record) found.add(record.pseudonym);
    }
    if (permissionId !== undefined && pseudonym === undefined) {
      const permission = await state.get(cells.permission(permissionId));
      if (permission) found.add(permission.pseudonym);
    }
    if (subject !== undefined) {
      for (const name of await patientsOf(state, listCells.grants(subject))) found.add(name);
    }
    // Nobody holds anything through a team that was closed.
    if (teamId !== undefined && fn === 'team.close') {
      for (const name of await patientsOf(state, listCells.teamGrants(teamId))) found.add(name);
    }
  }
  return [...found];
}

/** Patients who granted something to a person or team: whoever ends takes copies along. */
async function patientsOf(
  state: Reader,
  grants: ReturnType<typeof listCells.grants>,
): Promise<string[]> {
  const found = new Set<string>();
  const size = chaincodeBounds.pageMax;
  for (let from = 0; ; from += size) {
    const page = await state.page(grants, { from, count: size });
    const ids = page.items.map(({ permissionId }) => cells.permission(permissionId));
    for (const permission of await state.many(ids)) if (permission) found.add(permission.pseudonym);
    if (from + size >= page.count) return [...found];
  }
}
