/** Who can give out records: the custodian, and hospitals with copies where it is away. */
import type { SigningKey } from '../lib/crypto/p256.ts';
import { digestOfSealed, type SealedText } from '../lib/records/sealed.ts';
import type { Clock } from './clock.ts';
import type { CopiesClient } from './copies-client.ts';
import type {
  CustodianClient,
  ListedMetadata,
  Patience,
  RecordAccess,
} from './custodian-client.ts';
import { SdkError } from './errors.ts';
import { isSilent, problemCodeOf } from './http.ts';
import type { ValidatorAddress } from './validator-pool.ts';

/** How long a custodian that did not answer is asked last. */
const REST_MS = 30_000;

/** Refusals of the custodian that no other source could judge differently. */
const FINAL: ReadonlySet<string> = new Set([
  'record_erased',
  'patient_erased',
  'patient_rotated',
  'receipt_denied',
  'receipt_expired',
  'receipt_not_committed',
  'receipt_wrong_kind',
]);

type Permit = { key: SigningKey; receipt: Uint8Array };

/** One that may have the bytes of a record. */
export interface RecordSource {
  /** `records`, or the id of a hospital. */
  readonly id: string;
  /** Whether it may be asked again where a stream broke off, at a fresh address. */
  access(permit: Permit): Promise<RecordAccess>;
}

interface Gathering<T> {
  /** Ids that make the answer whole. */
  readonly wanted: readonly string[];
  idOf(one: T): string;
  isRight(one: T): Promise<boolean>;
  atCustodian(patience: Patience): Promise<T[]>;
  atHospital(hospital: ValidatorAddress): Promise<T[]>;
}

export class RecordSources {
  readonly #custodian: CustodianClient;
  readonly #copies: CopiesClient;
  readonly #hospitals: () => readonly ValidatorAddress[];
  readonly #clock: Clock;
  #restsUntil = 0;
  /** The hospital that had a copy last. */
  #known: string | null = null;

  constructor(options: {
    custodian: CustodianClient;
    copies: CopiesClient;
    hospitals: () => readonly ValidatorAddress[];
    clock: Clock;
  }) {
    this.#custodian = options.custodian;
    this.#copies = options.copies;
    this.#hospitals = options.hospitals;
    this.#clock = options.clock;
  }

  /** Who answered last where the custodian did not; null while the custodian works. */
  get standIn(): string | null {
    return this.#isResting() ? this.#known : null;
  }

