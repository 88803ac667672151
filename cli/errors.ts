/** Errors as people and programs see them: what happened, what to do next, and an exit code. */
import { CommanderError } from 'commander';
import { type ChaincodeErrorCode, chaincodeErrors } from '../lib/chaincode/errors.ts';
import { SdkError } from '../sdk/errors.ts';
import { reasonOf } from '../sdk/http.ts';
import { exitCodes } from './exit-codes.ts';

/** The command line does not say enough, or contradicts itself. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'usage';
  readonly nextStep: string;

  constructor(message: string, nextStep: string) {
    super(message);
    this.nextStep = nextStep;
  }
}

/** What is told of an error. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly nextStep: string;
  readonly exitCode: number;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** `command` is the one that was called, for the next step of usage errors. */
export function reportOf(error: unknown, command: string | undefined): ErrorReport {
  if (error instanceof SdkError) return ofSdk(error);
  const help = `See \`carequorum ${command === undefined ? '' : `${command} `}--help\`.`;
  if (error instanceof UsageError) {
    const { code, message, nextStep } = error;
    return { code, message, nextStep, exitCode: exitCodes.usage };
  }
  if (error instanceof CommanderError) {
    const isBare = error.code === 'commander.help';
    const message = isBare ? 'No command is given.' : sentence(error.message);
    return { code: 'usage', message, nextStep: help, exitCode: exitCodes.usage };
  }
  if (isSystemError(error)) {
    const path = error.path === undefined ? '' : ` (${error.path})`;
    return {
      code: 'file_system',
      message: `A file cannot be used: ${fileReasons[error.code] ?? error.code}${path}.`,
      nextStep: 'Check the path and whether you may read and write there, then run it again.',
      exitCode: exitCodes.failed,
    };
  }
  return {
    code: 'unexpected',
    message: `Something went wrong that should not: ${messageOf(error)}`,
    nextStep: 'Run it again with CAREQUORUM_DEBUG=1 in the environment, and report what it shows.',
    exitCode: exitCodes.failed,
  };
}

/** Refusals of the ledger in words, with the step that helps against each. */
function ofSdk(error: SdkError): ErrorReport {
  const { code, details } = error;
  const exitCode = code === 'aborted' ? exitCodes.interrupted : exitCodes.failed;
  const reason = reasonOf(error);
  const meaning = reason === null ? undefined : chaincodeErrors[reason as ChaincodeErrorCode];
  const isTold = meaning === undefined || error.message.includes(meaning);
  const message = isTold ? error.message : `${error.message} It means: ${meaning}.`;
  const nextStep = (reason === null ? undefined : nextSteps[reason]) ?? error.nextStep;
  return { code, message, nextStep, exitCode, details };
}

