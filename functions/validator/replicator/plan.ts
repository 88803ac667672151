/** What the ledger wants a hospital to hold of one patient now. */

import { cells, listCells } from '../../../lib/chaincode/cells.ts';
import { asAppointed, objectionOf } from '../../../lib/chaincode/decision.ts';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import type { Copier, Erasure } from '../../../lib/chaincode/copy-values.ts';
import type { MedicalRecord, Permission } from '../../../lib/chaincode/values.ts';
import { chaincodeBounds } from '../../../lib/chaincode/bounds.ts';
import { hospitalOfGrantee } from '../../../lib/chaincode/copy.ts';
import { coversRecord } from '../../../lib/records/capability.ts';

/** A share that the ledger names. */
export interface WantedShare {
  readonly permissionId: string;
  readonly shareDigest: string;
}

/** What to hold, and why. */
export interface Plan {
  readonly pseudonym: string;
  /** Whether the patient chose the hospital. */
  readonly isChosen: boolean;
  /** Permissions to read that hold now, with the digests of what was sealed for them. */
  readonly permissions: readonly WantedShare[];
  /** Records to hold a copy of. */
  readonly wanted: readonly MedicalRecord[];
  /** All records of the pseudonym that the ledger has. */
  readonly records: readonly MedicalRecord[];
  /** The hospital among those of which the ledger says that they may hold something, or null. */
  readonly copier: Copier | null;
  readonly erasure: Erasure | null;
  /** When the plan will be another one by time alone. */
  readonly until: number | null;
}

const PAGE = chaincodeBounds.pageMax;

export async function planOf(
  state: Reader,
  { pseudonym, hospital }: { pseudonym: string; hospital: string },
  now: number,
): Promise<Plan> {
  const [chosen, copiers, erasure, rotated] = [
    await state.get(cells.chosen(pseudonym)),
    await state.get(cells.copiers(pseudonym)),
    await state.get(cells.patientErasure(pseudonym)),
    await state.get(cells.rotated(pseudonym)),
  ];
  const isOver = erasure !== null || rotated !== null;
  const isChosen = !isOver && (chosen?.hospitals.includes(hospital) ?? false);
  const own = isOver ? [] : await ownPermissions(state, pseudonym, { hospital, isChosen });
  const wanted = { right: 'read', time: now } as const;
  // Beyond what one request may name, the oldest come first; the patient can choose the hospital.
  const live = own
    .filter((one) => objectionOf(one, wanted) === null)
    .slice(0, chaincodeBounds.copyPermissionsMax);
  const records = await all(state, listCells.records(pseudonym), ({ recordId }) =>
    cells.record(recordId),
  );
  const scopes = live.flatMap(({ categories, dataFrom, dataUntil }) =>
    categories.map((tag) => ({ tag, dataFrom, dataUntil })),
  );
  return {
    ...{ pseudonym, isChosen, records, erasure },
    permissions: live.map(({ id, shareDigest }) => ({ permissionId: id, shareDigest })),
    wanted: records.filter(
      (one) =>
        one.pseudonym === pseudonym &&
        one.stored !== null &&
        one.erased === null &&
        coversRecord({ all: isChosen, scopes }, one),
    ),
    copier: copiers?.find((one) => one.hospital === hospital) ?? null,
    until: changesAt(own, now),
  };
}

/** The first moment at which one of the permissions begins or ends. */
function changesAt(permissions: readonly Permission[], now: number): number | null {
  const moments = permissions
    .filter(({ revoked }) => revoked === null)
    .flatMap(({ from, until }) => [from, until])
    .filter((moment) => moment > now);
  return moments.length === 0 ? null : Math.min(...moments);
}

/** Permissions to read for somebody of the hospital; all of them where it was chosen. */
async function ownPermissions(
  state: Reader,
  pseudonym: string,
  { hospital, isChosen }: { hospital: string; isChosen: boolean },
): Promise<Permission[]> {
  const given = await all(state, listCells.permissions(pseudonym), ({ permissionId }) =>
    cells.permission(permissionId),
  );
  const own: Permission[] = [];
  for (const permission of await asAppointed(state, given)) {
    if (permission.revoked !== null || !permission.rights.includes('read')) continue;
    const of = await hospitalOfGrantee(state, permission);
    if (of !== null && (of === hospital || isChosen)) own.push(permission);
  }
  return own;
}

async function all<E, T>(
  state: Reader,
  list: Parameters<Reader['page']>[0] & { schema: { parse(value: unknown): E } },
  cellOf: (entry: E) => Parameters<Reader['get']>[0] & { schema: { parse(value: unknown): T } },
): Promise<T[]> {
  const found: T[] = [];
  for (let from = 0; ; from += PAGE) {
    const page = await state.page(list, { from, count: PAGE });
    const values = await state.many(page.items.map((entry) => cellOf(entry as E)));
    found.push(...(values.filter((one) => one !== null) as T[]));
    if (from + PAGE >= page.count) return found;
  }
}
