/**
 * Writes the golden receipts and the export of `test/vectors/receipts`, with new random keys.
 * Run after a change of a format: `node test/interop/make-fixtures.ts`.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { caseGenesisHeader } from '../../lib/ledger/case-genesis.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { buildReceipt, type Receipt } from '../../lib/ledger/receipt.ts';
import type { SetLink } from '../../lib/ledger/set-chain.ts';
import { verifyReceipt } from '../../lib/ledger/verify-receipt.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import type { SessionCertificate } from '../../lib/wire/session.ts';
import { validatorsHash, type ValidatorSet } from '../../lib/wire/validators.ts';
import { networkFile, PASSPHRASE, run } from '../cli/cli-world.ts';
import {
  makeSeat,
  makeSession,
  type Seat,
  TestNetwork,
  validatorOf,
} from '../ledger/test-network.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { withExample, workedExample } from './worked-example.ts';

const FOLDER = join(import.meta.dirname, '../vectors/receipts');
const PAGE = join(import.meta.dirname, '../../docs/receipts.md');
const NETWORK = 'local-vectors';
const other = taggedHash('other');
const results = ['a', 'b', 'c', 'd', 'e'].map((digit) =>
  encodeResult({ id: digit.repeat(64), status: 'COMMITTED', code: '', value: { fn: digit } }),
);

interface Made {
  network: TestNetwork;
  receipt: Receipt;
  linked: Receipt;
  /** Certified by the first set at a height after it was replaced. */
  outlived: Receipt;
  /** Of a case ledger: its first block, by the first set, and one of a case that waited. */
  firstOfCase: Receipt;
  waited: Receipt;
  /** On a height 0 that no case has. */
  misopened: Receipt;
}

/**
 * A case that the main block 9 opened. Its block 1 pins main block 12, so block 2 is voted on by the
 * set of that height, though it is made when another set votes on the main ledger.
 */
async function caseReceipts(
  network: TestNetwork,
  middle: ValidatorSet,
  by: { sessions: SessionCertificate[]; links: SetLink[]; seats: readonly Seat[] },
): Promise<Pick<Made, 'firstOfCase' | 'waited' | 'misopened'>> {
  const { genesis } = network;
  const resultsRoot = merkleRoot(results);
  const start = caseGenesisHeader(genesis, 'c'.repeat(64), network.header(9));
  const next = validatorsHash(middle);
  const first: BlockHeader = {
    ...network.header(1, { resultsRoot }),
    ...{ ledger: start.ledger, previousHash: headerHash(start), nextValidatorsHash: next },
    pin: { height: 12, hash: taggedHash('main block 12') },
  };
  const second: BlockHeader = {
    ...network.header(2, { resultsRoot, previousHash: headerHash(first) }),
    ...{ ledger: start.ledger, validatorsHash: next },
    pin: { height: 24, hash: taggedHash('main block 24') },
  };
  const common = { genesis, results, index: 1 };
  const early = { ...common, sessions: [], links: [] };
  const bent = { ...start, stateRoot: other };
  const onBent = { ...first, previousHash: headerHash(bent) };
  const certificate = await network.certify(first);
  return {
    firstOfCase: buildReceipt({ ...early, header: first, parent: start, certificate }),
    misopened: buildReceipt({
      ...{ ...early, header: onBent, parent: bent },
      certificate: await network.certify(onBent),
    }),
    waited: buildReceipt({
      ...{ ...common, ...by, header: second, parent: first },
      certificate: await network.certify(second, { seats: by.seats }),
    }),
  };
}

/** A receipt of the first set, and one after two set changes: a new member, then a rejoin. */
async function makeReceipts(): Promise<Made> {
  const network = await TestNetwork.create(NETWORK);
  const [va, vb, vc] = network.seats as [Seat, Seat, Seat];
  const joiner = await makeSeat('ve');
  const newVote = { ...vb, vote: (await makeSeat('vb')).vote };
  const middle = [...[va, vb, vc].map((seat) => validatorOf(seat)), validatorOf(joiner)];
  const last = [
    validatorOf(va, { suspended: true }),
    validatorOf(vb, { incarnation: 1 }),
    validatorOf(vc),
    validatorOf(joiner),
  ];
  const first = network.linkHeader(10, network.set, middle);
  const second = network.linkHeader(20, middle, last);
  const links = [
    { validators: middle, header: first, certificate: await network.certify(first) },
    {
      validators: last,
      header: second,
      certificate: await network.certify(second, { seats: [va, vc, joiner] }),
    },
  ];
  const sessions = [
    await makeSession(joiner, 'vote', { network: NETWORK, fromHeight: 11 }),
    await makeSession(newVote, 'vote', { network: NETWORK, incarnation: 1, fromHeight: 21 }),
  ];
  const resultsRoot = merkleRoot(results);
  const { genesis } = network;
  const early = network.header(7, { resultsRoot });
  const set = { validatorsHash: validatorsHash(last), nextValidatorsHash: validatorsHash(last) };
  const late = network.header(25, { resultsRoot, ...set });
  const certificate = await network.certify(late, { seats: [newVote, vc, joiner] });
  const receipt = buildReceipt({
    genesis,
    header: early,
    certificate: await network.certify(early),
    results,
    index: 2,
    sessions: [],
    links: [],
  });
  const linked = buildReceipt({
    genesis,
    header: late,
    certificate,
    results,
    index: 4,
    sessions,
    links,
  });
  const stale = network.header(25, { resultsRoot });
  const outlived = { ...linked, header: stale, certificate: await network.certify(stale) };
  const by = { sessions: sessions.slice(0, 1), links: links.slice(0, 1), seats: [va, vb, joiner] };
  return { network, receipt, linked, outlived, ...(await caseReceipts(network, middle, by)) };
}

