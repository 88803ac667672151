// The step of a validator that lies: as the production step, but what it sends has two faces. It is
// bundled in place of that step by `npm run chaos -- byzantine` alone, and no stack ever deploys it.
import { decodeInboxMessage, encodePeerMessage } from '../../functions/aws/inbox-message.ts';
import type { ValidatorRuntime } from '../../functions/validator/runtime.ts';
import {
  step as honestStep,
  type StepEvent,
  type StepOutcome,
} from '../../functions/validator/step.ts';
import type { PeerSender } from '../../lib/ports.ts';
import { equivocations } from './equivocations.ts';

export * from '../../functions/validator/step.ts';

const twoFaced = new WeakSet<ValidatorRuntime>();

/** Shadows the production step of the same name. */
export async function step(
  runtime: ValidatorRuntime,
  ledger: string,
  events: readonly StepEvent[],
): Promise<StepOutcome> {
  if (!twoFaced.has(runtime)) {
    twoFaced.add(runtime);
    runtime.ports.peers = lyingSender(runtime, runtime.ports.peers);
  }
  return honestStep(runtime, ledger, events);
}

/** Some peers are told something else first, and then what everybody is told. */
function lyingSender(runtime: ValidatorRuntime, honest: PeerSender): PeerSender {
  return {
    async send(peer, body, options) {
      const message = decodeInboxMessage(body);
      if (message.kind === 'envelope' && isDeceived(runtime, message.ledger, peer)) {
        const lies = await equivocations(runtime, message.envelope);
        if (lies.length > 0) {
          const lie = encodePeerMessage({ ...message.envelope, messages: lies });
          const deduplicationId = runtime.freshId();
          await honest.send(peer, lie, { ...options, deduplicationId });
        }
      }
      await honest.send(peer, body, options);
    },
  };
}

/** Every second peer, so that each version of the truth has its believers. */
function isDeceived(runtime: ValidatorRuntime, ledger: string, peer: string): boolean {
  const set = runtime.warm.get(ledger)?.record.state.validators ?? [];
  const peers = set.map(({ id }) => id).filter((id) => id !== runtime.self);
  return peers.indexOf(peer) % 2 === 1;
}
