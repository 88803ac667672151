/** What ties an earlier header of a ledger to a later, certified one: nothing between was rewritten. */
import { z } from 'zod';
import { encodeCbor } from '../wire/codec.ts';
import { hashField, ledgerField } from '../wire/fields.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerHash, headerSchema } from '../wire/header.ts';
import { type Certificate, certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { ReceiptError } from './errors.ts';
import type { HistoryProof } from './history-tree.ts';
import { verifyConsistency, verifyInclusion } from './merkle.ts';
import { chainFields, chainFor, type ChainSource, decodeFormat } from './receipt.ts';
import { checkCertified, type KnownSet, knownSetOf } from './set-chain.ts';
import { checkNetwork, setInForce, type VerifyOptions } from './verify-receipt.ts';

export const historyFormat = 'carequorum-history-1';

const proofField = z.array(hashField).max(2 * ledgerBounds.merkleProofMax);

export const historyAnswerSchema = z.strictObject({
  format: z.literal(historyFormat),
  genesisHash: hashField,
  ledger: ledgerField,
  /** The earlier header, in full. */
  first: headerSchema,
  /** The later header, with its certificate. */
  header: headerSchema,
  certificate: certificateSchema,
  ...chainFields,
  /** RFC 9162, 2.1.4: from the list of `first.historyRoot` to that of `header.historyRoot`. */
  consistency: proofField,
  /** RFC 9162, 2.1.3: the hash of `first`, in the list of `header.historyRoot`. */
  inclusion: proofField,
});
export type HistoryAnswer = z.infer<typeof historyAnswerSchema>;

/** Stored data from which an answer is made; nothing of it is verified here. */
export interface HistorySource extends ChainSource {
  first: BlockHeader;
  certificate: Certificate;
  proof: HistoryProof;
}

export function buildHistoryAnswer(source: HistorySource): HistoryAnswer {
  const { genesis, first, header, certificate, proof } = source;
  return {
    format: historyFormat,
    genesisHash: genesis.hash,
    ledger: header.ledger,
    first,
    header,
    certificate,
    ...chainFor(source, certificate),
    ...proof,
  };
}

export function encodeHistoryAnswer(answer: HistoryAnswer): Uint8Array {
  return encodeCbor(answer);
}

/** What a good answer proves: `first` is an ancestor of the certified `header`. */
export interface VerifiedHistory {
  first: BlockHeader;
  header: BlockHeader;
  set: KnownSet;
}

/** Checks an answer against a genesis that the caller trusts. Throws ReceiptError. */
export async function verifyHistoryAnswer(
  bytes: Uint8Array,
  genesis: Genesis,
  options: VerifyOptions = {},
): Promise<VerifiedHistory> {
  const bytesMax = ledgerBounds.receiptBytesMax;
  const answer = decodeFormat(historyAnswerSchema, historyFormat, bytes, bytesMax);
  const { first, header, certificate, ledger } = answer;
  checkNetwork(answer, genesis);
  if (header.ledger !== ledger || first.ledger !== ledger) {
    throw new ReceiptError('wrong_ledger', `a header is not of ${ledger}`);
  }
  const { set, votedAt } = await setInForce(genesis, answer, options);
  await checkCertified(genesis, header, certificate, set, options.verify, votedAt);
  checkHistory(answer);
  return { first, header, set: knownSetOf(set) };
}

/** Step: the earlier header, and the history that it commits to, are in the later one's. */
function checkHistory({ first, header, consistency, inclusion }: HistoryAnswer): void {
  const root = header.historyRoot;
  const [size1, size2] = [first.height, header.height];
  const isIncluded = verifyInclusion({
    root,
    leaf: headerHash(first),
    index: size1,
    size: size2,
    proof: inclusion,
  });
  // The list before genesis is empty, which says nothing to compare.
  const isConsistent =
    size1 === 0
      ? consistency.length === 0
      : verifyConsistency({
          size1,
          size2,
          root1: first.historyRoot,
          root2: root,
          proof: consistency,
        });
  if (!isIncluded || !isConsistent) {
    throw new ReceiptError('history_forked', `block ${size1} is not in the history of ${size2}`);
  }
}