/** A copy with one field, named by its path, changed. */
function change(source: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [field, ...rest] = path;
  if (field === undefined) return value;
  if (Array.isArray(source)) {
    return source.map((one: unknown, at) => (at === field ? change(one, rest, value) : one));
  }
  const fields = source as Record<string, unknown>;
  return { ...fields, [field]: change(fields[field], rest, value) };
}

function mutations({
  receipt,
  linked,
  outlived,
  firstOfCase,
  waited,
  misopened,
}: Made): [string, unknown][] {
  const { votes } = receipt.certificate;
  const paths: [unknown, (string | number)[], unknown][] = [
    [receipt, ['format'], 'carequorum-receipt-2'],
    [receipt, ['genesisHash'], other],
    [receipt, ['ledger'], 'case-1'],
    [receipt, ['result'], results[1]],
    [receipt, ['index'], 3],
    [receipt, ['size'], 3],
    [receipt, ['proof', 0], other],
    [receipt, ['proof'], []],
    [receipt, ['proof', 0], new Uint8Array(31)],
    [receipt, ['header', 'protocolVersion'], 2],
    [receipt, ['header', 'height'], 8],
    [receipt, ['header', 'height'], 0],
    [receipt, ['header', 'view'], 1],
    [receipt, ['header', 'proposer'], 'vc'],
    [receipt, ['header', 'previousHash'], other],
    [receipt, ['header', 'transactionsRoot'], other],
    [receipt, ['header', 'resultsRoot'], other],
    [receipt, ['header', 'stateRoot'], other],
    [receipt, ['header', 'time'], 1],
    [receipt, ['header', 'validatorsHash'], other],
    [receipt, ['header', 'nextValidatorsHash'], other],
    [receipt, ['header', 'paramsHash'], other],
    [receipt, ['header', 'historyRoot'], other],
    [receipt, ['certificate', 'phase'], 'prepare'],
    [receipt, ['certificate', 'height'], 6],
    [receipt, ['certificate', 'view'], 3],
    [receipt, ['certificate', 'hash'], other],
    [receipt, ['certificate', 'votes'], votes.slice(1)],
    [receipt, ['certificate', 'votes'], [...votes.slice(1), votes[1]]],
    [receipt, ['certificate', 'votes', 0, 'validator'], 'vd'],
    [receipt, ['certificate', 'votes', 0, 'validator'], 'zz'],
    [receipt, ['certificate', 'votes', 0, 'signature'], votes[1]?.signature],
    [receipt, ['more'], 1],
    [linked, ['links'], []],
    [linked, ['links'], linked.links.slice(0, 1)],
    [linked, ['links'], linked.links.slice(1)],
    [linked, ['links', 0, 'validators', 3, 'suspended'], true],
    [linked, ['links', 0, 'header', 'height'], 0],
    [linked, ['links', 0, 'header', 'height'], 11],
    [linked, ['links', 0, 'header', 'nextValidatorsHash'], other],
    [linked, ['links', 1, 'header', 'height'], 10],
    [linked, ['links', 0, 'certificate', 'votes'], []],
    [linked, ['links', 0, 'certificate', 'phase'], 'prepare'],
    [linked, ['sessions'], []],
    [linked, ['sessions'], linked.sessions.slice(0, 1)],
    [linked, ['sessions', 1], linked.sessions[0]],
    [linked, ['sessions', 0, 'signature'], linked.sessions[1]?.signature],
    [linked, ['sessions', 1, 'body', 'untilHeight'], 22],
    [linked, ['header', 'height'], 20],
    [receipt, ['header', 'pin'], waited.header.pin],
    [receipt, ['parent'], firstOfCase.parent],
    [waited, ['header', 'pin'], null],
    [waited, ['header', 'pin', 'hash'], other],
    [waited, ['header', 'pin', 'height'], 11],
    [waited, ['ledger'], 'main'],
    [waited, ['parent'], null],
    [waited, ['parent'], firstOfCase.parent],
    [waited, ['parent', 'pin', 'height'], 9],
    [waited, ['links'], []],
    [waited, ['links'], linked.links],
    [firstOfCase, ['parent', 'previousHash'], other],
    [firstOfCase, ['parent', 'pin', 'hash'], other],
    [firstOfCase, ['header', 'ledger'], 'd'.repeat(64)],
  ];
  const names = new Map<unknown, string>([
    [receipt, 'first set'],
    [linked, 'third set'],
    [waited, 'a case that waited'],
    [firstOfCase, 'first of a case'],
  ]);
  const named = paths.map(([source, path, value]): [string, unknown] => [
    `${names.get(source)}: ${path.join('.')}`,
    change(source, path, value),
  ]);
  return [
    ...named,
    ['certified by a set that was replaced', outlived],
    ['a case that opened otherwise', misopened],
  ];
}

