// The linkage attack of the source: what releases of several hospitals tell together of one person.
import { cleanFhir } from '../../lib/research/fhir.ts';
import {
  type Box,
  type Counted,
  type CountingRule,
  partition,
  type PatientClass,
} from '../../lib/research/partition.ts';
import { planPublication } from '../../lib/research/publication-plan.ts';
import {
  findingCodes,
  patientBundle,
  type SyntheticPerson,
  syntheticPeople,
} from '../synthetic/people.ts';
import { SeededRandom } from '../synthetic/random.ts';

/**
 * What the attacker knows of somebody from elsewhere: a birthday, a sex, an address, two visits.
 */
interface Target {
  readonly person: SyntheticPerson;
  readonly quasi: Counted['quasi'];
  readonly hospitals: readonly string[];
  /** What the attacker wants to know. */
  readonly finding: string;
}

export interface AttackResult {
  /** People who were treated in two hospitals. */
  readonly targets: number;
  /** Of whom something is published that may be theirs. */
  readonly published: number;
  /** Of whom the attacker learns the finding for certain, and it is right. */
  readonly disclosed: number;
  /** Of whom fewer than k people are left that it could be. */
  readonly singledOut: number;
}

interface AttackReport {
  readonly rule: CountingRule;
  readonly people: number;
  readonly naive: AttackResult;
  readonly ours: AttackResult;
}

const HOSPITALS = ['hospital-a', 'hospital-b', 'hospital-c'] as const;
/** Ages are counted to this year, so that a seed gives the same result in every year. */
const YEAR = 2026;

/** Both attacks on the same people: each hospital for itself, and all by one coordinator. */
export function linkageAttack(options: { people?: number; seed?: number } = {}): AttackReport {
  const { people = 300, seed = 2017 } = options;
  const rule: CountingRule = { k: 3, l: 2, quasi: ['birth-year', 'sex', 'postcode'] };
  const targets = targetsOf(people, seed);
  const naive = HOSPITALS.map((hospital) => {
    const own = targets.filter(({ hospitals }) => hospitals.includes(hospital));
    // Each hospital gives names of its own: nobody can join the tables by them.
    return partition(
      own.map((one, at) => countedOf(one, `${hospital} ${at}`, '')),
      rule,
    ).classes;
  });
  const ours = coordinated(targets, rule);
  const both = targets.filter(({ hospitals }) => hospitals.length > 1);
  return {
    rule,
    people,
    naive: resultOf(both, rule, (target) => joined(target, naive)),
    // In which publication somebody is, nobody else knows: both may have the one.
    ours: resultOf(both, rule, (target) => [candidates(target, ours.flat())]),
  };
}

/** Two publications, as a study goes on: the attacker has both. */
function coordinated(targets: readonly Target[], rule: CountingRule): PatientClass[][] {
  const all = targets.map((target, at) => {
    const shape = target.hospitals.join('\n');
    return { ...countedOf(target, String(at).padStart(6, '0'), shape), releases: [at] };
  });
  const half = Math.ceil(all.length / 2);
  const bounds = { membersMax: Infinity };
  const first = planPublication(all.slice(0, half), [], rule, bounds);
  const known = first.classes.map(({ classId, members }) => ({
    classId,
    participants: members.map(({ participant }) => participant),
  }));
  const told = new Set(known.flatMap(({ participants }) => participants));
  const waiting = all.filter(({ participant }) => !told.has(participant));
  const second = planPublication(waiting, known, rule, bounds);
  return [first, second].map(({ classes }) =>
    classes.flatMap(({ box, members }) => (box ? [{ box, members }] : [])),
  );
}

/** What each table leaves open of a person; tables in which the one is not are left out. */
function joined(target: Target, tables: readonly PatientClass[][]): Counted[][] {
  return target.hospitals.map((hospital) => {
    const table = tables[HOSPITALS.findIndex((one) => one === hospital)] ?? [];
    return candidates(target, table);
  });
}

/** Rows that may be the person's by what the attacker knows, the hospitals among it. */
function candidates({ quasi, hospitals }: Target, classes: readonly PatientClass[]): Counted[] {
  return classes
    .filter(({ box }) => covers(box, quasi))
    .flatMap(({ members }) => members)
    .filter(({ shape }) => shape === '' || shape === hospitals.join('\n'));
}

function resultOf(
  targets: readonly Target[],
  { k }: CountingRule,
  viewsOf: (target: Target) => Counted[][],
): AttackResult {
  let published = 0;
  let disclosed = 0;
  let singledOut = 0;
  for (const target of targets) {
    const views = viewsOf(target).filter((view) => view.length > 0);
    if (views.length === 0) continue;
    published += 1;
    const findings = common(views.map((view) => new Set(view.flatMap((one) => one.sensitive))));
    if (findings.length === 1 && findings[0] === target.finding) disclosed += 1;
    if (views.some((view) => view.length < k)) singledOut += 1;
  }
  return { targets: targets.length, published, disclosed, singledOut };
}

/** A person who is in several tables has what all of them leave open. */
function common(sets: readonly Set<string>[]): string[] {
  const [first = new Set<string>(), ...others] = sets;
  return [...first].filter((one) => others.every((set) => set.has(one)));
}

function covers({ birthYear, sex, postcode }: Box, quasi: Counted['quasi']): boolean {
  const year = quasi.birthYear ?? 0;
  return (
    (birthYear === null || (birthYear[0] <= year && year <= birthYear[1])) &&
    (sex === null || sex === quasi.sex) &&
    (postcode === null || (quasi.postcode ?? '').startsWith(postcode))
  );
}

function targetsOf(count: number, seed: number): Target[] {
  const random = new SeededRandom(seed + 1);
  return syntheticPeople(count, seed).map((person, at) => {
    const start = random.between(0, HOSPITALS.length - 1);
    const visits = random.next() < 0.5 ? 2 : 1;
    const hospitals = Array.from(
      { length: visits },
      (_, step) => HOSPITALS[(start + step) % HOSPITALS.length] as string,
    );
    const cleaned = cleanFhir(patientBundle(person, seed + at), YEAR);
    if (cleaned.kind === 'refused') throw new Error(cleaned.why);
    const finding = cleaned.codes.find((code) => findingCodes.includes(code)) ?? '';
    return { person, quasi: cleaned.quasi, hospitals: hospitals.sort(), finding };
  });
}

function countedOf({ quasi, finding }: Target, participant: string, shape: string): Counted {
  return { participant, quasi, sensitive: [finding], shape };
}
