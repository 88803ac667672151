/** Signatures of a faulty validator, for scenarios that say what it does. */
import { contextOf } from '../../lib/pbft/verify.ts';
import { type UnsignedVote, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';
import type { TestNetwork } from '../support/network.ts';
import type { Cluster } from './cluster.ts';

type Signing = (vote: Omit<UnsignedVote, 'validator'>) => Promise<Vote>;

/** Signs whatever it is asked, as this validator. */
export async function signingAs(
  network: TestNetwork,
  cluster: Cluster,
  id: string,
): Promise<Signing> {
  const key = network.validators.find((one) => one.id === id)?.vote;
  if (!key) throw new Error(id);
  const state = await cluster.state(id);
  return async (vote) => {
    const { phase, height, view, hash } = vote;
    const unsigned = { phase, height, view, hash };
    const signature = await key.sign(voteSigningBytes(contextOf(state, height), unsigned));
    return { ...unsigned, validator: id, signature };
  };
}
