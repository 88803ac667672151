// The cast of the local network: who runs an account, under which id, name and account number.

export type MemberKind = 'validator' | 'membership' | 'records' | 'registry' | 'emulator';

export interface Member {
  /** Short id; also the name of the account's folder, log and stack. */
  readonly id: string;
  readonly name: string;
  readonly kind: MemberKind;
  /** Twelve digits; null for what is no AWS account: the registry, an emulator of all accounts. */
  readonly account: string | null;
}

export const VALIDATORS_MIN = 4;
export const VALIDATORS_MAX = 10;

const HOSPITAL_NAMES = [
  'Northside Hospital',
  'Riverside Cancer Center',
  'Lakeview University Hospital',
  'Saint Brigid Clinic',
  'Harbor General Hospital',
  'Pinewood Medical Center',
  'Eastgate Oncology Institute',
  'Meadowbrook Hospital',
  'Summit Regional Hospital',
  'Clearwater Clinic',
] as const;

/**
 * The members of a network with that many validators: hospitals a, b, c …, membership, records
 * and the stand-in of the public register of clinicians.
 */
export function makeMembers(validatorCount: number): readonly Member[] {
  const hospitals = HOSPITAL_NAMES.slice(0, validatorCount).map((name, index): Member => {
    const letter = String.fromCharCode('a'.charCodeAt(0) + index);
    return { id: `hospital-${letter}`, name, kind: 'validator', account: accountNumber(index + 1) };
  });
  return [
    ...hospitals,
    {
      id: 'membership',
      name: 'Consortium membership service',
      kind: 'membership',
      account: accountNumber(91),
    },
    {
      id: 'records',
      name: 'Custodian of records',
      kind: 'records',
      account: accountNumber(92),
    },
    {
      id: 'registry',
      name: 'Register of clinicians (stand-in for NPPES)',
      kind: 'registry',
      account: null,
    },
  ];
}

/** The one process that serves all accounts, where accounts have none of their own. */
export const LOCALSTACK: Member = {
  id: 'localstack',
  name: 'LocalStack (all accounts)',
  kind: 'emulator',
  account: null,
};

/** Validators that must vote for a block: ⌈(n+f+1)/2⌉ with f = ⌊(n−1)/3⌋. */
export function quorumOf(validatorCount: number): number {
  const faulty = Math.floor((validatorCount - 1) / 3);
  return Math.ceil((validatorCount + faulty + 1) / 2);
}

function accountNumber(index: number): string {
  return `2000000000${String(index).padStart(2, '0')}`;
}
