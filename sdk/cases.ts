/** Cases: opened by consent, written in by members, settled by votes, closed with an anchor. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { decodeReceipt } from '../lib/ledger/receipt.ts';
import { encodeCbor } from '../lib/wire/codec.ts';
import { type CasePerson, type CaseRule, showCase } from './case-data.ts';
import { rekeyCase } from './case-keys.ts';
import { type CaseText, sealNote, wakeCase } from './case-reading.ts';
import { SdkError } from './errors.ts';
import { isStaleReceipt, reasonOf } from './http.ts';
import type { Settled } from './network-client.ts';
import type { CertifiedResult } from './proofs.ts';

/** What a hospital starts from: a simple majority of the doctors, and the attending one else. */
export const DEFAULT_RULE: CaseRule = {
  voters: 'doctors',
  quorumPercent: 50,
  majority: 'half',
  votingMs: 24 * 3_600_000,
  otherwise: 'attending',
};

const ATTEMPTS_MAX = 4;
const START_ATTEMPTS_MAX = 10;
const START_RETRY_MS = 500;
const DEPOSITS_IN_FLIGHT = 4;

/** A patient lets a doctor open a case, within a time. */
export async function consentToCase(
  person: CasePerson,
  { attending, until }: { attending: string; until: number },
): Promise<{ consentId: string; result: CertifiedResult }> {
  const consentId = randomId();
  const patientKey = await ownKey(person);
  const call = { fn: 'case.consent', args: { consentId, attending, patientKey, until } };
  return { consentId, result: await person.session.client.submit(call, person.signer) };
}

export async function withdrawConsent(person: CasePerson, consentId: string) {
  const call = { fn: 'case.withdraw', args: { consentId } };
  return person.session.client.submit(call, person.signer);
}

export interface OpenedCase {
  readonly caseId: string;
  readonly result: CertifiedResult;
}

/** A doctor opens a case by consent, and makes its first key. */
export async function openByConsent(
  person: CasePerson,
  { consentId, rule }: { consentId: string; rule: CaseRule },
): Promise<OpenedCase> {
  return opened(person, { rule, consentId, tell: [] });
}

/** A patient opens a case, names who is in charge, and makes its first key. */
export async function openByPatient(
  person: CasePerson,
  { attending, rule }: { attending: string; rule: CaseRule },
): Promise<OpenedCase> {
  const patientKey = await ownKey(person);
  return opened(person, { rule, attending, patientKey, tell: [] });
}

async function opened(
  person: CasePerson,
  args: Parameters<CasePerson['session']['client']['submit']>[0]['args'],
): Promise<OpenedCase> {
  const call = { fn: 'case.open', args };
  const result = await person.session.client.submit(call, person.signer);
  const caseId = result.id;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rekeyCase(person, caseId);
      return { caseId, result };
    } catch (error) {
      // Validators that are a moment behind do not know the case yet.
      if (reasonOf(error) !== 'unknown_case' || attempt >= START_ATTEMPTS_MAX) throw error;
      await person.session.clock.sleep(START_RETRY_MS);
    }
  }
}

async function ownKey(person: CasePerson): Promise<string> {
  const [seed] = await person.seeds();
  return toBase64url((await xWingKeyPair(seed)).publicKey);
}

/** After a rotation the patient names the new key; a member then makes a new one for the case. */
export async function renewPatientKey(person: CasePerson, caseId: string) {
  return act(person, caseId, 'case.patient-key', { publicKey: await ownKey(person) });
}

export interface NewNote {
  readonly text: string;
  readonly kind?: 'note' | 'handover' | 'discharge';
  /** An open question that it is an opinion on. */
  readonly questionId?: string | undefined;
  /** An own note that it takes the place of. */
  readonly corrects?: string | undefined;
}

export interface Written {
  readonly noteId: string;
  readonly result: CertifiedResult;
}

/** Writes one note, under the key of now; a new key is made first where there is none. */
export async function writeNote(
  person: CasePerson,
  caseId: string,
  note: NewNote,
): Promise<Written> {
  const [written] = await writeNotes(person, caseId, [note]);
  if (!written) throw new RangeError('nothing was written');
  if (written instanceof SdkError) throw written;
  return written;
}

