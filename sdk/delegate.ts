/** Acting for one patient: every step is judged by the ledger, and seen by the patient. */
import { z } from 'zod';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { type Power, powersField } from '../lib/chaincode/representative-values.ts';
import type { HistoryEntry, MedicalRecord, Permission } from '../lib/chaincode/values.ts';
import { digestOfSealed } from '../lib/records/sealed.ts';
import { categoryName } from './categories.ts';
import type { ByteProgress } from './document.ts';
import { SdkError } from './errors.ts';
import { lastMonthOf } from './grant-share.ts';
import { type Granted, type GrantTerms, termsArgs } from './grants.ts';
import type { CallControl } from './network-client.ts';
import { allEntries, itemSchemas, parseValue } from './pages.ts';
import type { DisputeReason } from './patient.ts';
import type { FilePlatform } from './platform/files.ts';
import type { CertifiedResult } from './proofs.ts';
import {
  type ListedRecord,
  openListed,
  readDocument,
  type ReadDocument,
  type Reader,
  type SinkFactory,
} from './read.ts';
import { findRecipient } from './recipients.ts';
import { recordsUnder } from './record-lists.ts';
import { type CategoryEpoch, openShare, sealShare, type Share } from './seal.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

const mineValue = z.object({
  pseudonym: z.string(),
  permission: itemSchemas.permission,
  powers: powersField,
});

/** Keys of a representative for one patient. */
export interface DelegateKeys {
  readonly session: Session;
  readonly files: FilePlatform;
  readonly key: SigningKey;
  readonly kid: string;
  readonly signer: RequestSigner;
  /** Of the X-Wing pair that the share is sealed to. */
  readonly seed: Uint8Array;
}

export class Delegate {
  readonly permission: Permission;
  readonly powers: readonly Power[];
  /** What the patient handed over; null where the custodian does not have it. */
  readonly share: Share | null;
  readonly #keys: DelegateKeys;

  private constructor(
    keys: DelegateKeys,
    mine: { permission: Permission; powers: readonly Power[] },
    share: Share | null,
  ) {
    this.#keys = keys;
    this.permission = mine.permission;
    this.powers = mine.powers;
    this.share = share;
  }

  /** Throws `refused` where the appointment does not hold now. */
  static async open(keys: DelegateKeys): Promise<Delegate> {
    const { session, signer } = keys;
    const call = { fn: 'representative.mine', args: { from: 0, count: 1 } };
    const value = await session.client.query(call, signer, { fresh: true });
    const mine = parseValue(mineValue, value, call.fn);
    return new Delegate(keys, mine, await shareOf(keys, mine.permission));
  }

  get pseudonym(): string {
    return this.permission.pseudonym;
  }

  /** Names of the categories, by tag. */
  categoryNames(): ReadonlyMap<string, string> {
    return new Map(this.share?.categories.map(({ tag, name }) => [tag, name]));
  }

