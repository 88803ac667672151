/** `carequorum doctor`: each thing that may be wrong is found, said, and makes the exit code 1. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../cli/doctor/finding.ts';
import { toBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { issueAuthority, randomSerial } from '../../lib/membership/certificates.ts';
import { approveProposal, parseAuthority, propose } from '../../sdk/governance.ts';
import { formatNetworkFile } from '../../sdk/network-file.ts';
import type { FakeAnswer, FakeHandler } from '../sdk/fake-fetch.ts';
import { problem } from '../sdk/fake-fetch.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run } from './cli-world.ts';

const DAY = 86_400_000;
let world: World;
let network: string;
/** Handlers of a world as it is made, where people can enrol, and of one that says of itself that all is well. */
let real: Record<string, FakeHandler>;
let well: Record<string, FakeHandler>;
/** How much the parties' clocks are ahead of the real time, milliseconds. */
const ahead = new Map<string, number>();

interface Report {
  readonly healthy: boolean;
  readonly wrong: number;
  readonly warnings: number;
  readonly findings: readonly Finding[];
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  real = { ...world.handlers };
  for (const { id } of world.net.validators) world.handlers[`http://${id}.test`] = validator(id);
  for (const id of ['membership', 'records']) {
    const origin = `http://${id}.test`;
    const handler = world.handlers[origin] as FakeHandler;
    world.handlers[origin] = async (request) => dated(id, await handler(request));
  }
  well = { ...world.handlers };
});
afterEach(() => {
  Object.assign(world.handlers, well);
  ahead.clear();
  world.skewMs.value = 0;
});
afterAll(() => world.close());

function dated(id: string, answer: FakeAnswer): FakeAnswer {
  const date = new Date(Date.now() + (ahead.get(id) ?? 0)).toUTCString();
  return { ...answer, headers: { ...answer.headers, date } };
}

/** What a validator says of itself; `changes` is what is wrong with it. Queries are answered as ever. */
function validator(id: string, changes: Record<string, unknown> = {}): FakeHandler {
  const { genesisHash = toHex(world.net.genesis.hash), ...health } = changes;
  const name = world.net.genesis.document.network;
  const said = { status: 'ok', network: name, height: 40, learner: false, halted: '', ...health };
  return async (request) => {
    const { pathname } = request.url;
    if (pathname === '/v1/network') return dated(id, { json: { genesisHash } });
    if (pathname === '/v1/health') return dated(id, { json: said });
    return dated(id, await (real[`http://${id}.test`] as FakeHandler)(request));
  };
}

async function doctor(argv: readonly string[] = [], env = {}): Promise<Run & { report: Report }> {
  const done = await run(world, ['doctor', '--network', network, '--json', ...argv], { env });
  return { ...done, report: JSON.parse(done.out) as Report };
}

function broken(id: string, handler: FakeHandler): void {
  world.handlers[`http://${id}.test`] = handler;
}

const one = (report: Report, check: string, about?: string): Finding | undefined =>
  report.findings.find(
    (found) => found.check === check && (about === undefined || found.about === about),
  );

describe('a network where all is well', () => {
  it('has nothing wrong, exit code 0', async () => {
    const { report, exitCode } = await doctor();
    expect(report.findings.filter(({ verdict }) => verdict === 'wrong')).toEqual([]);
    expect([exitCode, report.healthy, report.warnings]).toEqual([0, true, 0]);
    const reached = report.findings.filter(({ check }) => check === 'reach');
    expect(reached).toHaveLength(world.net.validators.length + 2);
    expect(one(report, 'network_file')?.says).toContain(toHex(world.net.genesis.hash));
  });

  it('says so in words', async () => {
    const { out, exitCode } = await run(world, ['doctor', '--network', network]);
    expect([exitCode, out.trim().split('\n').at(-1)]).toEqual([0, 'Nothing is wrong.']);
  });
});

