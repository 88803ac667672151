/** A prescription on a ledger in memory, and who may do what with it. */
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import type { Execution } from '../../lib/chaincode/execute.ts';
import {
  type Acting,
  DAY,
  grantArgs,
  id16,
  type PatientKeys,
  type Person,
  recordArgs,
  text32,
  valueOf,
  type World,
} from './world.ts';

type Args = SignedRequest['args'];

export const prescriptionId = id16('the prescription');
export const recordId = id16('the prescribed record');

/** A stored record that the doctor wrote, under a permission to write. */
export async function storedRecord(
  world: World,
  { patient, doctor, id = recordId }: { patient: PatientKeys; doctor: Person; id?: string },
): Promise<void> {
  valueOf(await world.submit(patient, 'permission.grant', grantArgs(world, doctor)));
  const record = recordArgs(patient, { recordId: id, digest: text32(`digest ${id}`) });
  valueOf(await world.submit(doctor, 'record.register', record));
  const stored = { recordId: id, objectDigest: text32(`digest ${id}`) };
  valueOf(await world.submit(world.custodian, 'record.stored', stored));
}

export function issueArgs(world: World, change: Args = {}): Args {
  return {
    ...{ prescriptionId, recordId, commitment: text32('content') },
    ...{ quantity: 30, fills: 3, intervalMs: 20 * DAY },
    ...{ from: world.time, until: world.time + 180 * DAY },
    ...change,
  };
}

let letters = 0;

export function releaseArgs(pharmacist: { subject: string }, change: Args = {}): Args {
  letters += 1;
  return {
    ...{ prescriptionId, pharmacist: pharmacist.subject },
    ...{ letterId: id16(`letter ${letters}`), letterDigest: text32('letter') },
    ...change,
  };
}

let fills = 0;

export function fill(
  world: World,
  who: Acting,
  { quantity = 30, before = 0, ...change }: Args & { quantity?: number; before?: number } = {},
): Promise<Execution> {
  fills += 1;
  return world.submit(who, 'prescription.fill', {
    ...{ prescriptionId, fillId: id16(`fill ${fills}`), quantity, dispensedBefore: before },
    ...{ opened: text32('opened'), ...change },
  });
}
