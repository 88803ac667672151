// Connected health: a prescription that is handed out once, and an insurer that sees codes alone.
import { readFileSync } from 'node:fs';
import { policiesSchema, tariffSchema } from '../../lib/connected/tariff.ts';
import type { OpenedContent } from '../../lib/connected/prescription-content.ts';
import { type AskTerms, askEstimate, listClaims, submitClaim } from '../../sdk/claims.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import { answerClaim, receivedClaims } from '../../sdk/insurer.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fillPrescription, receivedPrescriptions } from '../../sdk/pharmacy.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import {
  cancelPrescription,
  checkedFills,
  openPrescription,
  ownPrescriptions,
  prescribe,
  PRESCRIPTION_CATEGORY,
  releasePrescription,
} from '../../sdk/prescriptions.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

const DAY_MS = 86_400_000;
const QUANTITY = 30;
const LINE = { system: 'atc', code: 'L02BA01', units: QUANTITY, charge: 4_900 };

export const connected: Scenario = {
  name: 'connected',
  title: 'a pharmacy hands out once; an insurer estimates and pays from codes alone',
  run: (stage) => new Story(stage).run(),
};

interface People {
  patient: Patient;
  doctor: Clinician;
  north: Clinician;
  south: Clinician;
  insurer: Clinician;
}

class Story {
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async run(): Promise<void> {
    const people = await this.#enrol();
    const opened = await this.#prescribe(people);
    await this.#give(people, opened);
    const estimateId = await this.#estimate(people, opened);
    const { fillId, filler } = await this.#fillAtOnce(people, opened);
    await this.#pay(people, { fillId, filler, estimateId });
    await this.#askForMore(people, opened);
    await this.#cancel(people, opened);
    await this.#seen(people);
  }

