/**
 * A validator whose tables were emptied asks its peers for the genesis document over the queues,
 * believes it for its operators' signatures, and starts at height 0 as one that has forgotten.
 */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint, type SigningKey } from '../../lib/crypto/p256.ts';
import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { PeerSender } from '../../lib/ports.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type Genesis, verifyGenesis } from '../../lib/wire/genesis.ts';
import type { RecoveryMessage } from '../../lib/wire/recovery.ts';
import { encodeRecoveryMessage } from '../aws/inbox-message.ts';
import { computeGenesisBlock } from './genesis-block.ts';
import { acceptGenesis, type GenesisPorts, initialiseReplica } from './install-genesis.ts';
import { ensureReadKey, Keyring, type KeyringDeps } from './keyring.ts';

/** One peer is asked, and answered, so often at most, milliseconds: a document is large. */
const ASK_EVERY_MS = 3_000;
const ANSWER_EVERY_MS = 10_000;

export interface GenesisRecoveryDeps {
  readonly network: string;
  readonly validator: string;
  /** RFC 7638 thumbprint of the operator who may start this validator. */
  readonly operatorKey: string;
  /** Peers whose queues are known. */
  readonly peers: readonly string[];
  readonly ports: GenesisPorts;
  readonly sender: PeerSender;
  readonly keyring: KeyringDeps;
  readonly kmsKey: () => Promise<SigningKey>;
  readonly clock: () => number;
  readonly freshId: () => string;
  /** Why a document was not taken, or that one was. */
  readonly log: (line: { event: string; from: string; reason: string }) => void;
}

export class GenesisRecovery {
  readonly #deps: GenesisRecoveryDeps;
  readonly #asked = new Map<string, number>();
  readonly #answered = new Map<string, number>();

  constructor(deps: GenesisRecoveryDeps) {
    this.#deps = deps;
  }

  /** Asks those who sent something that cannot be judged here; all peers where nobody did. */
  async ask(senders: readonly string[]): Promise<void> {
    const { network, validator, peers } = this.#deps;
    const asked = senders.length > 0 ? peers.filter((peer) => senders.includes(peer)) : peers;
    const due = asked.filter((peer) => this.#isDue(this.#asked, peer, ASK_EVERY_MS));
    const message: RecoveryMessage = {
      type: 'genesis-wanted',
      network,
      ledger: MAIN_LEDGER,
      from: validator,
    };
    await Promise.all(due.map((peer) => this.#send(peer, message)));
  }

  /** Answers whether a genesis document was installed by this message. */
  async take(message: RecoveryMessage): Promise<boolean> {
    const { network, peers } = this.#deps;
    const { from } = message;
    if (message.network !== network || !peers.includes(from)) {
      this.#drop(from, 'not a peer of this network');
      return false;
    }
    if (message.type === 'genesis') return this.#install(message);
    await this.#answer(from);
    return false;
  }

  async #answer(to: string): Promise<void> {
    const { network, validator, ports } = this.#deps;
    if (!this.#isDue(this.#answered, to, ANSWER_EVERY_MS)) return;
    const signed = await ports.genesis.load();
    if (signed === null) return;
    const from = validator;
    await this.#send(to, { type: 'genesis', network, ledger: MAIN_LEDGER, from, signed });
  }

  async #install({ from, signed }: RecoveryMessage & { type: 'genesis' }): Promise<boolean> {
    const { ports, validator } = this.#deps;
    if ((await ports.genesis.load()) !== null) return false;
    let genesis: Genesis;
    try {
      genesis = await verifyGenesis(signed);
    } catch (error) {
      this.#drop(from, error instanceof Error ? error.message : 'malformed');
      return false;
    }
    const fault = await this.#faultOf(genesis);
    if (fault !== null) {
      this.#drop(from, fault);
      return false;
    }
    const block = await computeGenesisBlock(genesis);
    // The document comes last: a crash before it makes this all happen again.
    await initialiseReplica(ports, { genesis, block, self: validator, hasForgotten: true });
    await this.#ensureReadKey(genesis);
    await acceptGenesis(ports, signed);
    this.#deps.log({ event: 'genesis recovered', from, reason: '' });
    return true;
  }

  /** Step: of this network, with this validator in it, and its operator has signed. */
  async #faultOf({ document, sessions }: Genesis): Promise<string | null> {
    const { network, validator, operatorKey } = this.#deps;
    if (document.network !== network) return 'of another network';
    const own = document.validators.find((one) => one.id === validator);
    if (!own) return 'without this validator';
    if (thumbprint(fromBase64url(own.operatorKey)) !== operatorKey) return 'of another operator';
    const session = await new Keyring(this.#deps.keyring).openSessionKey();
    const ours = session && toBase64url(encodeCbor(session.certificate));
    const isFirstStart = sessions.some((one) => toBase64url(encodeCbor(one)) === ours);
    // Its own keys are in it and nothing was lost: its operator starts it, as a voter.
    return isFirstStart ? 'for its operator to install' : null;
  }

  /** Peers answer to a read key that the KMS key of the seat vouches for. */
  async #ensureReadKey(genesis: Genesis): Promise<void> {
    const { keyring, validator } = this.#deps;
    const kmsKey = await this.#deps.kmsKey();
    const seat = genesis.validators.find((one) => one.id === validator);
    if (!seat || !equalBytes(seat.kmsKey, kmsKey.publicKey)) {
      this.#drop(validator, 'the KMS key is another: operators have to replace it');
    }
    await ensureReadKey({ ...keyring, kmsKey }, (seat?.incarnation ?? 0) + 1);
  }

  #isDue(times: Map<string, number>, peer: string, everyMs: number): boolean {
    const now = this.#deps.clock();
    if (now - (times.get(peer) ?? -Infinity) < everyMs) return false;
    times.set(peer, now);
    return true;
  }

  /** A peer that cannot be reached is asked again by whatever comes next. */
  async #send(to: string, message: RecoveryMessage): Promise<void> {
    const { sender, freshId } = this.#deps;
    const options = { group: message.ledger, deduplicationId: freshId() };
    try {
      await sender.send(to, encodeRecoveryMessage(message), options);
    } catch (error) {
      this.#drop(to, error instanceof Error ? error.name : 'unknown');
    }
  }

  #drop(from: string, reason: string): void {
    this.#deps.log({ event: 'genesis not recovered', from, reason });
  }
}
