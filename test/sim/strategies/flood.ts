/** Sending too much, too often, or under ids that others will use. */
import { toHex, utf8 } from '../../../lib/crypto/bytes.ts';
import { sha256 } from '../../../lib/crypto/hash.ts';
import type { Message } from '../../../lib/wire/messages.ts';
import type { Adversary } from '../adversary.ts';
import { ledger } from '../node.ts';
import { pickOne, type SeededRandom } from '../random.ts';
import type { Strategy } from '../strategies.ts';

/** Old envelopes of anybody, again, under fresh ids. */
export function replay(by: Adversary): Strategy {
  return {
    act() {
      const random = by.decides('replay', 0.7);
      const heard = by.heard.filter(({ body }) => body.startsWith('peer:'));
      if (!random || heard.length === 0) return;
      for (let count = 1 + random.below(4); count > 0; count -= 1) {
        by.post(pickOne(random, by.peers), pickOne(random, heard).body);
      }
    },
  };
}

export function flood(by: Adversary): Strategy {
  return {
    async act() {
      const random = by.decides('flood', 0.6);
      if (!random) return;
      const to = pickOne(random, by.peers);
      for (let count = 0; count < 15; count += 1) {
        const messages = await Promise.all(
          Array.from({ length: 1 + random.below(8) }, () => junk(by, random)),
        );
        by.postEnvelope(to, { messages });
      }
    },
  };
}

/** Well-formed, and of no use. */
async function junk(by: Adversary, random: SeededRandom): Promise<Message> {
  const state = await by.state();
  const height = (state?.head.header.height ?? 0) + random.below(5);
  const view = (state?.view ?? 0) + random.below(4);
  const hash = new Uint8Array(32).fill(random.below(256));
  const kind = random.below(4);
  if (kind === 0) return { type: 'forward', transactions: ['not.a.jws', 'x'.repeat(500)] };
  if (kind === 1) {
    const phase = random.chance(0.5) ? 'prepare' : 'commit';
    return { type: 'vote', vote: await by.sign({ phase, height, view, hash }) };
  }
  const lists = { prepares: [], commits: [], viewChanges: [] };
  const proposal = random.chance(0.5) ? hash : null;
  const wanted = random.chance(0.5) ? hash : null;
  const changing = random.chance(0.5);
  return { type: 'status', view, changing, height, ...lists, proposal, wanted };
}

/** Takes ids before those who will use them: those it saw, their successors, hashes of bodies. */
export function presend(by: Adversary): Strategy {
  return {
    act() {
      const random = by.decides('presend', 0.8);
      if (!random) return;
      for (const { deduplicationId, body } of by.heard.slice(-12)) {
        const guesses = [...successorsOf(deduplicationId), toHex(sha256(utf8(body)))];
        for (const to of by.peers) {
          const guess = pickOne(random, guesses);
          by.post(to, 'peer:AA', { group: ledger, deduplicationId: guess });
        }
      }
    },
  };
}

/** The id itself, and the next ones of whoever counts. */
function successorsOf(id: string): string[] {
  const parts = /^(.*?)(\d{1,15})$/.exec(id);
  if (!parts) return [id];
  const [, stem = '', digits = '0'] = parts;
  const next = [1, 2, 3, 4].map((step) => stem + String(Number(digits) + step));
  return [id, ...next];
}
