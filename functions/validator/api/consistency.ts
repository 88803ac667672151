/** Consistency proofs between two heights, from the stored subtrees of the history. */

import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { LedgerError } from '../../../lib/ledger/errors.ts';
import { buildHistoryAnswer, encodeHistoryAnswer } from '../../../lib/ledger/history-answer.ts';
import { type HistoryProof, proveHistory } from '../../../lib/ledger/history-tree.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { HttpError } from '../../aws/problems.ts';
import { parseParameter } from '../../aws/request.ts';
import { consistencyQuerySchema } from '../routes.ts';
import { committedBlock } from './committed.ts';
import type { ApiRuntime } from './runtime.ts';
import { setChainTo } from './set-chain.ts';

export function getConsistency(runtime: ApiRuntime): Operation {
  return {
    async run({ query }): Promise<HttpAnswer> {
      const asked = parseParameter(consistencyQuerySchema, query, 'query');
      const network = await runtime.ledger(asked.ledger);
      const from = Number(asked.from);
      const to = asked.to === undefined ? network.head.height : Number(asked.to);
      if (from >= to) throw new HttpError('invalid_request', 'query: `from` is not below `to`');
      const [earlier, later] = await Promise.all([
        committedBlock(runtime, network, from),
        committedBlock(runtime, network, to),
      ]);
      const { header, certificate } = later;
      if (certificate === null) throw new HttpError('unknown_block', 'Genesis has no certificate');
      const { genesis } = network;
      const answer = buildHistoryAnswer({
        genesis,
        first: earlier.header,
        header,
        certificate,
        ...(await setChainTo(runtime, network, header)),
        proof: await proofOf(runtime, network.ledger, from, to),
      });
      return { status: 200, body: { from, to, proof: toBase64url(encodeHistoryAnswer(answer)) } };
    },
  };
}

/** A validator that started from a snapshot does not keep what was before it. */
async function proofOf(
  runtime: ApiRuntime,
  ledger: string,
  from: number,
  to: number,
): Promise<HistoryProof> {
  const { blocks } = runtime.deps.ports;
  try {
    return await proveHistory(from, to, (nodes) => blocks.history(ledger, nodes));
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'missing_history') {
      throw new HttpError('unknown_block', 'Its history is not kept here');
    }
    throw error;
  }
}
