/** Makes a failing run small: leaves out faults and requests while the same check still fails. */
import { kindOf } from './fault-plan.ts';
import { type RunOutcome, type RunSpec, simulate } from './simulate.ts';

export interface ShrinkBounds {
  runsMax: number;
  /** Whether to go on; a clock of the caller decides. */
  goesOn: () => boolean;
}

export interface Shrunk {
  outcome: RunOutcome;
  runs: number;
}

type Run = (spec: RunSpec) => Promise<RunOutcome>;

/**
 * The smallest failing run found within the bounds. First whole kinds of faults are left out,
 * then halves, quarters and single ones of what is left (delta debugging).
 */
export async function shrink(
  failing: RunOutcome,
  bounds: ShrinkBounds,
  run: Run = simulate,
): Promise<Shrunk> {
  let best = failing;
  let runs = 0;
  const isOver = (): boolean => runs >= bounds.runsMax || !bounds.goesOn();
  const attempt = async (added: readonly string[]): Promise<boolean> => {
    if (isOver()) return false;
    runs += 1;
    const outcome = await run({ ...best.spec, suppressed: [...best.spec.suppressed, ...added] });
    if (outcome.failure?.checker !== failing.failure?.checker) return false;
    best = outcome;
    return true;
  };
  for (const kind of kindsOf(best)) await attempt([`${kind}:*`]);
  for (let parts = 2; !isOver(); parts *= 2) {
    const size = Math.max(1, Math.ceil(best.faults.length / parts));
    await leaveOutEach(size, () => best.faults, attempt);
    if (size === 1) break;
  }
  return { outcome: best, runs };
}

/** Tries to leave out each piece; what is left shifts only when a piece goes. */
async function leaveOutEach(
  size: number,
  faults: () => readonly string[],
  attempt: (added: readonly string[]) => Promise<boolean>,
): Promise<void> {
  for (let at = 0; at < faults().length;) {
    const piece = faults().slice(at, at + size);
    if (!(await attempt(piece))) at += size;
  }
}

/** Kinds of the faults that occurred; requests last, as without them hardly anything fails. */
function kindsOf({ faults }: RunOutcome): string[] {
  const kinds = [...new Set(faults.map(kindOf))];
  return kinds.sort((a, b) => Number(a === 'submit') - Number(b === 'submit'));
}
