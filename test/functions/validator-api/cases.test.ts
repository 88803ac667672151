/** Every route that shows or takes something of a case, for members, outsiders and operators. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chaincodeFunctions } from '../../../lib/chaincode/table.ts';
import { fromBase64url, toBase64url } from '../../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../../lib/crypto/p256.ts';
import { verifyHistoryAnswer } from '../../../lib/ledger/history-answer.ts';
import { verifyReceipt } from '../../../lib/ledger/verify-receipt.ts';
import {
  caseList,
  type CasePerson,
  clinicianInCases,
  listCases,
  patientInCases,
  showCase,
} from '../../../sdk/case-data.ts';
import { changeMembers } from '../../../sdk/case-keys.ts';
import { openCase } from '../../../sdk/case-reading.ts';
import {
  askQuestion,
  closeCase,
  DEFAULT_RULE,
  openByPatient,
  voteOn,
  writeNote,
} from '../../../sdk/cases.ts';
import { type Call, keySigner, type RequestSigner, signCall } from '../../../sdk/signing.ts';
import { startRealValidators } from '../../sdk/real-validators.ts';
import { makeWorld, type World } from '../../sdk/world.ts';

/** Who asks: members of the case, and those who are none. */
type Who =
  | 'patient'
  | 'attending'
  | 'member'
  | 'former'
  | 'outsider'
  | 'other-patient'
  | 'operator'
  | 'stranger';

const members = ['patient', 'attending', 'member'] as const;
/** What each of the others is told by a case ledger. */
const refusals = [
  ['former', 'not_in_case'],
  ['outsider', 'not_in_case'],
  ['other-patient', 'not_in_case'],
  ['operator', 'role_denied'],
  ['stranger', 'unknown_signer'],
] as const;

let world: World;
let people: Record<(typeof members)[number] | 'former' | 'outsider' | 'other-patient', CasePerson>;
let signers: Record<Who, RequestSigner>;
let caseId: string;
/** Of a note: its transaction. */
let noteTransaction: string;

interface Answer {
  /** 2xx, or the code of the problem. */
  said: number | string;
  body: Record<string, unknown>;
}

async function call(path: string, init: RequestInit = {}, at = 'hospital-b'): Promise<Answer> {
  const headers = { 'content-type': 'application/json', ...(init.headers as object) };
  const response = await world.transport(`http://${at}.test${path}`, { ...init, headers });
  const body = (await response.json()) as Record<string, unknown>;
  return { said: response.ok ? response.status : (body['code'] as string), body };
}

function post(path: string, body: unknown): Promise<Answer> {
  return call(path, { method: 'POST', body: JSON.stringify(body) });
}

const signed = async (who: Who, kind: 'query' | 'transaction', wanted: Call): Promise<string> => {
  const network = world.net.genesis.document.network;
  const now = Date.now() + world.skewMs.value;
  return (await signCall(wanted, { network, now, kind, signer: signers[who] })).compact;
};

const ask = async (who: Who, fn: string, ledger: string, args: Call['args'] = {}) =>
  post('/v1/queries', { query: await signed(who, 'query', { fn, args, ledger }) });

/** A transaction of a case ledger: the refusal at the door, or what a quorum made of it. */
async function submit(who: Who, fn: string, args: Call['args'], ledger = caseId): Promise<string> {
  const transaction = await signed(who, 'transaction', { fn, args, ledger });
  const { said, body } = await post('/v1/transactions', { transaction });
  if (said !== 202) return String(said);
  const path = `/v1/transactions/${String(body['id'])}?ledger=${ledger}&waitMs=5000`;
  const outcome = await call(path);
  expect(outcome.said).toBe(200);
  return outcome.body['status'] === 'COMMITTED' ? 'COMMITTED' : String(outcome.body['code']);
}

