/** Typed reading of state, and the draft of what one transaction would write. */
import type { StateView } from '../ledger/state-view.ts';
import { limits } from '../limits.ts';
import { encodeCbor } from '../wire/codec.ts';
import { chaincodeBounds } from './bounds.ts';
import { type Cell, type ListCell, listCells } from './cells.ts';
import { decodedValue } from './decoded-value.ts';
import { countSchema, type InboxEntry } from './values.ts';

/** One change of state; null deletes. */
export interface Write {
  key: string;
  value: Uint8Array | null;
}

/** Tells a person that something happened, without saying what about. */
export interface LedgerEvent {
  /** A pseudonym or a subject. */
  audience: string;
  topic: Topic;
}

export type Topic =
  | 'access.denied'
  | 'access.permitted'
  | 'case.changed'
  | 'case.closed'
  | 'case.consented'
  | 'case.noted'
  | 'case.opened'
  | 'case.told'
  | 'identity.lapsed'
  | 'identity.re-enrolled'
  | 'identity.re-enrolment-asked'
  | 'identity.re-enrolment-ended'
  | 'claim.answered'
  | 'claim.asked'
  | 'claim.withdrawn'
  | 'copy.deleted'
  | 'erasure.acknowledged'
  | 'erasure.ordered'
  | 'emergency.accessed'
  | 'emergency.declared'
  | 'emergency.reviewed'
  | 'identity.registered'
  | 'identity.renewed'
  | 'identity.revoked'
  | 'patient.rotated'
  | 'identity.unmask-approved'
  | 'permission.extended'
  | 'permission.granted'
  | 'permission.lapsed'
  | 'permission.narrowed'
  | 'permission.resealed'
  | 'permission.revoked'
  | 'prescription.cancelled'
  | 'prescription.filled'
  | 'prescription.issued'
  | 'prescription.recalled'
  | 'prescription.released'
  | 'record.corrected'
  | 'record.countersigned'
  | 'record.disputed'
  | 'record.doubted'
  | 'record.relayered'
  | 'record.retracted'
  | 'record.stored'
  | 'representative.acted'
  | 'representative.appointed'
  | 'representative.ended'
  | 'representative.revoked'
  | 'recovery.objected'
  | 'recovery.released'
  | 'recovery.started'
  | 'recovery.vetoed'
  | 'release.published'
  | 'release.submitted'
  | 'study.approved'
  | 'study.closed'
  | 'study.withdrawn'
  | 'team.joined'
  | 'team.key-wanted'
  | 'team.left'
  | 'team.sealed';

/** A page of a list. */
export type Page<T> = {
  /** Entries of the whole list. */
  count: number;
  /** Sequence number of the first item. */
  from: number;
  items: T[];
};

/** Reads values of state. A value that does not fit its schema is a bug, and throws as one. */
export interface Reader {
  get<T>(cell: Cell<T>): Promise<T | null>;
  /** As `get` for each, in as many round trips as one takes. */
  many<T>(cells: readonly Cell<T>[]): Promise<(T | null)[]>;
  count(list: ListCell<unknown>): Promise<number>;
  /** Entries from `from` on; without it the newest. */
  page<T>(list: ListCell<T>, wanted: PageRequest): Promise<Page<T>>;
}

export interface PageRequest {
  from?: number | undefined;
  count?: number | undefined;
}

/** Values that a list or another value names. One that is missing is a bug, and throws as one. */
export async function present<T>(
  reader: Pick<Reader, 'many'>,
  wanted: readonly Cell<T>[],
): Promise<T[]> {
  const found = await reader.many(wanted);
  return found.map((one, at) => {
    if (one === null) throw new Error(`${wanted[at]?.key} is listed but missing`);
    return one;
  });
}

