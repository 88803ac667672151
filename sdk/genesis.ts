/** The genesis ceremony: collect public keys, let each operator sign, install. Node only. */
import { z } from 'zod';
import { fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { signJws } from '../lib/crypto/jws.ts';
import {
  genesisJwsType,
  genesisSigningText,
  type GenesisDocument,
  parseGenesis,
  verifyGenesis,
} from '../lib/wire/genesis.ts';
import { decodeWith } from '../lib/wire/codec.ts';
import { defaultParameters, type Parameters } from '../lib/wire/parameters.ts';
import { sessionCertificateSchema } from '../lib/wire/session.ts';
import { backOffMs, type Clock, systemClock } from './clock.ts';
import { SdkError } from './errors.ts';
import {
  callJson,
  fetchTransport,
  type HttpAnswer,
  parseAnswer,
  problemError,
  type Transport,
} from './http.ts';
import type { Keystore } from './keystore.ts';
import {
  formatNetworkFile,
  type Network,
  type NetworkFile,
  parseNetworkFile,
} from './network-file.ts';
import { readTextFile, writeTextFile } from './platform/node.ts';

export interface GenesisParties {
  readonly validators: readonly {
    readonly id: string;
    readonly name: string;
    readonly apiUrl: string;
    /** Uncompressed P-256 point of the operator, 65 bytes. */
    readonly operatorPublicKey: Uint8Array;
  }[];
  readonly membershipUrl: string;
  readonly recordsUrl: string;
}

export interface CeremonyOptions {
  readonly transport?: Transport;
  readonly clock?: Clock;
  readonly signal?: AbortSignal | undefined;
  /** How long a party may take to be ready, milliseconds. @default 120000 */
  readonly patienceMs?: number;
  readonly onProgress?: (line: string) => void;
}

const CALL_TIMEOUT_MS = 15_000;
const PATIENCE_MS = 120_000;
const RETRY_BASE_MS = 250;
const RETRY_MAX_MS = 3_000;
const SESSION_BYTES_MAX = 1_024;

const text = z.string().max(16_384);
/** Canonical CBOR of a session certificate, base64url. */
const sessionAnswer = z.object({ certificate: text });
const validatorAnswer = z.object({
  validator: text,
  kmsKey: text,
  session: sessionAnswer,
  read: sessionAnswer,
  shareKey: text,
});
const membershipAnswer = z.object({ caCertificate: text });
const recordsAnswer = z.object({ key: text });

/**
 * Reads the public keys of all parties, waiting while one is still preparing, and gives the
 * document's exact text. Nothing is trusted yet: each operator compares before signing.
 */
export async function collectGenesis(
  options: CeremonyOptions & {
    readonly network: string;
    readonly parties: GenesisParties;
    /** Durations and bounds that differ from the defaults. */
    readonly parameters?: Partial<Parameters>;
  },
): Promise<{ text: string; document: GenesisDocument }> {
  const { network, parties, parameters } = options;
  const bootstrap = async <T>(who: string, url: string, schema: z.ZodType<T>): Promise<T> => {
    const answer = await untilReady(options, who, {
      method: 'GET',
      url: `${trim(url)}/v1/bootstrap`,
    });
    options.onProgress?.(`${who} has its keys`);
    return parseAnswer(schema, answer, who);
  };
  const [validators, membership, custodian] = await Promise.all([
    Promise.all(
      parties.validators.map(async (one) => {
        const answer = await bootstrap(one.id, one.apiUrl, validatorAnswer);
        if (answer.validator !== one.id) throw wrongParty(one.id, answer.validator);
        const { kmsKey, shareKey } = answer;
        return {
          id: one.id,
          name: one.name,
          kmsKey,
          operatorKey: toBase64url(one.operatorPublicKey),
          session: sessionText(one.id, answer.session.certificate),
          read: sessionText(one.id, answer.read.certificate),
          shareKey,
          apiUrl: trim(one.apiUrl),
        };
      }),
    ),
    bootstrap('membership', parties.membershipUrl, membershipAnswer),
    bootstrap('records', parties.recordsUrl, recordsAnswer),
  ]);
  const written = `${JSON.stringify(
    {
      format: 'carequorum-genesis-1',
      network,
      createdAt: (options.clock ?? systemClock).now(),
      validators,
      membership: { caCertificate: membership.caCertificate, apiUrl: trim(parties.membershipUrl) },
      custodian: { key: custodian.key, apiUrl: trim(parties.recordsUrl) },
      parameters: { ...defaultParameters, ...parameters },
    },
    null,
    2,
  )}\n`;
  return { text: written, document: parseGenesisText(written).document };
}

/** One operator's signature over a document's exact text; the keystore must be of its operators. */
export async function signGenesis(
  document: string,
  keystore: Pick<Keystore, 'signingKey' | 'kid' | 'publicKey'>,
): Promise<string> {
  const genesis = parseGenesisText(document);
  const own = toBase64url(keystore.publicKey);
  if (!genesis.document.validators.some((one) => one.operatorKey === own)) {
    throw new SdkError('wrong_keystore', "This key is not of one of the document's operators.", {
      nextStep: "Give your operator's keystore with --keystore.",
    });
  }
  const header = { typ: genesisJwsType, kid: keystore.kid };
  return signJws(header, utf8(genesisSigningText(genesis)), keystore.signingKey);
}

/**
 * Gives the signed document to every party and waits until each has taken it. Harmless when
 * repeated. `urls` replaces the addresses of the document (keys as in the network file).
 */
export async function installGenesis(
  options: CeremonyOptions & {
    readonly document: string;
    readonly signatures: readonly string[];
    readonly urls?: Readonly<Record<string, string>>;
  },
): Promise<NetworkFile> {
  const genesis = { document: options.document, signatures: [...options.signatures] };
  const { document } = await verifySigned(genesis);
  const addresses: [string, string][] = [
    ...document.validators.map((one): [string, string] => [one.id, one.apiUrl]),
    ['membership', document.membership.apiUrl],
    ['records', document.custodian.apiUrl],
  ];
  await Promise.all(
    addresses.map(async ([id, apiUrl]) => {
      const url = `${trim(options.urls?.[id] ?? apiUrl)}/v1/genesis`;
      await untilReady(options, id, { method: 'POST', url, body: genesis });
      options.onProgress?.(`${id} has taken the genesis document`);
    }),
  );
  return { genesis, ...(options.urls ? { urls: { ...options.urls } } : {}) };
}

export async function writeNetworkFile(path: string, file: NetworkFile): Promise<void> {
  await writeTextFile(path, formatNetworkFile(file));
}

/** Reads and verifies a network file. Throws `not_found`, `bad_input` or `not_proven`. */
export async function readNetworkFile(path: string): Promise<Network> {
  const found = await readTextFile(path);
  if (found !== null) return parseNetworkFile(found);
  throw new SdkError('not_found', `There is no network file at ${path}.`, {
    nextStep: 'Start the local network with `npm start`, or give the file with --network.',
  });
}

/** Calls until the party is ready; 429 and 5xx and silence are waited out, other refusals thrown. */
async function untilReady(
  options: CeremonyOptions,
  who: string,
  request: { method: 'GET' | 'POST'; url: string; body?: unknown },
): Promise<HttpAnswer> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.now() + (options.patienceMs ?? PATIENCE_MS);
  const transport = options.transport ?? fetchTransport;
  for (let attempt = 0; ; attempt += 1) {
    let failure: SdkError;
    let waitMs = backOffMs(attempt, RETRY_BASE_MS, RETRY_MAX_MS);
    try {
      const { signal } = options;
      const answer = await callJson(transport, { ...request, timeoutMs: CALL_TIMEOUT_MS, signal });
      if (answer.status >= 200 && answer.status < 300) return answer;
      failure = problemError(answer, who);
      if (answer.status !== 429 && answer.status < 500) throw failure;
      waitMs = Math.min(answer.retryAfterMs ?? waitMs, RETRY_MAX_MS);
    } catch (error) {
      if (!(error instanceof SdkError) || error.code !== 'unreachable') throw error;
      failure = error;
    }
    if (clock.now() + waitMs > deadline) throw failure;
    await clock.sleep(waitMs, options.signal);
  }
}

