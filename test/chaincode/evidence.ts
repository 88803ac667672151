/** Proof that a validator of the test network voted twice, as `validator.accuse` takes it. */
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { encodeEvidence, type Evidence } from '../../lib/wire/evidence.ts';
import { type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import type { World } from './world.ts';

/** Two prepares of one validator of the network for one slot. */
export async function evidenceOf(world: World, index: number, view = 0): Promise<Evidence> {
  const { genesis, validators } = world.network;
  const { id, vote: key } = validators[index]!;
  const validatorsHash = sha256(utf8('set'));
  const context = { genesisHash: genesis.hash, ledger: 'main', validatorsHash };
  const vote = async (said: string): Promise<Vote> => {
    const statement = { phase: 'prepare' as const, height: 9, view, hash: sha256(utf8(said)) };
    const signature = await key.sign(voteSigningBytes(context, statement));
    return { ...statement, validator: id, signature };
  };
  const session = genesis.sessions.find(
    ({ body }) => body.validator === id && body.purpose === 'vote',
  )!;
  return {
    ledger: 'main',
    validatorsHash,
    session,
    first: await vote('a'),
    second: await vote('b'),
  };
}

export const accuseArgs = (evidence: Evidence) => ({
  evidence: toBase64url(encodeEvidence(evidence)),
});
