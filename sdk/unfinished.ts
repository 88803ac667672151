/** Renewals of keys that a run before this one began, and did not end. */
import type { HistoryEntry, Permission } from '../lib/chaincode/values.ts';
import { KEYS_RENEWED } from '../lib/chaincode/history.ts';
import { monthOf } from './category-keys.ts';
import { problemCodeOf } from './http.ts';
import type { Patient } from './patient.ts';
import { type Revisions, revisionAt } from './publication.ts';
import { recipientOrNull } from './recipients.ts';
import { reseal, type Resealed } from './rekey.ts';

/**
 * Ends what was cut off after a revocation, or whatever else renewed keys: publishes the new keys if
 * the custodian lacks them, and hands them to readers who were sealed to before. Harmless when
 * repeated.
 */
export async function finishRenewals(patient: Patient): Promise<Resealed[]> {
  const revisions = await patient.revisions();
  if (await isUnpublished(patient, revisions)) await publishAgain(patient, revisions);
  const history = await patient.history();
  const renewals = history.filter(({ reason }) => reason === KEYS_RENEWED);
  const now = patient.session.clock.now();
  const missed = (await patient.permissions()).filter(
    (one) => one.revoked === null && one.until > now && isBehind(one, renewals),
  );
  const done: Resealed[] = [];
  for (const permission of missed) {
    const recipient = await recipientOrNull(patient, permission);
    // A team with another key is followed by `keepUp`, which asks where it has to.
    if (!recipient || recipient.teamEpoch !== permission.teamEpoch) continue;
    done.push(await reseal(patient, permission, { recipient, revisions }));
  }
  return done;
}

/** Whether keys of a category were renewed after a reader's share was sealed. */
function isBehind(
  { rights, categories, sealed }: Permission,
  renewals: readonly HistoryEntry[],
): boolean {
  if (!rights.includes('read')) return false;
  return renewals.some(
    (one) => one.height > sealed.height && one.categories.some((tag) => categories.includes(tag)),
  );
}

/** Whether the custodian has older keys for this month than the ledger names. */
async function isUnpublished(patient: Patient, revisions: Revisions): Promise<boolean> {
  const { session, ownerKey, pseudonym } = patient;
  const month = monthOf(session.clock.now());
  for (const categoryTag of patient.categoryNames().keys()) {
    const revision = revisionAt(revisions, categoryTag, month);
    if (revision === 0) continue;
    try {
      const wanted = { pseudonym, categoryTag, month };
      const { key } = await session.custodian.categoryKey(wanted, ownerKey);
      if (key.revision < revision) return true;
    } catch (error) {
      if (problemCodeOf(error) !== 'unknown_key') throw error;
      return true;
    }
  }
  return false;
}

async function publishAgain(patient: Patient, revisions: Revisions): Promise<void> {
  const publication = await patient.republication(revisions);
  const args = { categoryKeysRoot: publication.root, categoryKeysFrom: publication.from };
  const call = { fn: 'patient.publish-keys', args };
  const { receipt } = await patient.session.client.submit(call, patient.signer);
  await patient.publish(publication, receipt);
}