  #step<T>(title: string, work: () => Promise<{ value: T; proof: string }>): Promise<T> {
    return this.#stage.steps.run(title, work);
  }

  #enrol(): Promise<People> {
    return this.#step('A patient, a doctor, two pharmacies and an insurer enrol', async () => {
      const { cast } = this.#stage;
      const [first = '', second = '', third = '', fourth = ''] = cast.hospitals;
      const { patient } = await cast.patient('Paula Probst', [PRESCRIPTION_CATEGORY]);
      const { doctor } = await cast.doctor(first, 0);
      const tag = shortId().slice(0, 4);
      const north = await cast.invited('pharmacist', second, `North Pharmacy ${tag}`);
      const south = await cast.invited('pharmacist', third, `South Pharmacy ${tag}`);
      const insurer = await cast.invited('insurer', fourth, `Sample Mutual ${tag}`);
      await grant(patient, {
        to: { name: doctor.keystore.label },
        ...{ rights: ['read', 'write'], categories: [PRESCRIPTION_CATEGORY] },
        until: Date.now() + 30 * DAY_MS,
      });
      const value = {
        ...{ patient, doctor, north: north.doctor, south: south.doctor },
        insurer: insurer.doctor,
      };
      const proof = `${north.doctor.keystore.label}, ${south.doctor.keystore.label}, ${insurer.doctor.keystore.label}`;
      return { value, proof };
    });
  }

  #prescribe({ patient, doctor }: People): Promise<OpenedContent> {
    return this.#step('The doctor prescribes; the patient opens and compares it', async () => {
      const { prescriptionId, result } = await prescribe(doctor, {
        ...{ pseudonym: patient.pseudonym, patient: 'Paula Probst', medicine: 'Tamoxifen 20 mg' },
        ...{ code: { system: LINE.system, code: LINE.code }, dose: 'one tablet each morning' },
        ...{ unit: 'tablets', quantity: QUANTITY, fills: 6, intervalDays: 25 },
        until: Date.now() + 180 * DAY_MS,
      });
      const own = (await ownPrescriptions(patient)).find(
        ({ prescription }) => prescription.id === prescriptionId,
      );
      if (!own) throw new UnexpectedError('the patient does not see the prescription');
      const value = await openPrescription(patient, own, nodeFiles);
      const proof = `block ${result.height}: commitment ${own.prescription.commitment.slice(0, 12)}…, no medicine on the ledger`;
      return { value, proof };
    });
  }

  #give({ patient, north, south, insurer }: People, opened: OpenedContent): Promise<null> {
    return this.#step('The patient gives it to both, and agrees to one insurer', async () => {
      const heights: number[] = [];
      for (const { keystore } of [north, south]) {
        const { result } = await releasePrescription(patient, opened, {
          to: { name: keystore.label },
          insurer: { name: insurer.keystore.label },
        });
        heights.push(result.height);
      }
      return { value: null, proof: `blocks ${heights.join(' and ')}, sealed to each pharmacist` };
    });
  }

  #estimate({ north, insurer, patient }: People, opened: OpenedContent): Promise<string> {
    return this.#step('The pharmacy asks what it costs; the insurer answers at once', async () => {
      const { prescriptionId } = opened.content;
      const started = performance.now();
      const { claimId } = await askEstimate(north, codesFor(insurer), { prescriptionId });
      const received = await claimOf(insurer, claimId);
      const seen = JSON.stringify([received.claim, { ...received.request, replyKey: '' }]);
      for (const secret of ['Paula', 'Tamoxifen', patient.pseudonym, prescriptionId]) {
        if (seen.includes(secret)) throw new UnexpectedError(`the insurer sees ${secret}`);
      }
      await answerClaim(insurer, received, book);
      const mine = (await listClaims(north)).find(({ claim }) => claim.id === claimId);
      if (!mine?.answer) throw new UnexpectedError(mine?.problem ?? 'there is no answer');
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      const proof = `patient ${mine.answer.patientPays / 100}, insurer ${mine.answer.insurerPays / 100} EUR in ${seconds} s; no name, no medicine`;
      return { value: claimId, proof };
    });
  }

  #fillAtOnce(
    { north, south, patient }: People,
    opened: OpenedContent,
  ): Promise<{ fillId: string; filler: Clinician }> {
    return this.#step('Both pharmacies hand out at once: exactly one may', async () => {
      const tries = await Promise.all(
        [north, south].map(async (pharmacist) => {
          const received = (await receivedPrescriptions(pharmacist)).find(
            ({ prescription }) => prescription.id === opened.content.prescriptionId,
          );
          if (!received) throw new UnexpectedError('a pharmacy does not see the prescription');
          return { pharmacist, received };
        }),
      );
      const outcomes = await Promise.all(
        tries.map(({ pharmacist, received }) =>
          fillPrescription(pharmacist, received, QUANTITY).then(
            ({ fillId }) => ({ filler: pharmacist, fillId }),
            (error: unknown) => reasonOf(error),
          ),
        ),
      );
      const good = outcomes.filter((one) => typeof one === 'object' && one !== null);
      const [value] = good;
      if (!value || good.length !== 1 || !outcomes.includes('filled_meanwhile')) {
        throw new UnexpectedError(JSON.stringify(outcomes.map((one) => typeof one)));
      }
      const [fill] = await checkedFills(patient, opened);
      if (!fill?.isOfContent) throw new UnexpectedError('the fill is not of the content');
      const proof = `${value.filler.keystore.label} did; the other: filled_meanwhile; the patient checked it`;
      return { value, proof };
    });
  }

  #pay(
    { insurer, patient }: People,
    { fillId, filler, estimateId }: { fillId: string; filler: Clinician; estimateId: string },
  ): Promise<null> {
    return this.#step('The fill is claimed and paid once; a second claim is refused', async () => {
      const terms = codesFor(insurer);
      const claim = { service: { fillId }, estimateId };
      const { claimId } = await submitClaim(filler, terms, claim);
      await refused('already_claimed', () => submitClaim(patient, terms, { service: { fillId } }));
      const { answer, result } = await answerClaim(insurer, await claimOf(insurer, claimId), book);
      await refused('already_claimed', () => submitClaim(filler, terms, claim));
      const proof = `${answer.decision} in block ${result.height}, as estimated; again: already_claimed`;
      return { value: null, proof };
    });
  }

  #askForMore({ insurer, patient }: People, opened: OpenedContent): Promise<null> {
    return this.#step('The insurer asks for more, and gets nothing', async () => {
      const { client } = insurer.session;
      const { signer } = insurer;
      const { prescriptionId } = opened.content;
      const { pseudonym } = patient;
      for (const [fn, args] of [
        ['prescription.get', { prescriptionId }],
        ['record.list', { pseudonym }],
        ['patient.get', { pseudonym }],
      ] as const) {
        await refused('role_denied', () => client.query({ fn, args }, signer));
      }
      return { value: null, proof: 'prescription, records and patient: role_denied' };
    });
  }

  #cancel({ doctor, north, south }: People, opened: OpenedContent): Promise<null> {
    return this.#step('The doctor cancels it: no pharmacy hands out any more', async () => {
      const { prescriptionId } = opened.content;
      const result = await cancelPrescription(doctor, prescriptionId, 'treatment-changed');
      for (const pharmacist of [north, south]) {
        const received = (await receivedPrescriptions(pharmacist)).find(
          ({ prescription }) => prescription.id === prescriptionId,
        );
        if (!received) throw new UnexpectedError('a pharmacy does not see the prescription');
        await refused('prescription_cancelled', () => fillPrescription(pharmacist, received, 1));
      }
      return { value: null, proof: `block ${result.height}; both: prescription_cancelled` };
    });
  }

  #seen({ patient }: People): Promise<null> {
    return this.#step('The patient sees all of it', async () => {
      const history = await patient.history();
      const wanted = ['issue', 'release', 'fill', 'cancel'].map((name) => `prescription.${name}`);
      const deeds = [...wanted, 'claim.estimate', 'claim.submit', 'claim.answer'];
      const missing = deeds.filter((fn) => !history.some((entry) => entry.fn === fn));
      if (missing.length > 0)
        throw new UnexpectedError(`not in the history: ${missing.join(', ')}`);
      const told = new Set((await patient.inbox()).map(({ topic }) => topic));
      return { value: null, proof: `${history.length} entries; told of ${[...told].join(', ')}` };
    });
  }
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8'));
const book = {
  tariff: tariffSchema.parse(read('tariff.example.json')),
  policies: policiesSchema.parse(read('policies.example.json')),
};

function codesFor(insurer: Clinician): AskTerms {
  const name = { name: insurer.keystore.label };
  return { insurer: name, policy: 'SM-4711', currency: 'EUR', lines: [LINE] };
}

async function claimOf(insurer: Clinician, claimId: string) {
  const found = (await receivedClaims(insurer)).find(({ claim }) => claim.id === claimId);
  if (!found?.request) throw new UnexpectedError(found?.problem ?? 'the insurer was not asked');
  return found;
}

async function refused(code: string, work: () => Promise<unknown>): Promise<void> {
  const reason = await work().then(
    () => 'nothing refused it',
    (error: unknown) => reasonOf(error),
  );
  if (reason !== code) throw new UnexpectedError(`${String(reason)}, where ${code} is due`);
}