const nextSteps: Readonly<Record<string, string>> = {
  unknown_signer:
    'Patients: `carequorum enrol`. Others: an operator approves your certificate first, with `carequorum approve`.',
  identity_expired:
    'Ask your operator: `carequorum reenrol --help` gives new keys to the same person.',
  already_enrolled:
    'Whoever lost the old keys shows papers to an operator, who writes a letter: `carequorum letter --help`.',
  identity_revoked: "Ask your hospital's operator why this key was ended.",
  identity_suspended:
    'Its device was reported lost. If you have it, object: `carequorum reenrol object`.',
  identity_renewed: 'Use the keystore that holds the new key.',
  subject_ended: 'Enrol anew with a new keystore: patients then grant to you anew.',
  reenrolment_open: 'See how far it is: `carequorum reenrol show`.',
  reenrolment_waits: 'Wait until the delay is over: `carequorum reenrol show` says until when.',
  reenrolment_not_approved:
    'Operators of more hospitals run `carequorum reenrol approve SUBJECT`; `show` says whose word counts.',
  certificate_retired_authority: 'Run the command again: new certificates are fetched first.',
  unknown_authority: 'See which keys there were: `carequorum validators`.',
  reenrolment_contested:
    'Speak to the operator of your hospital: a quorum of hospitals has to see who you are.',
  same_hospital: 'Ask somebody of another hospital: two have to agree.',
  grantee_suspended: 'Wait until they have a new key, or grant to somebody else meanwhile.',
  already_registered: 'Nothing is to do: this certificate counts already.',
  subject_exists: 'Nothing is to do: this person is approved, with another key.',
  other_hospital: 'Give the certificate to the operator of the hospital that it names.',
  unknown_identity: 'Check the thumbprint: `carequorum approve` prints it.',
  already_revoked: 'Nothing is to do: it was ended before.',
  permission_over: 'Give a later --until.',
  right_not_for_role: 'Give fewer --rights: pharmacists read, nurses read and write.',
  too_many_permissions: 'Take back one that is no longer needed: `carequorum grant --list`.',
  unknown_permission: 'See your permissions with `carequorum grant --list`.',
  grantee_revoked: 'Ask their hospital: this person may no longer receive anything.',
  no_permission: 'Ask the patient to grant it: `carequorum grant --to … --rights …`.',
  not_appointed:
    'Give the patient your card (`carequorum representative card`), and wait to be appointed.',
  appointment_not_yet_valid:
    'Wait until your appointment begins: `carequorum representative mine`.',
  appointment_over: 'Ask the patient to appoint you again.',
  appointment_ended: 'You no longer act for this patient: ask whether you should.',
  power_not_given: 'Ask the patient to appoint you with this right, or to do it.',
  beyond_appointment:
    'See what you may do: `carequorum representative mine`. The rest is for the patient.',
  representative_key_taken: 'Ask the representative for a new card: each counts for one patient.',
  bad_representative_key: 'Ask the representative for the card again: it was altered on its way.',
  is_appointment: 'End it with `carequorum representative end`, and appoint anew if need be.',
  right_not_granted: 'Ask the patient for a permission with this right.',
  category_not_granted: 'Ask the patient for a permission that names this category.',
  period_not_granted: 'Ask the patient for a permission that covers data of this month.',
  purpose_not_granted: 'Give the --purpose that was granted, or ask the patient for this one.',
  permission_not_yet_valid: 'Wait until the permission starts.',
  permission_expired: 'Ask the patient to grant again: the permission is over.',
  permission_revoked: 'The patient took this permission back: ask the patient.',
  owner_key_retired:
    'Use the keystore that was rotated. If it was not you who did it, somebody else has your keys: recover now.',
  patient_rotated: 'The patient has new keys: ask for a permission under the new pseudonym.',
  rotation_guarded: 'Give the file of your rotation key: --rotation-key FILE.',
  rotation_unfinished: 'Go on with it first: `carequorum rotate`.',
  rotation_forced:
    'Your keys were recovered, and get new ones before anything else: `carequorum rotate`.',
  recovery_waits: 'Wait until the time is over: `carequorum recover status` says until when.',
  recovery_open: 'A recovery is open. If it is not yours, stop it: `carequorum recover veto`.',
  recovery_vetoed:
    'If it was not you who objected, somebody else has your old keystore: go to your hospital.',
  recovery_spent: 'A recovery was stopped before: only the old keystore can name guardians again.',
  recovery_over: 'Start a new one with your guardians: `carequorum recover start`.',
  recovery_exists: 'This request was used: make a new one with a new --keystore.',
  no_guardians:
    'The guardians gave packages that no longer count: ask each for the newest, or name them anew.',
  bad_approval: 'Have that guardian approve again, from the request of this computer.',
  too_few_guardians: 'Ask more of your guardians to approve.',
  unknown_recovery: 'Start it first: `carequorum recover start`.',
  wrong_receiving_key: 'Use the keystore that the request was made with.',
  unknown_prescription:
    'Check the id: `carequorum prescription list`, or ask the patient to give it.',
  prescription_recalled: 'Ask the patient to give it to you again.',
  prescription_cancelled: 'Hand nothing out. The patient asks the prescriber.',
  prescription_over: 'The patient asks the prescriber for a new one.',
  prescription_not_yet_valid: 'Wait until it starts: `carequorum pharmacy list` says when.',
  prescription_used_up: 'The patient asks the prescriber for a new one.',
  prescription_void:
    'Hand nothing out: the record behind it was replaced or erased. Ask the prescriber.',
  prescription_disputed: 'Hand nothing out until patient and prescriber have settled it.',
  prescriber_ended: 'Hand nothing out: the patient needs a prescription of somebody else.',
  prescriber_suspended: 'Ask the prescriber by phone, and have a new one written.',
  filled_meanwhile: 'Look again: `carequorum pharmacy list` shows what is left.',
  quantity_over: 'Hand out less: `carequorum pharmacy list` shows what is left of this fill.',
  refill_too_early: 'Wait: `carequorum pharmacy list` says from when the next fill counts.',
  too_many_pharmacists: 'Ask the prescriber for a new prescription.',
  not_released: 'Nothing is to do: this pharmacist does not have it.',
  bad_period: 'Give dates that are still to come, the end after the start.',
  wrong_role: 'Name somebody who works as that: a pharmacist, or an insurer.',
  unknown_claim: 'Check the id: `carequorum claim list`.',
  unknown_service: 'Check the id: a fill of your own pharmacy, or a record of your own.',
  unknown_estimate: 'Ask for an estimate first: `carequorum claim estimate`.',
  estimate_over: 'Ask for a new estimate: `carequorum claim estimate`.',
  already_claimed: 'Nothing is to do: it was claimed. See `carequorum claim list`.',
  service_disputed: 'Settle it with the patient first.',
  billing_not_agreed: 'Ask the patient to give you the prescription again, with --insurer.',
  claim_answered: 'Nothing is to do: it was answered. See `carequorum claim list`.',
  claim_withdrawn: 'Nothing is to do: it was taken back.',
  claim_over: 'It was not answered in time: whoever asked can ask again.',
  unknown_record: 'Check the id: `carequorum records` lists what you may see.',
  record_retracted: 'Rely on nothing in it; ask the writer for the right one.',
  record_not_stored: 'Wait until the custodian holds the record, or have it uploaded again.',
  already_countersigned: 'Nothing is to do: you confirmed this record before.',
  already_disputed: 'Nothing is to do: you disputed this record before.',
  already_approved: 'Nothing is to do: your hospital approved it before.',
  proposal_stale: 'Propose it anew: `carequorum governance propose`.',
  proposal_over: 'See what became of it: `carequorum governance list`.',
  change_pending: 'Wait for two more blocks, then approve it again.',
  wrong_incarnation: 'Save the bundle of that validator anew: it shows the next incarnation.',
  version_not_next: 'See the present version with `carequorum validators`.',
};

const fileReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'access is denied',
  EPERM: 'access is denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is no folder',
  EEXIST: 'it is there already',
  ENOSPC: 'the disk is full',
  EROFS: 'the disk can only be read',
};

function isSystemError(error: unknown): error is Error & { code: string; path?: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function sentence(text: string): string {
  const line = text
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
  const trimmed = /[.?)!]$/.test(line) ? line : `${line}.`;
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
