/** `carequorum genesis`: the ceremony in which all operators sign one document. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { fromBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { type Genesis, parseGenesis } from '../../lib/wire/genesis.ts';
import { SdkError } from '../../sdk/errors.ts';
import {
  collectGenesis,
  type GenesisParties,
  installGenesis,
  readNetworkFile,
  signGenesis,
  writeNetworkFile,
} from '../../sdk/genesis.ts';
import { requireKind } from '../../sdk/keystore.ts';
import { fileExists, writeTextFile } from '../../sdk/platform/node.ts';
import type { CommandContext } from '../context.ts';
import { UsageError } from '../errors.ts';
import { genesisOfText } from '../find-genesis.ts';
import {
  collect,
  type CommonOptions,
  examples,
  jsonOption,
  keystoreOptions,
  yesOption,
} from '../options.ts';
import { type CommandResult, table } from '../output.ts';
import { publicKeyOf } from '../public-key.ts';
import type { Runner } from '../runner.ts';
import { timeText } from '../times.ts';

interface CollectOptions extends CommonOptions {
  readonly config: string;
  readonly url?: readonly string[];
  readonly operator?: readonly string[];
  readonly out: string;
}

interface OutOptions extends CommonOptions {
  readonly out?: string;
}

/** What this needs of the configuration that the stacks are made from. */
const configSchema = z.looseObject({
  network: z.string(),
  validators: z.array(z.looseObject({ id: z.string(), name: z.string(), operatorKey: z.string() })),
});

export function addGenesis(program: Command, run: Runner): void {
  const command = program
    .command('genesis')
    .summary('operators: begin a network, signed by every hospital')
    .description(
      'Begins a network. One operator collects the public keys of all parties into a document; every ' +
        'operator reads and signs it, each with a keystore of its own; one installs it everywhere. ' +
        'Until then every party answers 503. The document is all that is needed to verify receipts ' +
        'offline, for ever: give its hash to everybody over a second way.',
    );
  examples(command, [
    'carequorum genesis collect --config config/aws.json --url hospital-a=https://… --operator hospital-a=PUBLICKEY … --out genesis.json',
    'carequorum genesis sign genesis.json --keystore hospital-a.keystore',
    'carequorum genesis install genesis.json genesis.json.*.sig --out network.json',
    'carequorum genesis show network.json',
  ]);
  addCollect(command, run);
  addSign(command, run);
  addInstall(command, run);
  addShow(command, run);
}

function addCollect(genesis: Command, run: Runner): void {
  const command = genesis
    .command('collect')
    .summary('ask all parties for their public keys')
    .description(
      'Asks every party for its public keys and writes the genesis document. Nothing is trusted yet: each ' +
        'operator compares what stands in it before signing. It waits for parties that are still preparing.',
    )
    .requiredOption('--config <file>', 'configuration that the stacks were deployed with')
    .option('--url <id=url>', "each party's address: validators, membership, records", collect)
    .option(
      '--operator <id=key>',
      "each operator's public key, or keystore file (its open part is read)",
      collect,
    )
    .option('--out <file>', 'where the document is written', 'genesis.json');
  examples(jsonOption(command), [
    'carequorum genesis collect --config config/aws.json --url hospital-a=https://a.example/prod --operator hospital-a=PUBLICKEY',
    'carequorum genesis collect --config config.json --url records=http://localhost:18005 --operator hospital-a=a.keystore --out genesis.json',
  ]).action((options: CollectOptions) => run(options, (context) => gather(context, options)));
}

async function gather(context: CommandContext, options: CollectOptions): Promise<CommandResult> {
  const config = await readConfig(options.config);
  const urls = pairsOf('--url', options.url);
  const operators = pairsOf('--operator', options.operator);
  const urlOf = (id: string): string => required(urls, id, '--url');
  const validators: GenesisParties['validators'][number][] = [];
  for (const { id, name, operatorKey } of config.validators) {
    const operatorPublicKey = await publicKeyOf(required(operators, id, '--operator'));
    if (thumbprint(operatorPublicKey) !== operatorKey) {
      throw new SdkError(
        'mismatch',
        `The key given for ${id} is not the one of the configuration.`,
        {
          nextStep: `Ask the operator of ${id}: the thumbprint has to be ${operatorKey}.`,
        },
      );
    }
    validators.push({ id, name, apiUrl: urlOf(id), operatorPublicKey });
  }
  if (await fileExists(options.out)) throw taken(options.out);
  const parties = {
    validators,
    membershipUrl: urlOf('membership'),
    recordsUrl: urlOf('records'),
  };
  const { text } = await context.look('Asking all parties', (signal) =>
    collectGenesis({
      network: config.network,
      parties,
      signal,
      ...ports(context),
      onProgress: (line) => context.note(line),
    }),
  );
  await writeTextFile(options.out, text);
  const genesis = parseGenesis(text);
  return {
    json: { document: options.out, ...genesisJson(genesis) },
    lines: [
      ...genesisLines(genesis),
      `Written to ${options.out}.`,
      'Next: every operator reads it, compares the hash with the others, and signs it:',
      `  carequorum genesis sign ${options.out} --keystore OPERATOR.keystore`,
    ],
  };
}

