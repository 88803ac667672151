/** Reads what a replica sends without judging it: the same body to three peers is read once. */
import { decode } from '@ipld/dag-cbor';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import type { BlockHeader } from '../../lib/wire/header.ts';
import type { Envelope, Message } from '../../lib/wire/messages.ts';
import type { Certificate, Vote } from '../../lib/wire/vote.ts';

/** A vote with what travels beside it and says more about it. */
export interface SentVote {
  vote: Vote;
  /** Set hash of the header that it votes for, where that travels too. */
  header: BlockHeader | null;
  /** Of a view-change: what it says is prepared. */
  prepared?: { height: number; view: number; hash: Uint8Array } | null;
}

export interface SentEnvelope {
  envelope: Envelope;
  votes: SentVote[];
}

const prefix = 'peer:';
const keptMax = 64;
const kept = new Map<string, SentEnvelope>();

export function readSent(body: string): SentEnvelope {
  const known = kept.get(body);
  if (known) return known;
  const envelope = decode<Envelope>(fromBase64url(body.slice(prefix.length)));
  const sent = { envelope, votes: envelope.messages.flatMap(votesOf) };
  kept.set(body, sent);
  const oldest = kept.keys().next().value;
  if (kept.size > keptMax && oldest !== undefined) kept.delete(oldest);
  return sent;
}

/** A vote can leave inside a certificate, before the message that carried it alone. */
function votesIn({ votes, ...statement }: Certificate, header: BlockHeader): SentVote[] {
  return votes.map((one) => ({ vote: { ...statement, ...one }, header }));
}

function votesOf(message: Message): SentVote[] {
  if (message.type === 'vote') return [{ vote: message.vote, header: null }];
  if (message.type === 'pre-prepare') return [{ vote: message.vote, header: message.header }];
  if (message.type === 'new-view') return [{ vote: message.newView.vote, header: null }];
  if (message.type === 'decided') return votesIn(message.certificate, message.header);
  if (message.type !== 'view-change') return [];
  const { vote, prepared } = message.viewChange;
  const bound = prepared && {
    height: prepared.header.height,
    view: prepared.certificate.view,
    hash: prepared.certificate.hash,
  };
  return [{ vote, header: null, prepared: bound }];
}
