/** Pharmacies and insurers with real keys from end to end, and parties that lie. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { encodeContent } from '../../lib/connected/prescription-content.ts';
import { type ClaimAnswer, encodeLetter } from '../../lib/connected/claim-content.ts';
import { toSealedText } from '../../lib/records/sealed.ts';
import {
  askEstimate,
  holdsUntil,
  listClaims,
  submitClaim,
  withdrawClaim,
} from '../../sdk/claims.ts';
import { findGrantee } from '../../sdk/directory.ts';
import { eraseEverything } from '../../sdk/erasure.ts';
import { reasonOf } from '../../sdk/http.ts';
import { answerClaim, receivedClaims } from '../../sdk/insurer.ts';
import { sealLetter } from '../../sdk/letters.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fillableNow, fillPrescription, receivedPrescriptions } from '../../sdk/pharmacy.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import {
  cancelPrescription,
  checkedFills,
  openPrescription,
  ownPrescriptions,
  prescribe,
  recallPrescription,
  releasePrescription,
} from '../../sdk/prescriptions.ts';
import { rotate } from '../../sdk/rotation.ts';
import type { FakeHandler } from './fake-fetch.ts';
import {
  type ConnectedWorld,
  DAY,
  makeConnectedWorld,
  patientOf,
  policies,
  prescribed,
  tariff,
  termsFor,
} from './connected-world.ts';

let connected: ConnectedWorld;
let anna: Patient;
const NORTH = { name: 'North Pharmacy' };
const SOUTH = { name: 'South Pharmacy' };
const INSURER = { name: 'Sample Mutual' };
const book = { tariff, policies };
const line = { system: 'atc', code: 'L02BA01', units: 30, charge: 4_500 };
const asking = { insurer: INSURER, policy: 'SM-4711', currency: 'EUR', lines: [line] };

beforeAll(async () => {
  connected = await makeConnectedWorld();
  anna = await patientOf(connected, 'Anna Müller');
});
afterAll(() => connected.world.close());

const received = async (who: 'north' | 'south', prescriptionId: string) =>
  (await receivedPrescriptions(connected[who])).find(
    ({ prescription }) => prescription.id === prescriptionId,
  );
const asked = async (claimId: string) =>
  (await receivedClaims(connected.insurer)).find(({ claim }) => claim.id === claimId)!;
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => reasonOf(error) ?? (error as { code?: string }).code,
  );

/** Lets the custodian answer otherwise, once more than honestly. */
async function whileLying<T>(lie: (honest: FakeHandler) => FakeHandler, work: () => Promise<T>) {
  const { handlers } = connected.world;
  const honest = handlers['http://records.test']!;
  handlers['http://records.test'] = lie(honest);
  try {
    return await work();
  } finally {
    handlers['http://records.test'] = honest;
  }
}