  /**
   * Reads a record from whoever gives the right bytes: `use` opens, fetches and checks, and throws
   * where something of it is missing or wrong. Throws what the custodian's try ended with.
   */
  async read<T>(use: (source: RecordSource) => Promise<T>): Promise<T> {
    let isDamaged = false;
    let failure: unknown = null;
    /** Of the custodian: hospitals say nothing of whether it will be back. */
    let away: unknown = null;
    const attempts = [...this.#inOrder(() => isDamaged), this.#patient()];
    for (const { source, isLast } of attempts) {
      // Patience is for one that may come back, not for one that gave an answer.
      if (isLast && !isAway(away)) break;
      try {
        const done = await use(source);
        this.#worked(source.id);
        return done;
      } catch (error) {
        if (source.id === 'records' ? isFinal(error) : isAborted(error)) throw error;
        if (source.id === 'records') {
          away = error;
          isDamaged = !isSilent(error);
          if (isSilent(error)) this.#restsUntil = this.#clock.now() + REST_MS;
        }
        if (failure === null || source.id === 'records') failure = error;
      }
    }
    throw failure;
  }

  /**
   * Sealed metadata of these records: of the custodian, and of hospitals where it lacks some.
   * `isRight` judges what a hospital gives, so that one that errs hides nothing.
   */
  async metadata(
    permit: Permit,
    wanted: readonly string[],
    isRight: (one: ListedMetadata) => Promise<boolean>,
  ): Promise<ListedMetadata[]> {
    return this.#gather({
      wanted,
      idOf: ({ recordId }) => recordId,
      isRight,
      atCustodian: (patience) => this.#custodian.metadata(permit, patience),
      atHospital: (hospital) => this.#copies.metadata(hospital, permit),
    });
  }

  /**
   * Shares that are sealed to this key, or to a care team of its holder; `wanted` are the ledger's
   * digests by permission.
   */
  async shares(
    key: SigningKey,
    wanted: ReadonlyMap<string, string>,
    teamId?: string,
  ): Promise<{ permissionId: string; sealed: SealedText }[]> {
    return this.#gather<{ permissionId: string; sealed: SealedText }>({
      wanted: [...wanted.keys()],
      idOf: ({ permissionId }) => permissionId,
      isRight: async ({ permissionId, sealed }) =>
        digestOfSealed(sealed) === wanted.get(permissionId),
      atCustodian: (patience) =>
        known(
          this.#custodian.shares(key, { patience, ...(teamId === undefined ? {} : { teamId }) }),
        ),
      atHospital: (hospital) => this.#copies.shares(hospital, key, teamId),
    });
  }

  /** What a member sealed to this key in a care team; `digest` is the ledger's. Null of nobody. */
  async teamKey(teamId: string, key: SigningKey, digest: string): Promise<SealedText | null> {
    const listed = (sealed: SealedText | null): SealedText[] => (sealed === null ? [] : [sealed]);
    const found = await this.#gather<SealedText>({
      wanted: [teamId],
      idOf: () => teamId,
      isRight: async (sealed) => digestOfSealed(sealed) === digest,
      atCustodian: (patience) => known(this.#custodian.teamKey(teamId, key, patience).then(listed)),
      atHospital: async (hospital) => listed(await this.#copies.teamKey(hospital, teamId, key)),
    });
    return found[0] ?? null;
  }

  /** The custodian has everything; hospitals have their part, so several are asked. */
  async #gather<T>(how: Gathering<T>): Promise<T[]> {
    const found = new Map<string, T>();
    const isAll = (): boolean => how.wanted.every((id) => found.has(id));
    const ask = async (patience: Patience): Promise<void> => {
      for (const one of await how.atCustodian(patience)) found.set(how.idOf(one), one);
      this.#worked('records');
    };
    let isAnswered = false;
    if (!this.#isResting()) {
      try {
        await ask('short');
        isAnswered = true;
      } catch (error) {
        if (isFinal(error) || !isSilent(error)) throw error;
        this.#restsUntil = this.#clock.now() + REST_MS;
      }
    }
    for (const hospital of this.#hospitalsInOrder()) {
      if (isAnswered && isAll()) break;
      const list = await this.#askHospital(hospital, how);
      for (const one of list) if (!found.has(how.idOf(one))) found.set(how.idOf(one), one);
      isAnswered ||= list.length > 0;
    }
    // Who wants nothing waits for nobody.
    if (!isAnswered && how.wanted.length > 0) await ask('long');
    return [...found.values()];
  }

  async #askHospital<T>(hospital: ValidatorAddress, how: Gathering<T>): Promise<T[]> {
    try {
      const right: T[] = [];
      for (const one of await how.atHospital(hospital)) {
        if (await how.isRight(one)) right.push(one);
      }
      return right;
    } catch (error) {
      if (isAborted(error) || !(error instanceof SdkError)) throw error;
      return [];
    }
  }

  #inOrder(isDamaged: () => boolean): { source: RecordSource; isLast: boolean }[] {
    const hospitals = this.#hospitalsInOrder().map((hospital) => ({
      source: {
        id: hospital.id,
        access: (permit: Permit) => this.#copies.access(hospital, permit, isDamaged()),
      },
      isLast: false,
    }));
    if (this.#isResting()) return hospitals;
    const access = (permit: Permit) => this.#custodian.access(permit, 'short');
    return [{ source: { id: 'records', access }, isLast: false }, ...hospitals];
  }

  #patient(): { source: RecordSource; isLast: boolean } {
    const access = (permit: Permit) => this.#custodian.access(permit, 'long');
    return { source: { id: 'records', access }, isLast: true };
  }

  #hospitalsInOrder(): ValidatorAddress[] {
    const all = this.#hospitals();
    return [
      ...all.filter(({ id }) => id === this.#known),
      ...all.filter((one) => one.id !== this.#known),
    ];
  }

  #isResting(): boolean {
    return this.#clock.now() < this.#restsUntil;
  }

  #worked(id: string): void {
    if (id === 'records') this.#restsUntil = 0;
    else this.#known = id;
  }
}

/** Nothing, where the custodian was not told of a member: the team's hospital knows by the ledger. */
async function known<T>(asked: Promise<T[]>): Promise<T[]> {
  return asked.catch((error: unknown) => {
    if (problemCodeOf(error) === 'not_in_team') return [];
    throw error;
  });
}

/** Whatever one hospital says or sends, another may have the right bytes: one must not end a read. */
function isAborted(error: unknown): boolean {
  return error instanceof SdkError && error.code === 'aborted';
}

/** The custodian's word counts for all. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof SdkError) || isAborted(error)) return true;
  if (error.code === 'not_readable' || error.code === 'refused') return true;
  return FINAL.has(problemCodeOf(error) ?? '');
}

/** What time may mend: silence, and a record that is not there (yet). */
function isAway(error: unknown): boolean {
  return error === null || isSilent(error) || problemCodeOf(error) === 'unknown_record';
}
