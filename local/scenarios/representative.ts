// Somebody acts for a patient: what was stated and nothing else, seen by the patient, ended at once.
import { join } from 'node:path';
import type { Clinician } from '../../sdk/clinician.ts';
import type { Delegate } from '../../sdk/delegate.ts';
import { reasonOf } from '../../sdk/http.ts';
import { fileSink, nodeFiles } from '../../sdk/platform/node.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { Representative } from '../../sdk/representative.ts';
import { appoint, type Appointed, endAppointment } from '../../sdk/representatives.ts';
import { genesisText } from '../lib/network-facts.ts';
import { verifyInOwnProcess } from '../verify-offline.ts';
import { sha256Of } from './documents.ts';
import { open, type Opening, readAndCompare } from './hospital-copies.ts';
import type { Scenario, Stage } from './scenario.ts';
import { UnexpectedError } from './steps.ts';
import { shortId } from './text.ts';

const DOCUMENTS = 2;
const HALF_HOUR_MS = 1_800_000;
const RIGHTS = ['read', 'grant', 'countersign'] as const;
type Held = Opening['records'][number];

export const representative: Scenario = {
  name: 'representative',
  title: 'a daughter acts for a patient: what was stated, seen, and ended in one block',
  async run(stage) {
    const { steps, cast } = stage;
    const opening = await open(stage, DOCUMENTS);
    const { patient, hospital, records } = opening;
    const [held] = records;
    if (!held) throw new UnexpectedError('the network has no record');
    const label = 'Mother';
    const daughter = await steps.run('Her daughter enrols, and makes a card', async () => {
      const person = new Representative(
        cast.session(),
        await cast.keystore('representative', `representative-${shortId()}`, 'Representative'),
        nodeFiles,
      );
      await person.enrol({ name: 'Ruth Testerton', birthDate: '1988-02-03' });
      return { value: person, proof: 'keys of her own; none of the patient’s' };
    });
    const appointed = await steps.run('The patient appoints her, for an hour', async () => {
      const card = await daughter.card(label, 'Ruth Testerton');
      const until = Date.now() + 2 * HALF_HOUR_MS;
      const categories = [held.document.category];
      const value = await appoint(patient, card, { powers: RIGHTS, categories, until });
      return { value, proof: `${RIGHTS.join(', ')}: block ${value.result.height}` };
    });
    const acting = await daughter.actFor(label);
    const receipts = [appointed.result];
    await does(stage, acting, held, receipts);
    const { doctor } = await cast.doctor(hospital, 6);
    await gives(stage, { acting, doctor, held, receipts });
    await isSeen(stage, opening, appointed);
    await ends(stage, { opening, acting, doctor, held, appointed, receipts });
  },
};

async function does(
  stage: Stage,
  acting: Delegate,
  { record, document }: Held,
  receipts: CertifiedResult[],
): Promise<void> {
  const { steps } = stage;
  await steps.run('She reads a record, byte for byte, and confirms it', async () => {
    const path = join(stage.work, `read-${shortId()}`);
    const { access } = await acting.read(record, () => fileSink(path));
    if ((await sha256Of(path)) !== document.sha256) {
      throw new UnexpectedError(`${document.name} is not what was uploaded`);
    }
    const signed = await acting.countersign(record);
    receipts.push(access, signed);
    return { value: null, proof: `blocks ${access.height} and ${signed.height}` };
  });
}

interface Giving {
  acting: Delegate;
  doctor: Clinician;
  held: Held;
  receipts: CertifiedResult[];
}

async function gives(stage: Stage, { acting, doctor, held, receipts }: Giving): Promise<void> {
  const { steps } = stage;
  const to = { subject: doctor.data.enrolment?.subject, name: doctor.keystore.label };
  const rights = ['read'] as const;
  const terms = { to, rights, categories: [held.document.category] };
  const until = Date.now() + HALF_HOUR_MS;
  await steps.run('She lets a doctor read it, of the keys that she has', async () => {
    const { result } = await acting.grant({ ...terms, until });
    receipts.push(result);
    const block = await readAndCompare(stage, doctor, held);
    return { value: null, proof: `granted in block ${result.height}; read in ${block}` };
  });
  await steps.run('More than was stated is refused', async () => {
    const longer = { ...terms, until: until + 4 * HALF_HOUR_MS };
    await refused('beyond_appointment', () => acting.grant(longer));
    await refused('power_not_given', () => acting.revoke(acting.permission.id));
    await refused('power_not_given', () => acting.history());
    return { value: null, proof: 'beyond_appointment, 2 × power_not_given' };
  });
}

async function isSeen(stage: Stage, { patient }: Opening, { kid }: Appointed): Promise<void> {
  await stage.steps.run('The patient sees each thing that she did', async () => {
    const own = (await patient.history()).filter(({ actor }) => actor.kid === kid);
    const told = (await patient.inbox()).filter(({ topic }) => topic === 'representative.acted');
    if (own.length === 0 || told.length !== own.length) {
      throw new UnexpectedError(`${own.length} entries of the history, ${told.length} notices`);
    }
    return { value: null, proof: `${own.length} entries of the history, as many notices` };
  });
}

async function ends(
  stage: Stage,
  of: Giving & { opening: Opening; appointed: Appointed },
): Promise<void> {
  const { steps } = stage;
  const { opening, acting, doctor, held, appointed, receipts } = of;
  await steps.run('The patient ends it: both are refused from that block on', async () => {
    const ended = await endAppointment(opening.patient, appointed.permissionId);
    receipts.push(ended.result);
    await refused('appointment_ended', () => acting.countersign(held.record));
    await refused('permission_revoked', () => doctor.requestAccess(held.record.id));
    const block = `block ${ended.result.height}`;
    return { value: null, proof: `${block}; appointment_ended, permission_revoked` };
  });
  await steps.run('All receipts verify offline', async () => {
    const bytes = receipts.map(({ receipt }) => receipt);
    const genesis = await genesisText(stage.networkFile);
    const { failures, verified } = await verifyInOwnProcess(genesis, bytes);
    if (failures.length > 0) throw new UnexpectedError(`receipts fail: ${failures[0]?.reason}`);
    return { value: null, proof: `${verified} receipts` };
  });
}

/** Throws unless the ledger refuses for this reason. */
async function refused(reason: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const found = reasonOf(error) ?? (error as { details?: { reason?: string } }).details?.reason;
    if (found === reason) return;
    throw error;
  }
  throw new UnexpectedError(`what is ${reason} was done`);
}
