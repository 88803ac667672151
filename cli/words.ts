/** Codes of the ledger in words that a patient understands. */
import type { HistoryEntry, Permission } from '../lib/chaincode/values.ts';

/** Purposes of use by the word that is typed; codes of HL7 are taken too. */
export const purposeCodes = {
  treatment: 'TREAT',
  payment: 'HPAYMT',
  operations: 'HOPERAT',
  research: 'RESCH',
  'own-request': 'PATRQT',
} as const;
type PurposeWord = keyof typeof purposeCodes;
export type GrantablePurpose = (typeof purposeCodes)[PurposeWord];

/** The code of a purpose, or null where the word names none. */
export function purposeOf(word: string): GrantablePurpose | null {
  const codes: Readonly<Record<string, GrantablePurpose>> = purposeCodes;
  const known = codes[word.toLowerCase()];
  if (known) return known;
  return Object.values(codes).find((code) => code === word.toUpperCase()) ?? null;
}

export function purposeWord(code: string | null): string {
  if (code === null) return '';
  const found = Object.entries(purposeCodes).find(([, one]) => one === code);
  return found?.[0] ?? (code === 'BTG' ? 'emergency' : code);
}

const deeds: Readonly<Record<string, string>> = {
  'patient.register': 'registered your pseudonym',
  'patient.publish-keys': 'renewed your keys',
  'permission.grant': 'gave a permission',
  'permission.narrow': 'took a part of a permission back',
  'permission.extend': 'let a permission go further',
  'permission.reseal': 'gave new keys to a reader',
  'permission.revoke': 'took a permission back',
  'record.register': 'announced a record',
  'record.stored': 'stored a record',
  'record.relayered': 'encrypted a record again',
  'record.retag': 'brought a record under the new keys',
  'record.leave': 'left a record behind',
  'patient.rotate-begin': 'began to rotate all keys',
  'patient.rotate-finish': 'finished the rotation',
  'patient.guard-rotation': 'named a rotation key',
  'patient.private': 'wrote private data',
  'record.countersign': 'confirmed a record',
  'record.dispute': 'disputed a record',
  'record.retract': 'took a record back that they wrote',
  'patient.choose-hospitals': 'chose hospitals for copies',
  'copy.request': 'asked to copy records',
  'copy.held': 'holds copies of records',
  'copy.deleted': 'deleted copies of records',
  'record.erase': 'had a record erased',
  'record.erased': 'erased a record',
  'patient.erase': 'had everything erased',
  'patient.erased': 'erased everything of you',
  'emergency.deposit': 'prepared your emergency summary',
  'emergency.withdraw': 'ended emergency access',
  'emergency.declare': 'declared an emergency and could read your summary',
  'emergency.bind': 'found your card for somebody who declared an emergency',
  'emergency.access': 'read your emergency summary again',
  'emergency.review': 'reviewed an emergency that was declared',
  'representative.appoint': 'let somebody act for you',
  'representative.end': 'ended that somebody acts for you',
  'recovery.setup': 'named your guardians',
  'recovery.end': 'ended recovery by guardians',
  'recovery.start': 'started a recovery of your keys',
  'recovery.veto': 'objected to a recovery of your keys',
  'recovery.release': 'got the hospitals’ parts of your keys',
  'recovery.rotate': 'began to renew all keys after a recovery',
  'prescription.issue': 'prescribed something',
  'prescription.release': 'gave a prescription to a pharmacy',
  'prescription.recall': 'took a prescription back from a pharmacy',
  'prescription.cancel': 'cancelled a prescription',
  'prescription.fill': 'handed out what is prescribed',
  'claim.estimate': 'asked an insurer what something costs',
  'claim.submit': 'asked an insurer to pay',
  'claim.answer': 'answered for the insurer',
  'claim.withdraw': 'took a question to an insurer back',
  'study.join': 'joined a study',
  'study.withdraw': 'left a study',
  'release.submit': 'released a record to a study',
  'case.consent': 'let a doctor open a case',
  'case.withdraw': 'took a consent to open a case back',
  'case.open': 'opened a case',
  'case.close': 'closed a case',
  'case.reread': 'read in a closed case',
  'access.request': 'asked to read a record',
  'access.list': 'asked for the names of records',
};

export function deedText(fn: string): string {
  return deeds[fn] ?? fn;
}

export function decisionText({ decision, reason }: HistoryEntry): string {
  if (decision === 'done') return '';
  if (decision === 'permit') return 'allowed';
  return `DENIED: ${reason ?? 'no reason given'}`.replaceAll('_', ' ');
}

