/** A clinician: receives grants, uploads for patients, and reads what is granted. */
import { z } from 'zod';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import type { XWingKeyPair } from '../lib/crypto/x-wing.ts';
import type { InboxEntry, MedicalRecord, Permission } from '../lib/chaincode/values.ts';
import { epochsSchema } from '../lib/chaincode/values.ts';
import type { Purpose, Right } from '../lib/chaincode/fields.ts';
import { rightsOfRole } from '../lib/chaincode/roles.ts';
import { type Role, roleSchema } from '../lib/membership/roles.ts';
import { type CategoryKey, verifyCategoryKey } from '../lib/records/category-keys.ts';
import { digestOfSealed, type SealedText } from '../lib/records/sealed.ts';
import { categoryName } from './categories.ts';
import { monthOf } from './category-keys.ts';
import type { ByteProgress } from './document.ts';
import { SdkError } from './errors.ts';
import { keyPairs, type Keystore, requireKind } from './keystore.ts';
import { type ClinicianData, clinicianDataSchema, putData, readData } from './keystore-data.ts';
import type { Identity } from './membership-client.ts';
import type { CallControl } from './network-client.ts';
import { allEntries, itemSchemas, parseValue } from './pages.ts';
import type { DocumentSource, FilePlatform } from './platform/files.ts';
import {
  type ListedRecord,
  openListed,
  readDocument,
  type ReadDocument,
  type Reader,
  requestAccess,
  type SinkFactory,
} from './read.ts';
import type { CertifiedResult } from './proofs.ts';
import { recordsUnder } from './record-lists.ts';
import { openShare, type CategoryEpoch, type Share } from './seal.ts';
import { enrolOrResume, type Session } from './session.ts';
import { keySigner, type RequestSigner } from './signing.ts';
import { type CareTeam, heldTeamKey, teamsOf } from './teams.ts';
import { uploadDocument, type Uploaded, type UploadOptions } from './upload.ts';

/** A permission of the ledger with what the patient handed over for it. */
export interface ReceivedGrant {
  /** With the rights alone that this person's role can hold. */
  readonly permission: Permission;
  /** The care team that it was given to, or null. */
  readonly team: { readonly id: string; readonly name: string } | null;
  /** Null where the custodian has nothing of it, or what does not open as the ledger names it. */
  readonly share: Share | null;
}

const patientValue = z.object({
  categoryKeysRoot: z.string(),
  epochs: z.array(z.object({ categoryTag: z.string(), months: epochsSchema })),
});

const KEY_TRIES_MAX = 5;
const KEY_RETRY_MS = 600;

export class Clinician {
  readonly session: Session;
  readonly keystore: Keystore;
  readonly signer: RequestSigner;
  readonly #files: FilePlatform;
  #data: ClinicianData;
  #grants: Promise<ReceivedGrant[]> | null = null;

  constructor(session: Session, keystore: Keystore, files: FilePlatform) {
    requireKind(keystore, 'clinician');
    this.session = session;
    this.keystore = keystore;
    this.signer = keySigner(keystore.signingKey);
    this.#files = files;
    this.#data = readData(keystore, clinicianDataSchema);
  }

  get data(): ClinicianData {
    return this.#data;
  }

  /** Enrols, or goes on with an enrolment that was pending; an operator approves it afterwards. */
  async enrol(
    role: Role,
    identity: Identity | null,
    invitation?: string,
  ): Promise<ClinicianData['enrolment']> {
    const known = this.#data.enrolment;
    const asked = { known, role, identity, invitation };
    const enrolment = await enrolOrResume(this.session, this.keystore, asked);
    await this.change({ enrolment });
    return enrolment;
  }