describe('a party that is not well', () => {
  const cases: [string, () => FakeHandler, string, string, RegExp][] = [
    [
      'does not answer',
      () => () => Promise.reject(new TypeError('fetch failed')),
      'reach',
      'wrong',
      /cannot be reached/,
    ],
    [
      'answers 500',
      () => () => problem(500, 'internal'),
      'reach',
      'wrong',
      /HTTP 500 \(internal\)/,
    ],
    ['answers nonsense', () => () => ({ json: [1] }), 'reach', 'wrong', /HTTP 200/],
    [
      'has no genesis',
      () => () => problem(503, 'not_initialised'),
      'genesis',
      'wrong',
      /no genesis/,
    ],
    [
      'has another genesis',
      () => validator('hospital-b', { genesisHash: 'ab'.repeat(32) }),
      'genesis',
      'wrong',
      /another genesis document: abab/,
    ],
    [
      'is of another network',
      () => validator('hospital-b', { network: 'local-other' }),
      'genesis',
      'wrong',
      /local-other/,
    ],
    [
      'has stopped itself',
      () => validator('hospital-b', { halted: 'own_vote_contradicted: height 7' }),
      'replica',
      'wrong',
      /own_vote_contradicted/,
    ],
    [
      'only follows',
      () => validator('hospital-b', { learner: true }),
      'replica',
      'warning',
      /not vote/,
    ],
    ['lags', () => validator('hospital-b', { height: 20 }), 'height', 'warning', /20 behind/],
    ['lags by far', () => validator('hospital-b', { height: 0 }), 'height', 'warning', /40 behind/],
  ];
  it.each(cases)('%s', async (_name, handler, check, verdict, says) => {
    broken('hospital-b', handler());
    const { report, exitCode } = await doctor();
    const found = one(report, check, 'hospital-b');
    expect([found?.verdict, found?.says]).toEqual([verdict, expect.stringMatching(says)]);
    expect(found?.nextStep).not.toBe('');
    expect(exitCode).toBe(verdict === 'wrong' ? 1 : 0);
    expect(report.healthy).toBe(verdict !== 'wrong');
  });

  it('is the more wrong the further it lags', async () => {
    broken('hospital-a', validator('hospital-a', { height: 1_000 }));
    const { report, exitCode } = await doctor();
    expect(one(report, 'height', 'hospital-b')?.verdict).toBe('wrong');
    expect(exitCode).toBe(1);
  });

  it('is membership or the custodian as well', async () => {
    broken('membership', () => problem(503, 'unavailable'));
    broken('records', ({ url }) => ({
      json: url.pathname === '/v1/health' ? { status: 'ok', initialised: false } : null,
    }));
    const { report, exitCode } = await doctor();
    expect(one(report, 'reach', 'membership')?.says).toContain('503 (unavailable)');
    expect(one(report, 'genesis', 'records')?.verdict).toBe('wrong');
    expect(exitCode).toBe(1);
  });

  it('is counted: one away is a warning, two leave nothing that decides', async () => {
    broken('hospital-b', validator('hospital-b', { learner: true }));
    const first = await doctor();
    expect(one(first.report, 'quorum')).toMatchObject({ verdict: 'warning' });
    broken('hospital-c', validator('hospital-c', { learner: true }));
    const second = await doctor();
    expect(one(second.report, 'quorum')).toMatchObject({ verdict: 'wrong' });
    expect(second.exitCode).toBe(1);
  });
});

describe('clocks', () => {
  it('this machine is wrong where all others agree', async () => {
    world.skewMs.value = -120_000;
    const { report, exitCode } = await doctor();
    expect(one(report, 'clock', 'this machine')).toMatchObject({
      verdict: 'wrong',
      says: 'its clock is 2 minutes behind',
    });
    expect(report.findings.filter(({ check }) => check === 'clock')).toHaveLength(1);
    expect(exitCode).toBe(1);
  });

  it('a party is wrong where it differs from the others', async () => {
    ahead.set('hospital-c', 30_000);
    const { report } = await doctor();
    expect(one(report, 'clock', 'this machine')?.verdict).toBe('ok');
    expect(one(report, 'clock', 'hospital-c')).toMatchObject({
      verdict: 'wrong',
      says: 'its clock is 30 seconds ahead',
    });
  });

  it('a small difference is a warning, and one liar does not accuse this machine', async () => {
    ahead.set('hospital-c', 5_000);
    expect(one((await doctor()).report, 'clock', 'hospital-c')?.verdict).toBe('warning');
    ahead.set('hospital-c', 10 * 365 * DAY);
    const { report } = await doctor();
    expect(one(report, 'clock', 'this machine')?.verdict).toBe('ok');
    expect(one(report, 'clock', 'hospital-c')?.verdict).toBe('wrong');
  });

  it('are not judged where nobody says the time', async () => {
    for (const [origin, handler] of Object.entries(well)) {
      world.handlers[origin] = async (request) => {
        const { status = 200, json } = await handler(request);
        return { status, json };
      };
    }
    expect(one((await doctor()).report, 'clock')?.verdict).toBe('skipped');
  });
});

