/** What grant, narrow, extend, reseal and revoke have in common. */
import { cells } from './cells.ts';
import type { Reader, Topic } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, monthField, revisionsField } from './fields.ts';
import type { PlainValue, TransactionCall } from './functions.ts';
import { KEYS_RENEWED } from './history.ts';
import { renewKeys } from './patient.ts';
import type { Team } from './team-values.ts';
import type { Patient, Permission } from './values.ts';

/** New key revisions for the months whose seeds somebody loses, and the root over all keys then. */
export const renewalArgs = {
  revisions: revisionsField.optional(),
  categoryKeysRoot: digestField.optional(),
  categoryKeysFrom: monthField.optional(),
} as const;

export interface Renewal {
  revisions?: NonNullable<(typeof renewalArgs)['revisions']['_output']> | undefined;
  categoryKeysRoot?: string | undefined;
  categoryKeysFrom?: string | undefined;
}

export const wholeRenewal = 'revisions come with a new root, and a root with revisions';

export function isWholeRenewal(renewal: Renewal): boolean {
  const { revisions = [], categoryKeysRoot, categoryKeysFrom } = renewal;
  const isRenewal = revisions.length > 0;
  return [categoryKeysRoot, categoryKeysFrom].every((one) => (one !== undefined) === isRenewal);
}

/** What the history says of a change that renewed keys. */
export function renewalReason({ categoryKeysRoot }: Renewal): string | null {
  return categoryKeysRoot === undefined ? null : KEYS_RENEWED;
}

/** The patient with the renewed keys; null where nothing is renewed. */
export async function renewAsAsked(
  call: TransactionCall,
  pseudonym: string,
  { revisions = [], categoryKeysRoot, categoryKeysFrom }: Renewal,
): Promise<Patient | null> {
  if (categoryKeysRoot === undefined || categoryKeysFrom === undefined) return null;
  return renewKeys(call, pseudonym, { categoryKeysRoot, categoryKeysFrom }, revisions);
}

/** The open team, if its present key is the one of this epoch. */
export async function sealableTeam(
  reader: Reader,
  teamId: string,
  epoch: number | undefined,
): Promise<Team> {
  const team = await reader.get(cells.team(teamId));
  if (!team) throw new ChaincodeError('unknown_team');
  if (team.closed !== null) throw new ChaincodeError('team_closed');
  if (team.key === null) throw new ChaincodeError('team_without_key');
  if (team.epoch !== epoch) throw new ChaincodeError('team_key_superseded');
  return team;
}

/** What lets the custodian keep the present share: whose it is, its digest, and which it replaces. */
export async function sharePermit(
  reader: Reader,
  { grantee, granteeKind, shareDigest, version }: Permission,
): Promise<Record<string, PlainValue>> {
  const share = { shareDigest, version };
  if (granteeKind === 'team') return { ...share, team: grantee, granteeKid: null };
  if (granteeKind === 'representative') return { ...share, team: null, granteeKid: grantee };
  const subject = await reader.get(cells.subject(grantee));
  if (!subject) throw new ChaincodeError('grantee_unknown');
  return { ...share, team: null, granteeKid: subject.kid };
}

/** Tells the grantee, or everybody who is in the team now; a representative by event alone. */
export async function tellHolders(
  { draft }: TransactionCall,
  { id: permissionId, grantee, granteeKind }: Permission,
  topic: Topic,
): Promise<void> {
  if (granteeKind === 'representative') {
    draft.announce(grantee, topic);
    return;
  }
  if (granteeKind === 'person') {
    await draft.notify({ subject: grantee }, topic, { permissionId });
    return;
  }
  const members = (await draft.get(cells.team(grantee)))?.members ?? [];
  for (const { subject } of members) await draft.notify({ subject }, topic, { permissionId });
}

/** Until when receipts that were given before this block may open what they name. */
export function receiptsUsableUntil(
  { context }: TransactionCall,
  { until }: { until: number },
): number {
  return Math.min(until, context.time + context.parameters.receiptUsableMs);
}
