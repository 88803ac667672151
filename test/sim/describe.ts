/** Traces in words: what a message or event says, on one line. */
import type { StepEvent } from '../../functions/validator/step.ts';
import { toHex } from '../../lib/crypto/bytes.ts';
import { headerHash } from '../../lib/wire/header.ts';
import type { Message, MessageOf } from '../../lib/wire/messages.ts';
import type { Vote } from '../../lib/wire/vote.ts';

/** The first digits of a hash tell blocks apart. */
export function brief(hash: Uint8Array): string {
  return toHex(hash.subarray(0, 4));
}

/** `hospital-c` is `c`; what stands behind (a twin) stays. */
export function shortName(id: string): string {
  return id.replace('hospital-', '');
}

export function describeEvent(event: StepEvent): string {
  if (event.kind === 'envelope') {
    const { from, messages } = event.envelope;
    return `${shortName(from)}:${messages.map(describeMessage).join('+')}`;
  }
  if (event.kind === 'fetched') return `fetched ${event.fromHeight}–${event.toHeight}`;
  if (event.kind === 'tick') return event.due === null ? 'schedule' : 'tick';
  return event.kind;
}

type Words = { [T in Message['type']]?: (message: MessageOf<T>) => string };

const words: Words = {
  vote: ({ vote }) => describeVote(vote),
  'pre-prepare': ({ header, transactions, vote }) => {
    const body = transactions === null ? 'no body' : `${transactions.length} tx`;
    return `pre-prepare(h${header.height} v${vote.view} ${brief(headerHash(header))} ${body})`;
  },
  'view-change': ({ viewChange: { view, head, prepared } }) => {
    const bound = prepared ? ` prepared v${prepared.certificate.view}` : '';
    return `view-change(v${view} head ${head.header.height}${bound})`;
  },
  'new-view': ({ newView: { view, viewChanges } }) => {
    const from = viewChanges.map((one) => shortName(one.vote.validator)).join('');
    return `new-view(v${view} of ${from})`;
  },
  status: ({ view, height, changing, wanted }) => {
    const asks = wanted ? ` wants ${brief(wanted)}` : '';
    return `status(h${height} v${view}${changing ? ' changing' : ''}${asks})`;
  },
  decided: ({ header, certificate }) => `decided(h${header.height} ${brief(certificate.hash)})`,
  forward: ({ transactions }) => `forward(${transactions.length} tx)`,
};

function describeMessage(message: Message): string {
  const say = words[message.type] as ((message: Message) => string) | undefined;
  return say ? say(message) : message.type;
}

function describeVote({ phase, height, view, hash }: Vote): string {
  return `${phase}(h${height} v${view} ${brief(hash)})`;
}