describe('a prescription', () => {
  it('goes from the doctor through the patient to a pharmacy, and is handed out once', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    expect(opened.content).toMatchObject({ medicine: 'Tamoxifen 20 mg', prescriber: 'Ada Okonjo' });
    await releasePrescription(anna, opened, { to: NORTH });
    await releasePrescription(anna, opened, { to: SOUTH });
    const [north, south] = await Promise.all([
      received('north', prescriptionId),
      received('south', prescriptionId),
    ]);
    expect(north?.opened?.content).toEqual(opened.content);
    // At once: one of them only.
    const outcomes = await Promise.all([
      failure(fillPrescription(connected.north, north!, 30)),
      failure(fillPrescription(connected.south, south!, 30)),
    ]);
    expect(outcomes.sort()).toEqual(['done', 'filled_meanwhile']);
    const fills = await checkedFills(anna, opened);
    expect(fills).toHaveLength(1);
    expect(fills[0]).toMatchObject({ isOfContent: true, fill: { quantity: 30 } });
    const after = await received('south', prescriptionId);
    const now = fillableNow(after!.prescription, Date.now());
    expect(now).toMatchObject({ units: 0, reason: 'refill_too_early' });
    expect(now.nextAt! - Date.now()).toBeGreaterThan(24 * DAY);
    const topics = (await anna.inbox()).map(({ topic }) => topic);
    expect(topics).toContain('prescription.filled');
  });

  it('shows the patient a pharmacy that handed out on something else', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    await releasePrescription(anna, opened, { to: NORTH });
    const one = (await received('north', prescriptionId))!;
    const content = { ...opened.content, medicine: 'something cheaper' };
    await fillPrescription(connected.north, { ...one, opened: { ...opened, content } }, 10);
    expect(await checkedFills(anna, opened)).toMatchObject([{ isOfContent: false }]);
  });

  it('that the patient changed on the way is not handed out', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    const forged = { ...opened, content: { ...opened.content, medicine: 'Oxycodone 80 mg' } };
    await releasePrescription(anna, forged, { to: NORTH });
    const one = (await received('north', prescriptionId))!;
    expect(one.opened).toBeNull();
    expect(one.problem).toContain('somebody changed it');
    expect(await failure(fillPrescription(connected.north, one, 30))).toBe('mismatch');
  });

  it('whose record says something else than the commitment is given to nobody', async () => {
    const { prescriptionId } = await prescribe(connected.doctor, termsFor(anna));
    const own = (await ownPrescriptions(anna)).find(
      (one) => one.prescription.id === prescriptionId,
    );
    const lying = { ...own!, prescription: { ...own!.prescription, quantity: 60 } };
    await expect(openPrescription(anna, lying, nodeFiles)).rejects.toMatchObject({
      code: 'mismatch',
    });
  });

  it('opens for no other pharmacy, by no letter of another, and by none that was changed', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    await releasePrescription(anna, opened, { to: NORTH });
    expect(await received('south', prescriptionId)).toBeUndefined();
    const { encryptionKey } = await findGrantee(anna.session, anna.signer, NORTH);
    const other = await sealLetter(encodeContent(opened), {
      ...{ network: anna.networkName, purpose: 'prescription', about: prescriptionId },
      ...{ recipient: 'somebody', publicKey: encryptionKey },
    });
    const swap =
      (honest: FakeHandler): FakeHandler =>
      async (request) => {
        const answer = await honest(request);
        if (request.url.pathname !== '/v1/letters/fetch') return answer;
        const { letters } = answer.json as { letters: object[] };
        return {
          ...answer,
          json: { letters: letters.map((one) => ({ ...one, ...other.sealed })) },
        };
      };
    const swapped = await whileLying(swap, () => received('north', prescriptionId));
    expect(swapped?.opened).toBeNull();
    expect(swapped?.problem).toContain('another letter');
  });

  it('ends with a recall, at the custodian too, and with a cancellation', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    const { pharmacist } = await releasePrescription(anna, opened, { to: NORTH });
    const before = (await received('north', prescriptionId))!;
    await recallPrescription(anna, { prescriptionId, pharmacist: pharmacist.subject });
    expect(await received('north', prescriptionId)).toBeUndefined();
    const kept = await connected.world
      .session()
      .custodian.letters(connected.north.keystore.signingKey);
    expect(kept.map(({ letterId }) => letterId)).not.toContain(before.dispensing.letterId);
    expect(await failure(fillPrescription(connected.north, before, 30))).toBe(
      'prescription_recalled',
    );
    await releasePrescription(anna, opened, { to: NORTH });
    await cancelPrescription(connected.doctor, prescriptionId, 'treatment-changed');
    const again = (await received('north', prescriptionId))!;
    expect(await failure(fillPrescription(connected.north, again, 30))).toBe(
      'prescription_cancelled',
    );
  });

  it('needs a doctor who may write for the patient', async () => {
    const bob = await connected.world.patient('Bob Wyss', ['medication']);
    expect(await failure(prescribe(connected.doctor, termsFor(bob)))).toBe('not_found');
    const long = termsFor(anna, { medicine: 'x'.repeat(201) });
    expect(await failure(prescribe(connected.doctor, long))).toBe('bad_input');
  });
});

