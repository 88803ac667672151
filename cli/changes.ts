/** Changes of governance: read from options, and shown to those who approve. */
import { readFile } from 'node:fs/promises';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import { parseCertificate } from '../lib/membership/certificates.ts';
import { type Change, parseAuthority, parseBundle, parseChange } from '../sdk/governance.ts';
import { UsageError } from './errors.ts';
import { publicKeyOf } from './public-key.ts';

export const changeKinds = [
  'parameters',
  'chaincode',
  'add',
  'remove',
  'replace',
  'replace-key',
  'replace-operator',
  'reinstate',
  'authority',
  'drop-authority',
] as const satisfies readonly Change['kind'][];

export interface ChangeOptions {
  readonly set?: readonly string[];
  readonly to?: number;
  readonly bundle?: string;
  readonly hospital?: string;
  readonly name?: string;
  readonly url?: string;
  readonly operator?: string;
  readonly key?: string;
  readonly compromised?: boolean;
}

/** What each kind needs, and nothing else but `may`. */
const needs: Readonly<Record<Change['kind'], readonly (keyof ChangeOptions)[]>> = {
  parameters: ['set'],
  chaincode: ['to'],
  add: ['bundle', 'name', 'url', 'operator'],
  remove: ['hospital'],
  replace: ['hospital', 'bundle', 'name', 'url', 'operator'],
  'replace-key': ['bundle'],
  'replace-operator': ['hospital', 'operator'],
  reinstate: ['bundle'],
  authority: ['bundle'],
  'drop-authority': ['key'],
};
const may: Readonly<Partial<Record<Change['kind'], readonly (keyof ChangeOptions)[]>>> = {
  authority: ['compromised'],
};
const all: readonly (keyof ChangeOptions)[] = [
  ...new Set([...Object.values(needs), ...Object.values(may)].flat()),
];

/** Throws UsageError where options are missing or do nothing, `bad_input` where one does not fit. */
export async function readChange(kind: Change['kind'], options: ChangeOptions): Promise<Change> {
  const wanted = needs[kind];
  const missing = wanted.filter((name) => options[name] === undefined);
  const known = [...wanted, ...(may[kind] ?? [])];
  const idle = all.filter((name) => options[name] !== undefined && !known.includes(name));
  if (missing.length > 0 || idle.length > 0) {
    const names = wanted.map((name) => `--${name}`).join(', ');
    throw new UsageError(
      `${kind} needs ${names}, and no other of these options.`,
      'See `carequorum governance propose --help`.',
    );
  }
  const { hospital: validator, bundle, to: version } = options;
  switch (kind) {
    case 'parameters':
      return parseChange({ kind, set: parametersOf(options.set ?? []) });
    case 'chaincode':
      return parseChange({ kind, version });
    case 'remove':
      return parseChange({ kind, validator });
    case 'replace-operator':
      return parseChange({ kind, validator, operatorKey: await keyText(options.operator) });
    case 'replace-key':
    case 'reinstate':
      return parseChange({ kind, keys: await bundleOf(bundle) });
    case 'add':
      return parseChange({ kind, newcomer: await newcomerOf(options) });
    case 'replace':
      return parseChange({ kind, validator, newcomer: await newcomerOf(options) });
    case 'authority': {
      const certificate = parseAuthority(await readFile(bundle ?? '', 'utf8'));
      return parseChange({ kind, certificate, compromised: options.compromised ?? false });
    }
    case 'drop-authority':
      return parseChange({ kind, kid: options.key });
  }
}

/** What a change does, with the thumbprints that people compare. */
export function changeLines(change: Change): string[] {
  const title = `  change      ${change.kind}`;
  switch (change.kind) {
    case 'parameters':
      return [title, ...Object.entries(change.set).map(([name, value]) => line(name, value))];
    case 'chaincode':
      return [
        title,
        line('version', change.version),
        '  Every validator needs a bundle with it before: others stop there.',
      ];
    case 'remove':
      return [title, line('hospital', change.validator)];
    case 'replace-operator':
      return [title, line('hospital', change.validator), keyLine('operator', change.operatorKey)];
    case 'replace-key':
    case 'reinstate':
      return [title, line('hospital', change.keys.validator), keyLine('key', change.keys.kmsKey)];
    case 'add':
      return [title, ...newcomerLines(change.newcomer)];
    case 'replace':
      return [title, line('leaves', change.validator), ...newcomerLines(change.newcomer)];
    case 'authority':
      return [title, ...authorityLines(change)];
    case 'drop-authority':
      return [
        title,
        line('key', `thumbprint ${change.kid}`),
        '  Nothing that this retired key certified counts any more. Patients get new certificates by',
        '  themselves; clinicians whom the ledger knows stay.',
      ];
  }
}

function authorityLines({
  certificate,
  compromised,
}: Extract<Change, { kind: 'authority' }>): string[] {
  const { publicKey } = parseCertificate(fromBase64url(certificate));
  return [
    line('new key', `thumbprint ${thumbprint(publicKey)}`),
    ...(compromised
      ? [
          '  The present key is in wrong hands: nothing that it certified counts any more. Patients get',
          '  new certificates by themselves; clinicians whom the ledger knows stay.',
        ]
      : ['  What the present key certified counts until it runs out.']),
  ];
}

type Newcomer = Extract<Change, { kind: 'add' }>['newcomer'];

function newcomerLines({ validator, name, apiUrl, kmsKey, operatorKey }: Newcomer): string[] {
  return [
    line('joins', `${validator}, ${name}`),
    line('address', apiUrl),
    keyLine('key', kmsKey),
    keyLine('operator', operatorKey),
  ];
}

function line(name: string, value: string | number | undefined): string {
  return `  ${name.padEnd(11)} ${value ?? ''}`;
}

function keyLine(name: string, key: string): string {
  return line(name, `thumbprint ${thumbprint(fromBase64url(key))}`);
}

function parametersOf(texts: readonly string[]): Record<string, number> {
  const pairs = texts.map((text): [string, number] => {
    const [, name, value] = /^([A-Za-z]+)=(\d{1,15})$/.exec(text) ?? [];
    if (name === undefined) {
      throw new UsageError(
        `--set ${text} is not NAME=VALUE with a whole number.`,
        'See the names with `carequorum validators`.',
      );
    }
    return [name, Number(value)];
  });
  return Object.fromEntries(pairs);
}

async function newcomerOf(options: ChangeOptions): Promise<unknown> {
  const { name, url: apiUrl, operator, bundle } = options;
  return { ...(await bundleOf(bundle)), name, apiUrl, operatorKey: await keyText(operator) };
}

async function bundleOf(path = ''): Promise<ReturnType<typeof parseBundle>> {
  return parseBundle(await readFile(path, 'utf8'));
}

async function keyText(text = ''): Promise<string> {
  return toBase64url(await publicKeyOf(text));
}
