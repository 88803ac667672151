/** Doing less than one should: saying nothing, late, not to everybody, or not of everyone's. */
import type { PendingTransaction } from '../../../lib/ports.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import type { Adversary } from '../adversary.ts';
import { pickOne } from '../random.ts';
import type { Strategy } from '../strategies.ts';

/** Says nothing: for good, or for a few seconds at a time. */
export function silent(by: Adversary): Strategy {
  const always = by.chooses('silent').chance(0.3);
  return {
    rewrite(_to, envelope) {
      const period = Math.floor(by.node.world.agenda.now / 4_000);
      const quiet = always || by.chooses(`silent ${period}`).chance(0.6);
      return quiet && by.decides('silent', 1) ? [] : [envelope];
    },
  };
}

export function slow(by: Adversary): Strategy {
  return {
    delayMs() {
      const late = by.decides('slow', 0.6);
      return late ? 300 + late.below(7_000) : 0;
    },
  };
}

/** Some peers never hear of some heights. */
export function withhold(by: Adversary): Strategy {
  return {
    async rewrite(to, envelope) {
      const state = await by.state();
      const place = `${state?.head.header.height ?? 0} ${state?.view ?? 0} ${to}`;
      if (!by.chooses(`withholds ${place}`).chance(0.4)) return [envelope];
      return by.decides('withhold', 0.9) ? [] : [envelope];
    },
  };
}

/** As leader it proposes nothing of one hospital's operator. */
export function censor(by: Adversary): Strategy {
  const victim = pickOne(by.chooses('censors'), by.node.world.network.validators);
  const kid = thumbprint(victim.operator.publicKey);
  return {
    read({ port, method }, found) {
      if (port !== 'mempool' || method !== 'next' || !by.decides('censor', 1)) return found;
      return (found as PendingTransaction[]).filter(({ compact }) => !isOf(kid, compact));
    },
    takes({ messages }) {
      const forwarded = messages.flatMap((one) => (one.type === 'forward' ? one.transactions : []));
      return !forwarded.some((compact) => isOf(kid, compact));
    },
  };
}

function isOf(kid: string, compact: string): boolean {
  const { signer } = parseTransaction(compact);
  return signer.kind === 'key' && signer.kid === kid;
}
