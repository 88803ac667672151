/** Cases against a custodian, a member and a former member who lie, and after an erasure. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { u32be } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen } from '../../lib/crypto/hpke.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { fromSealedText } from '../../lib/records/sealed.ts';
import { clinicianInCases, type CasePerson, patientInCases } from '../../sdk/case-data.ts';
import { changeMembers } from '../../sdk/case-keys.ts';
import { openCase, sealNote } from '../../sdk/case-reading.ts';
import { DEFAULT_RULE, openByPatient, writeNote } from '../../sdk/cases.ts';
import { eraseEverything } from '../../sdk/erasure.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { makeWorld, type World } from '../sdk/world.ts';

let world: World;
let patient: Patient;
let anna: CasePerson;
let ada: CasePerson;
let bruno: CasePerson;
let caseId: string;

beforeAll(async () => {
  world = await makeWorld();
  patient = await world.patient('Anna Berger', ['laboratory']);
  anna = patientInCases(patient);
  ada = clinicianInCases(await world.doctor('Ada Lindqvist', 0, '1000000012'));
  bruno = clinicianInCases(await world.doctor('Bruno Castellan', 1, '1000000020'));
  ({ caseId } = await openByPatient(anna, { attending: ada.who, rule: DEFAULT_RULE }));
});

afterAll(() => world.close());

async function reason(work: Promise<unknown>): Promise<string | null> {
  return work.then(
    () => 'not refused',
    (error: unknown) => reasonOf(error),
  );
}

it('keeps what the ledger names alone, from its author, by a receipt of that case', async () => {
  const { result } = await writeNote(ada, caseId, { text: 'One.' });
  const { notes, sealed } = await openCase(ada, caseId);
  const text = sealed.get(notes[0]?.noteId ?? '')!;
  const { custodian } = ada.session;
  const own = { key: ada.key, receipt: result.receipt };
  const other = await sealNote(
    { kind: 'note', text: 'Another.', options: [] },
    {
      ...{ network: ada.session.client.name, caseId, noteId: notes[0]!.noteId, generation: 1 },
      publicKey: (await openKey()).publicKey,
    },
  );
  expect(await reason(custodian.putCaseNote(other.sealed, own))).toBe('share_mismatch');
  const stolen = { key: bruno.key, receipt: result.receipt };
  expect(await reason(custodian.putCaseNote(text, stolen))).toBe('proof_wrong_key');
  // Neither is a receipt of writing one of reading, nor one of the case one of the main ledger.
  expect(await reason(custodian.caseContents(own, false))).toBe('receipt_wrong_kind');
  const { access } = await openCase(ada, caseId);
  const reading = { key: ada.key, receipt: access.receipt };
  expect(await reason(custodian.caseContents(reading, true))).toBe('receipt_wrong_ledger');
  expect(await reason(custodian.putCaseNote(text, reading))).toBe('receipt_wrong_kind');
  world.skewMs.value += 301_000;
  expect(await reason(custodian.caseContents(reading, false))).toBe('receipt_expired');
});

async function openKey(): Promise<{ publicKey: Uint8Array }> {
  const { seeds } = await openCase(ada, caseId);
  return xWingKeyPair(seeds.get(1));
}

it('shows a note that the custodian swaps or drops as not readable, and the others', async () => {
  await writeNote(anna, caseId, { text: 'Two.' });
  const real = world.handlers['http://records.test']!;
  const lie = (change: (notes: { noteId: string; sealed: unknown }[]) => unknown[]) => {
    world.handlers['http://records.test'] = async (request) => {
      const answer = await real(request);
      if (request.url.pathname !== '/v1/cases/read') return answer;
      const json = answer.json as { notes: { noteId: string; sealed: unknown }[] };
      return { ...answer, json: { ...json, notes: change(json.notes) } };
    };
  };
  try {
    lie(([first, second]) => [
      { ...first!, sealed: second!.sealed },
      { ...second!, sealed: first!.sealed },
    ]);
    const swapped = (await openCase(anna, caseId)).notes;
    expect(swapped.map(({ said }) => said)).toEqual([null, null]);
    lie(([first]) => [first!]);
    const dropped = (await openCase(anna, caseId)).notes.map(({ said }) => said?.text ?? null);
    expect(dropped.filter((text) => text !== null)).toHaveLength(1);
  } finally {
    world.handlers['http://records.test'] = real;
  }
});

it('opens nothing new with an old key and all that is stored', async () => {
  await changeMembers(ada, caseId, { add: [{ subject: bruno.who, withHistory: true }] });
  const kept = (await openCase(bruno, caseId)).seeds;
  await changeMembers(anna, caseId, { remove: [bruno.who] });
  await writeNote(ada, caseId, { text: 'After Bruno.' });
  const { sealed, notes, seeds } = await openCase(ada, caseId);
  const last = notes.at(-1)!;
  const text = sealed.get(last.noteId)!;
  expect(last.said?.text).toBe('After Bruno.');
  const opening = {
    ...fromSealedText(text),
    info: hpkeInfo({
      ...{ network: ada.session.client.name, purpose: 'case-note' },
      ...{ subject: last.noteId, recipient: caseId },
    }),
    aad: u32be(last.generation),
  };
  const opened = await hpkeOpen(seeds.get(last.generation)!, opening);
  expect(Buffer.from(opened).toString()).toContain('After Bruno.');
  for (const seed of [...kept.values(), ...(await bruno.seeds())]) {
    await expect(hpkeOpen(seed, opening)).rejects.toMatchObject({ code: 'open_failed' });
  }
  expect(await reason(openCase(bruno, caseId))).toBe('not_in_case');
});

it('has nothing left at the custodian after an erasure, and lets nobody read', async () => {
  const stored = (): string[] => world.wraps.keys().filter((key) => key.includes(caseId));
  expect(stored().length).toBeGreaterThan(3);
  await eraseEverything(patient);
  expect(stored()).toEqual([]);
  expect(await reason(openCase(ada, caseId))).toBe('patient_erased');
  expect(await reason(writeNote(ada, caseId, { text: 'Late.' }))).toBe('patient_erased');
});