describe('an insurer', () => {
  it('estimates by codes alone; the answer is bound to them, and ends', async () => {
    const { claimId } = await askEstimate(anna, asking);
    const one = await asked(claimId);
    expect(one.request).toMatchObject({ policy: 'SM-4711', lines: [line] });
    const said = JSON.stringify([one.claim, { ...one.request, replyKey: '' }]);
    for (const secret of ['Anna', 'Tamoxifen', anna.pseudonym, anna.ownerKid]) {
      expect(said).not.toContain(secret);
    }
    const { answer, policies: after } = await answerClaim(connected.insurer, one, book);
    // 45.00 charged and allowed; 5 copay, 10 deductible left, a fifth of the remaining 30.
    expect(answer).toMatchObject({ decision: 'estimated', patientPays: 2_100, insurerPays: 2_400 });
    expect(after).toEqual(policies);
    const mine = (await listClaims(anna)).find(({ claim }) => claim.id === claimId)!;
    expect(mine).toMatchObject({ problem: null, answer: { patientPays: 2_100 } });
    expect(holdsUntil(mine.claim, Date.now())).toBe(true);
    expect(holdsUntil(mine.claim, Date.now() + 31 * DAY)).toBe(false);
    expect(await failure(answerClaim(connected.insurer, await asked(claimId), book))).toBe(
      'mismatch',
    );
  });

  it('is asked with codes, never with words', async () => {
    const words = { ...asking, lines: [{ ...line, code: 'for Anna Müller' }] };
    expect(await failure(askEstimate(anna, words))).toBe('bad_input');
    expect(await failure(askEstimate(anna, { ...asking, policy: 'Anna Müller' }))).toBe(
      'bad_input',
    );
  });

  it('pays a pharmacy for what it handed out, once', async () => {
    const opened = await prescribed(connected, anna);
    const { prescriptionId } = opened.content;
    await releasePrescription(anna, opened, { to: NORTH, insurer: INSURER });
    const estimate = await askEstimate(connected.north, asking, { prescriptionId });
    await answerClaim(connected.insurer, await asked(estimate.claimId), book);
    const one = (await received('north', prescriptionId))!;
    const { fillId } = await fillPrescription(connected.north, one, 30);
    const service = { fillId };
    const estimateId = estimate.claimId;
    const { claimId } = await submitClaim(connected.north, asking, { service, estimateId });
    expect(await failure(submitClaim(anna, asking, { service }))).toBe('already_claimed');
    const paid = await answerClaim(connected.insurer, await asked(claimId), book);
    expect(paid.answer).toMatchObject({ decision: 'accepted', insurerPays: 2_400 });
    expect(paid.policies.policies[0]).toMatchObject({
      ...{ deductibleMet: 10_000, outOfPocketMet: 11_100 },
    });
    const own = (await listClaims(connected.north)).find(({ claim }) => claim.id === claimId);
    expect(own).toMatchObject({ answer: { insurerPays: 2_400 }, problem: null });
    // The patient sees that it was claimed and what became of it; the amounts are the pharmacy's.
    const seen = (await listClaims(anna)).find(({ claim }) => claim.id === claimId);
    expect(seen).toMatchObject({ answer: null, problem: null });
    expect(seen?.claim.answer?.decision).toBe('accepted');
    expect(await failure(submitClaim(connected.north, asking, { service }))).toBe(
      'already_claimed',
    );
  });

  it('whose letter says something else than it signed is not believed', async () => {
    const { claimId } = await askEstimate(anna, asking);
    const one = await asked(claimId);
    const { answer } = await answerClaim(connected.insurer, one, book);
    const { bytes } = encodeLetter('answer', { ...answer, patientPays: 0 }, randomBytes(32));
    const forged = await sealLetter(bytes, {
      ...{ network: anna.networkName, purpose: 'claim-answer', about: claimId },
      ...{ recipient: one.claim.answerTo, publicKey: one.request!.replyKey },
    });
    const swap =
      (honest: FakeHandler): FakeHandler =>
      async (request) => {
        const given = await honest(request);
        if (request.url.pathname !== '/v1/letters/fetch') return given;
        const { letters } = given.json as { letters: object[] };
        return {
          ...given,
          json: { letters: letters.map((old) => ({ ...old, ...forged.sealed })) },
        };
      };
    const all = await whileLying(swap, () => listClaims(anna));
    const mine = all.find(({ claim }) => claim.id === claimId);
    expect(mine).toMatchObject({ answer: null });
    expect(mine?.problem).toContain('another letter');
  });

  it('that commits to one answer and seals another is shown for what it is', async () => {
    const { claimId } = await askEstimate(anna, asking);
    const one = await asked(claimId);
    const { session, signer, keystore } = connected.insurer;
    const validUntil = Date.now() + DAY;
    const content: ClaimAnswer = {
      ...{ format: 'carequorum-claim-answer-1', claimId, decision: 'estimated' },
      ...{ requestDigest: one.claim.requestDigest, currency: 'EUR', lines: [], patientPays: 0 },
      ...{ insurerPays: 1, validUntil, tariff: 'x' },
    };
    const said = encodeLetter('answer', content, randomBytes(32));
    const signed = encodeLetter('answer', { ...content, insurerPays: 0 }, randomBytes(32));
    const { sealed, digest } = await sealLetter(said.bytes, {
      ...{ network: anna.networkName, purpose: 'claim-answer', about: claimId },
      ...{ recipient: one.claim.answerTo, publicKey: one.request!.replyKey },
    });
    const args = {
      ...{ claimId, requestDigest: one.claim.requestDigest, decision: 'estimated' },
      ...{ commitment: signed.commitment, letterDigest: digest, validUntil },
    };
    const { receipt } = await session.client.submit({ fn: 'claim.answer', args }, signer);
    await session.custodian.putLetter(sealed, { key: keystore.signingKey, receipt });
    const mine = (await listClaims(anna)).find(({ claim }) => claim.id === claimId);
    expect(mine?.problem).toContain('something else than the insurer signed');
  });

  it('gets nothing by a receipt of another, and no letter that the ledger does not name', async () => {
    const { result } = await askEstimate(anna, asking);
    const garbage = toSealedText({ enc: randomBytes(1_120), ciphertext: randomBytes(64) });
    const { custodian } = connected.world.session();
    const permit = { key: anna.ownerKey, receipt: result.receipt };
    await expect(custodian.putLetter(garbage, permit)).rejects.toMatchObject({
      details: { problem: { code: 'share_mismatch' } },
    });
    await expect(custodian.withdrawLetters(permit)).rejects.toMatchObject({
      details: { problem: { code: 'receipt_wrong_kind' } },
    });
    expect(await custodian.letters(anna.ownerKey, randomId().padEnd(43, 'A'))).toEqual([]);
  });
});

