/** Escrow at validators: a secret split n − f of n, of which the ledger holds commitments. */
import { z } from 'zod';
import { toBase64url, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { limits } from '../limits.ts';
import { faultyMax, type ValidatorSet } from '../wire/validators.ts';
import { patientOf } from './actor.ts';
import { cells } from './cells.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import {
  type Escrow,
  type EscrowKind,
  escrowKindField,
  escrowSharesField,
} from './escrow-values.ts';
import { digestField, idField } from './fields.ts';
import { defineQuery, type PlainValue, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { entryOf, setOf } from './seats.ts';

/** Arguments of a deposit, whatever it is for. */
export const escrowFields = {
  /** Random at the first deposit, and the same ever after. */
  escrowId: idField,
  threshold: z.int().min(2).max(limits.validatorsMax),
  /** As `escrow.get` gives it: a set that changed meanwhile is noticed. */
  holders: digestField,
  shares: escrowSharesField,
  payloadDigest: digestField,
};
export type EscrowDeposit = z.infer<z.ZodObject<typeof escrowFields>>;

/** Replaces a patient's escrow of a kind, or makes the first one. */
export async function depositEscrow(
  call: TransactionCall,
  kind: EscrowKind,
  deposit: EscrowDeposit,
): Promise<Escrow> {
  const { draft, context } = call;
  const { pseudonym } = patientOf(call.actor);
  const { escrowId, threshold, holders, shares, payloadDigest } = deposit;
  const set = await setOf(draft);
  if (holders !== (await holdersDigest(draft.reader, set))) {
    throw new ChaincodeError('escrow_holders_changed');
  }
  const isForAll =
    shares.length === set.length && set.every(({ id }, at) => shares[at]?.validator === id);
  if (!isForAll || threshold !== thresholdOf(set.length)) throw new ChaincodeError('escrow_split');
  const before = await escrowOf(draft.reader, pseudonym, kind);
  if (before ? before.id !== escrowId : await draft.get(cells.escrow(escrowId))) {
    throw new ChaincodeError('escrow_exists');
  }
  const escrow: Escrow = {
    ...{ id: escrowId, kind, pseudonym, generation: (before?.generation ?? 0) + 1 },
    ...{ threshold, holders, shares, payloadDigest },
    deposited: { time: context.time, height: context.height },
    ended: null,
  };
  draft.put(cells.escrow(escrowId), escrow);
  draft.put(cells.escrowPointer(pseudonym, kind), { escrowId });
  return escrow;
}

/** Ends an escrow: its validators erase what they hold. @throws ChaincodeError `unknown_escrow` */
export async function endEscrow(
  { draft, context }: TransactionCall,
  pseudonym: string,
  kind: EscrowKind,
): Promise<Escrow> {
  const before = await liveEscrow(draft.reader, pseudonym, kind);
  const ended = { time: context.time, height: context.height };
  const escrow = { ...before, generation: before.generation + 1, ended };
  draft.put(cells.escrow(before.id), escrow);
  return escrow;
}

/** A patient's escrow of a kind, ended or not; null where there never was one. */
export async function escrowOf(
  reader: Pick<Reader, 'get'>,
  pseudonym: string,
  kind: EscrowKind,
): Promise<Escrow | null> {
  const pointer = await reader.get(cells.escrowPointer(pseudonym, kind));
  if (!pointer) return null;
  const escrow = await reader.get(cells.escrow(pointer.escrowId));
  if (!escrow) throw new Error(`the escrow ${pointer.escrowId} is missing of state`);
  return escrow;
}

/** As `escrowOf` for one that can be opened. @throws ChaincodeError `unknown_escrow` */
export async function liveEscrow(
  reader: Pick<Reader, 'get'>,
  pseudonym: string,
  kind: EscrowKind,
): Promise<Escrow> {
  const escrow = await escrowOf(reader, pseudonym, kind);
  if (!escrow || escrow.ended !== null) throw new ChaincodeError('unknown_escrow');
  return escrow;
}

/** What a deposit's receipt tells a validator: which share and payload it is to keep. */
export function depositValue(escrow: Escrow): { [name: string]: PlainValue } {
  const { id, kind, generation, threshold, shares, payloadDigest } = escrow;
  return { escrowId: id, kind, generation, threshold, shares, payloadDigest };
}

/** What a receipt of the end tells a validator: everything up to these generations is over. */
export function endValue(escrows: readonly Escrow[]): { [name: string]: PlainValue } {
  return {
    escrows: escrows.map(({ id, kind, generation }) => ({ escrowId: id, kind, generation })),
  };
}

/** Ends all that a pseudonym has in escrow: it is erased, or moves on to another pseudonym. */
export async function endAllEscrows(call: TransactionCall, pseudonym: string): Promise<Escrow[]> {
  const ended: Escrow[] = [];
  for (const kind of escrowKindField.options) {
    const escrow = await escrowOf(call.draft.reader, pseudonym, kind);
    if (escrow?.ended === null) ended.push(await endEscrow(call, pseudonym, kind));
  }
  return ended;
}

/** What is over of all that a pseudonym ever had in escrow. */
export async function endedEscrows(
  reader: Pick<Reader, 'get'>,
  pseudonym: string,
): Promise<Escrow[]> {
  const ended: Escrow[] = [];
  for (const kind of escrowKindField.options) {
    const escrow = await escrowOf(reader, pseudonym, kind);
    if (escrow && escrow.ended !== null) ended.push(escrow);
  }
  return ended;
}

/** Who may open it: the ledger-proven keys to prove possession of, and to seal to. */
export interface EscrowReader {
  readonly readerKid: string;
  readonly readerKeyDigest: string;
  readonly usableUntil: number;
}

/** What a receipt of a release tells validators and the reader: for whom, and what opens it. */
export function releaseValue(escrow: Escrow, reader: EscrowReader): { [name: string]: PlainValue } {
  const { readerKid, readerKeyDigest, usableUntil } = reader;
  return { ...depositValue(escrow), readerKid, readerKeyDigest, usableUntil };
}

/** How many shares of n give the secret: the faulty alone never do, the others always. */
export function thresholdOf(n: number): number {
  return n - faultyMax(n);
}

export const escrowGet = defineQuery({
  name: 'escrow.get',
  summary: 'The patient’s escrow of a kind, who would hold shares now, and whether they do.',
  roles: ['patient'],
  schema: z.strictObject({ kind: escrowKindField }),
  hints: () => [keys.validators],
  async run({ kind }, { actor, reader }) {
    const { pseudonym } = patientOf(actor);
    const escrow = await escrowOf(reader, pseudonym, kind);
    const set = await setOf(reader);
    const holders = await holdersDigest(reader, set);
    const validators: PlainValue[] = [];
    for (const { id } of set) {
      const { shareKey, apiUrl } = await entryOf(reader, id);
      validators.push({ id, apiUrl, shareKey: toBase64url(shareKey) });
    }
    return {
      escrow,
      /** False once the set or a share key is another: a new deposit is due. */
      isCurrent: escrow !== null && escrow.ended === null && escrow.holders === holders,
      ...{ holders, threshold: thresholdOf(set.length), validators },
    };
  },
});

/** Seats in order, each with the key that shares are sealed to. */
async function holdersDigest(reader: Reader, set: ValidatorSet): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const { id } of set) parts.push(utf8(id), (await entryOf(reader, id)).shareKey);
  return toBase64url(taggedHash('escrow-holders', ...parts));
}
