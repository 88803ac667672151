// Whether a validator is at work again: it keeps up, and blocks are certified with its own vote.
import { LocalError } from '../lib/errors.ts';
import type { Health } from '../lib/validator-reader.ts';
import { logsCure, type Stage, until } from './stage.ts';

const WORK_MS = 120_000;
/** Blocks that must be certified with its vote. */
const OWN_BLOCKS = 2;
/** Blocks that a ledger under load is ahead of what was just read. */
export const NEAR_HEAD = 10;

/** What a validator says that meets a format which its bundle does not know. */
const UNKNOWN_FORMAT = 'unsupported_version';

/** It answers, is no learner, has not stopped itself, and is where the others are. */
export async function awaitWork(stage: Stage, id: string): Promise<void> {
  const readers = stage.validators.map((member) => stage.reader(member.id));
  let says = 'nothing';
  const what = (): string => `${id} does not work, it says ${says}`;
  await until(stage, { withinMs: WORK_MS, what }, async () => {
    const all = await Promise.all(readers.map((reader) => reader.health()));
    const own = all[readers.findIndex((reader) => reader.id === id)];
    if (!own) return null;
    says = textOf(own);
    if (own.code === UNKNOWN_FORMAT) throw unknownFormat(stage, id);
    if (own.status !== 200 || own.learner || own.halted !== '') return null;
    const highest = Math.max(...all.map(({ height }) => height));
    return own.height >= highest - NEAR_HEAD ? true : null;
  });
}

function textOf({ status, code, height, learner, halted }: Health): string {
  if (status === 0) return 'nothing';
  if (status !== 200) return `${status} ${code}`.trim();
  if (halted !== '') return `halted: ${halted}`;
  return `height ${height}${learner ? ', as a learner' : ''}`;
}

/** No waiting cures that. */
function unknownFormat(stage: Stage, id: string): LocalError {
  return new LocalError(
    'no_recovery',
    `${id} cannot read what is stored there: it is of a format that this bundle does not know.`,
    { cure: `Only bundles of the same stored formats work side by side. ${logsCure(stage)}` },
  );
}

/** The height by which blocks from `from` on were certified there with its own vote. */
export async function awaitOwnVotes(stage: Stage, id: string, from: number): Promise<number> {
  const reader = stage.reader(id);
  let next = from;
  let named = 0;
  return until(stage, { withinMs: WORK_MS, what: `${id} does not vote` }, async () => {
    const { height } = await reader.health();
    for (; next <= height && named < OWN_BLOCKS; next += 1) {
      const votes = (await reader.block(next))?.certificate?.votes ?? [];
      if (votes.some(({ validator }) => validator === id)) named += 1;
    }
    return named >= OWN_BLOCKS ? next - 1 : null;
  });
}

/** Waits for that many further receipts; throws `no_recovery`. */
export async function awaitReceipts(stage: Stage, count: number, when: string): Promise<void> {
  if (await stage.load.advance(count, WORK_MS, stage.signal)) return;
  throw new LocalError('no_recovery', `Nothing is committed ${when}.`, {
    cure: logsCure(stage),
  });
}
