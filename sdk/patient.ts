/** A patient: makes all keys, registers a pseudonym, decides who may do what, and reads it all. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
  thumbprint,
} from '../lib/crypto/p256.ts';
import { randomBytes } from '../lib/crypto/random.ts';
import type {
  HistoryEntry,
  InboxEntry,
  MedicalRecord,
  Permission,
} from '../lib/chaincode/values.ts';
import { z } from 'zod';
import { rotationSchema } from '../lib/chaincode/rotation-values.ts';
import { epochsSchema } from '../lib/chaincode/values.ts';
import { categoryName } from './categories.ts';
import {
  categorySeed,
  categoryTag,
  lookupKey,
  monthOf,
  pseudonymOf,
  ROOT_BYTES,
} from './category-keys.ts';
import { SdkError } from './errors.ts';
import { reasonOf } from './http.ts';
import { type Keystore, requireKind } from './keystore.ts';
import { type PatientData, patientDataSchema, putData, readData } from './keystore-data.ts';
import type { Identity } from './membership-client.ts';
import type { CallControl, Settled } from './network-client.ts';
import { OneTimeStock } from './one-time-stock.ts';
import { allEntries, itemSchemas, parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import { makePublication, type Publication, type Revisions } from './publication.ts';
import { enrolOrResume, type Session } from './session.ts';
import { patientSigner, type RequestSigner } from './signing.ts';
import { type Uii, UII_VERSION } from './uii.ts';

const patientValue = z.object({
  categoryKeysRoot: z.string(),
  categoryKeysFrom: z.string(),
  categoryKeysVersion: z.int(),
  epochs: z.array(z.object({ categoryTag: z.string(), months: epochsSchema })),
});

const rotationsValue = z.object({
  rotations: z.array(rotationSchema.extend({ to: z.string() })),
  rotationKid: z.string().nullable(),
});
export type PatientRotation = z.infer<typeof rotationsValue>['rotations'][number];

/** Why a patient disputes a record: codes of the ledger. */
export const disputeReasons = [
  'wrong-patient',
  'wrong-content',
  'incomplete',
  'duplicate',
  'not-consented',
  'other',
] as const;
export type DisputeReason = (typeof disputeReasons)[number];

/** Fills a fresh keystore with a patient's secrets; nothing leaves this machine. */
export async function preparePatient(keystore: Keystore, uii: Uii): Promise<void> {
  requireKind(keystore, 'patient');
  if (Object.keys(keystore.data).length > 0) return;
  const root = randomBytes(ROOT_BYTES);
  const ownerKey = await generateSigningKey({ extractable: true });
  const data: PatientData = {
    root: toBase64url(root),
    ownerKey: toBase64url(await exportSigningKey(ownerKey)),
    uii,
    pseudonym: pseudonymOf(lookupKey(root), uii),
    categories: [],
    oneTime: [],
  };
  putData(keystore, data);
  await keystore.save();
}

export class Patient {
  readonly session: Session;
  readonly keystore: Keystore;
  /** Signs as this patient; each request uses up a one-time certificate. */
  readonly signer: RequestSigner;
  readonly #ownerKey: SigningKey;
  readonly #stock: OneTimeStock;
  #data: PatientData;

