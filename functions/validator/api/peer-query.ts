/** Who asks: a validator by its read key, for which the KMS key of its seat vouches. */

import { cells } from '../../../lib/chaincode/cells.ts';
import { readerOf } from '../../../lib/chaincode/draft.ts';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { limits } from '../../../lib/limits.ts';
import { decodeWith } from '../../../lib/wire/codec.ts';
import { WireError } from '../../../lib/wire/errors.ts';
import { sessionCertificateSchema, verifySessionCertificate } from '../../../lib/wire/session.ts';
import {
  parseTransaction,
  type Transaction,
  verifyTransaction,
} from '../../../lib/wire/transaction.ts';
import { HttpError } from '../../aws/problems.ts';
import { BLOCK_SCHEME, type PeerQuery } from '../block-request.ts';
import { checkQueryWindow } from './query.ts';
import type { ApiRuntime, RunningNetwork } from './runtime.ts';

const CERTIFICATE_BYTES_MAX = 1_024;

/** The signed query of an `authorization` header, for exactly this. Its signature is not checked. */
export function parsePeerQuery(authorization: string, wanted: PeerQuery): Transaction {
  const [scheme, compact] = authorization.split(' ');
  if (scheme !== BLOCK_SCHEME || compact === undefined) {
    throw new HttpError('invalid_request', `authorization: expected ${BLOCK_SCHEME} and a query`);
  }
  if (compact.length > limits.transactionBytesMax) throw new WireError('too_large', 'the query');
  const query = parseTransaction(compact);
  const isWanted = query.fn === wanted.fn && query.args['height'] === wanted.height;
  if (!isWanted || query.ledger !== wanted.ledger || query.signer.kind !== 'key') {
    throw new HttpError('not_authorised', 'The query is for something else');
  }
  return query;
}

/**
 * Whether a validator of the ledger's newest set asks, suspended ones too: they have to follow. Any
 * incarnation may, as a validator that lost its tables does not know its newest yet.
 */
export async function isOfPeer(
  runtime: ApiRuntime,
  network: RunningNetwork,
  query: Transaction,
): Promise<boolean> {
  const { session } = query.args;
  if (session === undefined || query.signer.kind !== 'key') return false;
  if (typeof session !== 'string' || session.length > 2 * CERTIFICATE_BYTES_MAX) {
    throw new WireError('malformed', 'session: not a certificate');
  }
  checkQueryWindow(runtime, network, query);
  const certificate = decodeWith(
    sessionCertificateSchema,
    fromBase64url(session),
    CERTIFICATE_BYTES_MAX,
  );
  const { body } = certificate;
  const seats = await readerOf(runtime.view(network.main)).get(cells.validators);
  const seat = seats?.find((one) => one.id === body.validator);
  const names =
    body.purpose === 'read' &&
    body.network === network.genesis.document.network &&
    thumbprint(body.key) === query.signer.kid;
  if (!seat || !names || !(await verifySessionCertificate(certificate, seat.kmsKey))) {
    throw new HttpError('not_authorised', 'The session is of no validator of the network');
  }
  if (await verifyTransaction(query, { outer: body.key, inner: null })) return true;
  throw new WireError('bad_signature', 'not of the read key that it names');
}
