/** Why the chaincode refuses: stable codes, which reach clients in results and receipts. */

export type ChaincodeErrorCode = keyof typeof chaincodeErrors;

/** Every code with what it means; docs/chaincode.md is made from this table. */
export const chaincodeErrors = {
  // Who signed.
  unknown_signer: 'no identity, or no owner key, is registered for the signing key',
  certificate_malformed: 'the certificate cannot be read',
  certificate_claims: 'the claims of the certificate are missing or not allowed',
  certificate_wrong_authority: 'the certificate is of another authority',
  certificate_wrong_use: 'an authority’s certificate where a leaf is wanted',
  certificate_bad_signature: 'the authority did not sign this certificate',
  certificate_expired: 'the certificate is no longer valid at block time',
  certificate_not_yet_valid: 'the certificate is not valid yet at block time',
  certificate_wrong_network: 'the certificate is of another network',
  certificate_wrong_kind: 'an enrolment certificate where a one-time one is wanted, or vice versa',
  certificate_role: 'the role of the certificate may not do this',
  certificate_mismatch: 'the certificate is of another key than the one that signed',
  // Every function.
  unknown_function: 'there is no such function of this kind on this ledger',
  bad_arguments: 'the arguments do not fit the schema of the function',
  role_denied: 'the role of the signer may not call this function',
  identity_revoked: 'the identity of the signer is revoked',
  identity_renewed: 'the identity of the signer was replaced by a renewed one',
  identity_expired: 'the certificate of the signer’s identity has run out',
  // identity
  already_registered: 'the key has an identity',
  subject_exists: 'the subject has an identity: renew it',
  other_hospital: 'only an operator of the same hospital may do this',
  unknown_identity: 'there is no identity of this key or subject',
  not_revocable: 'this identity is changed by governance only',
  already_revoked: 'it was revoked before',
  renewal_mismatch: 'a renewal keeps subject, role and hospital',
  bad_renewal_signature: 'the old key did not sign the renewal',
  // validator
  unknown_validator: 'there is no such validator in the set',
  not_own_seat: 'only the present KMS key of the validator may do this',
  validator_suspended: 'a suspended validator comes back by governance only',
  wrong_incarnation: 'the incarnation does not follow that of the seat',
  bad_session: 'a session certificate cannot be read, or is not of this validator, key and height',
  key_taken: 'the key, or the subject that it would have, is used on this ledger',
  too_many_rejoins: 'the validator brought new keys too often in 30 days',
  evidence_malformed: 'the evidence cannot be read',
  evidence_void: 'the evidence proves nothing against the seat as it is now',
  already_suspended: 'the validator is suspended',
  already_accused: 'the evidence is recorded, and nobody more can be suspended now',
  // governance
  not_a_member: 'the operator is of no validator of the present set',
  proposal_stale: 'members or parameters are others than those that it was proposed against',
  proposal_over: 'the proposal is decided, withdrawn or expired',
  unknown_proposal: 'there is no such proposal',
  already_approved: 'the hospital approved it before',
  not_own_proposal: 'only the hospital that proposed it may withdraw it',
  too_many_proposals: 'as many proposals are open, or scheduled, as are kept',
  activation_too_far: 'the height is too far ahead',
  change_pending: 'a change of validators has not acted yet: try again two blocks later',
  validator_exists: 'there is a validator of this name in the set',
  too_few_validators: 'four validators are the least',
  too_many_validators: 'the set is as large as it can be',
  too_many_suspended: 'more would be suspended than may be faulty in the smaller set',
  validator_not_suspended: 'the validator is not suspended',
  key_unchanged: 'the key is the present one',
  key_changed: 'the KMS key is not the present one: replace the key by a proposal of its own',
  parameter_unsafe: 'a parameter is below the bound of a network of real care',
  parameters_conflict: 'the parameters cannot go together',
  nothing_changes: 'the parameters are these already',
  version_not_next: 'the version of the chaincode rises by one',
  address_not_https: 'in a network of real care every address is HTTPS',
  // patient
  pseudonym_taken: 'the pseudonym is registered',
  owner_key_taken: 'the owner key is registered',
  unknown_patient: 'no such patient, or none that the signer may know of',
  revision_not_newer: 'a published revision is not above the present one',
  too_many_revisions: 'a category would have more revised months than are kept',
  // rotation
  owner_key_retired: 'a rotation has retired this owner key',
  bad_owner_signature: 'the new owner key, or the rotation key, did not sign this',
  rotation_guarded: 'the patient’s rotation key must sign this too',
  rotation_unfinished: 'the rotation before is not finished',
  rotation_over: 'no rotation is under way that this belongs to',
  too_many_rotations: 'the patient has rotated as often as records can bear layers',
  patient_rotated: 'the patient has a new pseudonym by now',
  not_relayered: 'the custodian has not re-encrypted the record yet',
  already_relayered: 'the record was re-encrypted for this rotation before',
  generation_mismatch: 'the generation is not the next one, or not the present one',
  digest_unchanged: 'the bytes are the same as before',
  already_moved: 'the record came over before',
  // permission
  permission_exists: 'the permission id is used',
  grantee_unknown: 'there is no identity of the grantee',
  grantee_revoked: 'the identity of the grantee is revoked',
  right_not_for_role: 'the grantee’s role cannot hold one of the rights',
  permission_over: 'the permission would be over before it starts to count',
  too_many_permissions: 'the grantee holds as many live permissions of this patient as are kept',
  unknown_permission: 'no such permission, or none that the signer may know of',
  // Decisions over a permission: refusals of writes and queries, reasons of denied access.
  no_permission: 'the patient granted nothing to the signer',
  permission_revoked: 'the permission is revoked',
  permission_expired: 'the permission is over',
  permission_not_yet_valid: 'the permission starts later',
  right_not_granted: 'the permission does not hold this right',
  category_not_granted: 'the permission does not cover this category',
  period_not_granted: 'the permission does not cover data of this month',
  purpose_not_granted: 'the permission does not cover this purpose of use',
  // record
  record_exists: 'the record id is used',
  unknown_record: 'no such record, or none that the signer may know of',
  epoch_superseded: 'the key of this category and month was renewed: seal to the new one',
  epoch_unknown: 'the key revision is not published',
  unknown_superseded: 'the superseded record is not a stored one of this patient and category',
  already_superseded: 'the superseded record has a successor',
  digest_mismatch: 'the digest is not the registered one',
  already_stored: 'the record is stored',
  record_not_stored: 'the custodian does not hold the record yet',
  already_countersigned: 'the patient countersigned it',
  already_disputed: 'the patient disputes it',
} as const;

/** Thrown by functions and by `resolveKeys`; `code` becomes that of the INVALID result. */
export class ChaincodeError extends Error {
  override readonly name = 'ChaincodeError';
  readonly code: ChaincodeErrorCode;
  constructor(code: ChaincodeErrorCode, message?: string, options?: ErrorOptions) {
    super(message ?? chaincodeErrors[code], options);
    this.code = code;
  }
}