const notices: Readonly<Record<string, string>> = {
  'identity.registered': 'Your certificate was approved: you can work now.',
  'identity.renewed': 'Your keys were renewed.',
  'identity.revoked': 'Your certificate was ended.',
  'identity.lapsed': 'Your certificate and all that patients granted you have ended.',
  'identity.re-enrolment-asked':
    'Your device was reported lost, and a new key is to take over. If that is not so, object now: `carequorum reenrol object`.',
  'identity.re-enrolment-ended': 'A re-enrolment was called off.',
  'identity.re-enrolled': 'Your new key took over: your grants are yours again.',
  'identity.unmask-approved': 'A second person agreed to your request to name somebody.',
  'permission.lapsed':
    'Somebody whom you gave a permission may no longer practise here: it has ended.',
  'permission.granted': 'A patient gave you a permission.',
  'permission.narrowed': 'A patient took a part of a permission back.',
  'permission.extended': 'A patient let a permission go further.',
  'permission.resealed': 'A patient gave you new keys under a permission that you hold.',
  'permission.revoked': 'A patient took a permission back.',
  'patient.rotated': 'All keys were replaced. If it was not you, recover now.',
  'team.joined': 'You are in a care team now. A member has to seal its key to you.',
  'team.left': 'You are no longer in a care team.',
  'team.key-wanted':
    'Somebody left your care team: make a new key with `carequorum team make-key`.',
  'team.sealed': 'The key of your care team was sealed to you.',
  'record.stored': 'A record about you was stored: confirm or dispute it.',
  'record.countersigned': 'The patient confirmed a record of yours.',
  'record.corrected': 'A record that you read was corrected: read the new one.',
  'record.doubted': 'A patient says that a record which you read is wrong: do not rely on it.',
  'record.retracted': 'A record was taken back by its writer: do not rely on it.',
  'record.disputed': 'The patient disputes a record of yours.',
  'copy.deleted': 'A hospital deleted its copies of your records.',
  'erasure.ordered': 'A patient had a record of yours erased.',
  'erasure.acknowledged': 'Somebody who held your records erased them.',
  'emergency.declared': 'An emergency was declared about you: see `carequorum emergency list`.',
  'emergency.accessed': 'Your emergency summary was opened again.',
  'emergency.reviewed': 'Somebody else looked at a declaration of an emergency.',
  'recovery.started':
    'SOMEBODY IS RECOVERING YOUR KEYS. If it is not you: `carequorum recover veto`, at once.',
  'recovery.objected':
    'Your keystore objected to a recovery: it waits longer. To stop it: `carequorum recover veto --rotation-key FILE`.',
  'representative.acted': 'Your representative did something for you: `carequorum history`.',
  'representative.revoked':
    'Your representative ended a permission: keys are renewed by your next login.',
  'recovery.vetoed': 'A recovery of your keys was stopped.',
  'recovery.released':
    'YOUR KEYS WERE GIVEN OUT to a recovery. If it is not yours: `carequorum rotate`, at once.',
  'prescription.issued': 'Something was prescribed to you: `carequorum prescription list`.',
  'prescription.released': 'A patient gave you a prescription: `carequorum pharmacy list`.',
  'prescription.recalled': 'A patient took a prescription back from you.',
  'prescription.cancelled': 'A prescription was cancelled: nothing more is handed out on it.',
  'prescription.filled': 'A pharmacy handed out what is prescribed to you.',
  'claim.asked': 'An insurer was asked: `carequorum claim list`, or `carequorum insurer list`.',
  'claim.answered': 'An insurer answered: `carequorum claim list`.',
  'claim.withdrawn': 'A question to you was taken back.',
  'release.submitted': 'A record of yours was released to a study: `carequorum study releases`.',
  'release.published': 'A publication of your study can be fetched: `carequorum research fetch`.',
  'study.approved': 'A study that names you is open.',
  'study.closed': 'A study that names you was closed.',
  'study.withdrawn': 'A patient left a study that you count for.',
  'case.consented': 'A patient lets you open a case: `carequorum case list`.',
  'case.opened': 'A case was opened for you: `carequorum case list`.',
  'case.told': 'You were told of a case: `carequorum case list`.',
  'case.closed': 'A case was closed.',
  'access.denied': 'Somebody was refused a record of yours.',
};

export function noticeText(topic: string): string {
  return notices[topic] ?? topic;
}

const reviews = {
  awaiting: 'awaits you',
  countersigned: 'confirmed',
  disputed: 'DISPUTED',
} as const;

export function reviewText(review: keyof typeof reviews): string {
  return reviews[review];
}

export function stateOf(permission: Permission, now: number): string {
  if (permission.revoked !== null) return 'taken back';
  if (now >= permission.until) return 'over';
  return now < permission.from ? 'not yet' : 'valid';
}

/** `a`, `a and b`, `a, b and c`. */
export function listText(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1) ?? ''}`;
}
