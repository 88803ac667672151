// The genesis ceremony of a local network: each operator signs with a keystore of its own.
import {
  collectGenesis,
  installGenesis,
  signGenesis,
  writeNetworkFile,
} from '../../sdk/genesis.ts';
import type { Parameters } from '../../lib/wire/parameters.ts';
import { LocalError } from './errors.ts';
import type { Layout } from './layout.ts';
import { openOperator, validatorsOf } from './operators.ts';
import type { Plan } from './plan.ts';

export interface CeremonyInput {
  readonly layout: Layout;
  readonly plan: Plan;
  readonly apiUrls: Readonly<Record<string, string>>;
  /** Durations and bounds that differ from the defaults. */
  readonly parameters?: Partial<Parameters> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep: (detail: string) => void;
}

export interface CeremonyResult {
  readonly signatures: number;
  readonly parties: number;
}

/**
 * Collects the public keys of all parties, lets every operator sign the document, installs it and
 * writes the network file. Throws `genesis_failed`.
 */
export async function holdCeremony(input: CeremonyInput): Promise<CeremonyResult> {
  const { layout, plan, signal, onStep } = input;
  const urlOf = (id: string): string => input.apiUrls[id] ?? '';
  const control = { ...(signal ? { signal } : {}), onProgress: onStep };
  const members = validatorsOf(plan);
  try {
    const operators = await Promise.all(members.map(({ id }) => openOperator(layout, id)));
    const { text } = await collectGenesis({
      ...control,
      network: plan.network,
      parties: {
        validators: members.map(({ id, name }, index) => ({
          id,
          name,
          apiUrl: urlOf(id),
          operatorPublicKey: operators[index]?.publicKey ?? new Uint8Array(),
        })),
        membershipUrl: urlOf('membership'),
        recordsUrl: urlOf('records'),
      },
      ...(input.parameters ? { parameters: input.parameters } : {}),
    });
    const signatures = await Promise.all(operators.map((operator) => signGenesis(text, operator)));
    onStep('signed by all operators');
    const file = await installGenesis({ ...control, document: text, signatures });
    await writeNetworkFile(layout.networkFile, file);
    return { signatures: signatures.length, parties: members.length + 2 };
  } catch (cause) {
    if (signal?.aborted === true) throw new LocalError('interrupted', 'Interrupted.', { cause });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('genesis_failed', `The genesis ceremony failed: ${why}`, {
      cure: `Logs of the accounts: ${layout.logs}   (npm start begins anew)`,
      cause,
    });
  }
}
