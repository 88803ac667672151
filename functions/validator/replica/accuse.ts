/** L21: brings evidence of contradicting votes to the ledger, signed as this institution. */
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { limits } from '../../../lib/limits.ts';
import type { Contradiction } from '../../../lib/pbft/state.ts';
import { seatsAt } from '../../../lib/pbft/seats.ts';
import { encodeEvidence } from '../../../lib/wire/evidence.ts';
import { encodeRequest, jwsTypes } from '../../../lib/wire/transaction.ts';
import { takeOwn } from './pending.ts';
import type { Run } from './run.ts';

/** Any participant may; each validator that saw it does, and the first to be ordered counts. */
export async function accuse(run: Run, contradiction: Contradiction): Promise<void> {
  const { runtime, ledger } = run;
  let transaction: string | null;
  try {
    transaction = await accusation(run, contradiction);
  } catch (error) {
    // A KMS that does not answer stops no consensus: the schedule accuses again.
    const reason = error instanceof Error ? error.name : 'unknown';
    return runtime.log({ event: 'send_failed', ledger, to: 'accuse', reason });
  }
  if (transaction) await takeOwn(run, transaction);
}

async function accusation(run: Run, contradiction: Contradiction): Promise<string | null> {
  const { runtime, ledger, state } = run;
  const { first, second, validatorsHash, incarnation } = contradiction;
  const { sessions } = seatsAt(state, first.height);
  const session = sessions.find(
    ({ body }) => body.validator === first.validator && body.incarnation === incarnation,
  );
  if (!session) return null;
  const evidence = encodeEvidence({ ledger, validatorsHash, session, first, second });
  const key = await runtime.identity();
  const issuedAt = runtime.clock();
  const request = encodeRequest({
    network: runtime.genesis.document.network,
    ledger,
    fn: 'validator.accuse',
    args: { evidence: toBase64url(evidence) },
    nonce: runtime.freshId(),
    issuedAt,
    expiresAt: issuedAt + limits.validityMsMax,
  });
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  return signJws(header, request, key);
}
