/** What the command line takes from its surroundings; tests give another. */
import { type Clock, systemClock } from '../sdk/clock.ts';
import type { Transport } from '../sdk/http.ts';
import { type Keystore, openKeystore } from '../sdk/keystore.ts';
import { Interrupt } from './interrupt.ts';
import { ask, askSecret } from './prompt.ts';

export interface CliEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether there is a person to ask. */
  readonly isInteractive: boolean;
  /** Whether progress can be drawn over itself. */
  readonly hasTerminal: boolean;
  /** Results. */
  out(text: string): void;
  /** Progress, questions, errors. */
  err(text: string): void;
  ask(question: string): Promise<string>;
  /** As `ask`, without echo. */
  askSecret(question: string): Promise<string>;
  openKeystore(path: string, passphrase: string): Promise<Keystore>;
  readonly clock: Clock;
  readonly interrupt: Interrupt;
  /** @default fetch */
  readonly transport?: Transport;
  /** log2 of scrypt's cost for new keystores. @default the SDK's */
  readonly workFactor?: number;
}

export function nodeEnvironment(): CliEnvironment {
  return {
    env: process.env,
    isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    hasTerminal: process.stderr.isTTY,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    ask,
    askSecret,
    openKeystore,
    clock: systemClock,
    interrupt: new Interrupt(),
  };
}