/** Writes many at once: one outcome each, in order. */
export async function writeNotes(
  person: CasePerson,
  caseId: string,
  notes: readonly NewNote[],
  onDone: (done: number, of: number) => void = () => undefined,
): Promise<(Written | SdkError)[]> {
  for (let attempt = 1; ; attempt += 1) {
    const key = await presentKey(person, caseId);
    const made = await Promise.all(
      notes.map(async ({ text, kind, questionId, corrects }) => {
        const said: CaseText = {
          ...{ kind: questionId === undefined ? (kind ?? 'note') : 'opinion', text, options: [] },
        };
        const sealed = await seal(person, caseId, said, key);
        const { noteId, digest, size, generation } = sealed;
        const args = {
          ...{ noteId, digest, size, generation },
          ...(questionId === undefined ? {} : { questionId }),
          ...(corrects === undefined ? {} : { corrects }),
        };
        const fn = questionId === undefined ? 'case.note' : 'case.opinion';
        return { noteId, sealed: sealed.sealed, call: { fn, args, ledger: caseId } };
      }),
    );
    const settled = await submitted(
      person,
      made.map(({ call }) => call),
    );
    // The key changed meanwhile: all of them are refused alike, and none is there twice.
    const isRace = settled.every((one) => isKeyGone(one));
    if (isRace && attempt < ATTEMPTS_MAX) continue;
    const written = await deposited(person, made, settled, onDone);
    const stale = written.flatMap((one, at) => (isStaleReceipt(one) ? [at] : []));
    if (stale.length === 0 || attempt >= ATTEMPTS_MAX) return written;
    // After a rest: those notes are there without a text, and take the place of it by new ones.
    const again = stale.map((at): NewNote => {
      return { ...(notes[at] as NewNote), corrects: (made[at] as Made).noteId };
    });
    const rewritten = await writeNotes(person, caseId, again);
    for (const [index, at] of stale.entries()) written[at] = rewritten[index] as Written;
    return written;
  }
}

async function submitted(
  person: CasePerson,
  calls: Parameters<CasePerson['session']['client']['submitAll']>[0],
): Promise<Settled[]> {
  const { client } = person.session;
  const [first] = calls;
  if (calls.length !== 1 || !first) return client.submitAll(calls, person.signer);
  return [
    await client.submit(first, person.signer).catch((error: unknown) => {
      if (error instanceof SdkError && error.code === 'refused') return error;
      throw error;
    }),
  ];
}

function isKeyGone(outcome: Settled): boolean {
  const reason = outcome instanceof SdkError ? reasonOf(outcome) : null;
  return reason === 'case_key_superseded' || reason === 'case_without_key';
}

type Made = { noteId: string; sealed: Awaited<ReturnType<typeof sealNote>>['sealed'] };

async function deposited(
  { session, key }: CasePerson,
  made: readonly Made[],
  settled: readonly Settled[],
  onDone: (done: number, of: number) => void,
): Promise<(Written | SdkError)[]> {
  const written: (Written | SdkError)[] = [];
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < made.length; index = next) {
      next += 1;
      const { noteId, sealed } = made[index] as Made;
      const result = settled[index] as Settled;
      const receipt = result instanceof SdkError ? null : result.receipt;
      const refusal = receipt && (await refusedAsStale(session, sealed, { key, receipt }));
      written[index] = result instanceof SdkError ? result : (refusal ?? { noteId, result });
      done += 1;
      onDone(done, made.length);
    }
  };
  await Promise.all(Array.from({ length: DEPOSITS_IN_FLIGHT }, worker));
  return written;
}

/** Null once the custodian keeps the text; its refusal where it believes the receipt no more. */
async function refusedAsStale(
  { custodian }: CasePerson['session'],
  sealed: Made['sealed'],
  permit: { key: SigningKey; receipt: Uint8Array },
): Promise<SdkError | null> {
  try {
    await custodian.putCaseNote(sealed, permit);
    return null;
  } catch (error) {
    if (error instanceof SdkError && isStaleReceipt(error)) return error;
    throw error;
  }
}

