/** Verifies receipts offline: a checklist of named steps, each with a code of its own. */
import { equalBytes } from '../crypto/bytes.ts';
import type { VerifySignature } from '../crypto/p256.ts';
import { decodeWith } from '../wire/codec.ts';
import type { Genesis } from '../wire/genesis.ts';
import type { BlockHeader } from '../wire/header.ts';
import { resultSchema, type TransactionResult } from '../wire/result.ts';
import type { ValidatorSet } from '../wire/validators.ts';
import { ledgerBounds } from './bounds.ts';
import { ReceiptError } from './errors.ts';
import { verifyInclusion } from './merkle.ts';
import { votingHeight } from './pinned.ts';
import {
  decodeReceipt,
  parseFormat,
  type Receipt,
  receiptFormat,
  receiptSchema,
} from './receipt.ts';
import { checkCertified, checkKnownSet, type FollowedSet, followSets } from './set-chain.ts';
import { type KnownSet, knownSetOf } from './set-chain.ts';

/** What a good receipt proves. */
export interface VerifiedReceipt {
  result: TransactionResult;
  height: number;
  /** Block time, milliseconds since the epoch. */
  time: number;
  header: BlockHeader;
  /** The set that certified it. */
  validators: ValidatorSet;
  /** The sets from genesis to that one, as a verifier may remember them. */
  sets: readonly KnownSet[];
}

export interface VerifyOptions {
  /** The newest set that the verifier has seen: an older one's votes above it are refused. */
  known?: KnownSet | undefined;
  /** How signatures of validators are checked: P-256 unless a simulation says otherwise. */
  verify?: VerifySignature | undefined;
}

/**
 * Checks a receipt, encoded or decoded, against a genesis that the caller trusts. Throws
 * ReceiptError; its code names the step that failed.
 */
export async function verifyReceipt(
  receipt: Receipt | Uint8Array,
  genesis: Genesis,
  options: VerifyOptions = {},
): Promise<VerifiedReceipt> {
  const parsed = parseReceipt(receipt);
  checkNetwork(parsed, genesis);
  checkLedger(parsed);
  const { followed, votedAt } = await followToHeader(genesis, parsed, options);
  const set = followed.at(-1) as FollowedSet;
  const { verify } = options;
  await checkCertified(genesis, parsed.header, parsed.certificate, set, verify, votedAt);
  checkIncluded(parsed);
  const result = parseResult(parsed.result);
  const { header } = parsed;
  return {
    result,
    height: header.height,
    time: header.time,
    header,
    validators: set.validators,
    sets: followed.map(knownSetOf),
  };
}

/** Step: made for this genesis. */
export function checkNetwork({ genesisHash }: { genesisHash: Uint8Array }, genesis: Genesis): void {
  if (!equalBytes(genesisHash, genesis.hash)) {
    throw new ReceiptError('wrong_genesis', 'made for another network');
  }
}

/** Step: the header is of the ledger that is named. */
export function checkLedger({ ledger, header }: { ledger: string; header: BlockHeader }): void {
  if (header.ledger !== ledger) {
    throw new ReceiptError('wrong_ledger', `a header of ${header.ledger}, not ${ledger}`);
  }
}

/** Who must have certified a header, and the height of the main ledger that says so. */
export interface InForce {
  set: FollowedSet;
  votedAt: number;
}

type Claim = Pick<Receipt, 'sessions' | 'links' | 'header' | 'parent'>;

/** Step: the set changes lead from genesis to the set that a header must be certified by. */
export async function setInForce(
  genesis: Genesis,
  claim: Claim,
  options: VerifyOptions,
): Promise<InForce> {
  const { followed, votedAt } = await followToHeader(genesis, claim, options);
  return { set: followed.at(-1) as FollowedSet, votedAt };
}

async function followToHeader(
  genesis: Genesis,
  claim: Claim,
  { known, verify }: VerifyOptions,
): Promise<{ followed: FollowedSet[]; votedAt: number }> {
  const votedAt = votingHeight(genesis, claim);
  const followed = await followSets(genesis, claim, verify);
  if (known) checkKnownSet(followed, claim.header, votedAt, known);
  return { followed, votedAt };
}

function parseReceipt(receipt: Receipt | Uint8Array): Receipt {
  return receipt instanceof Uint8Array
    ? decodeReceipt(receipt)
    : parseFormat(receiptSchema, receiptFormat, receipt);
}

function checkIncluded({ header, result, index, size, proof }: Receipt): void {
  if (!verifyInclusion({ root: header.resultsRoot, leaf: result, index, size, proof })) {
    throw new ReceiptError('result_not_included', 'the result is not one of this block');
  }
}

function parseResult(bytes: Uint8Array): TransactionResult {
  try {
    return decodeWith(resultSchema, bytes, ledgerBounds.resultBytesMax);
  } catch (cause) {
    throw new ReceiptError('result_malformed', 'the result is not canonical', { cause });
  }
}