function addSign(genesis: Command, run: Runner): void {
  const command = genesis
    .command('sign')
    .summary('sign a genesis document as one of its operators')
    .description(
      'Shows what stands in a genesis document and signs it as one of its operators. Sign only where names, ' +
        'addresses and thumbprints are those that the other operators read to you.',
    )
    .argument('<document>', 'file that `genesis collect` wrote')
    .option('--out <file>', 'where the signature is written (default: DOCUMENT.HOSPITAL.sig)');
  examples(yesOption(keystoreOptions(command)), [
    'carequorum genesis sign genesis.json --keystore hospital-a.keystore',
    'carequorum genesis sign genesis.json --keystore hospital-b.keystore --out b.sig --yes',
  ]).action((document: string, options: OutOptions) =>
    run(options, (context) => sign(context, document, options)),
  );
}

async function sign(
  context: CommandContext,
  path: string,
  { out }: OutOptions,
): Promise<CommandResult> {
  const { text, genesis } = await readDocument(path);
  const keystore = await context.keystore();
  requireKind(keystore, 'operator');
  const own = genesis.document.validators.find(
    (one) => thumbprint(fromBase64url(one.operatorKey)) === keystore.kid,
  );
  await context.confirm(
    genesisLines(genesis),
    `Sign this as the operator of ${own?.id ?? 'nobody'}?`,
  );
  const signature = await signGenesis(text, keystore);
  const target = out ?? `${path}.${own?.id ?? 'unknown'}.sig`;
  await writeTextFile(target, `${signature}\n`);
  return {
    json: { hospital: own?.id, signature: target, genesisHash: toHex(genesis.hash) },
    lines: [
      `Signed as the operator of ${own?.id ?? ''}: ${target}`,
      'Next: send that file to the one who installs; once all are there:',
      `  carequorum genesis install ${path} ${path}.*.sig --out network.json`,
    ],
  };
}

function addInstall(genesis: Command, run: Runner): void {
  const command = genesis
    .command('install')
    .summary('give the signed document to all parties')
    .description(
      'Gives the document, with the signatures of all operators, to every party, and writes the network file ' +
        'that everybody else needs. Harmless when repeated.\n' +
        'A network file alone does too: a party that lost what it held is given the document again.',
    )
    .argument('<document>', 'file that `genesis collect` wrote, or a network file')
    .argument('[signature...]', 'files that `genesis sign` wrote, one of each operator')
    .option(
      '--out <file>',
      'where the network file is written (default: network.json, if it is new)',
    );
  examples(jsonOption(command), [
    'carequorum genesis install genesis.json genesis.json.*.sig --out network.json',
    'carequorum genesis install genesis.json a.sig b.sig c.sig d.sig --json',
    'carequorum genesis install network.json      # to a party that lost it',
  ]).action((document: string, signatures: readonly string[], options: OutOptions) =>
    run(options, (context) =>
      signatures.length === 0
        ? installAgain(context, document, options)
        : install(context, document, signatures, options.out ?? 'network.json'),
    ),
  );
}

/** From a network file: it holds document and signatures, and where the parties are. */
async function installAgain(
  context: CommandContext,
  path: string,
  { out }: OutOptions,
): Promise<CommandResult> {
  const { genesis, signed, validators, membershipUrl, recordsUrl } = await readNetworkFile(path);
  const places = validators.map(({ id, url }) => [id, url] as const);
  const urls = { ...Object.fromEntries(places), membership: membershipUrl, records: recordsUrl };
  const file = await context.work('Giving it to all parties', () =>
    installGenesis({
      ...signed,
      urls,
      ...ports(context),
      onProgress: (line) => context.note(line),
    }),
  );
  if (out !== undefined) await writeNetworkFile(out, file);
  return {
    json: { networkFile: out ?? path, ...genesisJson(genesis) },
    lines: [`Every party of ${genesis.document.network} has genesis ${toHex(genesis.hash)}.`],
  };
}