/** Puts a question with its options to those who vote by the rule of the case. */
export async function askQuestion(
  person: CasePerson,
  caseId: string,
  { text, options }: { text: string; options: readonly string[] },
): Promise<{ questionId: string; result: CertifiedResult }> {
  const said: CaseText = { kind: 'question', text, options: [...options] };
  // A question without its text could not be taken back.
  await wakeCase(person, caseId);
  for (let attempt = 1; ; attempt += 1) {
    const key = await presentKey(person, caseId);
    const { noteId, sealed, digest, size, generation } = await seal(person, caseId, said, key);
    const args = { questionId: noteId, digest, size, generation, options: options.length };
    try {
      const result = await act(person, caseId, 'case.question', args);
      const permit = { key: person.key, receipt: result.receipt };
      await person.session.custodian.putCaseNote(sealed, permit);
      return { questionId: noteId, result };
    } catch (error) {
      const isGone = error instanceof SdkError && isKeyGone(error);
      if (!isGone || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

export function voteOn(
  person: CasePerson,
  caseId: string,
  { questionId, option }: { questionId: string; option: number },
): Promise<CertifiedResult> {
  return act(person, caseId, 'case.vote', { questionId, option });
}

/** Has the votes counted; with an option, the attending clinician decides what they left open. */
export function settleQuestion(
  person: CasePerson,
  caseId: string,
  { questionId, option }: { questionId: string; option?: number | undefined },
): Promise<CertifiedResult> {
  const args = { questionId, ...(option === undefined ? {} : { option }) };
  return act(person, caseId, 'case.settle', args);
}

export function handOver(person: CasePerson, caseId: string, to: string): Promise<CertifiedResult> {
  return act(person, caseId, 'case.handover', { to });
}

export function acceptHandover(person: CasePerson, caseId: string): Promise<CertifiedResult> {
  return act(person, caseId, 'case.accept', {});
}

export function leaveCase(person: CasePerson, caseId: string): Promise<CertifiedResult> {
  return act(person, caseId, 'case.leave', {});
}

/**
 * Ends the stay and anchors it. What an earlier run began goes on: the discharge is said again, so
 * that the validators of now certify the block that is anchored.
 */
export async function closeCase(
  person: CasePerson,
  caseId: string,
): Promise<{ discharge: CertifiedResult; anchor: CertifiedResult }> {
  const discharge = await act(person, caseId, 'case.discharge', {});
  const { header, certificate, result, index, size, proof } = decodeReceipt(discharge.receipt);
  const args = {
    caseId,
    header: toBase64url(encodeCbor(header)),
    certificate: toBase64url(encodeCbor(certificate)),
    result: toBase64url(result),
    ...{ index, size, proof: proof.map(toBase64url) },
  };
  const { client } = person.session;
  const anchor = await client.submit({ fn: 'case.close', args }, person.signer);
  return { discharge, anchor };
}

function act(
  { session, signer }: CasePerson,
  caseId: string,
  fn: string,
  args: Parameters<CasePerson['session']['client']['submit']>[0]['args'],
): Promise<CertifiedResult> {
  return session.client.submit({ fn, args, ledger: caseId }, signer);
}

interface PresentKey {
  generation: number;
  publicKey: Uint8Array;
}

/** The key to write under; where somebody left, or is no longer active, a new one is made first. */
async function presentKey(person: CasePerson, caseId: string): Promise<PresentKey> {
  let view = await showCase(person, caseId);
  const isStale = view.members.some(({ isActive, who }) => !isActive && who !== view.attending);
  if (view.discharged === null && (view.key === null || isStale)) {
    await rekeyCase(person, caseId);
    view = await showCase(person, caseId);
  }
  const { key, generation } = view;
  if (key === null) {
    throw new SdkError('refused', 'The patient was discharged: nothing is written any more.', {
      nextStep: 'Read it with `carequorum case read`.',
      details: { reason: 'case_discharged' },
    });
  }
  return { generation, publicKey: fromBase64url(key.publicKey) };
}

async function seal(
  { session }: CasePerson,
  caseId: string,
  said: CaseText,
  { generation, publicKey }: PresentKey,
) {
  const noteId = randomId();
  const network = session.client.name;
  const made = await sealNote(said, { network, caseId, noteId, generation, publicKey });
  return { noteId, generation, ...made };
}