describe('the network file', () => {
  it('that is missing, of no form, or not signed by all is wrong, and nobody is asked', async () => {
    const bare = { ...world.net.signed, signatures: world.net.signed.signatures.slice(1) };
    const files: [string, string | null][] = [
      ['missing.json', null],
      ['form.json', '{}'],
      ['unsigned.json', formatNetworkFile({ genesis: bare })],
    ];
    for (const [name, text] of files) {
      const path = join(world.folder, name);
      if (text !== null) await writeFile(path, text);
      const done = await run(world, ['doctor', '--network', path, '--json'], { env: {} });
      const report = JSON.parse(done.out) as Report;
      expect([name, done.exitCode]).toEqual([name, 1]);
      expect(report.findings.map(({ check }) => check)).toEqual(['network_file', 'keystore']);
      expect(one(report, 'network_file')).toMatchObject({ verdict: 'wrong' });
      expect(one(report, 'network_file')?.nextStep).not.toBe('');
    }
  });
});

describe('the key of the membership service', () => {
  it('is that of genesis at first, whatever the dates of its certificate', async () => {
    world.skewMs.value = 11 * 365 * DAY;
    const { report } = await doctor();
    expect(one(report, 'authority')).toMatchObject({
      verdict: 'ok',
      says: 'has the key of genesis in force',
    });
    expect(one(report, 'authority_keys')).toMatchObject({ verdict: 'ok' });
  });

  it('is not judged where nobody proves which one is in force', async () => {
    const away: FakeHandler = () => problem(503, 'unavailable');
    for (const { id } of world.net.validators) {
      const answers = well[`http://${id}.test`] as FakeHandler;
      broken(id, (request) => (request.method === 'POST' ? away(request) : answers(request)));
    }
    const { report, exitCode } = await doctor();
    expect(one(report, 'authority')).toMatchObject({ verdict: 'skipped' });
    expect(exitCode).toBe(0);
  });

  it('of another service is wrong', async () => {
    const key = await generateSigningKey();
    const made = await issueAuthority({
      ...{ network: 'local-test', signer: key, serial: randomSerial(), notBefore: Date.now() },
    });
    showing({ caCertificate: toBase64url(made) });
    const { report, exitCode } = await doctor();
    expect(one(report, 'authority_keys')).toMatchObject({
      verdict: 'wrong',
      says: expect.stringContaining('another service') as string,
    });
    expect(exitCode).toBe(1);
  });

  it('may be a successor that the operators put in: it is followed, and right', async () => {
    const { caCertificate } = world.net.genesis.document.membership;
    Object.assign(world.handlers, real);
    world.authorityKeys.push(await generateSigningKey());
    const shown = await world.transport('http://membership.test/v1/bootstrap', { method: 'GET' });
    const text = await shown.text();
    const { nextCertificate } = JSON.parse(text) as { nextCertificate: string };
    Object.assign(world.handlers, well);
    expect(one((await doctor()).report, 'authority_keys')?.says).toContain('have not put in');

    Object.assign(world.handlers, real);
    const certificate = parseAuthority(text);
    const change = { kind: 'authority', certificate, compromised: true } as const;
    const { proposalId } = await propose(world.operator(0), change);
    for (const at of [1, 2]) await approveProposal(world.operator(at), proposalId);
    Object.assign(world.handlers, well);
    const right = await doctor();
    expect(one(right.report, 'authority')).toMatchObject({
      verdict: 'ok',
      says: expect.stringMatching(
        /by the operators since block \d+ \(1 key is retired\)/,
      ) as string,
    });
    expect(one(right.report, 'authority_keys')).toMatchObject({ verdict: 'ok' });
    expect(right.exitCode).toBe(0);

    // A service that was set up anew without its second key, or with a third as its newest.
    showing({ caCertificate });
    const lost = await doctor();
    expect(one(lost.report, 'authority_keys')).toMatchObject({ verdict: 'wrong' });
    expect(one(lost.report, 'authority_keys')?.nextStep).toContain('docs/governance.md');
    expect(lost.exitCode).toBe(1);
    showing({ caCertificate, nextCertificate: caCertificate });
    expect(one((await doctor()).report, 'authority_keys')).toMatchObject({ verdict: 'warning' });
    showing({ caCertificate, nextCertificate });
    expect((await doctor()).exitCode).toBe(0);
  });
});

