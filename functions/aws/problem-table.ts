/** Every code that the three APIs refuse with: status, meaning, and what a caller does next. */

import { type ChaincodeErrorCode, chaincodeErrors } from '../../lib/chaincode/errors.ts';
import type { CryptoErrorCode } from '../../lib/crypto/errors.ts';
import type { ReceiptErrorCode } from '../../lib/ledger/errors.ts';
import type { CertificateErrorCode } from '../../lib/membership/certificate-error.ts';
import type { RecordsErrorCode } from '../../lib/records/errors.ts';
import type { WireErrorCode } from '../../lib/wire/errors.ts';

export interface ProblemKind {
  readonly status: number;
  /** What the code means, for people; `detail` says more about the one case. */
  readonly title: string;
  /** What to do about it, for the documentation. */
  readonly next: string;
}

type Row = readonly [status: number, title: string, next: string];

const CORRECT = 'Correct what `detail` names and send it again.';
const SIGN_ANEW = 'Sign the request anew and send it.';
const CHECK_CLOCK = "Check this machine's clock, then sign the request anew.";
const CHECK_NETWORK = 'Check that address, genesis document and keys belong to the same network.';
const CHECK_ID = 'Check the id.';
const TRY_AGAIN = 'Wait for `Retry-After`, then send it again.';
const TRY_ELSEWHERE = 'Wait for `Retry-After`, then send it again, here or to another validator.';
const PROVE_ANEW = 'Make a new proof for this method, address and receipt, and send it at once.';
const ENROL_AGAIN = 'Start the enrolment again.';
const ASK_OPERATOR = 'Ask the operator of your hospital.';
const NEW_RECEIPT = 'Get a new receipt from the ledger and send that.';
const UPLOAD_AGAIN = 'Open the upload again and send the registered bytes.';

/** Refusals of the formats: what was sent cannot be taken as it is. */
const wireRows = {
  malformed: [400, 'A part of the request is not of its format', CORRECT],
  not_canonical: [400, 'A part of the request is not in its one canonical form', CORRECT],
  too_large: [413, 'The request, or its answer, is too large', 'Send or ask for less at once.'],
  wrong_network: [409, 'This is for another network', CHECK_NETWORK],
  wrong_ledger: [409, 'This is for another ledger', 'Sign it for this ledger.'],
  bad_signature: [401, 'A signature is wrong', 'Check that the key is the one that is named.'],
  expired: [409, 'The request has expired: sign it anew', CHECK_CLOCK],
  not_yet_valid: [409, 'The request is issued in the future: check the clock', CHECK_CLOCK],
  validity_too_long: [400, 'The request is valid for more than 15 minutes', SIGN_ANEW],
  unsupported_version: [
    400,
    'The format has a version that is not known here',
    'Use the version that the network runs.',
  ],
} as const satisfies Record<WireErrorCode, Row>;

const cryptoRows = {
  invalid_encoding: [400, 'Text is not in its one canonical encoding', CORRECT],
  invalid_argument: [400, 'A value is outside what is defined', CORRECT],
  invalid_key: [400, 'A key has the wrong form', CORRECT],
  invalid_signature: [400, 'A signature has the wrong form', SIGN_ANEW],
  invalid_jws: [400, 'A JWS is not of the one form that is accepted', SIGN_ANEW],
  open_failed: [400, 'Something sealed does not open', 'Check for whom it was sealed.'],
  decrypt_failed: [400, 'Something encrypted does not open', 'Check key and bytes.'],
  invalid_padding: [400, 'Padding is wrong', CORRECT],
} as const satisfies Record<Exclude<CryptoErrorCode, 'too_large' | 'length_mismatch'>, Row>;

const recordsRows = {
  proof_malformed: [401, 'The proof of possession is not of its format', PROVE_ANEW],
  proof_bad_signature: [401, 'The proof of possession is not of the key it names', PROVE_ANEW],
  proof_wrong_key: [
    401,
    'The proof is of another key than the receipt names',
    'Prove the key that the receipt names.',
  ],
  proof_wrong_request: [401, 'The proof is for another request', PROVE_ANEW],
  proof_not_fresh: [401, 'The proof is older than a minute, or of the future', CHECK_CLOCK],
  receipt_not_committed: [
    403,
    'The chaincode refused the transaction of this receipt',
    NEW_RECEIPT,
  ],
  receipt_wrong_kind: [403, 'The receipt permits something else', NEW_RECEIPT],
  receipt_denied: [403, 'The decision of this receipt is a denial', 'Ask the patient for it.'],
  receipt_expired: [403, 'What the receipt permits is over', NEW_RECEIPT],
  keys_malformed: [
    400,
    'The category keys are out of order, or not under the root of the ledger',
    'Send exactly the keys whose root was signed, in their order.',
  ],
} as const satisfies Record<
  Exclude<RecordsErrorCode, 'invalid_argument' | 'receipt_wrong_ledger'>,
  Row
