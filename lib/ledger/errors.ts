/** Errors of the ledger: what storage gave, and what an outside party claims to be on it. */

export type LedgerErrorCode =
  /** A key is empty or over `limits.stateKeyBytesMax`. */
  | 'bad_key'
  /** A value is over `limits.stateValueBytesMax`. */
  | 'value_too_large'
  /** An argument is outside what the function is defined for. */
  | 'invalid_argument'
  /** The reader does not have a page that the tree refers to. */
  | 'missing_page'
  /** A page does not decode, or a node in it has not the hash that its parent says. */
  | 'corrupt_page'
  /** A subtree of the history is not kept here. */
  | 'missing_history'
  /** What is built would be over a bound of the ledger's formats. */
  | 'too_large';

/** Thrown by the tree and the builders of `lib/ledger`; `code` is stable. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly code: LedgerErrorCode;
  constructor(code: LedgerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export type ReceiptErrorCode =
  /** Not the canonical bytes of this format, or over a bound. */
  | 'malformed'
  | 'unsupported_format'
  /** Of another network. */
  | 'wrong_genesis'
  /** The header is of another ledger than the one named. */
  | 'wrong_ledger'
  /** A session certificate is signed by no KMS key of a set that was followed. */
  | 'bad_session'
  /** Set changes are not in the order of their heights. */
  | 'link_out_of_order'
  /** The header of a set change is not of the set before it. */
  | 'link_wrong_set'
  /** The set before it has not certified the header of a set change; `cause` says why. */
  | 'link_not_certified'
  /** The header of a set change names another next set. */
  | 'link_wrong_next_set'
  /** The chain, or the time of an older header, contradicts a set change that the verifier saw. */
  | 'stale_set'
  /** The header is of another validator set than the one that was followed to its height. */
  | 'header_wrong_set'
  /** A header above genesis without a certificate, or genesis with one. */
  | 'not_certified'
  | 'certificate_wrong_phase'
  | 'certificate_wrong_height'
  | 'certificate_wrong_hash'
  /** Two votes of one validator. */
  | 'duplicate_vote'
  | 'too_few_votes'
  /** A vote of a validator that is suspended or not of the set. */
  | 'ineligible_vote'
  /** A vote's signature is of no certified session key. */
  | 'bad_vote'
  /** The result is not under the header's `resultsRoot`. */
  | 'result_not_included'
  /** The result is included, but is not a canonical result. */
  | 'result_malformed'
  /** The header before it, which says who votes on a block of a case ledger, is another. */
  | 'wrong_parent'
  /** A case ledger pins nothing, or goes back in what it pins, or the main ledger pins something. */
  | 'wrong_pin'
  /** The header of height 0 is not the one that the genesis document, or a case, determines. */
  | 'wrong_genesis_header'
  /** State of height 0 is judged only by a verifier that knows its root. */
  | 'genesis_state_unknown'
  | 'duplicate_key'
  /** An entry's proof does not lead to the header's `stateRoot`. */
  | 'proof_invalid'
  /** The freshness statement is not of an eligible validator's read key, or not of this head. */
  | 'freshness_invalid'
  /** The freshness statement answers another question. */
  | 'wrong_nonce'
  /** The key asked for is not among those that the answer proves. */
  | 'not_proven'
  /** The earlier header is not in the history of the later one: one of the two is of a fork. */
  | 'history_forked';

/** Thrown by the verifiers; each step of a checklist has a code of its own. */
export class ReceiptError extends Error {
  override readonly name = 'ReceiptError';
  readonly code: ReceiptErrorCode;
  constructor(code: ReceiptErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
