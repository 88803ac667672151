/** The IO of a validator's functions beyond that of a step (`lib/ports.ts`). */

import { z } from 'zod';
import type { BlockHeader } from '../../lib/wire/header.ts';
import type { SignedGenesis } from '../../lib/wire/genesis.ts';
import type { Certificate } from '../../lib/wire/vote.ts';
import type { SelfMessage } from '../aws/inbox-message.ts';

/** The one genesis document that a party accepted. */
export interface GenesisStore {
  load(): Promise<SignedGenesis | null>;
  /** Stores it unless there is one already; answers false then. */
  save(signed: SignedGenesis): Promise<boolean>;
}

/** A committed block as a peer gave it, checked by whoever fetched it. */
export interface FetchedBlock {
  header: BlockHeader;
  certificate: Certificate;
  /** Compact JWS, in order. */
  transactions: string[];
}

/** Hands blocks from the catch-up worker to the replica; what is there for long may vanish. */
export interface FetchedStore {
  put(ledger: string, height: number, block: FetchedBlock): Promise<void>;
  get(ledger: string, height: number): Promise<FetchedBlock | null>;
  /** How far a worker has come that goes on over several runs. */
  work(ledger: string, name: string): Promise<{ version: number; bytes: Uint8Array } | null>;
  /** Stores it only over the version `expected` (null: only if there is none); false else. */
  saveWork(
    ledger: string,
    name: string,
    expected: number | null,
    bytes: Uint8Array,
  ): Promise<boolean>;
}

/** An event of a block as the public feed shows it: no audience, no patient facts. */
const blockEventSchema = z.strictObject({
  /** Position of the transaction in its block. */
  index: z.int().min(0),
  topic: z.string().max(64),
  /** 32 hex digits: lets only those who know audience and transaction recognise it. */
  tag: z.string().regex(/^[0-9a-f]{32}$/),
});
export type BlockEvent = z.infer<typeof blockEventSchema>;
export const blockEventsSchema = z.array(blockEventSchema).max(65_536);

/** Events by block; staged under the header hash like bodies, idempotent. */
export interface EventStore {
  stageEvents(ledger: string, headerHash: Uint8Array, events: readonly BlockEvent[]): Promise<void>;
  /** Empty where a block has none. */
  events(ledger: string, headerHash: Uint8Array): Promise<BlockEvent[]>;
}

/** Notes to the own inbox, from `api` and `timer`. */
export interface InboxSender {
  /** Says that the mempool holds something new; many submissions under one `wakeSeq` cost one. */
  wake(ledger: string, wakeSeq: number): Promise<void>;
  send(message: SelfMessage): Promise<void>;
}

/** What a wrapped secret is for; a role may unwrap some purposes only. */
export type WrapPurpose = 'session' | 'read' | 'share';

/** Encrypts small secrets under the institution's symmetric key. */
export interface KeyWrap {
  wrap(purpose: WrapPurpose, secret: Uint8Array): Promise<Uint8Array>;
  /** Rejects where the purpose differs, or the role may not. */
  unwrap(purpose: WrapPurpose, wrapped: Uint8Array): Promise<Uint8Array>;
}

/** One wrapped secret with what is public about it. */
export interface WrappedKey {
  wrapped: Uint8Array;
  publicKey: Uint8Array;
  /** Canonical bytes of the session certificate; empty for the share key. */
  certificate: Uint8Array;
  /** The ledger table for which the key was made. */
  ledgerIdentity: string;
}

/** Where the keyring lives: a table without backup, apart from the ledger. */
export interface KeyringStore {
  load(purpose: WrapPurpose): Promise<WrappedKey | null>;
  /** Public bundle as JSON text. */
  bundle(): Promise<string | null>;
  /** Stores all keys and the bundle together unless there are some; answers false then. */
  create(keys: Readonly<Record<WrapPurpose, WrappedKey>>, bundle: string): Promise<boolean>;
  /** Stores one key over whatever was there. */
  keep(purpose: WrapPurpose, key: WrappedKey): Promise<void>;
  /**
   * Stores all keys and the bundle together over those of before, which are gone then; answers
   * false where the bundle is not `before` any more (null: there was none).
   */
  replace(
    keys: Readonly<Record<WrapPurpose, WrappedKey>>,
    bundle: string,
    before: string | null,
  ): Promise<boolean>;
  /** Names the ledger table as it is now: differs for a new, cloned or restored table. */
  ledgerIdentity(): Promise<string>;
}
