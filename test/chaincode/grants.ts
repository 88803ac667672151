/** What a grant lets its holder do, written by hand: every state of a grant at every moment. */
import type { Role } from '../../lib/chaincode/roles.ts';

/** What the holder tries, on a record of the category laboratory with data of November 2025. */
export const attempts = {
  read: '`access.request` for treatment',
  'read for payment': '`access.request` for payment',
  list: '`access.list` for treatment',
  'look up': '`record.get`',
  keys: '`patient.get` with the category',
  write: '`record.register` in the category',
  release: '`release.submit` to the study that a grant to share names',
} as const;
export type Attempt = keyof typeof attempts;

export type GrantedRight = 'read' | 'write' | 'share';

/** A grant as the patient gave it; `between` is the moment, from before its start to after its end. */
export interface GrantCase {
  readonly rights: readonly GrantedRight[] | null;
  readonly category: 'same' | 'other';
  readonly months: 'open' | 'covered' | 'earlier';
  readonly moment: Moment;
  readonly isRevoked: boolean;
}
export type Moment = 'before' | 'start' | 'inside' | 'last' | 'end';

export const moments: Readonly<Record<Moment, string>> = {
  before: 'a millisecond before it begins',
  start: 'at the moment in which it begins',
  inside: 'while it lasts',
  last: 'in its last millisecond',
  end: 'at the moment in which it ends',
};

const rightsOfCases = [['read'], ['write'], ['read', 'write'], ['read', 'share']] as const;
const noGrant: GrantCase = {
  rights: null,
  category: 'same',
  months: 'open',
  moment: 'inside',
  isRevoked: false,
};

/** Every combination. */
export function grantCases(): GrantCase[] {
  const cases = [noGrant];
  for (const rights of rightsOfCases) {
    for (const moment of Object.keys(moments) as Moment[]) {
      for (const isRevoked of [false, true]) {
        for (const category of ['same', 'other'] as const) {
          for (const months of ['open', 'covered', 'earlier'] as const) {
            cases.push({ rights, category, months, moment, isRevoked });
          }
        }
      }
    }
  }
  return cases;
}

/** Those that differ from an open grant in one thing: enough for a person to see the rules. */
export function plainCases(): GrantCase[] {
  const differences: Partial<GrantCase>[] = [
    {},
    { moment: 'before' },
    { moment: 'start' },
    { moment: 'last' },
    { moment: 'end' },
    { isRevoked: true },
    { category: 'other' },
    { months: 'covered' },
    { months: 'earlier' },
  ];
  return [
    noGrant,
    ...rightsOfCases.flatMap((rights) =>
      differences.map((one): GrantCase => ({ ...noGrant, rights, ...one })),
    ),
  ];
}

/** How somebody stands to the care team that a grant is for. */
export const standings = {
  member: 'is in the team',
  newcomer: 'came into the team after the grant',
  former: 'was in the team when it was granted, and left',
  stranger: 'is of the same hospital, and never was in the team',
  closed: 'was in the team, which is closed',
} as const;
export type Standing = keyof typeof standings;

/** A grant to a care team, and somebody who would use it. */
export interface TeamCase {
  readonly standing: Standing;
  readonly rights: readonly GrantedRight[];
  readonly moment: Moment;
  readonly isRevoked: boolean;
}

/** Every combination; the edges of the time are those of every grant, and judged above. */
export function teamCases(): TeamCase[] {
  const cases: TeamCase[] = [];
  for (const standing of Object.keys(standings) as Standing[]) {
    for (const rights of rightsOfCases) {
      for (const moment of ['before', 'inside', 'end'] as const) {
        for (const isRevoked of [false, true]) cases.push({ standing, rights, moment, isRevoked });
      }
    }
  }
  return cases;
}

/** For a person to see the rules: who is in it counts, then all is as with any grant. */
export function plainTeamCases(): TeamCase[] {
  const plain = { rights: ['read', 'write'], moment: 'inside', isRevoked: false } as const;
  const others = (Object.keys(standings) as Standing[]).map((standing) => ({ ...plain, standing }));
  return [
    ...others,
    { ...plain, standing: 'member', moment: 'before' },
    { ...plain, standing: 'member', moment: 'end' },
    { ...plain, standing: 'member', isRevoked: true },
    { ...plain, standing: 'member', rights: ['read', 'share'] },
  ];
}

export function teamTitleOf({ standing, rights, moment, isRevoked }: TeamCase): string {
  const words = [
    standings[standing],
    rights.join(' and '),
    isRevoked && 'revoked',
    moments[moment],
  ];
  return words.filter((one) => one !== false).join(', ');
}

/** Through a team a member holds what the own role can hold, and whoever is not in it nothing. */
export function expectedOfTeam(attempt: Attempt, role: Role, given: TeamCase): string {
  const { standing, moment, isRevoked } = given;
  const isIn = standing === 'member' || standing === 'newcomer';
  const held = given.rights.filter((right) => canHold(role, right));
  return expectedOf(attempt, role, {
    ...noGrant,
    ...{ rights: isIn ? held : null, moment, isRevoked },
  });
}

/** What a role can hold at all; docs/roles.md says it too. */
export function canHold(role: Role, right: GrantedRight): boolean {
  if (right === 'read') return true;
  return right === 'write' ? role !== 'pharmacist' : role === 'doctor';
}

export function titleOf({ rights, category, months, moment, isRevoked }: GrantCase): string {
  if (rights === null) return 'no grant';
  const words = [
    rights.join(' and '),
    category === 'other' && 'another category',
    months !== 'open' && `data ${months === 'covered' ? 'of that month' : 'before that month'}`,
    isRevoked && 'revoked',
    moments[moment],
  ];
  return words.filter((one) => one !== false).join(', ');
}

/** Which right an attempt needs. */
const rightOf: Readonly<Record<Attempt, GrantedRight | null>> = {
  read: 'read',
  'read for payment': 'read',
  list: 'read',
  'look up': 'read',
  keys: null,
  write: 'write',
  release: 'share',
};

/**
 * `permit`, or the reason of the refusal: the first of the rules that objects, in this order.
 * Roles limit what can be granted at all: a pharmacist holds `read` alone, and only a doctor `share`.
 */
export function expectedOf(attempt: Attempt, role: Role, given: GrantCase): string {
  const reason = reasonOf(attempt, role, given);
  // Whoever may not see a record is not told whether there is one.
  return attempt === 'look up' && reason !== 'permit' ? 'unknown_record' : reason;
}

function reasonOf(attempt: Attempt, role: Role, given: GrantCase): string {
  const right = rightOf[attempt];
  if ((right === 'write' || right === 'share') && !canHold(role, right)) return 'role_denied';
  const { rights, category, months, moment, isRevoked } = given;
  // A release is of a study: without a grant that names it, nothing is said of any record.
  if (attempt === 'release' && rights === null) return 'unknown_record';
  if (attempt === 'release' && !rights?.includes('share')) return 'study_not_granted';
  if (rights === null) return 'no_permission';
  if (isRevoked) return 'permission_revoked';
  if (moment === 'end') return 'permission_expired';
  if (moment === 'before') return 'permission_not_yet_valid';
  if (right !== null && !rights.includes(right)) return 'right_not_granted';
  const namesCategory = attempt !== 'list';
  if (namesCategory && category === 'other') return 'category_not_granted';
  const namesMonth = attempt !== 'list' && attempt !== 'keys';
  if (namesMonth && months === 'earlier') return 'period_not_granted';
  if (attempt === 'read for payment') return 'purpose_not_granted';
  return 'permit';
}
