/** A representative, a prescription and a claim in the seeded story: begun, and not at their end. */
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { issueArgs, prescriptionId, releaseArgs } from './prescriptions.ts';
import {
  appointArgs,
  DAY,
  grantArgs,
  id16,
  type PatientKeys,
  type Person,
  text32,
  type World,
} from './world.ts';
import type { Teller } from './seeded.ts';

type Args = SignedRequest['args'];

export interface ConnectedCast {
  readonly patient: PatientKeys;
  readonly representative: PatientKeys;
  readonly doctor: Person;
  readonly nurse: Person;
  readonly pharmacist: Person;
  readonly insurer: Person;
}

/** By a record that the doctor wrote and the custodian has. */
export async function connectedCare(
  { say, mention, world }: Teller,
  recordId: string,
  cast: ConnectedCast,
): Promise<void> {
  const { patient, representative, doctor, nurse, pharmacist, insurer } = cast;
  const appointmentId = id16('seeded appointment');
  const appoint = await appointArgs(world, representative, { permissionId: appointmentId });
  await say(patient, 'representative.appoint', appoint);
  mention('representative.end', { permissionId: appointmentId });
  const given = { permissionId: id16('given by a representative'), rights: ['read'] };
  await say(representative, 'permission.grant', grantArgs(world, nurse, given));
  await say(representative, 'access.request', { recordId, purpose: 'PATRQT' });

  await say(doctor, 'prescription.issue', issueArgs(world, { recordId }));
  const release = releaseArgs(pharmacist, { insurer: insurer.subject });
  await say(patient, 'prescription.release', release);
  mention('prescription.recall', { prescriptionId, pharmacist: pharmacist.subject });
  mention('prescription.cancel', { prescriptionId, reason: 'other' });
  const filled = { prescriptionId, quantity: 30, dispensedBefore: 0, opened: text32('opened') };
  const fillId = id16('seeded fill');
  await say(pharmacist, 'prescription.fill', { fillId, ...filled });

  const claim = asked(world, 'claim', insurer);
  await say(pharmacist, 'claim.submit', { ...claim, service: { fillId } });
  const estimate = asked(world, 'estimate', insurer);
  await say(patient, 'claim.estimate', estimate);
  mention('claim.withdraw', { claimId: estimate['claimId']! });
  await say(insurer, 'claim.answer', {
    ...{ claimId: claim['claimId']!, requestDigest: claim['requestDigest']! },
    ...{ decision: 'accepted', commitment: text32('answer') },
    letterDigest: text32('answer letter'),
  });
}

function asked(world: World, name: string, insurer: Person): Args {
  return {
    ...{ claimId: id16(`seeded ${name}`), insurer: insurer.subject },
    requestDigest: text32(`codes of the ${name}`),
    ...{ letterId: id16(`letter of the ${name}`), letterDigest: text32('letter') },
    ...{ answerId: id16(`answer of the ${name}`), answerTo: text32('the box') },
    until: world.time + DAY,
  };
}