async function writeReceipts(): Promise<void> {
  const made = await makeReceipts();
  const { genesis } = made.network;
  const valid = [];
  for (const [name, receipt] of [
    ['by the set of genesis', made.receipt],
    ['after two set changes', made.linked],
    ['the first block of a case', made.firstOfCase],
    ['a case that waited while the set changed', made.waited],
  ] as const) {
    const bytes = encodeCbor(receipt);
    const { result, height, time } = await verifyReceipt(bytes, genesis);
    const { id, status } = result;
    valid.push({ name, expect: { id, status, height, time }, receipt: toBase64url(bytes) });
  }
  const invalid: { name: string; code: string; receipt: string }[] = [];
  const refuse = async (name: string, bytes: Uint8Array): Promise<void> => {
    const code = await verifyReceipt(bytes, genesis).then(
      () => 'good',
      (error: unknown) => (error as { code: string }).code,
    );
    if (code === 'good') throw new Error(`${name} verifies`);
    invalid.push({ name, code, receipt: toBase64url(bytes) });
  };
  for (const [name, receipt] of mutations(made)) await refuse(name, encodeCbor(receipt));
  const bytes = encodeCbor(made.receipt);
  await refuse('a byte at the end', new Uint8Array([...bytes, 0]));
  await refuse('the first byte missing', bytes.subarray(1));
  await write('genesis.json', made.network.text);
  await write('valid.json', pretty(valid));
  await write('invalid.json', pretty(invalid));
  const example = workedExample(made.network.text, valid[0]?.receipt ?? '');
  await writeFile(PAGE, withExample(await readFile(PAGE, 'utf8'), example));
}

/** A patient's export: registered, a grant, a permitted and a denied access. */
async function writeExport(): Promise<void> {
  const world = await makeWorld();
  try {
    const network = await networkFile(world);
    const at = (name: string): string => join(world.folder, name);
    const anna = ['--keystore', at('anna.keystore')];
    const ada = ['--keystore', at('ada.keystore')];
    const good = (argv: string[], as: string | null = null) => typed(world, network, argv, as);
    const birth = ['--name', 'Anna Muster', '--birth-date', '1961-04-23'];
    await good(['enrol', '--role', 'patient', ...birth, ...anna]);
    const doctor = ['--role', 'doctor', '--state', 'NY', '--licence', '900001'];
    const name = ['--name', 'Ada Okonjo', '--npi', '1000000012', '--hospital', 'hospital-a'];
    await good(['enrol', ...doctor, ...name, ...ada]);
    await good(['approve', at('ada.certificate'), '--yes'], 'hospital-a');
    const to = ['--to', '1000000012', '--category', 'laboratory', '--until', '30d', '--yes'];
    await good(['grant', ...anna, '--rights', 'write', ...to]);
    await mkdir(at('visit/laboratory'), { recursive: true });
    await writeFile(at('visit/laboratory/blood.txt'), 'blood');
    await good(['upload', at('visit'), ...ada, '--patient', 'anna muster']);
    await good(['countersign', '--all', '--yes', ...anna]);
    await good(['export', '--out', at('export.json'), ...anna]);
    await write('export.json', await readFile(at('export.json'), 'utf8'));
    await write('export-genesis.json', world.net.signed.document);
  } finally {
    await world.close();
  }
}

async function typed(world: World, network: string, argv: string[], as: string | null) {
  const env = { CAREQUORUM_PASSPHRASE: PASSPHRASE };
  const who = as === null ? {} : { CAREQUORUM_KEYSTORE: `operator:${as}` };
  const done = await run(world, [...argv, '--network', network], { env: { ...env, ...who } });
  if (done.exitCode !== 0) throw new Error(`${argv[0]}: ${done.err}`);
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;
const write = (name: string, text: string): Promise<void> => writeFile(join(FOLDER, name), text);

await mkdir(FOLDER, { recursive: true });
await writeReceipts();
await writeExport();
