/** `network.json`: the signed genesis document, and where the parties are reached. */
import { z } from 'zod';
import { type Genesis, signedGenesisSchema, verifyGenesis } from '../lib/wire/genesis.ts';
import { SdkError } from './errors.ts';

const networkFileSchema = z.strictObject({
  genesis: signedGenesisSchema,
  /**
   * Where a party is reached instead of the URL in genesis, and where validators are that joined
   * later; keys: validator id, `membership`, `records`.
   */
  urls: z.record(z.string().max(64), z.url({ protocol: /^https?$/ })).optional(),
});
export type NetworkFile = z.infer<typeof networkFileSchema>;

/** A network as a client knows it: a verified genesis, and addresses that need no trust. */
export interface Network {
  readonly genesis: Genesis;
  /** The document with the signatures of all its operators, as parties take it. */
  readonly signed: NetworkFile['genesis'];
  readonly validators: readonly { readonly id: string; readonly url: string }[];
  readonly membershipUrl: string;
  readonly recordsUrl: string;
}

export function formatNetworkFile(file: NetworkFile): string {
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Parses and verifies: all operators signed. Throws `bad_input` or `not_proven`. */
export async function parseNetworkFile(text: string): Promise<Network> {
  let file: NetworkFile;
  try {
    file = networkFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SdkError('bad_input', 'The network file is not of its format.', {
      nextStep: 'Get it anew from an operator, or write it with `carequorum genesis install`.',
      cause,
    });
  }
  return networkOf(file);
}

/** Verifies the signatures of all operators. Throws `not_proven`. */
export async function networkOf(file: NetworkFile): Promise<Network> {
  let genesis: Genesis;
  try {
    genesis = await verifyGenesis(file.genesis);
  } catch (cause) {
    throw new SdkError('not_proven', 'The genesis document is not signed by all its operators.', {
      nextStep: 'Get the network file anew from an operator whom you trust.',
      cause,
    });
  }
  const { document } = genesis;
  const urls = file.urls ?? {};
  const at = (id: string, url: string): string => (urls[id] ?? url).replace(/\/+$/, '');
  const first = document.validators.map(({ id, apiUrl }) => ({ id, url: at(id, apiUrl) }));
  const others = new Set([...first.map(({ id }) => id), 'membership', 'records']);
  const later = Object.entries(urls).filter(([id]) => !others.has(id));
  return {
    genesis,
    signed: file.genesis,
    validators: [...first, ...later.map(([id, url]) => ({ id, url: at(id, url) }))],
    membershipUrl: at('membership', document.membership.apiUrl),
    recordsUrl: at('records', document.custodian.apiUrl),
  };
}
