/** The command line in this process, over a made-up network; a person's answers are given ahead. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { thumbprint } from '../../lib/crypto/p256.ts';
import type { CliEnvironment } from '../../cli/environment.ts';
import { Interrupt } from '../../cli/interrupt.ts';
import { runCli } from '../../cli/program.ts';
import { systemClock } from '../../sdk/clock.ts';
import { type Keystore, openKeystore } from '../../sdk/keystore.ts';
import { formatNetworkFile } from '../../sdk/network-file.ts';
import type { World } from '../sdk/world.ts';

export const PASSPHRASE = 'a passphrase of a test';

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  /** What was printed with --json. */
  readonly json: Record<string, unknown>;
}

export interface RunOptions {
  /** What a person types, in order; none is there without it. */
  readonly answers?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly interrupt?: Interrupt;
  /** Called at each line of progress. */
  readonly onErr?: (text: string) => void;
}

/** Runs one command line; `world` gives network and clock. */
export async function run(
  world: World | null,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Run> {
  const answers = [...(options.answers ?? [])];
  let out = '';
  let err = '';
  const answer = async (question: string): Promise<string> => {
    err += question;
    const next = answers.shift();
    if (next === undefined) throw new Error(`nobody answers «${question}»`);
    return next;
  };
  const environment: CliEnvironment = {
    env: options.env ?? (world ? { CAREQUORUM_PASSPHRASE: PASSPHRASE } : {}),
    isInteractive: options.answers !== undefined,
    hasTerminal: false,
    out: (text) => (out += text),
    err: (text) => {
      err += text;
      options.onErr?.(text);
    },
    ask: answer,
    askSecret: answer,
    openKeystore: (path, passphrase) =>
      world && path.startsWith('operator:')
        ? Promise.resolve(operatorKeystore(world, path.slice('operator:'.length)))
        : openKeystore(path, passphrase),
    clock: world ? world.session().clock : systemClock,
    interrupt: options.interrupt ?? new Interrupt(),
    ...(world ? { transport: world.transport } : {}),
    workFactor: 8,
  };
  const exitCode = await runCli(argv, environment);
  return {
    exitCode,
    out,
    err,
    get json() {
      return JSON.parse(out) as Record<string, unknown>;
    },
  };
}

/** Writes the network file of a world; gives its path. */
export async function networkFile(world: World): Promise<string> {
  const path = join(world.folder, 'network.json');
  await writeFile(path, formatNetworkFile({ genesis: world.net.signed }));
  return path;
}

/** The made-up operators' keys cannot be written to a file, so there is none to open. */
function operatorKeystore(world: World, id: string): Keystore {
  const one = world.net.validators.find((validator) => validator.id === id);
  if (!one) throw new RangeError(`no operator ${id}`);
  const { publicKey } = one.operator;
  return {
    path: `operator:${id}`,
    kind: 'operator',
    publicKey,
    signingKey: one.operator,
    kid: thumbprint(publicKey),
  } as Keystore;
}
