/** Asks validators which key of the authority is in force, and believes only what they prove. */

import { z } from 'zod';
import { query as runQuery } from '../../lib/chaincode/execute.ts';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { generateSigningKey, thumbprint, verifyP256 } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { verifyStateAnswer } from '../../lib/ledger/verify-state-answer.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import {
  encodeRequest,
  jwsTypes,
  parseTransaction,
  type Transaction,
} from '../../lib/wire/transaction.ts';
import { knownSet, type PermitContext } from '../aws/permit.ts';
import { callValidator, type Fetch } from '../records/validator-client.ts';

/** What the ledger has in force, and since which height. */
export interface LedgerAuthority {
  kid: string;
  /** DER. */
  certificate: Uint8Array;
  since: number;
}

/** Null where no validator proves anything now. */
export type AskAuthority = () => Promise<LedgerAuthority | null>;

const FN = 'network.authority';
const VALIDITY_MS = 60_000;
const answerSchema = z.looseObject({ answer: z.string().max(2_000_000) });
const valueSchema = z.object({
  kid: z.string(),
  certificate: z.string(),
  since: z.object({ height: z.int() }),
});

/** The question to all validators of genesis at once: whoever lies can only keep news back. */
export function authorityQuery(permit: PermitContext, fetchUrl: Fetch = fetch): AskAuthority {
  return async () => {
    const genesis = await permit.genesis.require();
    const known = await knownSet(permit);
    const query = await signedQuery(genesis.document.network, permit.now());
    const found = await Promise.all(
      genesis.document.validators.map(async ({ apiUrl }) => {
        const base = apiUrl.replace(/\/+$/, '');
        const answer = await callValidator(fetchUrl, `${base}/v1/queries`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query: query.compact }),
        });
        const said = answerSchema.safeParse(answer?.json);
        if (answer?.status !== 200 || !said.success) return null;
        try {
          const { answer: text } = said.data;
          return await proven(text, { query, genesis, known, now: permit.now() });
        } catch {
          return null;
        }
      }),
    );
    return found.reduce((best, one) => (one && one.since > (best?.since ?? -1) ? one : best), null);
  };
}

/** Signed by a key of its own: the service must not need to know which of its keys counts. */
async function signedQuery(network: string, now: number): Promise<Transaction> {
  const key = await generateSigningKey();
  const payload = encodeRequest({
    ...{ network, ledger: MAIN_LEDGER, fn: FN, args: { key: toBase64url(key.publicKey) } },
    ...{ nonce: randomId(), issuedAt: now, expiresAt: now + VALIDITY_MS },
  });
  const kid = thumbprint(key.publicKey);
  return parseTransaction(await signJws({ typ: jwsTypes.query, kid }, payload, key));
}

async function proven(
  text: string,
  asked: {
    query: Transaction;
    genesis: Genesis;
    known: Awaited<ReturnType<typeof knownSet>>;
    now: number;
  },
): Promise<LedgerAuthority> {
  const { query, genesis, known, now } = asked;
  const nonce = fromBase64url(query.nonce);
  const view = await verifyStateAnswer(fromBase64url(text), genesis, { known, nonce });
  const { ledger, height, time } = view.header;
  const value = await runQuery(view, query, {
    ...{ network: genesis.document.network, ledger, height, time: Math.max(time, now) },
    ...{ genesisHash: genesis.hash, verify: verifyP256, main: null },
  });
  const { kid, certificate, since } = valueSchema.parse(value);
  return { kid, certificate: fromBase64url(certificate), since: since.height };
}