  /** Entries of all records that the appointment covers. */
  async records(): Promise<MedicalRecord[]> {
    const found: MedicalRecord[] = [];
    for (const tag of this.permission.categories) {
      found.push(...(await recordsUnder(this.#keys, this.permission, tag)));
    }
    return found;
  }

  /** As `records`, with names. */
  async list(): Promise<{ listed: ListedRecord[]; access: CertifiedResult }> {
    return openListed(this.reader(), this.pseudonym, await this.records());
  }

  async read(
    record: MedicalRecord,
    makeSink: SinkFactory,
    onProgress?: ByteProgress,
  ): Promise<ReadDocument> {
    return readDocument(this.reader(), record, makeSink, onProgress);
  }

  /** Grants within the appointment, and hands over of what was handed over. */
  async grant(terms: GrantTerms): Promise<Granted> {
    const { session, signer, key } = this.#keys;
    const to = await findRecipient({ session, signer }, terms.to);
    const permissionId = randomId();
    const share = this.#scopedShare(permissionId, terms);
    const { sealed, digest } = await sealShare(share, {
      ...{ publicKey: to.encryptionKey, network: session.client.name, grantee: to.id },
    });
    const bounds = this.permission;
    const within = {
      ...{ rights: terms.rights, until: terms.until, purposes: terms.purposes },
      from: terms.from ?? bounds.from,
      dataFrom: terms.dataFrom ?? bounds.dataFrom ?? undefined,
      dataUntil: terms.dataUntil ?? bounds.dataUntil ?? undefined,
    };
    const call = {
      fn: 'permission.grant',
      args: {
        permissionId,
        ...termsArgs(to, within),
        categories: share.categories.map(({ tag }) => tag),
        ...(to.teamEpoch === null ? {} : { teamEpoch: to.teamEpoch }),
        shareDigest: digest,
      },
    };
    const result = await session.client.submit(call, signer);
    await session.custodian.putShare(sealed, { key, receipt: result.receipt });
    return { permissionId, grantee: to, result };
  }

  /** Ends a permission; the patient's next login renews the keys. */
  async revoke(permissionId: string): Promise<CertifiedResult> {
    const { session, signer, key } = this.#keys;
    const call = { fn: 'permission.revoke', args: { permissionId } };
    const result = await session.client.submit(call, signer);
    await session.custodian.withdrawShare({ key, receipt: result.receipt });
    return result;
  }

  async countersign({ id, digest }: Pick<MedicalRecord, 'id' | 'digest'>) {
    const args = { recordId: id, objectDigest: digest };
    return this.#submit('record.countersign', args);
  }

  async dispute(recordId: string, reasonCode: DisputeReason): Promise<CertifiedResult> {
    return this.#submit('record.dispute', { recordId, reasonCode });
  }

  async history(control: CallControl = {}): Promise<HistoryEntry[]> {
    const query = { fn: 'history.list', item: itemSchemas.history, signer: this.#keys.signer };
    return allEntries(this.#keys.session.client, query, { ...control, fresh: true });
  }

  /** All permissions of the patient, where that may be seen; else those given under this one. */
  async permissions(): Promise<Permission[]> {
    const seesAll = this.powers.includes('revoke') || this.powers.includes('history');
    const fn = seesAll ? 'patient.permissions' : 'representative.mine';
    const query = { fn, item: itemSchemas.permission, signer: this.#keys.signer };
    return allEntries(this.#keys.session.client, query, { fresh: true });
  }

  reader(): Reader {
    const { session, files, key, signer } = this.#keys;
    const seeds = new Map<string, Uint8Array>();
    for (const { tag, seeds: list } of this.share?.categories ?? []) {
      for (const [month, revision, seed] of list) seeds.set([tag, month, revision].join('/'), seed);
    }
    const seedOf = ({ pseudonym, categoryTag, month, revision }: CategoryEpoch) =>
      pseudonym === this.pseudonym
        ? (seeds.get([categoryTag, month, revision].join('/')) ?? null)
        : null;
    return { session, key, signer, files, purpose: 'PATRQT', seedOf };
  }

  #submit(fn: string, args: Record<string, string>): Promise<CertifiedResult> {
    const { session, signer } = this.#keys;
    return session.client.submit({ fn, args }, signer);
  }

  /** Of what the patient handed over: the named categories, and the months of the grant. */
  #scopedShare(permissionId: string, { rights, categories, until }: GrantTerms): Share {
    const { share } = this;
    if (!share) throw notHandedOver();
    const isReader = rights.includes('read');
    const last = lastMonthOf(until);
    const scoped = categories.map((text) => {
      const name = categoryName(text);
      const held = share.categories.find((one) => one.name === name);
      if (!held) {
        const names = share.categories.map((one) => one.name);
        throw new SdkError('bad_input', `You do not act for «${name}».`, {
          nextStep: `Give one of these with --category: ${names.join(', ')}.`,
        });
      }
      const seeds = isReader ? held.seeds.filter(([month]) => month <= last) : [];
      return { ...held, seeds };
    });
    const lookupKey = isReader ? share.lookupKey : null;
    return { ...share, permissionId, lookupKey, categories: scoped };
  }
}

/** The share of the present appointment, as the ledger names it. */
async function shareOf(keys: DelegateKeys, permission: Permission): Promise<Share | null> {
  const { session, key, seed, kid: grantee } = keys;
  const { id: permissionId, pseudonym } = permission;
  const kept = await session.custodian.shares(key);
  const found = kept.find((one) => one.permissionId === permissionId);
  if (!found || digestOfSealed(found.sealed) !== permission.shareDigest) return null;
  const network = session.client.name;
  const share = await openShare(found.sealed, { seed, network, permissionId, grantee });
  const isOwn = share.permissionId === permissionId && share.pseudonym === pseudonym;
  const tags = new Set(permission.categories);
  return isOwn
    ? { ...share, categories: share.categories.filter((one) => tags.has(one.tag)) }
    : null;
}

function notHandedOver(): SdkError {
  return new SdkError('not_found', 'The keys of this appointment are not there yet.', {
    nextStep: 'Try again in a minute; then ask the patient to appoint you anew.',
  });
}
