/** L21: brings evidence of contradicting votes to the ledger, signed as this institution. */
import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { signJws } from '../../../lib/crypto/jws.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { limits } from '../../../lib/limits.ts';
import type { Contradiction } from '../../../lib/pbft/state.ts';
import { seatsAt } from '../../../lib/pbft/seats.ts';
import { encodeEvidence } from '../../../lib/wire/evidence.ts';
import { pendingOf } from '../../../lib/pbft/fair-order.ts';
import { encodeRequest, jwsTypes, parseTransaction } from '../../../lib/wire/transaction.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import type { ValidatorRuntime } from '../runtime.ts';
import { takeOwn } from './pending.ts';
import type { Run } from './run.ts';

/** Any participant may; each validator that saw it does, and the first to be ordered counts. */
export async function accuse(run: Run, contradiction: Contradiction): Promise<void> {
  const { runtime, ledger } = run;
  try {
    const transaction = await accusation(run, contradiction);
    if (!transaction) return;
    if (ledger === MAIN_LEDGER) return await takeOwn(run, transaction);
    await handToMain(runtime, transaction);
  } catch (error) {
    // A KMS that does not answer stops no consensus: the schedule accuses again.
    const reason = error instanceof Error ? error.name : 'unknown';
    runtime.log({ event: 'send_failed', ledger, to: 'accuse', reason });
  }
}

/** Seats are of the main ledger, wherever somebody says two things. */
async function handToMain(runtime: ValidatorRuntime, transaction: string): Promise<void> {
  const { ports } = runtime;
  const entry = pendingOf(parseTransaction(transaction), runtime.clock());
  await ports.mempool.submit(MAIN_LEDGER, [entry]);
  await ports.self.tick(MAIN_LEDGER, { due: 0, delaySeconds: 1 });
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
    ledger: MAIN_LEDGER,
    fn: 'validator.accuse',
    args: { evidence: toBase64url(evidence) },
    nonce: runtime.freshId(),
    issuedAt,
    expiresAt: issuedAt + limits.validityMsMax,
  });
  const header = { typ: jwsTypes.transaction, kid: thumbprint(key.publicKey) };
  return signJws(header, request, key);
}
