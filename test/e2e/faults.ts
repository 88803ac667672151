/** What goes wrong on a real network, and what the person who meets it is told. */
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { FileDigester } from '../../lib/crypto/file-digest.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import {
  issueAuthority,
  issueCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { createDpop } from '../../lib/records/dpop.ts';
import { encodeSelfMessage } from '../../functions/aws/inbox-message.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import type { Operator } from '../../sdk/operator.ts';
import { keySigner, patientSigner, signCall, type Call } from '../../sdk/signing.ts';
import { type Account, deadLetterQueues, queueDepth } from './support/emulator.ts';
import {
  agreedHead,
  type Answer,
  blockOf,
  eventually,
  healthOf,
  post,
  submitTo,
} from './support/http.ts';
import { grantReading, HOUR_MS, type Uploaded } from './support/journey.ts';
import { memorySink } from './support/memory-sink.ts';
import type { ScanFacts } from './scan.ts';
import { VALIDATORS, type World } from './support/world.ts';

const probe = (label: string): Call => ({ fn: 'governance.probe', args: { label } });

/** Order of P-256 (SP 800-186, 3.2.1.3). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other signature that verifies under plain ECDSA: n − s instead of s. */
function malleated(compact: string): string {
  const cut = compact.lastIndexOf('.') + 1;
  const signature = Buffer.from(compact.slice(cut), 'base64url');
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`);
  const other = (ORDER - s).toString(16).padStart(64, '0');
  const bytes = Buffer.concat([signature.subarray(0, 32), Buffer.from(other, 'hex')]);
  return compact.slice(0, cut) + bytes.toString('base64url');
}

export function transactionFaults(getWorld: () => World, getFacts: () => ScanFacts): void {
  describe('a transaction that is not as it must be', () => {
    let operator: Operator;
    let sign: (call?: Call, now?: number) => Promise<{ compact: string; id: string }>;
    beforeAll(async () => {
      const world = getWorld();
      operator = await world.operator('hospital-a');
      const { signer } = operator;
      const network = world.network.genesis.document.network;
      sign = (call = probe('fault'), now = Date.now()) =>
        signCall(call, { network, now, kind: 'transaction', signer });
    });
    const refusedAs = (answer: Answer, status: number, code: string): void => {
      expect(answer).toMatchObject({ status, body: { status, code } });
      expect(answer.type).toContain('application/problem+json');
      expect(answer.body.title?.length).toBeGreaterThan(10);
    };
    const send = (compact: string): Promise<Answer> => submitTo(getWorld(), 'hospital-b', compact);

    it('is refused with a code and a sentence when malformed', async () => {
      const url = `${getWorld().local.urls['hospital-a'] ?? ''}/v1/transactions`;
      refusedAs(await post(url, '{"transaction":'), 400, 'invalid_request');
      refusedAs(await post(url, { transactions: 'x' }), 400, 'invalid_request');
      refusedAs(await send('no.jws'), 400, 'invalid_jws');
      const { compact } = await sign();
      refusedAs(await send(`${compact}=`), 400, 'invalid_encoding');
      const [header = '', , signature = ''] = compact.split('.');
      const spaced = Buffer.from('{ "network": "x" }').toString('base64url');
      refusedAs(await send([header, spaced, signature].join('.')), 400, 'not_canonical');
    });

    it('is refused when oversized', async () => {
      const { compact } = await sign();
      refusedAs(await send(compact + 'A'.repeat(70_000)), 413, 'too_large');
    });

    it('is refused when unsigned, however that is said', async () => {
      const { compact } = await sign();
      const [header = '', payload = ''] = compact.split('.');
      refusedAs(await send(`${header}.${payload}.`), 400, 'invalid_jws');
      const fields = JSON.parse(Buffer.from(header, 'base64url').toString()) as object;
      const none = Buffer.from(JSON.stringify({ ...fields, alg: 'none' })).toString('base64url');
      refusedAs(await send(`${none}.${payload}.${'A'.repeat(86)}`), 400, 'invalid_jws');
    });

    it('is refused when wrongly signed, or by a key that nobody registered', async () => {
      const { compact } = await sign();
      const [header = '', payload = '', signature = ''] = compact.split('.');
      const other = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
      refusedAs(await send([header, payload, other].join('.')), 401, 'bad_signature');
      const { network } = getWorld().network.genesis.document;
      const options = { network, now: Date.now(), kind: 'transaction' } as const;
      const stranger = keySigner(await generateSigningKey());
      const foreign = await signCall(probe('stranger'), { ...options, signer: stranger });
      refusedAs(await send(foreign.compact), 401, 'unknown_signer');
    });

    it('is refused with a malleated signature, before and after the true one', async () => {
      const { compact, id } = await sign();
      refusedAs(await send(malleated(compact)), 401, 'bad_signature');
      expect((await send(compact)).status).toBe(202);
      expect((await operator.session.client.certified(id)).status).toBe('COMMITTED');
      refusedAs(await send(malleated(compact)), 401, 'bad_signature');
    });

    it('is refused when expired, not yet valid, valid for too long, or of another network', async () => {
      refusedAs(
        await send((await sign(probe('late'), Date.now() - HOUR_MS)).compact),
        409,
        'expired',
      );
      const early = await sign(probe('early'), Date.now() + HOUR_MS);
      refusedAs(await send(early.compact), 409, 'not_yet_valid');
      const now = Date.now();
      const request = { ledger: 'main', ...probe('x'), nonce: 'A'.repeat(22), issuedAt: now };
      const { network } = getWorld().network.genesis.document;
      const sealed = async (fields: { network: string; expiresAt: number }): Promise<string> =>
        operator.signer.sign({ ...request, ...fields }, 'transaction');
      const tooLong = await sealed({ network, expiresAt: now + HOUR_MS });
      refusedAs(await send(tooLong), 400, 'validity_too_long');
      const elsewhere = await sealed({ network: 'local-other', expiresAt: now + 60_000 });
      refusedAs(await send(elsewhere), 409, 'wrong_network');
    });

    it('tells a person whose clock is wrong to look at the clock', async () => {
      const slow = { now: () => Date.now() - HOUR_MS, sleep: (ms: number) => sleep(ms) };
      const late = await getWorld().operator('hospital-a', { clock: slow });
      const failure = late.probe('slow-clock');
      await expect(failure).rejects.toMatchObject({
        name: 'SdkError',
        message: expect.stringContaining('expired') as string,
        nextStep: expect.stringContaining('clock') as string,
      });
    });

    it('counts once when it is replayed with another content', async () => {
      const { network } = getWorld().network.genesis.document;
      const now = Date.now();
      const nonce = toBase64url(crypto.getRandomValues(new Uint8Array(16)));
      const at = { network, ledger: 'main', nonce, issuedAt: now, expiresAt: now + 300_000 };
      const sealed = (label: string): Promise<string> =>
        operator.signer.sign({ ...at, ...probe(label) }, 'transaction');
      const first = await send(await sealed('first'));
      expect(first.status).toBe(202);
      const { id } = first.body as { id?: string };
      await operator.session.client.certified(id ?? '');
      const second = await sealed('second');
      await eventually(async () => (await send(second)).status !== 202);
      refusedAs(await send(second), 409, 'replayed');
    });

    it('is committed once when it is sent to every validator, three times each', async () => {
      const world = getWorld();
      const before = await operator.probe('before');
      const { compact, id } = await sign(probe('duplicated'));
      const everywhere = [...VALIDATORS, ...VALIDATORS, ...VALIDATORS];
      const answers = await Promise.all(everywhere.map((at) => submitTo(world, at, compact)));
      for (const answer of answers) expect(answer).toMatchObject({ status: 202, body: { id } });
      await operator.session.client.certified(id);
      const again = await submitTo(world, 'hospital-c', compact);
      expect(again).toMatchObject({ status: 202, body: { id } });
      const after = await operator.probe('after');
      const count = ({ value }: CertifiedResult): number => (value as { count: number }).count;
      expect(count(after) - count(before)).toBe(2);
      await agreedHead(world, VALIDATORS, after.height);
      const heights = Array.from({ length: after.height - before.height }, (_, index) => index);
      const { signingKey } = operator.keystore;
      const blocks = await Promise.all(
        heights.map((index) => blockOf(world, 'hospital-a', before.height + 1 + index, signingKey)),
      );
      const ids = blocks.flatMap((block) => block.transactionIds);
      expect(ids.filter((one) => one === id)).toHaveLength(1);
    });

    it('is refused with a certificate of another authority, at the edge and by the quorum', async () => {
      const world = getWorld();
      const { network } = world.network.genesis.document;
      const signer = await generateSigningKey();
      const now = Date.now();
      const serial = randomSerial();
      const certificate = await issueAuthority({ network, signer, serial, notBefore: now - 1_000 });
      const ca = { certificate, signer };
      const dates = { notBefore: now - 1_000, notAfter: now + 86_400_000 };
      const key = await generateSigningKey();
      const { ownerKey } = getFacts().people.patient;
      const oneTime = await issueCertificate({
        ...{ ca, serial: randomSerial(), publicKey: key.publicKey, ...dates },
        claims: { kind: 'tcert', network, role: 'patient' },
      });
      const rogue = patientSigner(ownerKey, async () => ({ key, certificate: oneTime }));
      const call = { fn: 'record.list', args: {} };
      const { compact } = await signCall(call, {
        network,
        now,
        kind: 'transaction',
        signer: rogue,
      });
      refusedAs(await send(compact), 401, 'certificate_wrong_authority');

      const doctor = await issueCertificate({
        ...{ ca, serial: randomSerial(), publicKey: key.publicKey, ...dates },
        claims: {
          ...{ kind: 'ecert', network, role: 'doctor', subject: toBase64url(new Uint8Array(32)) },
          ...{ hospital: 'hospital-a', name: 'Nobody Known' },
          encryptionKeyDigest: new Uint8Array(32),
        },
      });
      await expect(operator.approve(doctor)).rejects.toMatchObject({
        code: 'not_proven',
        message: 'The membership service did not issue this certificate.',
        nextStep: 'Approve nothing. Ask the clinician to enrol again.',
      });
      const args = { certificate: toBase64url(doctor) };
      const forced = operator.session.client.submit(
        { fn: 'identity.register-clinician', args },
        operator.signer,
      );
      await expect(forced).rejects.toMatchObject({
        code: 'refused',
        details: { reason: 'certificate_wrong_authority' },
      });
    });
  });
}

/** A party refuses with this code of its problem details; the person reads a sentence. */
async function expectProblem(work: Promise<unknown>, status: number, code: string): Promise<void> {
  const error = await work.then(
    () => null,
    (failure: unknown) => failure,
  );
  expect(error).toMatchObject({ code: 'problem', details: { problem: { status, code } } });
  expect((error as Error).message).toMatch(/refused: .+\./);
}

export function custodianFaults(getWorld: () => World, getFacts: () => ScanFacts): void {
  describe('a custodian that is asked wrongly, or has gone wrong', { timeout: 60_000 }, () => {
    let records: Uploaded;
    let access: CertifiedResult;
    beforeAll(async () => {
      const { people, secrets, records: stored } = getFacts();
      records = stored;
      await grantReading(people.patient, people.reader, secrets);
      await people.reader.grants({ reload: true });
      access = await people.reader.requestAccess(records.shared.id);
    }, 60_000);

    it('refuses the receipt of another reader', async () => {
      const { writer } = getFacts().people;
      const permit = { key: writer.keystore.signingKey, receipt: access.receipt };
      await expectProblem(writer.session.custodian.access(permit), 401, 'proof_wrong_key');
    });

    it('refuses an old receipt', async () => {
      const { people, secrets } = getFacts();
      const { patient, writer } = people;
      await grantReading(patient, writer, secrets, Date.now() + 9_000);
      const { receipt, value } = await writer.requestAccess(records.shared.id);
      const { usableUntil } = value as { usableUntil: number };
      const permit = { key: writer.keystore.signingKey, receipt };
      await writer.session.custodian.access(permit);
      await sleep(usableUntil - Date.now() + 200);
      await expectProblem(writer.session.custodian.access(permit), 403, 'receipt_expired');
    });

    it('refuses a receipt that was changed, and one of a denial', async () => {
      const { reader } = getFacts().people;
      const key = reader.keystore.signingKey;
      const receipt = access.receipt.slice();
      const at = Buffer.from(receipt).indexOf(Buffer.from(records.shared.id));
      receipt[at] = receipt[at] === 0x41 ? 0x42 : 0x41;
      const forged = reader.session.custodian.access({ key, receipt });
      await expectProblem(forged, 403, 'receipt_result_not_included');
      const denial = await reader.requestAccess(records.kept.id).catch((error: unknown) => error);
      const { details } = denial as { details: { receipt: string } };
      const denied = new Uint8Array(Buffer.from(details.receipt, 'base64url'));
      const tried = reader.session.custodian.access({ key, receipt: denied });
      await expectProblem(tried, 403, 'receipt_denied');
    });

    it('refuses a request without proof of the key, and a proof that was used', async () => {
      const { keystore } = getFacts().people.reader;
      const url = `${getWorld().network.recordsUrl}/v1/access`;
      const body = { receipt: toBase64url(access.receipt) };
      const missing = { status: 401, body: { code: 'proof_missing' } };
      expect(await post(url, body)).toMatchObject(missing);
      const request = { method: 'POST', url, receipt: access.receipt } as const;
      const dpop = await createDpop(request, keystore.signingKey, Date.now());
      expect((await post(url, body, { dpop })).status).toBe(200);
      const used = { status: 401, body: { code: 'proof_replayed' } };
      expect(await post(url, body, { dpop })).toMatchObject(used);
    });

    const read = async (): Promise<{ error: unknown; isShown: boolean; text: string }> => {
      const sink = memorySink();
      let isShown = false;
      const error = await getFacts()
        .people.reader.read(records.shared, async () => {
          isShown = true;
          return sink;
        })
        .then(
          () => null,
          (failure: unknown) => failure,
        );
      return { error, isShown, text: Buffer.concat(sink.chunks).toString() };
    };

    /** What the custodian gives is never shown where it is wrong: the reader goes on to a copy. */
    const readsTheTrueOne = async (): Promise<void> => {
      for (let attempt = 0; ; attempt += 1) {
        const { error, isShown, text } = await read();
        if (error === null) return expect(text).toContain(getFacts().secrets.sentence);
        // No hospital has its copy yet.
        expect(error).toMatchObject({ name: 'SdkError', code: 'mismatch' });
        expect(isShown).toBe(false);
        expect(attempt, 'a hospital has a copy by now').toBeLessThan(20);
        await sleep(1_000);
      }
    };

    it.each([
      ['tampered with', (bytes: Buffer): Buffer => flipped(bytes, bytes.length >> 1)],
      ['cut off', (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length >> 1)],
      ['too long', (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(9)])],
      ['replaced', (bytes: Buffer): Buffer => Buffer.alloc(bytes.length, 7)],
    ])(
      'gives a ciphertext that was %s, and the reader has a copy of the true one',
      async (_, change) => {
        const object = await findObject(getWorld().account('records'), records.shared.digest);
        await object.put(change(object.bytes));
        await readsTheTrueOne();
        await object.put(object.bytes);
        expect((await read()).error).toBeNull();
      },
    );

    it('gives the wrapped key of another record, and the reader has a copy of the true one', async () => {
      const { dynamo, tables } = getWorld().account('records');
      const [TableName = ''] = await tables();
      const keyOf = (id: string) => ({ pk: { S: `record#${id}` }, sk: { S: 'wrap' } });
      const itemOf = async (id: string) =>
        (await dynamo.send(new GetItemCommand({ TableName, Key: keyOf(id) }))).Item ?? {};
      const own = await itemOf(records.shared.id);
      const other = await itemOf(records.kept.id);
      const Item = { ...other, ...keyOf(records.shared.id) };
      await dynamo.send(new PutItemCommand({ TableName, Item }));
      await readsTheTrueOne();
      await dynamo.send(new PutItemCommand({ TableName, Item: own }));
      expect((await read()).error).toBeNull();
    });
  });
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The object of a registered digest, found among all. */
async function findObject({ s3, buckets }: Account, digest: string) {
  for (const Bucket of await buckets()) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
    for (const { Key = '' } of Contents) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      const digester = new FileDigester();
      await digester.update(new Uint8Array(bytes));
      if (toBase64url((await digester.finish()).digest) !== digest) continue;
      const put = async (changed: Buffer): Promise<void> => {
        await s3.send(new PutObjectCommand({ Bucket, Key, Body: changed }));
      };
      return { bytes, put };
    }
  }
  throw new Error('the custodian does not hold the object');
}

