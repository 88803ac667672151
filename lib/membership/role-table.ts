/** The roles of people and parties, as data; docs/roles.md says how a role is added. */

/** What a role is. A role that is not in the table is no role, and is denied everything. */
export interface RoleRow {
  /**
   * How one gets it. `person`: enrols, and acts by one-time certificates behind a pseudonym.
   * `cosigned`: enrols, and counts once the operator of the own hospital cosigned it on the ledger.
   * `seat`: by the key that genesis or governance names. `party`: by the genesis document alone.
   */
  readonly way: 'person' | 'cosigned' | 'seat' | 'party';
  /** Acts under its own name: certificates, ledger and directory say it. */
  readonly isNamed: boolean;
  /** Whether a National Provider Identifier has to be given: else an invitation will do. */
  readonly needsNumber: boolean;
  /** Rights that a patient can give to it. */
  readonly rights: readonly ('read' | 'write' | 'share')[];
}

const person = { way: 'person', isNamed: false, needsNumber: false, rights: [] } as const;
const cosigned = { way: 'cosigned', isNamed: true, needsNumber: false, rights: [] } as const;

export const roleTable = {
  patient: person,
  representative: person,
  doctor: { ...cosigned, needsNumber: true, rights: ['read', 'write', 'share'] },
  nurse: { ...cosigned, rights: ['read', 'write'] },
  pharmacist: { ...cosigned, rights: ['read'] },
  insurer: cosigned,
  researcher: cosigned,
  auditor: cosigned,
  coordinator: cosigned,
  operator: { way: 'seat', isNamed: true, needsNumber: false, rights: [] },
  custodian: { way: 'party', isNamed: false, needsNumber: false, rights: [] },
} as const satisfies Readonly<Record<string, RoleRow>>;
