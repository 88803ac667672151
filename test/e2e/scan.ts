/** No ledger, queue, bucket, table or log holds anything of a patient that can be read. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revoke } from '../../sdk/grants.ts';
import { memorySink } from './support/memory-sink.ts';
import { deadLetterQueues, queueDepth } from './support/emulator.ts';
import {
  gather,
  grantReading,
  makeSecrets,
  needlesOf,
  type People,
  randomWord,
  type Secrets,
  uploadDocuments,
  type Uploaded,
} from './support/journey.ts';
import { drainQueue, type Dumped, filesBelow, type Place, placesOf } from './support/places.ts';
import { type Finding, type Needle, Scanner } from './support/scanner.ts';
import { wrappings } from './support/wrappings.ts';
import { VALIDATORS, type World } from './support/world.ts';

/** Its queues fill up during the journey: it is not the leader, and the others are a quorum. */
const LISTENER = 'hospital-d';

/** A canary for each wrapping. */
const canaries = wrappings.map((wrapping, index) => ({
  ...wrapping,
  name: `canary ${index}: ${wrapping.name}`,
  text: `Çanarië ${randomWord(12)}`,
}));
const planted = canaries.map(({ name, text, wrap }) => ({ name, bytes: wrap(text) }));

interface Scanned {
  readonly place: string;
  readonly entry: string;
  readonly finding: Finding;
}

/** What a place is made of, in how many pieces. */
interface Report {
  readonly found: readonly Scanned[];
  readonly pieces: number;
}

export interface ScanFacts {
  readonly secrets: Secrets;
  readonly people: People;
  readonly records: Uploaded;
  readonly scanner: Scanner;
  /** Bodies of the messages to one validator during the journey, in order. */
  readonly traffic: readonly string[];
}

/** Registers the tests; what they leave behind is scanned once more on disk by `scanOnDisk`. */
export function scanSuite(getWorld: () => World): () => ScanFacts {
  const secrets = makeSecrets();
  let facts: ScanFacts;
  const reports = new Map<string, Report>();
  const traffic: Dumped[] = [];
  let dead = 0;

  describe('the scan of everything that a journey leaves', () => {
    beforeAll(async () => {
      const world = getWorld();
      await world.account(LISTENER).setConsuming(false);
      const people = await gather(world, secrets);
      const records = await journey(world, people, secrets);
      const needles = await needlesOf(world, secrets, people);
      const scanner = scannerOf(needles, people);
      const listener = world.account(LISTENER);
      const dlqs = await deadLetterQueues(listener);
      for (const url of (await listener.queues()).filter((one) => !dlqs.includes(one))) {
        for (const message of await drainQueue(listener, url)) {
          traffic.push({ name: url, bytes: Buffer.from(message.Body ?? '') });
        }
      }
      for (const account of world.accounts()) {
        await account.setConsuming(false);
        for (const url of await deadLetterQueues(account)) dead += await queueDepth(account, url);
        for (const place of await placesOf(account, world.logFile(account.id))) {
          await place.plant(planted);
          reports.set(place.name, await scanPlace(place, scanner));
        }
      }
      const overheard = { name: `${LISTENER}: messages of the journey`, dumped: traffic };
      reports.set(overheard.name, scanAll(overheard, scanner));
      const bodies = traffic.map(({ bytes }) => Buffer.from(bytes).toString());
      facts = { secrets, people, records, scanner, traffic: bodies };
    }, 240_000);

    afterAll(async () => {
      const world = getWorld();
      for (const account of world.accounts()) await account.setConsuming(true);
    });

    it('finds the canary that was planted in each place, in each form', () => {
      for (const { id } of getWorld().accounts()) {
        const isValidator = VALIDATORS.some((one) => one === id);
        const kinds = [
          'table',
          'bucket',
          ...(isValidator ? ['queue'] : []),
          'log group',
          'log file',
        ];
        for (const kind of kinds) {
          const names = [...reports.keys()].filter((name) => name.startsWith(`${id}: ${kind}`));
          expect(names.length, `${id}: ${kind}`).toBeGreaterThan(0);
        }
      }
      for (const [place, { found }] of reports) {
        if (place.includes('messages of the journey')) continue;
        expect(canariesIn(found), place).toEqual(canaries.map(({ name }) => name));
      }
    });

    it('sees what is rightly there: the pseudonym on every ledger and in the messages', () => {
      const places = placesWith(reports, 'pseudonym');
      for (const id of VALIDATORS.filter((one) => one !== LISTENER)) {
        expect(
          places.some((name) => name.startsWith(`${id}: table`)),
          id,
        ).toBe(true);
      }
      expect(places).toContain(`${LISTENER}: messages of the journey`);
      expect(traffic.length).toBeGreaterThan(20);
    });

    it('finds no message of the journey in a dead-letter queue', () => {
      expect(dead).toBe(0);
    });

    it('finds nothing of the patient: no name, no UII, no plaintext, no key', () => {
      expect(secretsIn(reports)).toEqual([]);
    });

    it('finds no enrolment outside of the membership service, and no pseudonym in it', () => {
      for (const needle of ['enrolment', 'subject', 'enrolled key']) {
        const places = placesWith(reports, needle);
        expect(
          places.filter((name) => !name.startsWith('membership: ')),
          needle,
        ).toEqual([]);
        expect(places.length, needle).toBeGreaterThan(0);
      }
      const places = placesWith(reports, 'pseudonym');
      expect(places.filter((name) => name.startsWith('membership: '))).toEqual([]);
    });
  });
  return () => facts;
}

