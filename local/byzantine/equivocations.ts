// Contradictions of what a validator is about to say: the same slots, other contents, well signed.
import type { ValidatorRuntime } from '../../functions/validator/runtime.ts';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { headerHash } from '../../lib/wire/header.ts';
import type { Envelope, Message } from '../../lib/wire/messages.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';
import { type UnsignedVote, type Vote, voteSigningBytes } from '../../lib/wire/vote.ts';

/** A message for each vote or proposal of the envelope that says the opposite of it. */
export async function equivocations(
  runtime: ValidatorRuntime,
  envelope: Envelope,
): Promise<Message[]> {
  const lies: Message[] = [];
  for (const message of envelope.messages) {
    if (message.type === 'vote') {
      const { phase, validator, hash } = message.vote;
      if (validator !== runtime.self || (phase !== 'prepare' && phase !== 'commit')) continue;
      const other = taggedHash('equivocation', utf8(phase), hash);
      const vote = await signed(runtime, envelope, { ...message.vote, hash: other });
      if (vote) lies.push({ type: 'vote', vote });
    }
    if (message.type === 'pre-prepare' && message.vote.validator === runtime.self) {
      // A block a millisecond later: as good as the one that the others are shown.
      const header = { ...message.header, time: message.header.time + 1 };
      const hash = headerHash(header);
      const vote = await signed(runtime, envelope, { ...message.vote, hash });
      if (vote) lies.push({ ...message, header, vote });
    }
  }
  return lies;
}

/** Null for a replica that has no session key, or has not read its state yet. */
async function signed(
  { signer, warm }: ValidatorRuntime,
  { genesisHash, ledger }: Envelope,
  { phase, height, view, hash, validator }: UnsignedVote,
): Promise<Vote | null> {
  const state = warm.get(ledger)?.record.state;
  if (!signer || !state) return null;
  const context = { genesisHash, ledger, validatorsHash: validatorsHash(state.validators) };
  const vote = { phase, height, view, hash, validator };
  return { ...vote, signature: await signer.sign(voteSigningBytes(context, vote)) };
}