  /** Changes what the keystore holds for this person; durable when it returns. */
  async change(change: Partial<ClinicianData>): Promise<void> {
    this.#data = { ...this.#data, ...change };
    putData(this.keystore, this.#data);
    await this.keystore.save();
  }

  /** All grants ever received, each share compared with the ledger's digest. */
  async grants(control: CallControl & { reload?: boolean } = {}): Promise<ReceivedGrant[]> {
    if (control.reload) this.#grants = null;
    this.#grants ??= this.#loadGrants(control).catch((error: unknown) => {
      this.#grants = null;
      throw error;
    });
    return this.#grants;
  }

  /** Grants that hold now, with their shares. */
  async liveGrants(): Promise<(ReceivedGrant & { share: Share })[]> {
    const now = this.session.clock.now();
    const all = await this.grants({ reload: true });
    return all.filter((one): one is ReceivedGrant & { share: Share } => {
      const { revoked, from, until } = one.permission;
      return one.share !== null && revoked === null && from <= now && now < until;
    });
  }

  /** Uploads a document for a patient who granted `write` for the category. */
  async upload(
    source: DocumentSource,
    target: {
      readonly pseudonym: string;
      readonly category: string;
      readonly mediaType: string;
      readonly dataMonth?: string | undefined;
      readonly supersedes?: string | undefined;
    },
    options: UploadOptions = {},
  ): Promise<Uploaded> {
    const { session, signer } = this;
    const category = categoryName(target.category);
    const categoryTag = await this.#tagFor(target.pseudonym, category);
    const uploader = {
      session,
      signer,
      key: this.keystore.signingKey,
      files: this.#files,
      encryption: this.keystore.encryption,
      categoryKey: (wanted: { pseudonym: string; categoryTag: string }) =>
        this.#categoryKey(wanted.pseudonym, wanted.categoryTag),
    };
    const { pseudonym, mediaType, supersedes } = target;
    const dataMonth = target.dataMonth ?? monthOf(session.clock.now());
    const full = { pseudonym, category, categoryTag, dataMonth, mediaType, supersedes };
    return uploadDocument(uploader, source, full, options);
  }

  /** Records of a patient in all categories that may be read now, newest months included. */
  async records(pseudonym: string): Promise<MedicalRecord[]> {
    const found = new Map<string, MedicalRecord>();
    for (const { permission } of await this.liveGrants()) {
      if (permission.pseudonym !== pseudonym || !permission.rights.includes('read')) continue;
      for (const categoryTag of permission.categories) {
        for (const record of await recordsUnder(this, permission, categoryTag)) {
          found.set(record.id, record);
        }
      }
    }
    return [...found.values()];
  }

  /** As `records`, with names; the patient sees that they were looked at. */
  async list(
    pseudonym: string,
    purpose: Purpose = 'TREAT',
  ): Promise<{ listed: ListedRecord[]; access: CertifiedResult }> {
    const records = await this.records(pseudonym);
    return openListed(await this.reader(purpose), pseudonym, records);
  }

  /** Reads a record; `record` is its entry on the ledger, as `records` gives it. */
  async read(
    record: MedicalRecord,
    makeSink: SinkFactory,
    options: { purpose?: Purpose; onProgress?: ByteProgress } = {},
  ): Promise<ReadDocument> {
    const reader = await this.reader(options.purpose ?? 'TREAT');
    return readDocument(reader, record, makeSink, options.onProgress);
  }

  /** Asks the ledger for access and nothing more. Throws `refused` on a denial. */
  async requestAccess(recordId: string, purpose: Purpose = 'TREAT'): Promise<CertifiedResult> {
    return requestAccess(await this.reader(purpose), recordId);
  }

  /** One record's entry. Throws where it may not be known. */
  async record(recordId: string): Promise<MedicalRecord> {
    const call = { fn: 'record.get', args: { recordId } };
    const value = await this.session.client.query(call, this.signer);
    return parseValue(itemSchemas.record, value, call.fn);
  }

  /** Takes back a record that this person wrote; all who read it are told. */
  async retract(
    recordId: string,
    reason: 'wrong-patient' | 'written-in-error',
  ): Promise<CertifiedResult> {
    const call = { fn: 'record.retract', args: { recordId, reason } };
    return this.session.client.submit(call, this.signer);
  }

  async inbox(control: CallControl = {}): Promise<InboxEntry[]> {
    return allEntries(
      this.session.client,
      { fn: 'inbox.list', item: itemSchemas.inbox, signer: this.signer },
      control,
    );
  }

  /** Who reads, with all seeds that were handed over and never mind until when. */
  async reader(purpose: Purpose): Promise<Reader> {
    const seeds = new Map<string, Uint8Array>();
    for (const { share } of await this.grants()) {
      for (const { tag, seeds: list } of share?.categories ?? []) {
        for (const [month, revision, seed] of list) {
          seeds.set([share?.pseudonym, tag, month, revision].join('/'), seed);
        }
      }
    }
    return {
      session: this.session,
      key: this.keystore.signingKey,
      signer: this.signer,
      files: this.#files,
      purpose,
      seedOf: ({ pseudonym, categoryTag, month, revision }: CategoryEpoch) =>
        seeds.get([pseudonym, categoryTag, month, revision].join('/')) ?? null,
    };
  }

  async #loadGrants(control: CallControl): Promise<ReceivedGrant[]> {
    const { session, signer } = this;
    const permissions = await allEntries(
      session.client,
      { fn: 'permission.received', item: itemSchemas.permission, signer },
      { ...control, fresh: true },
    );
    const sealedById = new Map<string, { sealed: SealedText; seed: Uint8Array }>();
    // What was sealed to keys before the present ones is there until patients seal anew.
    const now = session.clock.now();
    const live = permissions.filter(({ revoked, until }) => revoked === null && now < until);
    const wanted = new Map(live.map(({ id, shareDigest }) => [id, shareDigest]));
    for (const { signingKey, encryption } of await this.allKeys()) {
      for (const { permissionId, sealed } of await session.sources.shares(signingKey, wanted)) {
        sealedById.set(permissionId, { sealed, seed: encryption.seed });
      }
    }
    const found = await this.#opened(permissions, null, ({ id }) => sealedById.get(id) ?? null);
    for (const team of await teamsOf(this)) found.push(...(await this.#teamGrants(team, control)));
    return found;
  }

  /** What a team was given. Without the team's key, the permissions are known and no share is. */
  async #teamGrants(team: CareTeam, control: CallControl): Promise<ReceivedGrant[]> {
    const { session, signer } = this;
    const query = { fn: 'team.permissions', args: { teamId: team.id }, signer };
    const item = itemSchemas.permission;
    const all = await allEntries(session.client, { ...query, item }, { ...control, fresh: true });
    const allowed = this.#rights();
    const permissions = all.map((one) => ({
      ...one,
      rights: one.rights.filter((right) => allowed.includes(right)),
    }));
    const named = { id: team.id, name: team.name };
    const given = permissions.filter(({ revoked }) => revoked === null);
    if (given.length === 0) return this.#opened(permissions, named, () => null);
    const held = await heldTeamKey(this, team).catch((error: unknown) => {
      if (error instanceof SdkError) return null;
      throw error;
    });
    if (held === null) return this.#opened(permissions, named, () => null);
    const now = session.clock.now();
    const live = given.filter(({ until }) => now < until);
    const wanted = new Map(live.map(({ id, shareDigest }) => [id, shareDigest]));
    const deposited = await session.sources.shares(held.signingKey, wanted, team.id);
    const sealedById = new Map(deposited.map((one) => [one.permissionId, one.sealed]));
    return this.#opened(permissions, named, ({ id, teamEpoch }) => {
      const sealed = sealedById.get(id);
      const seed = held.seeds.get(teamEpoch ?? 0);
      return sealed && seed ? { sealed, seed } : null;
    });
  }

  async #opened(
    permissions: readonly Permission[],
    team: ReceivedGrant['team'],
    find: (permission: Permission) => { sealed: SealedText; seed: Uint8Array } | null,
  ): Promise<ReceivedGrant[]> {
    return Promise.all(
      permissions.map(async (permission) => {
        const found = find(permission);
        const share = found ? await this.#openShare(found, permission) : null;
        return { permission, team, share };
      }),
    );
  }

  /** Former keys first, so that what the present ones open counts. */
  async allKeys(): Promise<{ signingKey: SigningKey; encryption: XWingKeyPair }[]> {
    const { signingKey, encryption } = this.keystore;
    const former = await Promise.all((this.#data.former ?? []).map(keyPairs));
    return [...former, { signingKey, encryption }];
  }

  /** Rights that the role of this person can hold. */
  #rights(): readonly Right[] {
    const role = roleSchema.safeParse(this.#data.enrolment?.role);
    return role.success ? rightsOfRole(role.data) : [];
  }

  /** One patient's share; nonsense in it must not hide what other patients handed over. */
  async #openShare(
    { sealed, seed }: { sealed: SealedText; seed: Uint8Array },
    permission: Permission,
  ): Promise<Share | null> {
    try {
      if (digestOfSealed(sealed) !== permission.shareDigest) return null;
      const share = await openShare(sealed, {
        seed,
        network: this.session.client.name,
        permissionId: permission.id,
        grantee: permission.grantee,
      });
      return fitted(share, permission);
    } catch {
      return null;
    }
  }

  /** The tag of a category that this clinician may write. */
  async #tagFor(pseudonym: string, category: string): Promise<string> {
    const grants = await this.grants();
    for (const { permission, share } of grants) {
      if (permission.pseudonym !== pseudonym || !permission.rights.includes('write')) continue;
      const found = share?.categories.find((one) => one.name === category);
      if (found) return found.tag;
    }
    throw new SdkError('not_found', `You hold no grant to write «${category}» for this patient.`, {
      nextStep: 'Ask the patient: `carequorum grant --rights write --category …`.',
    });
  }

  /** This month's key, proven under the root that the ledger holds and of its present revision. */
  async #categoryKey(pseudonym: string, categoryTag: string): Promise<CategoryKey> {
    const { session, signer, keystore } = this;
    const month = monthOf(session.clock.now());
    for (let attempt = 1; ; attempt += 1) {
      const call = { fn: 'patient.get', args: { pseudonym, categories: [categoryTag] } };
      const value = await session.client.query(call, signer, { fresh: true });
      const { categoryKeysRoot, epochs } = parseValue(patientValue, value, call.fn);
      const revision = epochs[0]?.months.find((one) => one.month === month)?.revision ?? 0;
      const wanted = { pseudonym, categoryTag, month };
      const { key, proof } = await session.custodian.categoryKey(wanted, keystore.signingKey);
      const isPresent = key.revision === revision;
      if (isPresent && verifyCategoryKey(fromBase64url(categoryKeysRoot), key, proof)) return key;
      if (attempt >= KEY_TRIES_MAX) throw wrongKey(month, key.revision);
      // The patient may have renewed keys just now, and not handed them over yet.
      await session.clock.sleep(KEY_RETRY_MS);
    }
  }
}

function wrongKey(month: string, revision: number): SdkError {
  return new SdkError('mismatch', 'The custodian gave another key than the patient published.', {
    nextStep: 'Try again in a minute; then tell the custodian. Nothing was uploaded.',
    details: { month, revision },
  });
}

/**
 * What a share says of the very permission that the ledger has; null of another. A permission may
 * have been narrowed since: what it no longer covers is left out.
 */
function fitted(share: Share, permission: Permission): Share | null {
  const { id, pseudonym, categories } = permission;
  if (share.permissionId !== id || share.pseudonym !== pseudonym) return null;
  const tags = new Set(categories);
  return { ...share, categories: share.categories.filter((one) => tags.has(one.tag)) };
}