function parseGenesisText(document: string): ReturnType<typeof parseGenesis> {
  try {
    return parseGenesis(document);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'malformed';
    throw new SdkError('bad_input', `The genesis document cannot be used: ${why}.`, {
      nextStep: 'Collect it anew with `carequorum genesis collect`.',
      cause,
    });
  }
}

async function verifySigned(signed: NetworkFile['genesis']): ReturnType<typeof verifyGenesis> {
  try {
    return await verifyGenesis(signed);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'malformed';
    throw new SdkError('bad_input', `The genesis document is not complete: ${why}.`, {
      nextStep: 'Each operator signs it with `carequorum genesis sign`; then install it again.',
      cause,
    });
  }
}

/** The part of a session certificate that the genesis document holds; signed again by nobody. */
function sessionText(
  who: string,
  certificate: string,
): GenesisDocument['validators'][number]['session'] {
  try {
    const bytes = fromBase64url(certificate);
    const { body, signature } = decodeWith(sessionCertificateSchema, bytes, SESSION_BYTES_MAX);
    const { incarnation, fromHeight, untilHeight } = body;
    return {
      key: toBase64url(body.key),
      incarnation,
      fromHeight,
      untilHeight,
      signature: toBase64url(signature),
    };
  } catch (cause) {
    throw new SdkError('bad_answer', `${who} gave a session certificate of another form.`, {
      nextStep: 'Check that all parties run the same version.',
      cause,
    });
  }
}

function wrongParty(wanted: string, found: string): SdkError {
  return new SdkError('mismatch', `The address of ${wanted} answers as ${found}.`, {
    nextStep: 'Correct the addresses and collect again.',
  });
}

function trim(url: string): string {
  return url.replace(/\/+$/, '');
}
