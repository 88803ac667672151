/** What a coordinator may publish next: what was published before must tell nobody more by it. */
import { type Box, type Counted, type CountingRule, isSafe, partition } from './partition.ts';

/** A patient with what waits to be published. */
export interface Waiting extends Counted {
  /** Sequence numbers of the releases that wait. */
  readonly releases: readonly number[];
}

/** A class of an earlier publication, as the ledger has it. */
export interface KnownClass {
  readonly classId: number;
  /** Those who did not withdraw. */
  readonly participants: readonly string[];
}

interface PlannedClass {
  readonly classId: number;
  /** Null where it was told before: it never changes. */
  readonly box: Box | null;
  readonly members: readonly Waiting[];
}

export interface PublicationPlan {
  readonly classes: readonly PlannedClass[];
  /** Patients of whom something waits on. */
  readonly held: readonly string[];
}

/** How many patients one publication takes. */
interface PlanBounds {
  readonly membersMax: number;
}

/**
 * New patients form classes of their own; one of before is published again only whole, so that in
 * no class anybody differs from the others in when something of the one came out.
 */
export function planPublication(
  waiting: readonly Waiting[],
  known: readonly KnownClass[],
  rule: CountingRule,
  { membersMax }: PlanBounds,
): PublicationPlan {
  const byHandle = new Map(waiting.map((one) => [one.participant, one]));
  const placed = new Set(known.flatMap(({ participants }) => participants));
  const again = known.flatMap(({ classId, participants }) => {
    const members = participants.flatMap((one) => byHandle.get(one) ?? []);
    const isWhole = members.length === participants.length && isSafe(members, rule);
    return isWhole ? [{ classId, box: null, members }] : [];
  });
  const fresh = partition(
    waiting.filter(({ participant }) => !placed.has(participant)),
    rule,
  );
  const first = Math.max(0, ...known.map(({ classId }) => classId)) + 1;
  const made = fresh.classes.map(({ box, members }) => ({ box, members: members as Waiting[] }));
  const classes: PlannedClass[] = [];
  let count = 0;
  let next = first;
  for (const one of [...again, ...made]) {
    if (count + one.members.length > membersMax) continue;
    count += one.members.length;
    const classId = 'classId' in one ? one.classId : next;
    if (!('classId' in one)) next += 1;
    classes.push({ classId, box: one.box, members: one.members });
  }
  const told = new Set(classes.flatMap(({ members }) => members.map((one) => one.participant)));
  const held = waiting.map(({ participant }) => participant).filter((one) => !told.has(one));
  return { classes, held };
}