describe('what is taken back', () => {
  it('is forgotten at the custodian, and no late answer is kept', async () => {
    const { claimId } = await askEstimate(anna, asking);
    const one = await asked(claimId);
    await withdrawClaim(anna, claimId);
    expect((await asked(claimId)).request).toBeNull();
    expect(await failure(answerClaim(connected.insurer, one, book))).toBe('claim_withdrawn');
  });

  it('an erasure leaves no letter, of pharmacies and insurers neither', async () => {
    const erika = await patientOf(connected, 'Erika Ende');
    const opened = await prescribed(connected, erika);
    await releasePrescription(erika, opened, { to: SOUTH });
    const { claimId } = await askEstimate(erika, asking);
    const open = await asked(claimId);
    const letters = () => connected.world.wraps.keys().filter((key) => key.startsWith('letters#'));
    const before = letters().length;
    await eraseEverything(erika);
    expect(letters().length).toBe(before - 2);
    // The insurer answered just then: nothing of it is kept.
    expect(await failure(answerClaim(connected.insurer, open, book))).toBe('share_superseded');
    expect(letters().length).toBe(before - 2);
    const { prescriptionId } = opened.content;
    const one = (await received('south', prescriptionId))!;
    expect(one.opened).toBeNull();
    const fill = fillPrescription(connected.south, { ...one, opened }, 30);
    expect(await failure(fill)).toBe('prescription_void');
  });

  it('a rotation closes the letters; the record that came over can be given again', async () => {
    const rosa = await patientOf(connected, 'Rosa Neu');
    const opened = await prescribed(connected, rosa);
    await releasePrescription(rosa, opened, { to: NORTH });
    const { prescriptionId } = opened.content;
    const { patient: moved } = await rotate(rosa);
    expect((await received('north', prescriptionId))?.opened).toBeNull();
    const own = (await ownPrescriptions(moved)).find(
      (one) => one.prescription.id === prescriptionId,
    );
    const again = await openPrescription(moved, own!, nodeFiles);
    await releasePrescription(moved, again, { to: NORTH });
    const one = (await received('north', prescriptionId))!;
    expect(await failure(fillPrescription(connected.north, one, 30))).toBe('done');
    expect((await moved.inbox()).map(({ topic }) => topic)).toContain('prescription.filled');
  });
});