beforeAll(async () => {
  world = await makeWorld();
  await startRealValidators(world);
  const patient = await world.patient('Anna Berger', ['laboratory']);
  const other = await world.patient('Ben Cohen', ['laboratory']);
  const doctor = async (name: string, hospital: number, npi: string) =>
    clinicianInCases(await world.doctor(name, hospital, npi));
  people = {
    patient: patientInCases(patient),
    'other-patient': patientInCases(other),
    attending: await doctor('Ada Lindqvist', 0, '1000000012'),
    member: await doctor('Bruno Castellan', 0, '1000000020'),
    former: await doctor('Carla Dimitrova', 1, '1000000038'),
    outsider: await doctor('Otto Brandt', 2, '1000000046'),
  };
  const byKey = {
    operator: keySigner(world.net.validators[0]!.operator),
    stranger: keySigner(await generateSigningKey()),
  };
  signers = { ...byKey, ...mapSigners(people) };
  const { attending, member, former } = people;
  ({ caseId } = await openByPatient(people.patient, {
    attending: attending.who,
    rule: DEFAULT_RULE,
  }));
  await changeMembers(attending, caseId, {
    add: [{ subject: member.who }, { subject: former.who }],
  });
  await changeMembers(attending, caseId, { remove: [former.who] });
  const { result } = await writeNote(member, caseId, { text: 'Blood cultures taken.' });
  noteTransaction = result.id;
  const question = { text: 'Which?', options: ['narrow', 'broad'] };
  const { questionId } = await askQuestion(attending, caseId, question);
  for (const who of [attending, member]) await voteOn(who, caseId, { questionId, option: 1 });
}, 240_000);

function mapSigners(of: typeof people) {
  const entries = Object.entries(of).map(([who, { signer }]) => [who, signer]);
  return Object.fromEntries(entries) as Record<keyof typeof people, RequestSigner>;
}

afterAll(() => world.close());

const queries = chaincodeFunctions.filter(({ kind }) => kind === 'query');
const ofCase = queries.filter(({ ledger }) => ledger === 'case').map(({ name }) => name);
const ofMain = queries.filter(({ ledger }) => ledger !== 'case').map(({ name }) => name);

describe('POST /v1/queries on a case ledger', () => {
  it('there are queries of cases', () => {
    expect(ofCase).toEqual(expect.arrayContaining(['case.show', 'case.notes', 'case.log']));
  });

  it.each(ofCase)('%s answers members, and nobody else', { timeout: 60_000 }, async (fn) => {
    for (const who of members) {
      const { said, body } = await ask(who, fn, caseId);
      expect([who, said, typeof body['answer']]).toEqual([who, 200, 'string']);
    }
    for (const [who, code] of refusals) {
      const { said, body } = await ask(who, fn, caseId);
      expect([who, said]).toEqual([who, code]);
      expect(body).not.toHaveProperty('answer');
    }
  });

  it('answers what verifies, the same for each member', { timeout: 60_000 }, async () => {
    for (const who of members) {
      const person = people[who];
      expect(await showCase(person, caseId)).toMatchObject({ caseId, self: person.who });
      const notes = await caseList(person, caseId, 'case.notes');
      expect(notes.map(({ author }) => author)).toEqual([people.member.who]);
    }
    expect((await openCase(people.patient, caseId)).notes[0]?.said?.text).toBe(
      'Blood cultures taken.',
    );
  });

  it('knows no function of the main ledger there, and none of a case here', async () => {
    for (const fn of ofMain) {
      expect([fn, (await ask('attending', fn, caseId)).said]).toEqual([fn, 'unknown_function']);
    }
    for (const fn of ofCase) {
      expect([fn, (await ask('attending', fn, 'main')).said]).toEqual([fn, 'unknown_function']);
    }
  }, 60_000);

  it('says the same to all of a case that is not there', async () => {
    for (const who of ['attending', 'outsider', 'operator', 'stranger'] as const) {
      expect((await ask(who, 'case.show', 'f'.repeat(64))).said).toBe('unknown_case');
    }
  });
});

