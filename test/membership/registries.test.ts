/** Lists, NPDB and self-queries: what they confirm, what they end, and what they leave pending. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64, utf8 } from '../../lib/crypto/bytes.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import { importSigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { combinedRegistry } from '../../functions/membership/registry/combined.ts';
import { csvRows, ListFormatError } from '../../functions/membership/registry/csv.ts';
import {
  deactivationList,
  readDeactivations,
} from '../../functions/membership/registry/deactivation.ts';
import { licenceList, washington } from '../../functions/membership/registry/licence-list.ts';
import { type ListSource, listAt } from '../../functions/membership/registry/list.ts';
import { npdbGateway } from '../../functions/membership/registry/npdb.ts';
import type { RegistryVerdict } from '../../functions/membership/registry/registry.ts';
import { verifySelfQuery } from '../../functions/membership/registry/self-query.ts';
import { CLINICIANS, deactivatedList, simulateNpdb } from '../../local/lib/registry-answers.ts';
import { doctorIdentity, enrolFully, makePerson, makeService } from './fixture.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const now = (): number => NOW;
const claim = { npi: '1720377294', name: 'Ada Okonjo', state: 'WA', licence: 'MD.00012345' };

async function* bytesOf(text: string, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const source =
  (text: string): ListSource =>
  () =>
    Promise.resolve(bytesOf(text));
const rowsOf = async (text: string): Promise<string[][]> => {
  const rows: string[][] = [];
  for await (const row of csvRows(bytesOf(text, 1))) rows.push(row);
  return rows;
};

describe('CSV', () => {
  it('is read by RFC 4180, whatever the pieces', async () => {
    const text = '\ufeffa,"b ""c"", d"\r\n\r\n"line\nbreak",é\n';
    expect(await rowsOf(text)).toEqual([
      ['a', 'b "c", d'],
      ['line\nbreak', 'é'],
    ]);
  });

  it.each([
    ['an open quote', 'a,"b'],
    ['a row without end', 'x'.repeat(70_000)],
    ['too many fields', ','.repeat(500)],
  ])('refuses %s', async (_name, text) => {
    await expect(rowsOf(text)).rejects.toThrow(ListFormatError);
  });

  it('refuses what is not UTF-8', async () => {
    const latin = async function* () {
      yield Uint8Array.of(0x4d, 0xfc, 0x6c, 0x6c);
    };
    const read = async () => {
      for await (const row of csvRows(latin())) expect(row).toBeDefined();
    };
    await expect(read()).rejects.toThrow('not UTF-8');
  });
});

describe('the list of deactivated numbers', () => {
  const head = 'Deactivated NPI Report\r\nNPI,NPPES Deactivation Date\r\n';

  it('ends a number from its day on, unless it came back', async () => {
    const list = deactivationList(source(`${head}1720377294,01/15/2024\r\n`), now);
    expect(await list.has('1720377294')).toBe(true);
    expect(await list.has('1000000012')).toBe(false);
    const future = await readDeactivations(bytesOf(`${head}1720377294,12/31/2026\r\n`), now);
    expect(future.size).toBe(0);
    const full =
      '"NPI","NPI Deactivation Reason Code","NPPES Deactivation Date","NPI Reactivation Date"\n' +
      '"1720377294","","01/15/2024","03/01/2024"\n"1000000012","","01/15/2024",""\n';
    expect([...(await readDeactivations(bytesOf(full), now))]).toEqual(['1000000012']);
  });

  it.each([
    ['a page of HTML', '<!doctype html><p>Moved</p>'],
    ['another head', 'number,day\n1720377294,01/15/2024\n'],
    ['a row without a number', `${head}hello,01/15/2024\n`],
    ['a wrong check digit', `${head}1720377295,01/15/2024\n`],
    ['a day that is none', `${head}1720377294,soon\n`],
    ['nothing', ''],
  ])('is not there when it is %s', async (_name, text) => {
    expect(await deactivationList(source(text), now).has('1720377294')).toBeNull();
  });

  it('of the local network is of the same form', async () => {
    const found = await readDeactivations(bytesOf(deactivatedList()), now);
    expect([...found]).toEqual(CLINICIANS.filter(({ active }) => !active).map(({ npi }) => npi));
  });
});

describe('the list of licences of a state', () => {
  const head =
    'CredentialNumber,LastName,FirstName,MiddleName,CredentialType,Status,BirthYear,ExpirationDate\n';
  const row = (change: Partial<Record<'number' | 'last' | 'status' | 'until', string>> = {}) => {
    const {
      number = 'MD.00012345',
      last = 'OKONJO',
      status = 'ACTIVE',
      until = '20270423',
    } = change;
    return `${number},${last},ADA,M,Physician And Surgeon License,${status},1970,${until}\n`;
  };
  const mapping = {
    ...washington,
    active: [...washington.active],
    types: [],
    url: 'http://x.test',
  };
  const judge = (text: string, state = 'WA'): Promise<RegistryVerdict> =>
    licenceList(mapping, source(head + text), now).judge({ ...claim, state });

  it('confirms number, name, status and day together', async () => {
    expect(await judge(row())).toBe('verified');
    expect(await judge(row({ last: 'SOMEBODY' }))).toBe('not_verified');
    expect(await judge(row({ number: 'MD.00099999' }))).toBe('not_verified');
    expect(await judge(row({ status: 'REVOKED', until: '' }))).toBe('ended');
    expect(await judge(row({ until: '20260531' }))).toBe('ended');
    expect(await judge(row({ until: '20260601' }))).toBe('verified');
    // A renewed licence has a row for each time.
    expect(await judge(row({ until: '20200101' }) + row())).toBe('verified');
  });

  it('says nothing of other states, and is not there when a row does not fit', async () => {
    expect(await judge('', 'NY')).toBe('verified');
    expect(await judge(row() + row({ number: '' }))).toBe('unavailable');
    expect(await judge(row({ until: 'never' }))).toBe('unavailable');
    expect(await licenceList(mapping, () => Promise.resolve(null), now).judge(claim)).toBe(
      'unavailable',
    );
  });
});

describe('an address of a list', () => {
  it('that fails, breaks off or has no end is a list that is not there', async () => {
    const failing = listAt('http://x.test', async () => new Response('no', { status: 500 }));
    expect(await failing()).toBeNull();
    const refused = listAt('http://x.test', () => Promise.reject(new TypeError('refused')));
    expect(await deactivationList(refused, now).has('1720377294')).toBeNull();
    const cut = new ReadableStream({
      start(controller) {
        controller.enqueue(utf8('NPI,NPPES Deactivation Date\n'));
        controller.error(new TypeError('terminated'));
      },
    });
    const broken = listAt('http://x.test', async () => new Response(cut));
    expect(await deactivationList(broken, now).has('1720377294')).toBeNull();
  });
});

describe('several registries', () => {
  it.each<[RegistryVerdict, boolean | null, RegistryVerdict, RegistryVerdict]>([
    ['verified', false, 'verified', 'verified'],
    ['verified', true, 'verified', 'ended'],
    ['unavailable', true, 'verified', 'ended'],
    ['verified', null, 'verified', 'unavailable'],
    ['not_verified', null, 'verified', 'not_verified'],
    ['verified', false, 'unavailable', 'unavailable'],
    ['verified', false, 'ended', 'ended'],
  ])('%s, listed %s, licence %s: %s', async (numbers, listed, licence, wanted) => {
    const registry = combinedRegistry({
      numbers: { verify: async () => numbers },
      deactivations: { has: async () => listed },
      licences: [{ judge: async () => licence }],
    });
    expect(await registry.verify(claim)).toBe(wanted);
  });
});

describe('NPDB by a gateway', () => {
  const gateway = (answer: () => Response | Promise<Response>) =>
    npdbGateway('http://npdb.test/', async () => answer());

  it('clears, reports, or is not there', async () => {
    const json = (value: object) => () => Response.json(value);
    expect(await gateway(json({ npi: claim.npi, reports: 0 })).query(claim)).toBe('clear');
    expect(await gateway(json({ npi: claim.npi, reports: 2 })).query(claim)).toBe('reports');
    for (const answer of [
      json({ npi: '1000000012', reports: 0 }),
      json({ reports: 0 }),
      json({ npi: claim.npi, reports: -1 }),
      () => new Response('<html>'),
      () => new Response('', { status: 503 }),
      () => Promise.reject(new TypeError('refused')),
    ]) {
      expect(await gateway(answer).query(claim)).toBe('unavailable');
    }
  });

  it('of the local network says that it is a simulator', async () => {
    expect(simulateNpdb(JSON.stringify(claim))).toMatchObject({
      simulator: expect.stringContaining('not the NPDB') as string,
      reports: 0,
    });
    const reported = CLINICIANS.find(({ lastName }) => lastName === 'Vossberg');
    expect(simulateNpdb(JSON.stringify(reported))).toMatchObject({ reports: 1 });
    expect(simulateNpdb('{')).not.toHaveProperty('reports');
  });

  it('lets a doctor in only when it cleared, or an operator vouches', async () => {
    const service = await makeService();
    let answer: 'clear' | 'reports' | 'unavailable' = 'unavailable';
    service.context.npdb = { service: { query: async () => answer }, issuer: null };
    const ada = await makePerson('doctor', doctorIdentity);
    const first = await enrolFully(service, ada);
    expect(first.answer.body).toMatchObject({ status: 'pending', reason: 'registry_unavailable' });
    answer = 'reports';
    expect((await enrolFully(service, ada)).answer.body).toMatchObject({ reason: 'review' });
    answer = 'clear';
    expect((await enrolFully(service, ada)).answer.status).toBe(200);
  });
});

describe('a certified self-query', () => {
  let folder: string;
  let issuer: X509Certificate;
  let stranger: X509Certificate;
  let leaf: { key: Uint8Array; certificate: string };

  /** Certificates of our own, by OpenSSL: the issuer that is pinned, another one, and a signer. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cq-npdb-'));
    const openssl = (...args: string[]) =>
      execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const curve = [
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '3650',
    ];
    for (const name of ['issuer', 'stranger']) {
      openssl(
        'req',
        '-x509',
        ...curve,
        '-subj',
        `/CN=${name}`,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
      );
    }
    openssl(
      'req',
      ...curve.filter((one) => one !== '-days' && one !== '3650'),
      '-subj',
      '/CN=signer',
      '-keyout',
      'leaf.key',
      '-out',
      'leaf.csr',
    );
    writeFileSync(join(folder, 'leaf.ext'), 'basicConstraints=CA:FALSE\n');
    openssl(
      'x509',
      '-req',
      '-in',
      'leaf.csr',
      '-CA',
      'issuer.pem',
      '-CAkey',
      'issuer.key',
      '-CAcreateserial',
      '-days',
      '3000',
      '-extfile',
      'leaf.ext',
      '-out',
      'leaf.pem',
    );
    openssl(
      'pkcs8',
      '-topk8',
      '-nocrypt',
      '-in',
      'leaf.key',
      '-outform',
      'DER',
      '-out',
      'leaf.der',
    );
    const read = (name: string) => new X509Certificate(readFileSync(join(folder, name)));
    issuer = read('issuer.pem');
    stranger = read('stranger.pem');
    leaf = {
      key: new Uint8Array(readFileSync(join(folder, 'leaf.der'))),
      certificate: toBase64(new Uint8Array(read('leaf.pem').raw)),
    };
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const content = () => ({
    subject: {
      ...{ npi: claim.npi, first: 'Ada', middle: '', last: 'Okonjo' },
      ...{ state: 'WA', licence: 'MD00012345' },
    },
    searchedAt: new Date(Date.now() + 60_000).toISOString(),
    reports: 0,
    reference: '7950000012345678',
  });

  async function signed(
    value: object = content(),
    change: { typ?: string; x5c?: string[] } = {},
  ): Promise<string> {
    const key = await importSigningKey(leaf.key);
    const header = {
      typ: change.typ ?? 'npdb-self-query',
      kid: thumbprint(key.publicKey),
      x5c: change.x5c ?? [leaf.certificate],
    };
    return signJws(header, utf8(JSON.stringify(value)), key);
  }
  const verdict = async (compact: string, by = issuer, at = Date.now() + 60_000) =>
    (await verifySelfQuery(compact, claim, { issuer: by, now: at })).verdict;

  it('clears the very person, or tells of reports', async () => {
    expect(await verdict(await signed())).toBe('clear');
    expect(await verdict(await signed({ ...content(), reports: 1 }))).toBe('reports');
  });

  it('is void in every other case', async () => {
    const subject = content().subject;
    const good = await signed();
    const [head, , signature] = good.split('.');
    const other = Buffer.from(JSON.stringify({ ...content(), reports: 0, reference: 'x' }));
    for (const compact of [
      await signed({ ...content(), subject: { ...subject, npi: '1000000012' } }),
      await signed({ ...content(), subject: { ...subject, last: 'Other' } }),
      await signed({ ...content(), subject: { ...subject, licence: 'MD1' } }),
      await signed({ ...content(), subject: { ...subject, state: 'NY' } }),
      await signed({ ...content(), extra: true }),
      await signed({ ...content(), searchedAt: '1999-01-01T00:00:00Z' }),
      await signed(content(), { typ: 'cq-enrol' }),
      await signed(content(), { x5c: [toBase64(new Uint8Array(issuer.raw))] }),
      await signed(content(), { x5c: ['AAAA'] }),
      `${head ?? ''}.${other.toString('base64url')}.${signature ?? ''}`,
      'nonsense',
    ]) {
      expect(await verdict(compact)).toBe('void');
    }
    expect(await verdict(good, stranger)).toBe('void');
    expect(await verdict(good, issuer, Date.now() + 91 * 86_400_000)).toBe('void');
  });

  it('takes the place of a query, and leaves verdict, day and a keyed digest', async () => {
    const service = await makeService();
    service.clock.now = Date.now() + 60_000;
    service.context.npdb = { service: { query: async () => 'unavailable' }, issuer };
    const identity = { ...doctorIdentity, npi: claim.npi, state: 'WA', licence: claim.licence };
    const ada = await makePerson('doctor', identity);
    const selfQuery = await signed();
    const { answer } = await enrolFully(service, ada, { selfQuery });
    expect(answer.status).toBe(200);
    expect(service.store.dump()).not.toContain(content().reference);
    const bert = await makePerson('doctor', { ...identity, name: 'Bert Other' });
    const refused = await enrolFully(service, bert, { selfQuery });
    expect(refused.answer.body['code']).toBe('invalid_identity');
  });
});
