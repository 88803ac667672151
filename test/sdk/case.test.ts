/** A hospital stay as a case, from consent to the anchor, over the whole network in memory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  caseEntry,
  caseList,
  clinicianInCases,
  type CasePerson,
  listCases,
  listConsents,
  patientInCases,
  showCase,
} from '../../sdk/case-data.ts';
import { changeMembers, giveHistory, rekeyCase } from '../../sdk/case-keys.ts';
import { type CaseExport, exportCase } from '../../sdk/case-export.ts';
import { openCase } from '../../sdk/case-reading.ts';
import {
  acceptHandover,
  askQuestion,
  closeCase,
  consentToCase,
  DEFAULT_RULE,
  handOver,
  leaveCase,
  openByConsent,
  openByPatient,
  settleQuestion,
  voteOn,
  writeNote,
  writeNotes,
} from '../../sdk/cases.ts';
import { verifyCase } from '../../sdk/case-verify.ts';
import { SdkError } from '../../sdk/errors.ts';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { reasonOf } from '../../sdk/http.ts';
import { problem } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let anna: CasePerson;
let ada: CasePerson;
let bruno: CasePerson;
let carla: CasePerson;
let outsider: CasePerson;
let caseId: string;

const rule = { ...DEFAULT_RULE, votingMs: 60_000 };

beforeAll(async () => {
  world = await makeWorld();
  anna = patientInCases(await world.patient('Anna Berger', ['laboratory']));
  ada = clinicianInCases(await world.doctor('Ada Lindqvist', 0, '1000000012'));
  bruno = clinicianInCases(await world.doctor('Bruno Castellan', 0, '1000000020'));
  carla = clinicianInCases(await world.doctor('Carla Dimitrova', 1, '1000000038'));
  outsider = clinicianInCases(await world.doctor('Otto Brandt', 2, '1000000046'));
  const { consentId } = await consentToCase(anna, {
    attending: ada.who,
    until: Date.now() + 3_600_000,
  });
  const [consent] = await listConsents(ada);
  expect(consent).toMatchObject({ id: consentId, isLive: true });
  ({ caseId } = await openByConsent(ada, { consentId, rule }));
});

afterAll(() => world.close());

const textsOf = async (person: CasePerson): Promise<(string | null)[]> =>
  (await openCase(person, caseId)).notes.map(({ said }) => said?.text ?? null);

async function reason(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => 'not refused',
    (error: unknown) => reasonOf(error),
  );
}

it('runs a stay: notes, members, a disagreement, a handover, the anchor', async () => {
  await writeNote(ada, caseId, { text: 'Admitted with fever.' });
  expect(await textsOf(anna)).toEqual(['Admitted with fever.']);
  expect(await reason(openCase(bruno, caseId))).toBe('not_in_case');
  const joined = await changeMembers(ada, caseId, {
    add: [{ subject: bruno.who }, { subject: carla.who, withHistory: true }],
  });
  expect(joined).toMatchObject({ generation: 2, skipped: [] });
  await writeNote(bruno, caseId, { text: 'Blood cultures taken.' });
  expect(await textsOf(bruno)).toEqual([null, 'Blood cultures taken.']);
  expect(await textsOf(carla)).toEqual(['Admitted with fever.', 'Blood cultures taken.']);
  expect((await listCases(carla)).map(({ id }) => id)).toEqual([caseId]);
  await giveHistory(ada, caseId, bruno.who);
  expect(await textsOf(bruno)).toEqual(['Admitted with fever.', 'Blood cultures taken.']);

  const asked = { text: 'Which antibiotic?', options: ['narrow', 'broad'] };
  const { questionId } = await askQuestion(bruno, caseId, asked);
  await writeNote(carla, caseId, { text: 'Broad until the cultures say.', questionId });
  await voteOn(ada, caseId, { questionId, option: 0 });
  expect(await reason(voteOn(ada, caseId, { questionId, option: 1 }))).toBe('already_voted');
  await voteOn(bruno, caseId, { questionId, option: 1 });
  const last = await voteOn(carla, caseId, { questionId, option: 1 });
  expect(last.value).toMatchObject({ status: 'decided', option: 1 });
  const { questions } = await openCase(anna, caseId);
  expect(questions[0]).toMatchObject({ said: asked, outcome: { option: 1, by: 'vote' } });

  await handOver(ada, caseId, carla.who);
  await acceptHandover(carla, caseId);
  expect(await showCase(anna, caseId)).toMatchObject({ attending: carla.who });
  await leaveCase(ada, caseId);
  // The next note makes the new key by itself, and nobody who left opens it.
  await writeNote(carla, caseId, { text: 'Afebrile.' });
  expect(await reason(openCase(ada, caseId))).toBe('not_in_case');
  const { discharge, anchor } = await closeCase(carla, caseId);
  expect(discharge.value).toMatchObject({ notes: 4, questions: 1 });
  const entry = await caseEntry(anna, caseId);
  expect(entry.closed?.anchor).toMatchObject({ height: discharge.height });
  expect(anchor.value).toMatchObject(entry.closed?.anchor ?? {});
  // A closed case is still read, by those who were in it at the end, by the main ledger.
  expect((await textsOf(anna)).at(-1)).toBe('Afebrile.');
  expect((await openCase(anna, caseId)).access.value).toMatchObject({ fn: 'case.reread' });
  expect(await reason(writeNote(carla, caseId, { text: 'Late.' }))).toBe('case_closed');
  expect(await reason(openCase(ada, caseId))).toBe('unknown_case');
  const log = await caseList(anna, caseId, 'case.log');
  expect(log.filter(({ fn }) => fn === 'case.read').length).toBeGreaterThan(5);
});

describe('the file of a closed case', () => {
  it('is verified by the genesis document alone', async () => {
    const file = await exportCase(anna, caseId);
    const found = await verifyCase(file, world.net.genesis);
    expect(found.notes.filter(({ fn }) => fn !== 'case.question')).toHaveLength(4);
    expect(found.notes.every(({ said }) => said !== null)).toBe(true);
    expect(found.questions).toMatchObject([{ option: 1, by: 'vote' }]);
    const broken = async (change: Partial<CaseExport>): Promise<string> =>
      verifyCase({ ...file, ...change }, world.net.genesis).then(
        () => 'holds',
        (error: unknown) => (error as Error).message,
      );
    expect(await broken({ receipts: file.receipts.slice(1) })).toMatch(
      /missing|and the ledger has/,
    );
    expect(await broken({ receipts: [...file.receipts, ...file.receipts.slice(0, 1)] })).toContain(
      'twice',
    );
    expect(await broken({ closed: file.opened })).toContain('does not close');
    expect(await broken({ opened: file.closed })).toContain('does not open');
    expect(await broken({ caseId: 'a'.repeat(64) })).toContain('does not open this case');
    const [first, second, ...others] = file.notes;
    const swapped = [
      { ...first!, noteId: second!.noteId },
      { ...second!, noteId: first!.noteId },
      ...others,
    ];
    const { notes } = await verifyCase({ ...file, notes: swapped }, world.net.genesis);
    expect(notes.filter(({ said }) => said === null)).toHaveLength(2);
  });

  it('is of a closed case alone', async () => {
    const { caseId: other } = await openByPatient(anna, { attending: ada.who, rule });
    await expect(exportCase(anna, other)).rejects.toMatchObject({ code: 'bad_input' });
  });
});

describe('nobody outside reads anything', () => {
  it('neither by the ledgers nor by the custodian', async () => {
    for (const work of [
      () => showCase(outsider, caseId),
      () => caseList(outsider, caseId, 'case.notes'),
      () => openCase(outsider, caseId),
      () => writeNote(outsider, caseId, { text: 'Let me in.' }),
    ]) {
      expect(['not_in_case', 'unknown_case', 'case_closed']).toContain(await reason(work()));
    }
  });

  it('not with another member’s receipt', async () => {
    const { access } = await openCase(anna, caseId);
    const stolen = { key: outsider.key, receipt: access.receipt };
    const refused = outsider.session.custodian.caseContents(stolen, true);
    expect(await reason(refused)).toBe('proof_wrong_key');
  });

  it('and nothing that validators or the custodian store says what was written', async () => {
    const words = ['fever', 'cultures', 'antibiotic', 'Afebrile', 'narrow'];
    const stored = world.ledger.stored.map((bytes) => Buffer.from(bytes).toString('latin1'));
    const texts = [...stored, world.wraps.dump()];
    for (const word of words) {
      expect(texts.filter((text) => text.includes(word))).toEqual([]);
    }
  });
});

it('takes many notes at once, and one that fails alone', async () => {
  const { caseId: other } = await openByPatient(anna, { attending: ada.who, rule });
  const first = await writeNotes(ada, other, [{ text: 'One' }, { text: 'Two' }]);
  const ids = first.map((one) => (one instanceof SdkError ? '' : one.noteId));
  const mixed = await writeNotes(ada, other, [
    { text: 'One, corrected', corrects: ids[0] },
    { text: 'Of nobody', corrects: 'AAAAAAAAAAAAAAAAAAAAAA' },
  ]);
  expect(mixed.map((one) => (one instanceof SdkError ? reasonOf(one) : 'written'))).toEqual([
    ...['written', 'unknown_note'],
  ]);
  const { notes } = await openCase(anna, other);
  expect(notes.map(({ said, corrects }) => [said?.text, corrects])).toEqual([
    ['One', null],
    ['Two', null],
    ['One, corrected', ids[0]],
  ]);
});

it('shuts out a former member who kept the old key, and one whose identity ended', async () => {
  const { caseId: other } = await openByPatient(anna, { attending: ada.who, rule });
  await changeMembers(ada, other, { add: [{ subject: bruno.who }, { subject: carla.who }] });
  const before = await openCase(bruno, other);
  await changeMembers(anna, other, { remove: [bruno.who] });
  await writeNote(ada, other, { text: 'Not for Bruno.' });
  const { sealed, notes } = await openCase(ada, other);
  const [note] = notes;
  expect(note?.generation).toBe(3);
  expect(before.seeds.has(3)).toBe(false);
  expect(sealed.has(note?.noteId ?? '')).toBe(true);
  const carlaKid = (await showCase(ada, other)).members.find(({ who }) => who === carla.who)?.kid;
  await world.operator(1).revoke(carlaKid ?? '', 'other');
  // The next writer finds that somebody is no longer active, and makes a new key without them.
  await writeNote(ada, other, { text: 'Not for Carla either.' });
  const view = await showCase(ada, other);
  expect(view.members.map(({ who }) => who)).toEqual(['patient', ada.who]);
  expect(view.generation).toBe(4);
  await rekeyCase(anna, other);
});

it('lets the attending doctor settle what votes did not', async () => {
  const { caseId: other } = await openByPatient(anna, { attending: ada.who, rule });
  const asked = { text: 'Discharge today?', options: ['yes', 'no', 'tomorrow'] };
  const { questionId } = await askQuestion(anna, other, asked);
  expect(await reason(settleQuestion(ada, other, { questionId }))).toBe('voting_open');
  world.skewMs.value += rule.votingMs + 1_000;
  const counted = await settleQuestion(anna, other, { questionId });
  expect(counted.value).toMatchObject({ status: 'attending', undecided: 'quorum' });
  const decided = await settleQuestion(ada, other, { questionId, option: 2 });
  expect(decided.value).toMatchObject({ status: 'decided', option: 2, by: 'attending' });
});

describe('a case that rested while validators were replaced', () => {
  const origin = 'http://records.test';
  /** The next block of the case is certified by those who were replaced long ago. */
  let staleHeight = 0;
  let refused = 0;
  let stay: string;
  let dora: CasePerson;

  beforeAll(async () => {
    dora = clinicianInCases(await world.doctor('Dora Ekström', 1, '1000000053'));
    const until = Date.now() + world.skewMs.value + 3_600_000;
    const { consentId } = await consentToCase(anna, { attending: dora.who, until });
    ({ caseId: stay } = await openByConsent(dora, { consentId, rule }));
    const api = world.handlers[origin]!;
    world.handlers[origin] = async (request) => {
      const { receipt } = (request.body ?? {}) as { receipt?: string };
      const bytes = receipt === undefined ? null : fromBase64url(receipt);
      const { header } = bytes ? await verifyReceipt(bytes, world.net.genesis) : { header: null };
      if (header?.ledger !== stay || header.height !== staleHeight) return api(request);
      refused += 1;
      return problem(403, 'receipt_stale_set');
    };
  });

  async function rest(): Promise<void> {
    const { height } = await nextBlock();
    staleHeight = height + 1;
    refused = 0;
  }
  /** A block of the case, whatever it says. */
  const nextBlock = () =>
    dora.session.client.submit({ fn: 'case.read', args: {}, ledger: stay }, dora.signer);

  it('is read: by the block after', async () => {
    await rest();
    expect((await openCase(dora, stay)).notes).toEqual([]);
    expect(refused).toBe(1);
  });

  it('keeps what is written: the note that has no text is corrected by the same one', async () => {
    await rest();
    const { noteId } = await writeNote(dora, stay, { text: 'Back from the weekend.' });
    expect(refused).toBe(1);
    const { notes } = await openCase(anna, stay);
    const [lost, kept] = notes.slice(-2);
    expect(lost).toMatchObject({ said: null, reason: 'the custodian has nothing of it' });
    expect(kept).toMatchObject({ noteId, corrects: lost?.noteId });
    expect(kept?.said?.text).toBe('Back from the weekend.');
  });

  it('asks no question and changes no member before it is awake', async () => {
    await rest();
    const asked = { text: 'Home today?', options: ['yes', 'no'] };
    const { questionId } = await askQuestion(dora, stay, asked);
    await rest();
    await changeMembers(dora, stay, { add: [{ subject: bruno.who }] });
    await writeNote(bruno, stay, { text: 'Seen.' });
    expect(refused).toBe(0);
    const { questions, notes } = await openCase(anna, stay);
    expect(questions.find(({ id }) => id === questionId)?.said).toEqual({
      ...asked,
      kind: 'question',
    });
    expect(notes.at(-1)?.said?.text).toBe('Seen.');
  });
});