/** Upload, countersign, grant, read, refusal, revocation, refusal, history. */
async function journey(world: World, people: People, secrets: Secrets): Promise<Uploaded> {
  const { patient, reader } = people;
  const records = await uploadDocuments(world, secrets, people);
  const { shared, kept } = records;
  const permissionId = await grantReading(patient, reader, secrets);
  const { listed } = await reader.list(patient.pseudonym);
  expect(listed.map((one) => one.metadata?.path)).toEqual([secrets.fileName]);
  const sink = memorySink();
  await reader.read(shared, async () => sink);
  expect(Buffer.concat(sink.chunks).toString()).toContain(secrets.sentence);
  const refused = { code: 'refused', details: { reason: 'category_not_granted' } };
  await expect(reader.requestAccess(kept.id)).rejects.toMatchObject(refused);
  await revoke(patient, permissionId);
  const revoked = { code: 'refused', details: { reason: 'permission_revoked' } };
  await expect(reader.requestAccess(shared.id)).rejects.toMatchObject(revoked);
  const history = await patient.history();
  // A replicator that asks for a copy just after the revocation is refused too.
  const asked = history.filter((one) => one.fn === 'access.request' && one.decision === 'deny');
  expect(asked.map((one) => one.reason)).toEqual(['category_not_granted', 'permission_revoked']);
  return records;
}

/** Names that stand where they belong, and nowhere else. */
const RIGHTLY_SOMEWHERE = ['pseudonym', 'enrolment', 'subject', 'enrolled key'];

function scannerOf(needles: readonly Needle[], { patient }: People): Scanner {
  const { enrolmentId = '', subject = '' } = patient.data.enrolment ?? {};
  return new Scanner([
    ...needles,
    ...canaries.map(({ name, text }) => ({ name, value: text })),
    { name: 'pseudonym', value: patient.pseudonym },
    { name: 'enrolment', value: enrolmentId },
    { name: 'subject', value: subject },
    { name: 'enrolled key', value: patient.keystore.publicKey },
  ]);
}

/** The same bytes lie in many places: they are unfolded once. */
const scannedBefore = new Map<string, Finding[]>();

function scanBytes(scanner: Scanner, bytes: Uint8Array): Finding[] {
  const digest = createHash('sha256').update(bytes).digest('base64');
  const known = scannedBefore.get(digest) ?? scanner.scan(bytes);
  scannedBefore.set(digest, known);
  return known;
}

async function scanPlace(place: Place, scanner: Scanner): Promise<Report> {
  const dumped: Dumped[] = [];
  for await (const one of place.dump()) dumped.push(one);
  return scanAll({ name: place.name, dumped }, scanner);
}

function scanAll(
  { name, dumped }: { name: string; dumped: Iterable<Dumped> },
  scanner: Scanner,
): Report {
  const found: Scanned[] = [];
  let pieces = 0;
  for (const { name: entry, bytes } of dumped) {
    pieces += 1;
    for (const finding of scanBytes(scanner, bytes)) found.push({ place: name, entry, finding });
  }
  return { found, pieces };
}

function placesWith(reports: ReadonlyMap<string, Report>, needle: string): string[] {
  return [...reports].flatMap(([place, { found }]) =>
    found.some(({ finding }) => finding.needle === needle) ? [place] : [],
  );
}

/** Names of the canaries that were found, in their order. */
function canariesIn(found: readonly Scanned[]): string[] {
  const names = new Set(found.map(({ finding }) => finding.needle));
  return canaries.map(({ name }) => name).filter((name) => names.has(name));
}

function secretsIn(reports: ReadonlyMap<string, Report>): Scanned[] {
  return [...reports.values()].flatMap(({ found }) =>
    found.filter(
      ({ finding: { needle } }) =>
        !needle.startsWith('canary ') && !RIGHTLY_SOMEWHERE.includes(needle),
    ),
  );
}

/**
 * After everything else: canaries once more, an orderly stop, and every file of every account and
 * every log. What the emulator keeps in memory is saved then. `lost` accounts were killed.
 */
export function scanOnDiskSuite(
  getWorld: () => World,
  getFacts: () => ScanFacts,
  lost: () => readonly string[],
): void {
  it('finds nothing on disk either, after an orderly stop', { timeout: 180_000 }, async () => {
    const world = getWorld();
    const { scanner } = getFacts();
    const alive = world.accounts().filter(({ id }) => !lost().includes(id));
    for (const account of alive) {
      await account.setConsuming(false);
      for (const url of await deadLetterQueues(account)) {
        expect(await queueDepth(account, url), url).toBe(0);
      }
      for (const place of await placesOf(account, world.logFile(account.id))) {
        await place.plant(planted);
      }
    }
    await world.local.stop();
    const reports = new Map<string, Report>();
    for (const folder of [world.layout.accounts, world.layout.logs]) {
      for (const file of filesBelow(folder)) {
        reports.set(file.name, scanAll({ name: file.name, dumped: [file] }, scanner));
      }
    }
    for (const { id } of alive) {
      const own = [...reports].filter(([name]) => name.includes(`/accounts/${id}/state/`));
      const isValidator = VALIDATORS.some((one) => one === id);
      for (const service of ['dynamodb', 'cloudwatch_logs', ...(isValidator ? ['sqs'] : [])]) {
        const found = own
          .filter(([name]) => name.includes(service))
          .flatMap(([, one]) => one.found);
        expect(canariesIn(found), `${id} ${service}`).toEqual(canaries.map(({ name }) => name));
      }
    }
    expect(secretsIn(reports)).toEqual([]);
  });
}