/** What the membership service shows of its keys. */
function showing(keys: Record<string, string>): void {
  const answers = well['http://membership.test'] as FakeHandler;
  broken('membership', (request) =>
    request.url.pathname === '/v1/bootstrap' ? { json: keys } : answers(request),
  );
}

describe('a keystore', () => {
  const env = { CAREQUORUM_PASSPHRASE: PASSPHRASE };

  it('that only its owner may read, opens and has certificates is well', async () => {
    Object.assign(world.handlers, real);
    const patient = await world.patient('Anna Muster', ['laboratory']);
    Object.assign(world.handlers, well);
    const { path } = patient.keystore;
    const { report, exitCode } = await doctor(['--keystore', path], env);
    const about = report.findings.filter((found) => found.about === path);
    expect(about.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
      'keystore ok',
      'keystore_mode ok',
      'keystore ok',
      'certificate ok',
      'one_time_certificates ok',
    ]);
    expect(exitCode).toBe(0);
    // Nothing in the report is of the person, but the path that was given.
    expect(JSON.stringify(report).replaceAll(path, '')).not.toMatch(/Anna|Muster|1961/);

    world.skewMs.value = 3 * 365 * DAY;
    const late = (await doctor(['--keystore', path], env)).report;
    expect(one(late, 'certificate')?.verdict).toBe('wrong');
    expect(one(late, 'one_time_certificates')).toMatchObject({ verdict: 'warning' });
  });

  it('that others may read is wrong, and how to mend it is said', async () => {
    const { path } = await world.keystore('operator', 'open to all');
    await chmod(path, 0o644);
    const { report, exitCode } = await doctor(['--keystore', path], env);
    const found = one(report, 'keystore_mode');
    expect(found).toMatchObject({ verdict: 'wrong', nextStep: `Run: chmod 600 ${path}` });
    expect(one(report, 'operator')).toMatchObject({ verdict: 'warning' });
    expect(exitCode).toBe(1);
  });

  it('stays closed without a passphrase, and says so; a wrong one is wrong', async () => {
    const { path } = await world.keystore('operator', 'closed');
    const closed = await doctor(['--keystore', path]);
    expect(closed.report.findings.some(({ says }) => says.includes('was not opened'))).toBe(true);
    expect(closed.exitCode).toBe(0);
    const wrong = await doctor(['--keystore', path], { CAREQUORUM_PASSPHRASE: 'not this one' });
    expect(wrong.report.findings.some(({ says }) => says.includes('does not open'))).toBe(true);
    expect(wrong.exitCode).toBe(1);
  });

  it('that is missing, a folder or something else is wrong', async () => {
    const folder = join(world.folder, 'folder.keystore');
    await mkdir(folder);
    const other = join(world.folder, 'other.keystore');
    await writeFile(other, '{"format":"something"}');
    for (const path of [join(world.folder, 'none.keystore'), folder, other]) {
      const { report, exitCode } = await doctor(['--keystore', path], env);
      expect([path, one(report, 'keystore')?.verdict]).toEqual([path, 'wrong']);
      expect(one(report, 'keystore')?.nextStep).not.toBe('');
      expect(exitCode).toBe(1);
    }
  });
});