  private constructor(session: Session, keystore: Keystore, ownerKey: SigningKey) {
    this.session = session;
    this.keystore = keystore;
    this.#ownerKey = ownerKey;
    this.#data = readData(keystore, patientDataSchema);
    this.#stock = new OneTimeStock({
      session,
      keystore,
      isOneName: true,
      load: () => this.#data,
      save: (oneTime) => this.update({ oneTime }),
    });
    this.signer = this.signerOf(ownerKey);
  }

  /** Signs as another pseudonym of this patient. */
  signerOf(ownerKey: SigningKey): RequestSigner {
    return patientSigner(
      ownerKey,
      () => this.#stock.take(),
      () => this.#stock.renew(),
    );
  }

  /** Throws `wrong_keystore` where `preparePatient` was not run. */
  static async open(session: Session, keystore: Keystore): Promise<Patient> {
    requireKind(keystore, 'patient');
    const { ownerKey } = readData(keystore, patientDataSchema);
    return new Patient(session, keystore, await importSigningKey(fromBase64url(ownerKey)));
  }

  get pseudonym(): string {
    return this.#data.pseudonym;
  }

  /** `SKAES_P`; it never leaves the patient's machine. */
  get root(): Uint8Array {
    return fromBase64url(this.#data.root);
  }

  /** The owner key: it proves possession to the custodian. */
  get ownerKey(): SigningKey {
    return this.#ownerKey;
  }

  get ownerKid(): string {
    return thumbprint(this.#ownerKey.publicKey);
  }

  get data(): PatientData {
    return this.#data;
  }

  get networkName(): string {
    return this.session.client.name;
  }

  /** Categories whose keys are published, and those under earlier pseudonyms, by tag. */
  categoryNames(): ReadonlyMap<string, string> {
    const present = this.#data.categories.map((name) => [this.tag(name), name] as const);
    return new Map([...Object.entries(this.#data.earlierTags ?? {}), ...present]);
  }

  tag(category: string): string {
    return categoryTag(this.root, category);
  }

  seed(category: string, epoch: { month: string; revision: number }): Uint8Array {
    return categorySeed(this.root, { network: this.networkName, category, ...epoch });
  }

  /** Enrols with the membership service, or goes on with an enrolment that was pending. */
  async enrol(identity: Identity | null, invitation?: string): Promise<'active' | 'pending'> {
    const known = this.#data.enrolment;
    const enrolment = await enrolOrResume(this.session, this.keystore, {
      known,
      role: 'patient',
      identity,
      invitation,
    });
    await this.update({ enrolment });
    return enrolment.status === 'active' ? 'active' : 'pending';
  }

  /** Registers the pseudonym and publishes keys for these categories; harmless when repeated. */
  async register(categories: readonly string[]): Promise<CertifiedResult | null> {
    if (this.#data.registered) {
      await this.ensureCategories(categories);
      return null;
    }
    const names = this.#withCategories(categories);
    const month = monthOf(this.session.clock.now());
    const publication = await this.#publication(names, month, new Map());
    const result = await this.session.client.submit(
      {
        fn: 'patient.register',
        args: {
          pseudonym: this.pseudonym,
          ownerKey: toBase64url(this.#ownerKey.publicKey),
          uiiVersion: UII_VERSION,
          categoryKeysRoot: publication.root,
          categoryKeysFrom: publication.from,
        },
      },
      this.signer,
    );
    const { height, time } = result;
    await this.update({ registered: { height, time, month }, categories: names });
    await this.publish(publication, result.receipt);
    return result;
  }

  /** Publishes keys for categories that have none yet, and renews those of an earlier month. */
  async ensureCategories(categories: readonly string[]): Promise<CertifiedResult | null> {
    const names = this.#withCategories(categories);
    const month = monthOf(this.session.clock.now());
    const isNew = names.length > this.#data.categories.length;
    if (!isNew && this.#data.publishedFrom === month) return null;
    const revisions = await this.revisions(names);
    const publication = await this.#publication(names, month, revisions);
    const result = await this.session.client.submit(
      {
        fn: 'patient.publish-keys',
        args: { categoryKeysRoot: publication.root, categoryKeysFrom: publication.from },
      },
      this.signer,
    );
    await this.update({ categories: names });
    await this.publish(publication, result.receipt);
    return result;
  }

  /** Keys of all present categories with these revisions. */
  async republication(revisions: Revisions): Promise<Publication> {
    const month = monthOf(this.session.clock.now());
    return this.#publication(this.#data.categories, month, revisions);
  }

  /** Hands a publication to the custodian, by the receipt that names its root. */
  async publish(publication: Publication, receipt: Uint8Array): Promise<void> {
    const permit = { key: this.#ownerKey, receipt };
    await this.session.custodian.publishCategoryKeys(publication.keys, permit);
    await this.update({ publishedFrom: publication.from });
  }

  /** Revised months of categories, as the ledger proves them now. */
  async revisions(categories: readonly string[] = this.#data.categories): Promise<Revisions> {
    const tags = categories.map((name) => this.tag(name));
    const call = { fn: 'patient.get', args: { categories: tags } };
    const value = await this.session.client.query(call, this.signer, { fresh: true });
    const { epochs } = parseValue(patientValue, value, call.fn);
    return new Map(epochs.map((one) => [one.categoryTag, one.months]));
  }

  /** The patient confirms records; one outcome each. */
  async countersign(
    records: readonly Pick<MedicalRecord, 'id' | 'digest'>[],
    control: CallControl & { onSettled?: (done: number, of: number) => void } = {},
  ): Promise<Settled[]> {
    const calls = records.map(({ id, digest }) => ({
      fn: 'record.countersign',
      args: { recordId: id, objectDigest: digest },
    }));
    return this.session.client.submitAll(calls, this.signer, control);
  }

  async dispute(recordId: string, reasonCode: DisputeReason): Promise<CertifiedResult> {
    const call = { fn: 'record.dispute', args: { recordId, reasonCode } };
    return this.session.client.submit(call, this.signer);
  }

  /** Everything that was done or tried with this patient's data, oldest first, without a gap. */
  async history(control: CallControl = {}): Promise<HistoryEntry[]> {
    const entries: HistoryEntry[] = [];
    for (const pseudonym of await this.pseudonyms()) {
      const call = { fn: 'history.list', args: { pseudonym }, item: itemSchemas.history };
      const query = { ...call, signer: this.signer };
      entries.push(...(await allEntries(this.session.client, query, { ...control, fresh: true })));
    }
    return entries;
  }

  /** Rotations that led to the present pseudonym, the newest first. */
  async rotations(): Promise<PatientRotation[]> {
    const call = { fn: 'patient.rotations', args: {} };
    const value = await this.session.client.query(call, this.signer, { fresh: true });
    return parseValue(rotationsValue, value, call.fn).rotations;
  }

  /** All pseudonyms that this patient had, the present one last. */
  async pseudonyms(): Promise<string[]> {
    const rotations = await this.rotations();
    return [...rotations.map(({ from }) => from).reverse(), this.pseudonym];
  }

  /** Every permission that was ever given under a pseudonym, oldest first. */
  async permissions(
    control: CallControl = {},
    pseudonym: string = this.pseudonym,
  ): Promise<Permission[]> {
    const args = { pseudonym };
    return allEntries(
      this.session.client,
      { fn: 'patient.permissions', args, item: itemSchemas.permission, signer: this.signer },
      { ...control, fresh: true },
    );
  }

  async records(
    control: CallControl = {},
    pseudonym: string = this.pseudonym,
  ): Promise<MedicalRecord[]> {
    const args = { pseudonym };
    return allEntries(
      this.session.client,
      { fn: 'record.list', args, item: itemSchemas.record, signer: this.signer },
      { ...control, fresh: true },
    );
  }

  /** What the keystore is to remember of the emergency summary; undefined forgets it. */
  async keepEmergency(emergency: PatientData['emergency']): Promise<void> {
    await this.update({ emergency });
  }

  async inbox(control: CallControl = {}): Promise<InboxEntry[]> {
    return allEntries(
      this.session.client,
      { fn: 'inbox.list', item: itemSchemas.inbox, signer: this.signer },
      control,
    );
  }

  /** Remembers how many notices were followed by what they call for. */
  async tended(tended: number): Promise<void> {
    await this.update({ tended });
  }

  async #publication(
    categories: readonly string[],
    month: string,
    revisions: Revisions,
  ): Promise<Publication> {
    const options = { network: this.networkName, categories, month, revisions };
    return makePublication(this.root, options);
  }

  #withCategories(categories: readonly string[]): string[] {
    return [...new Set([...this.#data.categories, ...categories.map(categoryName)])];
  }

  /** Changes what the keystore holds; durable afterwards. */
  async update(change: Partial<PatientData>): Promise<void> {
    this.#data = { ...this.#data, ...change };
    putData(this.keystore, this.#data);
    await this.keystore.save();
  }
}

/** Whether a registration failed because it had succeeded before. */
export function isRegistered(error: unknown): boolean {
  const reason = reasonOf(error);
  return reason === 'pseudonym_taken' || reason === 'owner_key_taken';
}

/** Throws unless every outcome of a bulk call is a committed one. */
export function requireAll(outcomes: readonly Settled[]): CertifiedResult[] {
  return outcomes.map((outcome) => {
    if (outcome instanceof SdkError) throw outcome;
    return outcome;
  });
}
