/** Whether a case ledger says that the patient was discharged: judged on the main ledger. */
import { z } from 'zod';
import { equalBytes, fromBase64url } from '../crypto/bytes.ts';
import { verifyInclusion } from '../ledger/merkle.ts';
import { decodeWith } from '../wire/codec.ts';
import { headerHash, headerSchema } from '../wire/header.ts';
import { resultSchema } from '../wire/result.ts';
import { validatorsHash } from '../wire/validators.ts';
import { verifyCertificate } from '../wire/verify-certificate.ts';
import { certificateSchema } from '../wire/vote.ts';
import { chaincodeBounds } from './bounds.ts';
import { lastMemberSchema } from './case-values.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { digestField, subjectField } from './fields.ts';
import type { TransactionCall } from './functions.ts';

const TEXT_CHARS_MAX = 16_384;
const cborText = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(TEXT_CHARS_MAX)
  .describe('canonical CBOR, base64url');

/** A certified block of a case ledger, and the result of `case.discharge` in it. */
export const anchorArgs = {
  header: cborText,
  certificate: cborText,
  result: cborText,
  /** Place in the block; these two only say which way the path turns. */
  index: z.int().min(0).max(chaincodeBounds.anchorResultsMax),
  size: z.int().min(1).max(chaincodeBounds.anchorResultsMax),
  proof: z.array(digestField).max(16),
} as const;
type AnchorArgs = z.infer<z.ZodObject<typeof anchorArgs>>;

const dischargedValue = z.looseObject({
  fn: z.literal('case.discharge'),
  caseId: z.string(),
  attending: subjectField,
  members: z.array(lastMemberSchema).max(chaincodeBounds.caseMembersMax),
});

/** The block, who was in charge at the discharge, and who was in the case. */
type Anchor = Pick<z.infer<typeof dischargedValue>, 'attending' | 'members'> & {
  height: number;
  hash: Uint8Array;
};

/**
 * The block, if a quorum of the present validators certified it as one of this case ledger, and if
 * it discharged the patient. Where validators changed since, a newer block of the case is wanted.
 * @throws ChaincodeError `anchor_invalid`, `not_discharged`
 */
export async function anchorOf(
  { draft, context }: TransactionCall,
  caseId: string,
  args: AnchorArgs,
): Promise<Anchor> {
  const { header, certificate, result, leaf, proof } = decoded(args);
  const hash = headerHash(header);
  const validators = await draft.get(cells.validators);
  const sessions = await draft.get(cells.sessions);
  if (!validators || !sessions) throw new Error('the validators are missing of state');
  const isOfCase =
    header.ledger === caseId &&
    certificate.phase === 'commit' &&
    certificate.height === header.height &&
    equalBytes(certificate.hash, hash) &&
    equalBytes(header.validatorsHash, validatorsHash(validators));
  if (!isOfCase) throw new ChaincodeError('anchor_invalid');
  const { genesisHash, verify } = context;
  const voted = { genesisHash, ledger: caseId, validatorsHash: header.validatorsHash };
  if (!(await verifyCertificate(certificate, voted, validators, sessions, verify))) {
    throw new ChaincodeError('anchor_invalid');
  }
  const { index, size } = args;
  const isIncluded = verifyInclusion({ leaf, index, size, proof, root: header.resultsRoot });
  const value = dischargedValue.safeParse(result.value);
  const isDischarge = result.status === 'COMMITTED' && value.success;
  if (!isIncluded || !isDischarge || value.data.caseId !== caseId) {
    throw new ChaincodeError('not_discharged');
  }
  const { attending, members } = value.data;
  return { height: header.height, hash, attending, members };
}

/** @throws ChaincodeError `anchor_invalid` */
function decoded({ header, certificate, result, proof }: AnchorArgs) {
  try {
    const leaf = fromBase64url(result);
    return {
      header: decodeWith(headerSchema, fromBase64url(header), TEXT_CHARS_MAX),
      certificate: decodeWith(certificateSchema, fromBase64url(certificate), TEXT_CHARS_MAX),
      result: decodeWith(resultSchema, leaf, TEXT_CHARS_MAX),
      leaf,
      proof: proof.map(fromBase64url),
    };
  } catch {
    throw new ChaincodeError('anchor_invalid');
  }
}