export function queueFaults(getWorld: () => World, getFacts: () => ScanFacts): void {
  describe('a queue', { timeout: 90_000 }, () => {
    const send = async (to: string, group: string, body: string): Promise<string> => {
      const { sqs, queues } = getWorld().account(to);
      const url = (await queues()).find((one) => one.endsWith('-inbox.fifo')) ?? '';
      const { MessageId = '' } = await sqs.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          MessageGroupId: group,
          MessageDeduplicationId: crypto.randomUUID(),
        }),
      );
      return MessageId;
    };
    const expectDrained = async (): Promise<void> => {
      for (const account of getWorld().accounts()) {
        const inboxes = (await account.queues()).filter((url) => url.endsWith('-inbox.fifo'));
        for (const url of inboxes)
          await eventually(async () => (await queueDepth(account, url)) === 0);
        for (const url of await deadLetterQueues(account)) {
          expect(await queueDepth(account, url), url).toBe(0);
        }
      }
    };

    it('that lost every message to one validator does not keep it from catching up', async () => {
      const world = getWorld();
      const operator = await world.operator('hospital-a');
      const { height } = await operator.probe('catch-up');
      await agreedHead(world, VALIDATORS, height);
    });

    it('with a poisoned batch and messages in a wrong group stops nothing', async () => {
      const world = getWorld();
      const operator = await world.operator('hospital-a');
      const { leader } = await healthOf(world, 'hospital-a');
      const envelope = getFacts().traffic.find((body) => body.startsWith('peer:')) ?? '';
      const cut = envelope.slice(0, envelope.length >> 1);
      const tick = encodeSelfMessage({ kind: 'tick', ledger: 'main', due: 0 });
      const poison: [group: string, body: string][] = [
        ['main', 'hello'],
        ['main', '{"kind":"wake","ledger":"main"}'],
        ['main', 'self:'],
        ['main', `self:${Buffer.from('{"kind":"halt"}').toString('base64url')}`],
        ['main', 'peer:not base64url'],
        ['main', `peer:${Buffer.from('nor CBOR').toString('base64url')}`],
        ['main', cut],
        ['main', `${envelope}AAAA`],
        ['main', 'x'.repeat(200_000)],
        ['elsewhere', envelope],
        ['elsewhere', tick],
        ['no-such-ledger', 'hello'],
      ];
      const sent: string[] = [];
      for (const [group, body] of poison) sent.push(await send(leader, group, body));
      const { height } = await operator.probe('poisoned');
      await agreedHead(world, VALIDATORS, height);
      await expectDrained();
      await eventually(async () => {
        const ids = droppedBy(world, leader);
        expect(ids).toEqual(expect.arrayContaining(sent));
        return true;
      });
    });

    it('that delivers messages twice, late and to others changes nothing', async () => {
      const world = getWorld();
      const operator = await world.operator('hospital-a');
      const bodies = getFacts()
        .traffic.filter((body) => body.startsWith('peer:'))
        .slice(-20);
      expect(bodies).toHaveLength(20);
      const first = await operator.probe('before-the-duplicates');
      for (const to of ['hospital-d', 'hospital-d', 'hospital-a']) {
        await Promise.all(bodies.map((body) => send(to, 'main', body)));
      }
      const second = await operator.probe('after-the-duplicates');
      const count = ({ value }: CertifiedResult): number => (value as { count: number }).count;
      expect(count(second) - count(first)).toBe(1);
      await agreedHead(world, VALIDATORS, second.height);
      await expectDrained();
    });
  });
}

