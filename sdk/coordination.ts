/** Counting for a study: what may be published next, over all hospitals and all that was before. */
import {
  batchSchema,
  type ReleaseEntry,
  releaseEntrySchema,
} from '../lib/chaincode/study-values.ts';
import { studyLogSchema } from '../lib/chaincode/study-values.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import { digestOfRows } from '../lib/records/release-rows.ts';
import { digestOfSealed, type SealedText } from '../lib/records/sealed.ts';
import { studyCommitment } from '../lib/research/participation.ts';
import {
  type KnownClass,
  planPublication,
  type PublicationPlan,
  type Waiting,
} from '../lib/research/publication-plan.ts';
import { packPublishedRow, type ReleaseRow, unpackRow } from '../lib/research/rows.ts';
import type { Clinician } from './clinician.ts';
import { SdkError } from './errors.ts';
import { allEntries, parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import { openFor, sealFor, studyInfo, type StudyPeople, studyPeople } from './releases.ts';
import type { Looker } from './studies.ts';

/** What a coordinator has before it: everything that counts, and what was left out and why. */
interface Collected {
  readonly people: StudyPeople;
  readonly plan: PublicationPlan;
  /** Rows that are not what the ledger names; nothing of them is counted. */
  readonly refused: readonly { readonly sequence: number; readonly why: string }[];
  readonly access: CertifiedResult;
  /** Names in the study, by handle: what the researcher gets to know. */
  readonly names: ReadonlyMap<string, ReleaseRow>;
}

/** Releases of a study, as its coordinator may know them. */
async function studyReleases(
  { session, signer }: Looker,
  studyId: string,
): Promise<ReleaseEntry[]> {
  const query = { fn: 'release.list', args: { studyId }, item: releaseEntrySchema, signer };
  return allEntries(session.client, query, { fresh: true });
}

/** Fetches what is counted, checks it against the ledger, and plans the next publication. */
export async function collect(coordinator: Clinician, studyId: string): Promise<Collected> {
  const { session, signer, keystore } = coordinator;
  const people = await studyPeople(coordinator, studyId);
  const { study } = people;
  const call = { fn: 'release.collect', args: { studyId } };
  const access = await session.client.submit(call, signer);
  const entries = await studyReleases(coordinator, studyId);
  const permit = { key: keystore.signingKey, receipt: access.receipt };
  const kept = await session.custodian.releaseRows(permit, null);
  const gone = await leftStudy(coordinator, studyId);
  const { known, published } = await knownClasses(coordinator, study, gone);
  const refused: { sequence: number; why: string }[] = [];
  const names = new Map<string, ReleaseRow>();
  const tallies = new Map<string, Tally>();
  for (const { sequence, participant, row } of kept) {
    const entry = entries[sequence];
    if (gone.has(participant)) continue;
    const opened = await openRow(coordinator, people, { entry, participant, row });
    if (typeof opened === 'string') {
      refused.push({ sequence, why: opened });
      continue;
    }
    names.set(participant, opened);
    const tally = tallies.get(participant) ?? new Tally();
    tallies.set(participant, tally);
    tally.add(opened);
    if (entry && !published.has(sequence)) tally.wait(sequence, entry);
  }
  const waiting = [...tallies].flatMap(([handle, tally]) => tally.waiting(handle) ?? []);
  const plan = planPublication(waiting, known, study, {
    membersMax: recordsBounds.publishedMembersMax,
  });
  return { people, plan, refused, access, names };
}

/** Publishes what was planned: the ledger counts the patients of each class once more. */
export async function publish(
  coordinator: Clinician,
  { people, plan, names }: Collected,
): Promise<CertifiedResult> {
  const { session, signer, keystore } = coordinator;
  const { study, researcher } = people;
  if (plan.classes.length === 0) {
    throw new SdkError('bad_input', 'No class of patients is large enough to be published.', {
      nextStep: 'Wait for more releases: what is held back is published with them.',
    });
  }
  const batch = study.batches + 1;
  const info = studyInfo(session.client.name, 'published-row', study.id, study.researcher);
  const rows: { participant: string; row: SealedText }[] = [];
  for (const { classId, box, members } of plan.classes) {
    for (const { participant } of members) {
      const { pseudonym, pseudonymSalt } = names.get(participant) as ReleaseRow;
      const packed = packPublishedRow({
        format: 'carequorum-published-row-1',
        ...{ study: study.id, batch, classId, pseudonym, pseudonymSalt },
        box: box && { ...box, birthYear: box.birthYear && [...box.birthYear] },
      });
      rows.push({ participant, row: await sealFor(researcher, info, packed) });
    }
  }
  const digests = rows.map(({ participant, row }) => ({
    participant,
    digest: digestOfSealed(row),
  }));
  const classes = plan.classes.map(({ classId, members }) => ({
    classId,
    members: members.map(({ participant, releases }) => ({ participant, releases: [...releases] })),
  }));
  const args = { studyId: study.id, batch, rowsDigest: digestOfRows(digests), classes };
  const result = await session.client.submit({ fn: 'release.publish', args }, signer);
  const permit = { key: keystore.signingKey, receipt: result.receipt };
  await session.custodian.putPublication(rows, permit);
  return result;
}

/** Handles of those who left, and did not come back. */
async function leftStudy({ session, signer }: Looker, studyId: string): Promise<Set<string>> {
  const query = { fn: 'study.log', args: { studyId }, item: studyLogSchema, signer };
  const gone = new Set<string>();
  for (const { participant, what } of await allEntries(session.client, query, { fresh: true })) {
    if (what === 'left') gone.add(participant);
    else gone.delete(participant);
  }
  return gone;
}

/** Classes of all publications so far without those who left, and what was published. */
async function knownClasses(
  { session, signer }: Looker,
  { id: studyId, batches }: { id: string; batches: number },
  gone: ReadonlySet<string>,
): Promise<{ known: KnownClass[]; published: Set<number> }> {
  const classes = new Map<number, string[]>();
  const published = new Set<number>();
  for (let batch = 1; batch <= batches; batch += 1) {
    const call = { fn: 'release.batch', args: { studyId, batch } };
    const value = await session.client.query(call, signer, { fresh: true });
    const found = parseValue(batchSchema.loose(), value, call.fn);
    for (const { classId, members } of found.classes) {
      if (!classes.has(classId))
        classes.set(
          classId,
          members.map((one) => one.participant),
        );
      for (const sequence of members.flatMap(({ releases }) => releases)) published.add(sequence);
    }
  }
  const known = [...classes].map(([classId, participants]) => ({
    classId,
    participants: participants.filter((one) => !gone.has(one)),
  }));
  return { known, published };
}

/** The row, or why it does not count. */
async function openRow(
  coordinator: Clinician,
  { study }: StudyPeople,
  kept: { entry: ReleaseEntry | undefined; participant: string; row: SealedText },
): Promise<ReleaseRow | string> {
  const { entry, participant, row } = kept;
  if (entry?.participant !== participant) return 'the ledger has no such release';
  if (digestOfSealed(row) !== entry.rowDigest) return 'the custodian has another row of it';
  const network = coordinator.session.client.name;
  const info = studyInfo(network, 'release-row', study.id, study.coordinator);
  try {
    const opened = await openFor(coordinator, info, row);
    const { row: read, commitment } = unpackRow(opened);
    if (commitment !== entry.rowCommitment || read.study !== study.id) {
      return 'it is not what the doctor committed to';
    }
    const name = { pseudonym: read.pseudonym, salt: read.pseudonymSalt };
    const isOwn = studyCommitment(study.id, name) === entry.commitment;
    return isOwn ? read : 'it names another patient than the patient’s own commitment';
  } catch {
    return 'it cannot be opened or read';
  }
}

/** What waits of one patient; the shape is what proofs of source will tell. */
class Tally {
  #quasi: ReleaseRow['quasi'] = { birthYear: null, sex: null, postcode: null };
  readonly #sensitive = new Set<string>();
  readonly #waiting: { label: string; sequence: number }[] = [];

  /** What one release does not say of the patient, another may. */
  add({ quasi, sensitive }: ReleaseRow): void {
    this.#quasi = {
      birthYear: this.#quasi.birthYear ?? quasi.birthYear,
      sex: this.#quasi.sex ?? quasi.sex,
      postcode: this.#quasi.postcode ?? quasi.postcode,
    };
    for (const code of sensitive) this.#sensitive.add(code);
  }

  wait(sequence: number, { source, releasedBy }: ReleaseEntry): void {
    const label = [source.hospital, source.role, source.review, releasedBy.hospital].join(' ');
    this.#waiting.push({ label, sequence });
  }

  /** As many records of each source as one publication takes, the same ones for equal shapes. */
  waiting(participant: string): Waiting | null {
    if (this.#waiting.length === 0) return null;
    const sorted = this.#waiting
      .toSorted((a, b) =>
        a.label < b.label ? -1 : a.label > b.label ? 1 : a.sequence - b.sequence,
      )
      .slice(0, recordsBounds.publishedReleasesMax);
    return {
      participant,
      quasi: this.#quasi,
      sensitive: [...this.#sensitive].sort(),
      shape: sorted.map(({ label }) => label).join('\n'),
      releases: sorted.map(({ sequence }) => sequence),
    };
  }
}