>;

/** Why a receipt is not taken; the codes carry `receipt_` in front. */
const receiptMeanings = {
  malformed: 'The receipt is not of its format',
  unsupported_format: 'The receipt has a format that is not known here',
  wrong_genesis: 'The receipt is of another network',
  wrong_ledger: 'The receipt is of another ledger',
  bad_session: 'A session key in it is certified by no validator',
  link_out_of_order: 'Its changes of the validator set are out of order',
  link_wrong_set: 'A change of the validator set does not follow the set before it',
  link_not_certified: 'A change of the validator set is not certified',
  link_wrong_next_set: 'A change of the validator set names another next set',
  stale_set: 'It contradicts a change of the validator set that is known here',
  header_wrong_set: 'Its header is of another validator set',
  not_certified: 'Its header is not certified',
  certificate_wrong_phase: 'Its certificate is of another phase',
  certificate_wrong_height: 'Its certificate is of another height',
  certificate_wrong_hash: 'Its certificate is of another block',
  duplicate_vote: 'A validator votes twice in its certificate',
  too_few_votes: 'Its certificate has too few votes',
  ineligible_vote: 'A vote is of a validator that may not vote',
  bad_vote: 'The signature of a vote is wrong',
  result_not_included: 'The result is not in the certified block',
  result_malformed: 'The result in it is not of its format',
  wrong_genesis_header: 'Its first header does not follow from the genesis document',
  genesis_state_unknown: 'State of height 0 cannot be judged here',
  duplicate_key: 'A key of the state is there twice',
  proof_invalid: 'A proof does not lead to the certified state',
  freshness_invalid: 'The statement of freshness is not of an eligible validator',
  wrong_nonce: 'The statement of freshness answers another question',
  not_proven: 'A key that was asked for is not proven',
  wrong_parent: 'The header before it is another, or is not wanted',
  wrong_pin: 'A block of a case pins another block of the main ledger than it may',
  history_forked: 'The earlier block is not in the history of the later one',
} as const satisfies Record<ReceiptErrorCode, string>;

/** Any service. */
const commonRows = {
  invalid_request: [400, 'The request does not fit the schema of its route', CORRECT],
  wrong_operators: [
    403,
    'The document names other operators than the configuration',
    CHECK_NETWORK,
  ],
  wrong_party: [403, 'The document names another key for this service', CHECK_NETWORK],
  not_found: [404, 'There is no such route', 'See `/v1/openapi.json` for what there is.'],
  already_initialised: [
    409,
    'Another genesis document is installed',
    'Compare the documents: a network has one genesis.',
  ],
  conflict: [409, 'Another request came first', TRY_AGAIN],
  replayed: [409, 'The signing key has used this nonce: sign it anew', SIGN_ANEW],
  internal: [
    500,
    'Something went wrong here; it is logged',
    'Tell the operator the correlation id in `instance`.',
  ],
  not_initialised: [
    503,
    'No genesis document is installed yet',
    'Install it with `carequorum genesis install`, or wait until that is done.',
  ],
  unavailable: [503, 'A store or queue does not answer: try again, or elsewhere', TRY_ELSEWHERE],
} as const satisfies Record<string, Row>;

const validatorRows = {
  not_a_transaction: [400, 'A query where a transaction is wanted', 'Send it to `/v1/queries`.'],
  not_a_query: [400, 'A transaction where a query is wanted', 'Send it to `/v1/transactions`.'],
  not_authorised: [403, 'The signer may not read this', ASK_OPERATOR],
  wrong_operator: [
    403,
    'The document names another operator for this validator',
    'Compare the document with the configuration of the validator.',
  ],
  unknown_transaction: [
    404,
    'This validator knows no such transaction',
    'Submit it again, here or at another validator: it counts once.',
  ],
  unknown_block: [404, 'There is no committed block of this height', 'Ask for a lower height.'],
  genesis_mismatch: [
    409,
    'The document does not hold the keys of this validator',
    'Make the document again from `/v1/bootstrap` of every validator.',
  ],
  submitter_quota: [429, 'Too many transactions of this key wait here', TRY_ELSEWHERE],
  mempool_full: [429, 'Too many transactions wait here: try again, or elsewhere', TRY_ELSEWHERE],
  preparing: [503, 'The validator is making its keys', TRY_AGAIN],
  history_missing: [
    503,
    'This validator took a snapshot and is still fetching the blocks before it',
    'Ask another validator.',
  ],
  not_a_share_holder: [
    403,
    'The deposit names no share of this validator',
    'Send it to the validators that it names.',
  ],
  payload_mismatch: [
    403,
    'This is not the payload that the ledger names',
    'Send exactly what was committed to.',
  ],
  reader_key_mismatch: [
    403,
    'The receipt names another encryption key',
    'Send the key whose digest the ledger has of you.',
  ],
  escrow_missing: [
    404,
    'The share of this deposit never came here',
    'Ask the other validators; the patient’s next login repairs it.',
  ],
  escrow_superseded: [
    409,
    'A newer deposit, or its end, is known here',
    'Get a new receipt, which names the newest deposit.',
  ],
  escrow_unreadable: [
    503,
    'The share does not open with the share key of here',
    'Ask the other validators; the patient’s next login splits the secret anew.',
  ],
  learner: [
    503,
    'This validator is catching up and answers nothing that counts',
    'Ask another validator.',
  ],
} as const satisfies Record<string, Row>;

