/** What the custodian lacks of a patient's keys: renewals that were cut off, and what it lost. */
import type { HistoryEntry, Permission } from '../lib/chaincode/values.ts';
import { KEYS_RENEWED } from '../lib/chaincode/history.ts';
import { monthOf } from './category-keys.ts';
import { isAway, problemCodeOf } from './http.ts';
import type { Patient } from './patient.ts';
import { type Revisions, revisionAt } from './publication.ts';
import { recipientOrNull } from './recipients.ts';
import { reseal, type Resealed } from './rekey.ts';

/**
 * Ends what was cut off after a revocation, or whatever else renewed keys: publishes the new keys if
 * the custodian lacks them, and hands them to readers who were sealed to before. A custodian that has
 * no keys at all lost its store: it gets them again, and what is sealed for every permission that holds.
 * Does nothing of it while the custodian is away. Harmless when repeated.
 */
export async function finishRenewals(patient: Patient): Promise<Resealed[]> {
  const revisions = await patient.revisions();
  const published = await publishedKeys(patient, revisions);
  if (published !== 'present') await publishAgain(patient, revisions);
  const history = await patient.history();
  const renewals = history.filter(({ reason }) => reason === KEYS_RENEWED);
  const now = patient.session.clock.now();
  const missed = (await patient.permissions()).filter(
    (one) =>
      one.revoked === null && one.until > now && (published === 'lost' || isBehind(one, renewals)),
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

/**
 * How the custodian's keys of this month compare with the ledger: `older` where a renewal has not arrived,
 * `lost` where it has none. Keys that were never renewed are asked for by one of them.
 */
async function publishedKeys(
  patient: Patient,
  revisions: Revisions,
): Promise<'present' | 'older' | 'lost'> {
  const { session, ownerKey, pseudonym } = patient;
  const month = monthOf(session.clock.now());
  const renewed = [...patient.categoryNames().keys()].filter(
    (tag) => revisionAt(revisions, tag, month) > 0,
  );
  const one = patient.data.categories.slice(0, 1).map((name) => patient.tag(name));
  let found: 'present' | 'older' = 'present';
  for (const categoryTag of renewed.length > 0 ? renewed : one) {
    try {
      const wanted = { pseudonym, categoryTag, month };
      const { key } = await session.custodian.categoryKey(wanted, ownerKey, 'short');
      if (key.revision < revisionAt(revisions, categoryTag, month)) found = 'older';
    } catch (error) {
      if (isAway(error)) return 'present';
      if (problemCodeOf(error) !== 'unknown_key') throw error;
      return 'lost';
    }
  }
  return found;
}

async function publishAgain(patient: Patient, revisions: Revisions): Promise<void> {
  const publication = await patient.republication(revisions);
  const args = { categoryKeysRoot: publication.root, categoryKeysFrom: publication.from };
  const call = { fn: 'patient.publish-keys', args };
  const { receipt } = await patient.session.client.submit(call, patient.signer);
  await patient.publish(publication, receipt);
}
