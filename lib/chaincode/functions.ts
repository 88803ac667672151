/** What a function of the chaincode is, and how a family defines one. */
import type { z } from 'zod';
import type { VerifySignature } from '../crypto/p256.ts';
import type { StateView } from '../ledger/state-view.ts';
import type { Parameters } from '../wire/parameters.ts';
import type { Signer } from '../wire/transaction.ts';
import type { Draft, Reader } from './draft.ts';
import type { Power } from './representative-values.ts';
import type { IdentityRole, Role } from './roles.ts';
import type { Identity, Permission } from './values.ts';

/** Where execution happens. The only time that the chaincode knows is the block's. */
export interface ChaincodeContext {
  network: string;
  ledger: string;
  /** Of the block that is executed; for a query, of the head that is read. */
  height: number;
  /** Block time, milliseconds; for a query never before that of the head. */
  time: number;
  /** In force for the block; for a query, the newest that the state has. */
  parameters: Parameters;
  genesisHash: Uint8Array;
  /** Judges every signature that is not of a certificate of the membership service. */
  verify: VerifySignature;
  /**
   * On a case ledger, the state of the main ledger at the height that the block pins: it says who
   * is who. For a query, at the newest head. Null on the main ledger.
   */
  main: StateView | null;
}

/** A query runs under the parameters of the state that it reads, so that none can be slipped in. */
export type QueryContext = Omit<ChaincodeContext, 'parameters'>;

/** Who acts: an enrolled patient behind a pseudonym, who acts for one, or an identity. */
export type Actor =
  | {
      kind: 'patient';
      role: 'patient';
      /** The owner key: it names the patient to the custodian too. */
      kid: string;
      /** Null until `patient.register` is committed. */
      pseudonym: string | null;
      /** Whether a recovery gave the keys out: then little else is left to do. */
      mustRotate: boolean;
    }
  | {
      kind: 'representative';
      role: 'representative';
      /** The key that the patient appointed. */
      kid: string;
      /** For whom. */
      pseudonym: string;
      /** Categories, months and times; it holds now. */
      appointment: Permission;
      powers: readonly Power[];
    }
  | { kind: 'identity'; role: IdentityRole; kid: string; identity: Identity };
export type PatientActor = Extract<Actor, { kind: 'patient' }> & { pseudonym: string };
export type RepresentativeActor = Extract<Actor, { kind: 'representative' }>;
export type IdentityActor = Extract<Actor, { kind: 'identity' }>;

/** Plain data: JSON without fractions. It goes into results, so it says nothing of a patient. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [name: string]: PlainValue };

/** What a transaction function is given. */
export interface TransactionCall {
  actor: Actor;
  draft: Draft;
  context: ChaincodeContext;
  fn: string;
  transactionId: string;
}

/** What a query function is given. */
export interface QueryCall {
  actor: Actor;
  reader: Reader;
  context: ChaincodeContext;
}

/** Versions of the chaincode in which a function exists: from `since` (1) until `until` (ever). */
export interface Versions {
  since?: number;
  until?: number;
}

interface FunctionHead extends Versions {
  name: string;
  /** One sentence: what it does. */
  summary: string;
  /** Every role that may call it; all others are denied. */
  roles: readonly Role[];
  schema: z.ZodType;
  /** Where it exists: on the main ledger (the default), or on every case ledger. */
  ledger?: 'main' | 'case';
  /** Whether a suspended key may call it, too: what its holder needs to object. */
  isForSuspended?: boolean;
  /** Whether an owner key may sign it alone: what no membership service can keep a patient from. */
  isForOwnerAlone?: boolean;
  /** Whether a guardian may call it by a key that only a commitment of state names. */
  isForGuardian?: boolean;
  /** Whether a key that the ledger does not know may call it: a query only. */
  isForStranger?: boolean;
  /** Whether an owner key may still call it after a recovery was released. */
  isForRecovered?: boolean;
}

export interface TransactionFunction extends FunctionHead {
  kind: 'transaction';
  run(args: unknown, call: TransactionCall): Promise<PlainValue>;
  hints(args: unknown, signer: Signer): string[];
}

export interface QueryFunction extends FunctionHead {
  kind: 'query';
  run(args: unknown, call: QueryCall): Promise<PlainValue>;
  hints(args: unknown, signer: Signer): string[];
}

export type ChaincodeFunction = TransactionFunction | QueryFunction;

interface Definition<S extends z.ZodType, C> extends Versions {
  name: string;
  summary: string;
  roles: readonly Role[];
  schema: S;
  ledger?: 'main' | 'case';
  isForSuspended?: boolean;
  isForOwnerAlone?: boolean;
  isForGuardian?: boolean;
  isForStranger?: boolean;
  isForRecovered?: boolean;
  run: (args: z.infer<S>, call: C) => Promise<PlainValue>;
  /** Keys that are known from the arguments alone, for one prefetch. */
  hints?: (args: z.infer<S>, signer: Signer) => string[];
}

/** A function that is ordered in a block. `run` only ever sees arguments that fit the schema. */
export function defineTransaction<S extends z.ZodType>(
  definition: Definition<S, TransactionCall>,
): TransactionFunction {
  return { kind: 'transaction', ...erased(definition) };
}

/** A function that only reads, run by the server and again by the client over its proofs. */
export function defineQuery<S extends z.ZodType>(
  definition: Definition<S, QueryCall>,
): QueryFunction {
  return { kind: 'query', ...erased(definition) };
}

function erased<S extends z.ZodType, C>({ run, hints, ...head }: Definition<S, C>) {
  return {
    ...head,
    run: (args: unknown, call: C): Promise<PlainValue> => run(args as z.infer<S>, call),
    hints: (args: unknown, signer: Signer): string[] => hints?.(args as z.infer<S>, signer) ?? [],
  };
}
