/** What a patient's login does by itself: seals anew to changed keys, and shuts out who lapsed. */
import type { Permission } from '../lib/chaincode/values.ts';
import { findIdentity, type LedgerIdentity } from './directory.ts';
import { SdkError } from './errors.ts';
import type { Patient } from './patient.ts';
import { keepUp, type KeptUp } from './permission-changes.ts';
import { recipientOf } from './recipients.ts';
import { rekeyAfter, reseal, type Resealed } from './rekey.ts';
import { finishRenewals } from './unfinished.ts';

/** What was done. */
export interface Tended {
  /** Permissions sealed anew, as the key of the grantee, or of a team, is another one. */
  readonly resealed: readonly Resealed[];
  /** Those of teams whose new key the patient has to look at. */
  readonly undecided: KeptUp['undecided'];
  /** Permissions that ended with their holder, or by a representative; keys were renewed. */
  readonly lapsed: readonly Permission[];
}

/**
 * Follows the ledger: a grantee who renewed the key is sealed to anew; after a re-enrolment keys
 * are renewed too, since the old device may be in other hands; and after a lapse all that its
 * holder had seeds of gets new keys. Teams with a new key are followed, and renewals of keys that were
 * cut off are ended. Harmless when repeated or interrupted.
 */
export async function tend(patient: Patient): Promise<Tended> {
  const lapsed = await tendLapses(patient);
  const now = patient.session.clock.now();
  const permissions = await patient.permissions();
  const live = permissions.filter(
    (one) => one.granteeKind === 'person' && one.revoked === null && one.until > now,
  );
  const identities = new Map<string, LedgerIdentity>();
  const resealed: Resealed[] = [];
  for (const permission of live) {
    const { grantee: subject } = permission;
    const identity = identities.get(subject) ?? (await identityOf(patient, subject));
    if (identity === null) continue;
    identities.set(subject, identity);
    const isNewer = identity.since.height > permission.sealed.height;
    const isDone = resealed.some((one) => one.permission.id === permission.id);
    if (identity.status !== 'active' || identity.origin === null || !isNewer || isDone) continue;
    const isReader = permission.rights.includes('read');
    if (identity.origin.how === 're-enrolled' && isReader) {
      resealed.push(...(await rekeyAfter(patient, permission)));
    } else {
      const recipient = await recipientOf(patient, permission);
      const revisions = await patient.revisions();
      resealed.push(await reseal(patient, permission, { recipient, revisions }));
    }
  }
  const finished = await finishRenewals(patient);
  const { renewed, undecided } = await keepUp(patient);
  return { resealed: [...resealed, ...finished, ...renewed], lapsed, undecided };
}

/** What others ended: a lapse with its holder, a representative for the patient. */
const endsOfOthers: ReadonlySet<string> = new Set(['permission.lapsed', 'representative.revoked']);

/** Notices since the last time say which permissions others ended. */
async function tendLapses(patient: Patient): Promise<Permission[]> {
  const notices = await patient.inbox();
  const known = patient.data.tended ?? 0;
  const ids = new Set(
    notices
      .slice(known)
      .filter(({ topic }) => endsOfOthers.has(topic))
      .map(({ permissionId }) => permissionId),
  );
  const lapsed =
    ids.size === 0 ? [] : (await patient.permissions()).filter(({ id }) => ids.has(id));
  for (const permission of lapsed) await rekeyAfter(patient, permission);
  if (notices.length !== known) await patient.tended(notices.length);
  return lapsed;
}

async function identityOf(patient: Patient, subject: string): Promise<LedgerIdentity | null> {
  try {
    return await findIdentity(patient.session, patient.signer, { subject });
  } catch (error) {
    if (error instanceof SdkError && error.code === 'not_found') return null;
    throw error;
  }
}