const membershipRows = {
  invalid_identity: [400, 'What is said of the person does not fit the role', CORRECT],
  bad_key_proof: [
    401,
    'A one-time key has not signed for itself',
    'Sign the proof of every key with that key.',
  ],
  challenge_over: [403, 'The challenge is over', ENROL_AGAIN],
  too_many_attempts: [403, 'There were too many wrong answers to the challenge', ENROL_AGAIN],
  wrong_answer: [
    403,
    'The answer is not what was sealed to the encryption key',
    'Open the challenge with the key that enrols.',
  ],
  not_verified: [
    403,
    'The registry does not confirm number, name, state and licence together',
    'Check them at the registry and enrol again.',
  ],
  not_enrolled: [
    403,
    'Only an enrolled patient gets one-time certificates',
    'Finish the enrolment first.',
  ],
  authority_elsewhere: [
    503,
    'The key of the authority that is in force is not held here',
    'Tell the consortium: the service has to be deployed with that key.',
  ],
  not_permitted: [403, 'Only the operator or the holder of a key may revoke it', ASK_OPERATOR],
  revoked: [403, 'The enrolment was revoked', ASK_OPERATOR],
  wrong_invitation: [
    403,
    'The invitation is for another key, role or hospital',
    'Ask the operator for an invitation of this key.',
  ],
  no_card: [
    404,
    'No emergency card is known of such a person',
    'Conclude nothing from it: ask those who know the patient, or look for the card.',
  ],
  unknown_enrolment: [
    404,
    'There is no such enrolment',
    'Check the id; if the service was restored to an older state, enrol again.',
  ],
  already_enrolled: [
    409,
    'The key, or the person, is enrolled already',
    'Use the key that is enrolled, or have it revoked.',
  ],
} as const satisfies Record<string, Row>;

const custodianRows = {
  proof_missing: [
    401,
    'The proof of the caller’s key is missing',
    'Send it in the header that the route names.',
  ],
  proof_replayed: [401, 'The proof was used', PROVE_ANEW],
  release_withdrawn: [
    410,
    'The patient withdrew from the study',
    'Nothing of this patient can be released to it any more.',
  ],
  release_not_here: [
    409,
    'Not all of the publication was deposited yet',
    'Try again later; then tell the doctors and the coordinator of the study.',
  ],
  share_mismatch: [403, 'This is not the share that the ledger names', 'Send that share.'],
  share_superseded: [
    409,
    'A newer share of this permission is known',
    'Nothing: it is out of date.',
  ],
  not_in_team: [
    403,
    'The key is of no present member of the team, as far as the custodian was told',
    'Ask the operator of your hospital to let you in, and a member to seal the key to you.',
  ],
  unknown_rotation: [
    404,
    'The custodian knows no rotation to this pseudonym by this key',
    'Bring the receipt of patient.rotate-begin first.',
  ],
  wrong_layer_key: [
    403,
    'The key is not the one that the layer was begun with',
    'Open the key that the custodian sealed for this record.',
  ],
  wrap_mismatch: [403, 'The wrap is not the one that was registered', 'Send that wrap.'],
  unknown_key: [
    404,
    'No key is published for this patient, category and month',
    'Ask the patient to publish category keys.',
  ],
  already_complete: [409, 'The bytes of the upload are there already', 'Nothing: it is done.'],
  length_mismatch: [409, 'There are more or fewer bytes than were registered', UPLOAD_AGAIN],
  parts_mismatch: [409, 'The parts are not those that were announced', UPLOAD_AGAIN],
  parts_missing: [409, 'Not all parts are there', 'Look which are missing, and send them.'],
  ledger_refused: [409, 'The ledger does not take the record as stored', 'Register it anew.'],
  wrong_receipt: [502, 'A validator gave another receipt', 'Send it again in a while.'],
  not_certified_yet: [503, 'The ledger has not confirmed the record yet', TRY_AGAIN],
} as const satisfies Record<string, Row>;