describe('POST /v1/queries of the main ledger about cases', () => {
  it('shows a case to those who were told of it', { timeout: 60_000 }, async () => {
    for (const who of members) {
      expect([who, (await ask(who, 'case.get', 'main', { caseId })).said]).toEqual([who, 200]);
    }
    const others = [
      ['outsider', 'unknown_case'],
      ['other-patient', 'unknown_case'],
      ['operator', 'role_denied'],
      ['stranger', 'unknown_signer'],
    ] as const;
    for (const [who, code] of others) {
      expect([who, (await ask(who, 'case.get', 'main', { caseId })).said]).toEqual([who, code]);
    }
  });

  it('lists to each what is theirs', { timeout: 60_000 }, async () => {
    for (const who of members) {
      expect((await listCases(people[who])).map(({ id }) => id)).toEqual([caseId]);
    }
    for (const who of ['outsider', 'other-patient'] as const) {
      expect(await listCases(people[who])).toEqual([]);
    }
    for (const fn of ['case.list', 'case.consents']) {
      expect((await ask('operator', fn, 'main')).said).toBe('role_denied');
      expect((await ask('stranger', fn, 'main')).said).toBe('unknown_signer');
    }
  });
});

describe('POST /v1/transactions for a case ledger', () => {
  it('commits what members ask for, and of others nothing', { timeout: 120_000 }, async () => {
    const logged = async () => (await caseList(people.patient, caseId, 'case.log')).length;
    const before = await logged();
    expect(await submit('member', 'case.read', {})).toBe('COMMITTED');
    expect(await logged()).toBe(before + 1);
    for (const [who, code] of refusals) {
      expect([who, await submit(who, 'case.read', {})]).toEqual([who, code]);
    }
    // A patient's case is no probe ledger.
    expect(await submit('operator', 'case.probe', { label: 'x' })).toBe('unknown_case');
    expect(await submit('operator', 'governance.probe', { label: 'x' })).toBe('unknown_function');
    expect(await submit('member', 'case.read', {}, 'f'.repeat(64))).toBe('unknown_case');
    expect(await logged()).toBe(before + 1);
    expect((await showCase(people.patient, caseId)).members).toHaveLength(3);
  });
});

describe('GET /v1/transactions/{id}', () => {
  it('gives the receipt to whoever has the id, of the ledger that is named alone', async () => {
    const { said, body } = await call(`/v1/transactions/${noteTransaction}?ledger=${caseId}`);
    expect(said).toBe(200);
    const receipt = fromBase64url(body['receipt'] as string);
    const { header, result } = await verifyReceipt(receipt, world.net.genesis);
    expect([header.ledger, result.status]).toEqual([caseId, 'COMMITTED']);
    const elsewhere = await call(`/v1/transactions/${noteTransaction}`);
    expect(elsewhere.said).toBe('unknown_transaction');
    const none = await call(`/v1/transactions/${noteTransaction}?ledger=${'f'.repeat(64)}`);
    expect(none.said).toBe('unknown_case');
    const other = await call(`/v1/transactions/${'0'.repeat(64)}?ledger=${caseId}`);
    expect(other.said).toBe('unknown_transaction');
  });
});

describe('GET /v1/blocks/{height}', () => {
  const block = async (who: Who | null, args: Call['args'] = { height: 1 }, ledger = caseId) => {
    const path = `/v1/blocks/1?ledger=${caseId}&results=1`;
    if (who === null) return call(path);
    const query = await signed(who, 'query', { fn: 'ledger.block', args, ledger });
    return call(path, { headers: { authorization: `CQ-Query ${query}` } });
  };

  it('shows a header and its certificate to all, and no id, body, result or event', async () => {
    const { said, body } = await block(null);
    expect(said).toBe(200);
    expect(Object.keys(body).sort()).toEqual(['certificate', 'header', 'height']);
  });

  it('shows the body to operators alone', { timeout: 60_000 }, async () => {
    const { said, body } = await block('operator');
    expect([said, (body['transactionIds'] as string[]).length]).toEqual([200, 1]);
    for (const who of [...members, 'former', 'outsider', 'other-patient'] as const) {
      expect([who, (await block(who)).said]).toEqual([who, 'not_authorised']);
    }
    expect((await block('stranger')).said).toBe('unknown_signer');
    expect((await block('operator', { height: 2 })).said).toBe('not_authorised');
    expect((await block('operator', { height: 1 }, 'main')).said).toBe('not_authorised');
  });

  it('knows no other ledger', async () => {
    expect((await call(`/v1/blocks/1?ledger=${'f'.repeat(64)}`)).said).toBe('unknown_case');
    for (const name of ['case-1', 'MAIN', '', `${caseId}0`]) {
      expect((await call(`/v1/blocks/1?ledger=${name}`)).said).toBe('invalid_request');
    }
  });
});

