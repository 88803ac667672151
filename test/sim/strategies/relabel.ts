/** Votes of others, true as they were cast, shown as votes for something else; and false roots. */
import { taggedHash } from '../../../lib/crypto/hash.ts';
import { equalBytes } from '../../../lib/crypto/bytes.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import type { Message, MessageOf } from '../../../lib/wire/messages.ts';
import { quorumSize } from '../../../lib/wire/validators.ts';
import type { Certificate, Vote } from '../../../lib/wire/vote.ts';
import type { Adversary } from '../adversary.ts';
import { pickOne, type SeededRandom } from '../random.ts';
import type { Strategy } from '../strategies.ts';

/** Signatures stay: another phase, view or height is written beside them. */
export function relabel(by: Adversary): Strategy {
  return {
    async rewrite(_to, envelope) {
      const own = envelope.messages.find((one) => 'vote' in one);
      const random = by.decides('relabel', 0.5);
      if (!random || !own || !('vote' in own)) return [envelope];
      return [
        {
          ...envelope,
          messages: [...(await preparesAsCommits(by, own.vote)), ...envelope.messages],
        },
      ];
    },
    act() {
      const random = by.decides('relabel', 0.6);
      const votes = heardVotes(by);
      if (!random || votes.length === 0) return;
      const vote = otherLabel(random, pickOne(random, votes));
      const decided = shownAsDecided(by, votes);
      const messages: Message[] = [{ type: 'vote', vote }, ...(decided ? [decided] : [])];
      for (const to of by.peers) by.postEnvelope(to, { messages });
    },
  };
}

/** With its own vote: all that it heard prepared at that height, as if it were committed to. */
async function preparesAsCommits(by: Adversary, { height, view, hash }: Vote): Promise<Message[]> {
  const prepares = heardVotes(by).filter(
    (one) => one.phase === 'prepare' && one.height === height && equalBytes(one.hash, hash),
  );
  const own = await by.sign({ phase: 'commit', height, view, hash });
  const shown = prepares.map((one) => ({ ...one, phase: 'commit' as const }));
  return [...shown, own].map((vote) => ({ type: 'vote', vote }));
}

function heardVotes(by: Adversary): Vote[] {
  return by
    .heardEnvelopes()
    .flatMap(({ messages }) => messages.flatMap((one) => ('vote' in one ? [one.vote] : [])))
    .filter(({ phase }) => phase === 'prepare' || phase === 'commit');
}

function otherLabel(random: SeededRandom, vote: Vote): Vote {
  const kind = random.below(3);
  if (kind === 0) return { ...vote, phase: vote.phase === 'prepare' ? 'commit' : 'prepare' };
  if (kind === 1) return { ...vote, view: vote.view + 1 };
  return { ...vote, height: vote.height + 1 };
}

/** What a quorum prepared is shown as decided: its prepares as commits, of whatever views. */
function shownAsDecided(by: Adversary, votes: readonly Vote[]): MessageOf<'decided'> | null {
  const header = by
    .heardEnvelopes()
    .flatMap(({ messages }) => messages)
    .findLast((one) => one.type === 'pre-prepare')?.header;
  if (!header) return null;
  const hash = headerHash(header);
  const prepares = votes.filter((one) => one.phase === 'prepare' && equalBytes(one.hash, hash));
  const first = prepares[0];
  const quorum = quorumSize(by.node.world.ids.length);
  const signatures = new Map(prepares.map((one) => [one.validator, one.signature]));
  if (!first || signatures.size < quorum) return null;
  const cast = [...signatures].slice(0, quorum);
  const certificate: Certificate = {
    ...{ phase: 'commit', height: header.height, view: first.view, hash },
    votes: cast.map(([validator, signature]) => ({ validator, signature })),
  };
  return { type: 'decided', header, certificate, transactions: null };
}

/** As leader: a header that names another state or other results than its block has. */
export function falseRoots(by: Adversary): Strategy {
  return {
    async rewrite(_to, envelope) {
      const messages: Message[] = [];
      for (const message of envelope.messages) messages.push(await withFalseRoot(by, message));
      return [{ ...envelope, messages }];
    },
  };
}

/** The same lie to everybody, so that nothing but execution can tell. */
async function withFalseRoot(by: Adversary, message: Message): Promise<Message> {
  if (message.type !== 'pre-prepare' || message.vote.validator !== by.node.id) return message;
  const lie = taggedHash('vote', headerHash(message.header));
  const random = by.chooses(`roots ${message.header.height} ${message.vote.view}`);
  if (random.chance(0.4)) return message;
  const which = random.chance(0.5) ? 'stateRoot' : 'resultsRoot';
  const header = { ...message.header, [which]: lie };
  const vote = await by.sign({ ...message.vote, hash: headerHash(header) });
  return { ...message, header, vote };
}