/** Codes that API Gateway answers before a function runs. */
const gatewayRows = {
  refused: [403, 'API Gateway refuses the request', 'Check address and method.'],
  throttled: [429, 'Too many requests', TRY_AGAIN],
  timeout: [504, 'The function did not answer in time', TRY_ELSEWHERE],
} as const satisfies Record<string, Row>;

export type ProblemCode =
  | keyof typeof commonRows
  | keyof typeof validatorRows
  | keyof typeof membershipRows
  | keyof typeof custodianRows
  | keyof typeof gatewayRows
  | WireErrorCode
  | CryptoErrorCode
  | RecordsErrorCode
  | ChaincodeErrorCode
  | CertificateErrorCode
  | `receipt_${ReceiptErrorCode}`;

/** The one table. */
export const problemTable = tableOf();

function tableOf(): Readonly<Record<ProblemCode, ProblemKind>> {
  const rows: [string, Row][] = [
    ...[wireRows, cryptoRows, recordsRows, commonRows, validatorRows].flatMap(entriesOf),
    ...[membershipRows, custodianRows, gatewayRows].flatMap(entriesOf),
    ...Object.entries(receiptMeanings).map(([code, title]): [string, Row] => [
      `receipt_${code}`,
      [code === 'malformed' ? 400 : 403, title, NEW_RECEIPT],
    ]),
    ...Object.entries(chaincodeErrors).map(([code, meaning]): [string, Row] => [
      code,
      [chaincodeStatus(code), meaning.charAt(0).toUpperCase() + meaning.slice(1), nextOf(code)],
    ]),
  ];
  const codes = new Set(rows.map(([code]) => code));
  if (codes.size !== rows.length) throw new RangeError('a code has two rows');
  const table = rows.map(([code, [status, title, next]]) => [code, { status, title, next }]);
  return Object.freeze(Object.fromEntries(table)) as Record<ProblemCode, ProblemKind>;
}

function entriesOf(rows: Readonly<Record<string, Row>>): [string, Row][] {
  return Object.entries(rows);
}

/** Refusals of the chaincode reach HTTP from signers and queries; others stand in receipts. */
function chaincodeStatus(code: string): number {
  if (code === 'unknown_signer' || code.startsWith('certificate_')) return 401;
  if (code === 'unknown_function' || code === 'bad_arguments') return 400;
  if (code === 'digest_mismatch') return 409;
  if (code === 'record_erased' || code === 'patient_erased') return 410;
  return code.startsWith('unknown_') ? 404 : 403;
}

function nextOf(code: string): string {
  if (code === 'unknown_signer') {
    return 'Have this key approved on the ledger first (`carequorum approve`).';
  }
  if (code === 'unknown_function' || code === 'bad_arguments') return CORRECT;
  if (code === 'digest_mismatch') return 'Compare the bytes with what is registered on the ledger.';
  if (code === 'record_erased' || code === 'patient_erased') return 'Nothing: erasure is final.';
  if (code === 'record_not_stored') return 'Complete the upload first.';
  if (/^(owner_key_retired|patient_rotated)$/.test(code)) {
    return 'Use the keystore with the new keys; if it was not you who rotated, recover now.';
  }
  if (/^recovery_|^(no_guardians|bad_approval|too_few_guardians|wrong_receiving_key)$/.test(code)) {
    return 'See where the recovery is, and with whom: carequorum recover status.';
  }
  if (/^rotation_|^(not|already)_relayered$/.test(code)) {
    return 'See how far the rotation is: carequorum rotate.';
  }
  if (/^epoch_/.test(code)) return 'Get the newest category key and seal to that.';
  if (/^certificate_(expired|not_yet_valid)$/.test(code)) return CHECK_CLOCK;
  if (/^(certificate|identity)_|^role_denied$|^other_hospital$/.test(code)) return ASK_OPERATOR;
  if (/^(no_permission|permission_(revoked|expired|not_yet_valid)|\w+_not_granted)$/.test(code)) {
    return 'Ask the patient for a permission that covers this.';
  }
  if (/^appointment_|^(not_appointed|power_not_given|beyond_appointment)$/.test(code)) {
    return 'Ask the patient: carequorum representative appoint.';
  }
  if (/^(representative_key_taken|bad_representative_key)$/.test(code)) {
    return 'Ask the representative for a new card: carequorum representative card.';
  }
  if (code === 'is_appointment') return 'End it: carequorum representative end.';
  if (/^(permission|team)_changed$/.test(code)) return 'Look at it again, then decide anew.';
  if (code === 'team_without_key') return 'Ask a member of the team: `carequorum team make-key`.';
  if (code === 'team_key_superseded') return 'Seal to the present key of the team.';
  if (code.startsWith('unknown_') || code.startsWith('grantee_')) return CHECK_ID;
  if (code.startsWith('already_')) return 'Nothing: look at what is there.';
  return 'Correct it and sign a new transaction.';
}