describe('other routes', () => {
  it('GET /v1/consistency proves the history of the case, which holds no content', async () => {
    const { said, body } = await call(`/v1/consistency?ledger=${caseId}&from=1`);
    expect(said).toBe(200);
    const proof = fromBase64url(body['proof'] as string);
    const verified = await verifyHistoryAnswer(proof, world.net.genesis);
    expect(verified.header.ledger).toBe(caseId);
    const none = await call(`/v1/consistency?ledger=${'f'.repeat(64)}&from=1`);
    expect(none.said).toBe('unknown_case');
  });

  it('GET /v1/events names neither case nor patient', async () => {
    const { said, body } = await call('/v1/events?after=0&limit=1000');
    expect(said).toBe(200);
    const text = JSON.stringify(body);
    const { pseudonym } = await showCase(people.patient, caseId);
    for (const secret of [caseId, pseudonym, people.member.who]) expect(text).not.toContain(secret);
  });

  it('POST /v1/snapshot/pages gives nothing to a member, an outsider or an operator', async () => {
    for (const who of ['attending', 'outsider', 'operator'] as const) {
      const args = { height: 0 };
      const query = await signed(who, 'query', { fn: 'ledger.pages', args, ledger: 'main' });
      const headers = { authorization: `CQ-Query ${query}` };
      const body = JSON.stringify({ ids: ['0-'] });
      const answer = await call('/v1/snapshot/pages', { method: 'POST', headers, body });
      expect([who, answer.said]).toEqual([who, 'not_authorised']);
    }
  });
});

describe('POST /v1/cases/… of the custodian', () => {
  const custodian = async (path: string, body: unknown) => {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await world.transport(`http://records.test${path}`, init);
    return ((await response.json()) as { code?: string }).code ?? response.status;
  };

  it('answers nobody who does not prove a key', async () => {
    const { access, sealed } = await openCase(people.member, caseId);
    const receipt = toBase64url(access.receipt);
    const note = [...sealed.values()][0];
    const bodies = {
      notes: { receipt, sealed: note },
      seals: { receipt, seals: [{ who: people.member.who, sealed: note }] },
      read: { receipt, isClosed: false },
    };
    for (const [name, body] of Object.entries(bodies)) {
      expect([name, await custodian(`/v1/cases/${name}`, body)]).toEqual([name, 'proof_missing']);
    }
  });

  it('reads to the member whom the receipt names alone', { timeout: 60_000 }, async () => {
    const { access } = await openCase(people.member, caseId);
    const { custodian: client } = people.member.session;
    const mine = { key: people.member.key, receipt: access.receipt };
    // The note, and what the question asks.
    expect((await client.caseContents(mine, false)).notes).toHaveLength(2);
    const { operator } = world.net.validators[0]!;
    for (const key of [people.outsider.key, people.former.key, people.attending.key, operator]) {
      const stolen = { ...mine, key };
      await expect(client.caseContents(stolen, false)).rejects.toMatchObject({
        details: { problem: { code: 'proof_wrong_key' } },
      });
    }
  });
});

it(
  'a case that is closed is shown as before, and takes nothing more',
  { timeout: 120_000 },
  async () => {
    await closeCase(people.attending, caseId);
    expect((await ask('member', 'case.log', caseId)).said).toBe(200);
    for (const [who, code] of refusals) {
      expect([who, (await ask(who, 'case.log', caseId)).said]).toEqual([who, code]);
    }
    for (const who of ['member', 'outsider', 'operator'] as const) {
      expect([who, await submit(who, 'case.read', {})]).toEqual([who, 'case_closed']);
    }
  },
);