export function readerOf(view: StateView): Reader {
  const read = async <T>(cell: Cell<T>): Promise<T | null> => {
    const bytes = await view.get(cell.key);
    return bytes ? decodedValue(cell.schema, bytes) : null;
  };
  const count = async (list: ListCell<unknown>): Promise<number> =>
    (await read({ key: list.keys.count, schema: countSchema })) ?? 0;
  const many = async <T>(cells: readonly Cell<T>[]): Promise<(T | null)[]> => {
    await view.prefetch?.(cells.map(({ key }) => key));
    const values: (T | null)[] = [];
    for (const cell of cells) values.push(await read(cell));
    return values;
  };
  return {
    get: read,
    many,
    count,
    async page<T>(list: ListCell<T>, wanted: PageRequest): Promise<Page<T>> {
      const total = await count(list);
      const size = Math.min(wanted.count ?? chaincodeBounds.pageDefault, chaincodeBounds.pageMax);
      const from = Math.min(wanted.from ?? Math.max(0, total - size), total);
      const length = Math.max(0, Math.min(size, total - from));
      const cells = Array.from({ length }, (_, at) => ({
        key: list.keys.entry(from + at),
        schema: list.schema,
      }));
      const items = (await many(cells)).map((item, at) => {
        if (item === null) throw new Error(`${cells[at]?.key} is missing of its list`);
        return item;
      });
      return { count: total, from, items };
    },
  };
}

/** Where a transaction is: what its traces in histories and inboxes say. */
export interface Place {
  transaction: string;
  time: number;
  height: number;
}

/** Collects the writes and events of one transaction; its own writes are seen by its reads. */
export class Draft {
  readonly reader: Reader;
  readonly events: LedgerEvent[] = [];
  readonly #place: Place;
  readonly #pending = new Map<string, Uint8Array>();
  readonly #overlay: StateView;

  constructor(view: StateView, place: Place) {
    this.#place = place;
    this.#overlay = {
      get: (key) => {
        const own = this.#pending.get(key);
        return own ? Promise.resolve(own) : view.get(key);
      },
      prefetch: async (wanted) => view.prefetch?.(wanted),
    };
    this.reader = readerOf(this.#overlay);
  }

  /** A draft on top of this one: what it writes is forgotten unless it is taken over. */
  trial(): Draft {
    return new Draft(this.#overlay, this.#place);
  }

  /** Takes over what a trial would write. */
  absorb(trial: Draft): void {
    for (const [key, value] of trial.#pending) this.#pending.set(key, value);
    this.events.push(...trial.events);
  }

  get<T>(cell: Cell<T>): Promise<T | null> {
    return this.reader.get(cell);
  }

  /** Writes a value; one that its own schema or the bound refuses is a bug. */
  put<T>(cell: Cell<T>, value: T): void {
    const bytes = encodeCbor(cell.schema.parse(value));
    if (bytes.length > limits.stateValueBytesMax) throw new RangeError(`${cell.key} is too large`);
    this.#pending.set(cell.key, bytes);
  }

  /** Adds an entry to a list and raises its count. */
  async append<T>(list: ListCell<T>, entry: T): Promise<void> {
    const count = await this.reader.count(list);
    this.put({ key: list.keys.entry(count), schema: list.schema }, entry);
    this.put({ key: list.keys.count, schema: countSchema }, count + 1);
  }

  /** Tells a patient or a subject: an event, and an entry of the provable inbox. */
  async notify(
    to: { pseudonym: string } | { subject: string },
    topic: Topic,
    about: Partial<Pick<InboxEntry, 'recordId' | 'permissionId'>> = {},
  ): Promise<void> {
    const isPatient = 'pseudonym' in to;
    this.announce(isPatient ? to.pseudonym : to.subject, topic);
    const list = isPatient
      ? listCells.patientInbox(to.pseudonym)
      : listCells.subjectInbox(to.subject);
    const { recordId = null, permissionId = null } = about;
    await this.append(list, { ...this.#place, topic, recordId, permissionId });
  }

  /** An event alone, where another list of state already holds what happened. */
  announce(audience: string, topic: Topic): void {
    this.events.push({ audience, topic });
  }

  /** The writes in the order of their keys, each key once. */
  writes(): Write[] {
    const entries = [...this.#pending].sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.map(([key, value]) => ({ key, value }));
  }
}