/** Ids of the messages that a validator says it dropped. */
function droppedBy(world: World, validator: string): string[] {
  const lines = readFileSync(world.logFile(validator), 'latin1').split('\n');
  return lines
    .filter((line) => line.includes('"message dropped"'))
    .map((line) => /"messageId":"([^"]+)"/.exec(line)?.[1] ?? '');
}

/** Ends with one account killed, whose id is added to `lost`. */
export function nodeFaults(getWorld: () => World, lost: string[]): void {
  describe('a hospital that goes away', { timeout: 120_000 }, () => {
    it('and comes back catches up with what it missed', async () => {
      const world = getWorld();
      const operator = await world.operator('hospital-a');
      await world.local.stopAccount('hospital-c');
      try {
        for (const label of ['missed-1', 'missed-2', 'missed-3']) await operator.probe(label);
      } finally {
        await world.local.restart('hospital-c');
      }
      const { height } = await operator.probe('back-again');
      await agreedHead(world, VALIDATORS, height);
    });

    it('while it leads does not keep the others from committing', async () => {
      const world = getWorld();
      const before = await healthOf(world, 'hospital-b');
      await world.local.kill(before.leader);
      lost.push(before.leader);
      const others = VALIDATORS.filter((id) => id !== before.leader);
      const [preferred = ''] = others;
      const operator = await world.operator(preferred, { preferred });
      const { height, status } = await operator.probe('without-the-leader');
      expect(status).toBe('COMMITTED');
      await agreedHead(world, others, height);
      const after = await healthOf(world, preferred);
      expect(after.view).toBeGreaterThan(before.view);
      expect(after.leader).not.toBe(before.leader);
      const back = world.local.restart(before.leader);
      await expect(back).rejects.toMatchObject({ code: 'lost_account' });
    });
  });
}
