/** Erasure: ordered on the ledger, brought to the custodian, acknowledged by everybody who held it. */
import { z } from 'zod';
import { chaincodeBounds } from '../lib/chaincode/bounds.ts';
import { erasureSchema } from '../lib/chaincode/copy-values.ts';
import { erasureSigningBytes } from '../lib/chaincode/rotation-guard.ts';
import { toBase64url } from '../lib/crypto/bytes.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { forgetEmergency } from './emergency.ts';
import { SdkError } from './errors.ts';
import type { CallControl } from './network-client.ts';
import { parseValue } from './pages.ts';
import { leaveStudy, participationIn } from './studies.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';

const statusSchema = z.object({
  erasure: erasureSchema.nullable(),
  missing: z.array(z.string()),
});

/** How far an erasure is. */
export interface ErasureStatus {
  readonly erasure: z.infer<typeof erasureSchema> | null;
  /** `records` (the custodian) and hospitals that have not said yet that it is done. */
  readonly missing: readonly string[];
}

export interface Ordered {
  readonly results: readonly CertifiedResult[];
  /** Whether the custodian has destroyed its part; else hospitals bring it the order. */
  readonly isBrought: boolean;
}

/** Requests to the custodian while it says that it is still at work. */
const TURNS_MAX = 200;

/** Has records erased, for good; with the rotation key, where one is set. */
export async function eraseRecords(
  patient: Patient,
  recordIds: readonly string[],
  rotationKey?: SigningKey,
): Promise<Ordered> {
  const results: CertifiedResult[] = [];
  let isBrought = true;
  for (let at = 0; at < recordIds.length; at += chaincodeBounds.copyRecordsMax) {
    const part = recordIds.slice(at, at + chaincodeBounds.copyRecordsMax);
    const guard = await guardOf(patient, part, rotationKey);
    const call = { fn: 'record.erase', args: { recordIds: part, ...guard } };
    const result = await patient.session.client.submit(call, patient.signer);
    results.push(result);
    isBrought = (await bring(patient, result)) && isBrought;
  }
  return { results, isBrought };
}

/** Has everything erased that is kept under the patient's pseudonyms, for good. */
export async function eraseEverything(
  patient: Patient,
  rotationKey?: SigningKey,
): Promise<Ordered> {
  const args = await guardOf(patient, null, rotationKey);
  // Nothing can be signed afterwards, and the custodian deletes what went to studies by this alone.
  for (const studyId of Object.keys(patient.data.studies ?? {})) {
    const own = await participationIn(patient, studyId);
    if (own && own.withdrawn === null) await leaveStudy(patient, studyId);
  }
  const call = { fn: 'patient.erase', args };
  const result = await patient.session.client.submit(call, patient.signer);
  const isBrought = await bring(patient, result);
  await forgetEmergency(patient, result);
  return { results: [result], isBrought };
}

/** Who erased a record, or everything, and who has not said so yet. */
export async function erasureStatus(
  patient: Patient,
  recordId?: string,
  control: CallControl = {},
): Promise<ErasureStatus> {
  const { client } = patient.session;
  const args = recordId === undefined ? {} : { recordId };
  const call = { fn: 'erasure.get', args };
  const value = await client.query(call, patient.signer, { ...control, fresh: true });
  return parseValue(statusSchema, value, call.fn);
}

async function guardOf(
  { session, pseudonym }: Patient,
  recordIds: readonly string[] | null,
  rotationKey: SigningKey | undefined,
): Promise<{ guardSignature?: string }> {
  if (!rotationKey) return {};
  const { network } = session.network.genesis.document;
  const bytes = erasureSigningBytes({ network, pseudonym, recordIds });
  return { guardSignature: toBase64url(await rotationKey.sign(bytes)) };
}

/** True once the custodian has said on the ledger that nothing is left with it. */
async function bring(patient: Patient, { receipt }: CertifiedResult): Promise<boolean> {
  const permit = { key: patient.ownerKey, receipt };
  try {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      if (await patient.session.custodian.erase(permit)) return true;
    }
    return false;
  } catch (error) {
    // The order stands on the ledger: hospitals bring it as soon as the custodian answers.
    if (error instanceof SdkError && error.code !== 'aborted') return false;
    throw error;
  }
}