async function install(
  context: CommandContext,
  path: string,
  signaturePaths: readonly string[],
  out: string,
): Promise<CommandResult> {
  const { text, genesis } = await readDocument(path);
  const signatures: string[] = [];
  for (const one of signaturePaths) signatures.push((await readFile(one, 'utf8')).trim());
  const file = await context.work('Giving it to all parties', () =>
    installGenesis({
      document: text,
      signatures,
      ...ports(context),
      onProgress: (line) => context.note(line),
    }),
  );
  await writeNetworkFile(out, file);
  return {
    json: { networkFile: out, ...genesisJson(genesis) },
    lines: [
      `The network ${genesis.document.network} has begun; genesis ${toHex(genesis.hash)}.`,
      `Written: ${out}. Give it to everyone; they compare the hash with an operator.`,
      `Next: carequorum network --network ${out}`,
    ],
  };
}

function addShow(genesis: Command, run: Runner): void {
  const command = genesis
    .command('show')
    .summary('show a genesis document or network file')
    .description(
      'Shows who takes part, their addresses and the thumbprints of their operators, and the hash that ' +
        'everybody compares. It does not check signatures: `carequorum verify` does.',
    )
    .argument('[file]', 'genesis document or network file (default: the network file in use)')
    .option(
      '--network <file>',
      'network file (default: CAREQUORUM_NETWORK, else .local/network.json)',
    );
  examples(jsonOption(command), [
    'carequorum genesis show',
    'carequorum genesis show genesis.json --json',
  ]).action((file: string | undefined, options: CommonOptions) =>
    run(options, async (context) => {
      const { genesis } = await readDocument(file ?? context.networkPath);
      return { json: genesisJson(genesis), lines: genesisLines(genesis) };
    }),
  );
}

/** A document's exact text; a network file's is taken out of it. */
export async function readDocument(path: string): Promise<{ text: string; genesis: Genesis }> {
  const content = await readFile(path, 'utf8');
  try {
    return genesisOfText(content);
  } catch (cause) {
    throw new SdkError('bad_input', `${basename(path)} is no genesis document or network file.`, {
      nextStep: 'Give the file that `carequorum genesis collect` or `install` wrote.',
      cause,
    });
  }
}

function genesisJson({ document, hash }: Genesis) {
  const { network, createdAt, validators, membership, custodian } = document;
  return {
    network,
    genesisHash: toHex(hash),
    createdAt,
    validators: validators.map(({ id, name, apiUrl, operatorKey, kmsKey }) => ({
      id,
      name,
      apiUrl,
      operator: thumbprint(fromBase64url(operatorKey)),
      key: thumbprint(fromBase64url(kmsKey)),
    })),
    membership: { apiUrl: membership.apiUrl },
    records: { apiUrl: custodian.apiUrl, key: thumbprint(fromBase64url(custodian.key)) },
  };
}

function genesisLines(genesis: Genesis): string[] {
  const { network, genesisHash, createdAt, validators, membership, records } = genesisJson(genesis);
  return [
    `Network ${network}, of ${timeText(createdAt)}`,
    `Hash    ${genesisHash}`,
    '',
    ...table(
      ['id', 'hospital', "thumbprint of the operator's key", 'address'],
      validators.map((one) => [one.id, one.name, one.operator, one.apiUrl]),
    ),
    '',
    `Membership service at ${membership.apiUrl}`,
    `Custodian of records at ${records.apiUrl}`,
    '',
  ];
}

async function readConfig(path: string): Promise<z.infer<typeof configSchema>> {
  const text = await readFile(path, 'utf8');
  try {
    return configSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SdkError('bad_input', `${path} is no configuration of a network.`, {
      nextStep: 'Give the file that the stacks were deployed with: see config/aws.example.json.',
      cause,
    });
  }
}

function pairsOf(option: string, texts: readonly string[] = []): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1)
        throw new UsageError(`${option} ${text} is not ID=VALUE.`, `Write ${option} ID=VALUE.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function required(pairs: ReadonlyMap<string, string>, id: string, option: string): string {
  const value = pairs.get(id);
  if (value !== undefined) return value;
  throw new UsageError(`${option} of ${id} is missing.`, `Add ${option} ${id}=….`);
}

function ports({ environment }: CommandContext) {
  const { transport, clock } = environment;
  return { clock, ...(transport ? { transport } : {}) };
}

function taken(path: string): SdkError {
  return new SdkError('bad_input', `${path} is there already.`, {
    nextStep: 'Give another --out: a genesis document is never overwritten.',
  });
}
