/** Escrow over HTTP: receipts are the capability, and no party of few learns or spoils anything. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { handleDigest } from '../../lib/chaincode/emergency.ts';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { combineShares, type GivenShare, openShare } from '../../lib/escrow/shares.ts';
import { receiptHash } from '../../lib/records/dpop.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import {
  deliverEscrow,
  depositEscrow,
  eraseEscrow,
  escrowStanding,
  openEscrow,
  type EscrowOwner,
  type EscrowStanding,
} from '../../sdk/escrow.ts';
import type { EscrowDelivery } from '../../sdk/escrow-delivery.ts';
import { putEscrowShare, releaseEscrowShare, validatorAt } from '../../sdk/escrow-client.ts';
import type { Patient } from '../../sdk/patient.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import { problem } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let patient: Patient;
let doctor: Clinician;
let other: Clinician;
let owner: EscrowOwner;
let handle: string;
let secret: Uint8Array;
const payload = new TextEncoder().encode('sealed under the secret by whoever deposits');

beforeAll(async () => {
  world = await makeWorld();
  [doctor, other] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
  ]);
});
afterAll(() => world.close());

let count = 0;
beforeEach(async () => {
  count += 1;
  patient = await world.patient(`Patient ${count}`, ['laboratory']);
  owner = { session: patient.session, signer: patient.signer, key: patient.ownerKey };
  handle = randomId();
  secret = randomBytes(32);
});

function deposit(keep?: (delivery: EscrowDelivery) => Promise<void>) {
  const args = { handle: handleDigest(handle) };
  const content = { kind: 'emergency', fn: 'emergency.deposit', args, secret, payload } as const;
  return depositEscrow(owner, content, keep);
}

function declare(who: Clinician = doctor): Promise<CertifiedResult> {
  const args = { declarationId: randomId(), reason: 'unconscious', handle };
  return who.session.client.submit({ fn: 'emergency.declare', args }, who.signer);
}

const openerOf = ({ session, keystore }: Clinician) => ({
  session,
  key: keystore.signingKey,
  encryption: keystore.encryption,
});
const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof SdkError)) return 'done';
  const { problem: said } = error.details as { problem?: { code: string } };
  return said?.code ?? error.code;
};

/** Some validator answers with this code. */
const failing = (code: string): unknown => expect.arrayContaining([expect.stringContaining(code)]);

/** Makes validators fail for the time of a piece of work. */
async function without<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
  const kept = ids.map(
    (id) => [`http://${id}.test`, world.handlers[`http://${id}.test`]!] as const,
  );
  for (const [origin] of kept) {
    world.handlers[origin] = () => Promise.reject(new TypeError('fetch failed'));
  }
  try {
    return await work();
  } finally {
    for (const [origin, handler] of kept) world.handlers[origin] = handler;
  }
}

describe('a secret in escrow', () => {
  it('comes back to whom a receipt names, with one validator dead', async () => {
    const { delivery } = await deposit();
    expect(delivery.missing).toEqual([]);
    const opened = await without(['hospital-a'], async () =>
      openEscrow(openerOf(doctor), await declare()),
    );
    expect(opened.secret).toEqual(secret);
    expect(opened.payload).toEqual(payload);
    expect(opened.from).toHaveLength(3);
    expect(opened.from).not.toContain('hospital-a');
  });

  it('stays closed with two of four dead, and says what to do', async () => {
    await deposit();
    const result = await declare();
    const error: unknown = await without(['hospital-a', 'hospital-b'], () =>
      openEscrow(openerOf(doctor), result),
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'unreachable' });
    expect((error as SdkError).message).toContain('2 hospitals gave a good share; 3 are needed');
  });

  it('is repaired at a hospital that was away, by the same receipt', async () => {
    const kept: EscrowDelivery[] = [];
    const { delivery } = await without(['hospital-c'], () =>
      deposit(async (one) => void kept.push(one)),
    );
    expect(kept.map((one) => one.missing.length)).toEqual([4, 1]);
    expect(delivery.missing.map((one) => one.validator)).toEqual(['hospital-c']);
    expect((await deliverEscrow(owner, delivery)).missing).toEqual([]);
    const opened = await without(['hospital-a'], async () =>
      openEscrow(openerOf(doctor), await declare()),
    );
    expect(opened.secret).toEqual(secret);
  });

  it('is not said to be safe where too few took their share', async () => {
    const kept: EscrowDelivery[] = [];
    // Two answer on the ledger, and have no escrow: as if their function were down.
    const broken = ['hospital-c', 'hospital-d'].map((id) => `http://${id}.test`);
    const whole = broken.map((origin) => world.handlers[origin]!);
    broken.forEach((origin, at) => {
      world.handlers[origin] = (request) =>
        request.url.pathname.startsWith('/v1/escrow/')
          ? problem(503, 'unavailable')
          : whole[at]!(request);
    });
    const error: unknown = await deposit(async (one) => void kept.push(one)).catch(
      (thrown: unknown) => thrown,
    );
    broken.forEach((origin, at) => (world.handlers[origin] = whole[at]!));
    expect(error).toMatchObject({ code: 'unreachable' });
    expect((error as SdkError).nextStep).toContain('it goes on from here');
    expect((await deliverEscrow(owner, kept.at(-1)!)).missing).toEqual([]);
    expect((await openEscrow(openerOf(doctor), await declare())).secret).toEqual(secret);
  });

  it('survives f validators that lie about share or payload, and names them', async () => {
    await deposit();
    const origin = 'http://hospital-b.test';
    const honest = world.handlers[origin]!;
    for (const member of ['share', 'payload'] as const) {
      world.handlers[origin] = async (request) => {
        const answer = await honest(request);
        if (!request.url.pathname.endsWith('/release')) return answer;
        const json = structuredClone(answer.json) as {
          share: { ciphertext: string };
          payload: string;
        };
        if (member === 'payload') json.payload = toBase64url(randomBytes(40));
        else json.share.ciphertext = toBase64url(randomBytes(49));
        return { ...answer, json };
      };
      // The liar is needed to get beyond the others only where one of them is away.
      const result = await declare();
      const opened = await openEscrow(openerOf(doctor), result);
      expect(opened.secret).toEqual(secret);
      expect(opened.payload).toEqual(payload);
      expect(opened.from.length).toBe(3);
      if (member === 'share') expect(opened.from).not.toContain('hospital-b');
    }
    world.handlers[origin] = honest;
  });
});

it.each(['share', 'payload'] as const)('opens though one gives a %s of no form', async (member) => {
  await deposit();
  const result = await declare();
  const origin = 'http://hospital-a.test';
  const honest = world.handlers[origin]!;
  world.handlers[origin] = async (request) => {
    const answer = await honest(request);
    if (!request.url.pathname.endsWith('/release')) return answer;
    const json = structuredClone(answer.json) as {
      share: { ciphertext: string };
      payload: string;
    };
    if (member === 'payload') json.payload = 'AAAAA';
    else json.share.ciphertext = 'AAAAA';
    return { ...answer, json };
  };
  try {
    const opened = await openEscrow(openerOf(doctor), result);
    expect(opened.secret).toEqual(secret);
    expect(opened.from).not.toContain('hospital-a');
  } finally {
    world.handlers[origin] = honest;
  }
});

it('is deposited though one validator has a share key that nothing can be sealed to', async () => {
  const { client } = owner.session;
  const query = vi.spyOn(client, 'query').mockImplementationOnce(async (...asked) => {
    query.mockRestore();
    const standing = (await client.query(...asked)) as EscrowStanding;
    const validators = standing.validators.map((one) =>
      one.id === 'hospital-b' ? { ...one, shareKey: `${'_'.repeat(1_621)}w` } : one,
    );
    return { ...standing, validators };
  });
  const { delivery } = await deposit();
  expect(delivery.missing.map(({ validator }) => validator)).toEqual(['hospital-b']);
  const opened = await openEscrow(openerOf(doctor), await declare());
  expect(opened.secret).toEqual(secret);
});

describe('a validator', () => {
  it('gives its share to the key that the receipt names, over its own address, once a proof', async () => {
    const { delivery } = await deposit();
    const { escrowId } = delivery;
    const result = await declare();
    const { session, keystore } = doctor;
    const at = validatorAt(session, 'hospital-a');
    const mine = { key: keystore.signingKey, receipt: result.receipt };
    const readerKey = keystore.encryption.publicKey;
    const ask = (
      permit: { key: SigningKey; receipt: Uint8Array },
      change: { escrowId?: string; readerKey?: Uint8Array } = {},
    ) => codeOf(releaseEscrowShare(session, at, permit, { escrowId, readerKey, ...change }));
    expect(await ask(mine)).toBe('done');
    const thief = { ...mine, key: await generateSigningKey() };
    expect(await ask(thief)).toBe('proof_wrong_key');
    const colleague = { ...mine, key: other.keystore.signingKey };
    expect(await ask(colleague)).toBe('proof_wrong_key');
    const foreign = (await xWingKeyPair()).publicKey;
    expect(await ask(mine, { readerKey: foreign })).toBe('reader_key_mismatch');
    expect(await ask(mine, { escrowId: randomId() })).toBe('invalid_request');
    // Receipts of other functions, and of other declarations, permit nothing here.
    expect(await ask({ ...mine, receipt: delivery.receipt })).toBe('receipt_wrong_kind');
    const altered = Uint8Array.from(result.receipt);
    altered[altered.length >> 1]! ^= 1;
    expect(await ask({ ...mine, receipt: altered })).toMatch(/^receipt_|malformed|not_canonical/);
  });

  it('takes no proof twice, nor one for another validator', async () => {
    await deposit();
    const result = await declare();
    const { session, keystore } = doctor;
    const requests: { url: string; init: RequestInit }[] = [];
    const spying = {
      ...session,
      transport: (url: string, init: RequestInit) => {
        requests.push({ url, init });
        return session.transport(url, init);
      },
    };
    const permit = { key: keystore.signingKey, receipt: result.receipt };
    const { escrowId } = result.value as { escrowId: string };
    const wanted = { escrowId, readerKey: keystore.encryption.publicKey };
    await releaseEscrowShare(spying, validatorAt(session, 'hospital-a'), permit, wanted);
    const [{ url, init }] = requests as [{ url: string; init: RequestInit }];
    const again = await session.transport(url, init);
    expect(await again.json()).toMatchObject({ code: 'proof_replayed' });
    const elsewhere = await session.transport(url.replace('hospital-a', 'hospital-b'), init);
    expect(await elsewhere.json()).toMatchObject({ code: 'proof_wrong_request' });
    expect(receiptHash(result.receipt)).toHaveLength(43);
  });

  it('releases nothing by a receipt older than five minutes', async () => {
    await deposit();
    const result = await declare();
    world.skewMs.value += 301_000;
    const opened = openEscrow(openerOf(doctor), result);
    await expect(opened).rejects.toMatchObject({
      details: { failures: failing('receipt_expired') },
    });
  });

  it('keeps a share only if it opens, is the one of the ledger, and is its own', async () => {
    const { delivery } = await without(['hospital-c', 'hospital-d'].slice(0, 1), () => deposit());
    const [missing] = delivery.missing as [EscrowDelivery['missing'][number]];
    const { escrowId, receipt } = delivery;
    const { session, key } = owner;
    const put = (id: string, share = missing.share, bytes = payload) =>
      codeOf(
        putEscrowShare(
          session,
          validatorAt(session, id),
          { key, receipt },
          {
            ...{ escrowId, share, payload: bytes },
          },
        ),
      );
    expect(await put('hospital-a')).toBe('share_mismatch');
    expect(await put('hospital-c', missing.share, randomBytes(10))).toBe('payload_mismatch');
    const forged = { ...missing.share, ciphertext: toBase64url(randomBytes(49)) };
    expect(await put('hospital-c', forged)).toBe('share_mismatch');
    expect(await put('hospital-c')).toBe('done');
    expect(await put('hospital-c')).toBe('done');
  });

  it('refuses an older generation, and what is old is gone', async () => {
    const first = await without(['hospital-d'], () => deposit());
    const old = await declare();
    const before = secret;
    secret = randomBytes(32);
    const second = await deposit();
    expect(second.delivery).toMatchObject({ generation: 2, missing: [] });
    // The old delivery still goes round: it never overwrites the new one.
    expect((await deliverEscrow(owner, first.delivery)).missing).toHaveLength(1);
    await expect(openEscrow(openerOf(doctor), old)).rejects.toMatchObject({
      details: { failures: failing('escrow_superseded') },
    });
    const opened = await openEscrow(openerOf(doctor), await declare());
    expect(opened.secret).toEqual(secret);
    expect(opened.secret).not.toEqual(before);
  });

  it('erases at the end, for good', async () => {
    const { delivery, result: deposited } = await deposit();
    const declared = await declare();
    const call = { fn: 'emergency.withdraw', args: {} };
    const { receipt } = await owner.session.client.submit(call, owner.signer);
    const { escrowId } = delivery;
    const holders = world.net.validators.map(({ id }) => id);
    const wrong = { receipt: deposited.receipt, escrowId, holders };
    expect(await eraseEscrow(owner, wrong)).toEqual(holders);
    expect(await eraseEscrow(owner, { receipt, escrowId, holders })).toEqual([]);
    for (const store of world.escrows.values()) {
      const item = await store.get({ pk: `escrow#${escrowId}`, sk: 'held' });
      expect(item?.value).toMatchObject({ generation: 2, kept: null });
    }
    await expect(openEscrow(openerOf(doctor), declared)).rejects.toMatchObject({
      code: 'unreachable',
    });
    const back = await deliverEscrow(owner, { ...delivery, missing: [] });
    expect(back.missing).toEqual([]);
    expect(await escrowStanding(owner, 'emergency')).toMatchObject({ isCurrent: false });
  });
});

describe('what validators store', () => {
  interface Kept {
    commitment: string;
    kept: { enc: Uint8Array; ciphertext: Uint8Array; payload: Uint8Array };
  }

  it('opens nothing to any n − f − 1 of them together, and the secret to any n − f', async () => {
    const { delivery } = await deposit();
    const { escrowId } = delivery;
    const shares: GivenShare[] = [];
    for (const { id, share } of world.net.validators) {
      const item = await world.escrows.get(id)!.get({ pk: `escrow#${escrowId}`, sk: 'held' });
      const { commitment, kept } = item!.value as Kept;
      const place = { network: 'local-test', escrowId, generation: 1, validator: id };
      shares.push({ place, commitment, share: await openShare(share.seed, place, kept) });
      // Another validator’s seed opens nothing of it.
      const next = world.net.validators.find((one) => one.id !== id)!;
      await expect(openShare(next.share.seed, place, kept)).rejects.toMatchObject({
        code: 'share_wrong',
      });
    }
    for (const [at] of shares.entries()) {
      const three = shares.filter((_, index) => index !== at);
      expect(await combineShares(three, 3)).toEqual(secret);
      for (const [leave] of three.entries()) {
        const two = three.filter((_, index) => index !== leave);
        await expect(combineShares(two, 3)).rejects.toMatchObject({ code: 'too_few_shares' });
        expect(await combineShares(two, 2)).not.toEqual(secret);
      }
    }
  });

  it('holds no share and no secret in clear', async () => {
    await deposit();
    const text = toBase64url(secret);
    for (const store of world.escrows.values()) {
      expect(store.dump()).not.toContain(text);
      expect(store.dump()).not.toContain(Buffer.from(secret).toString('hex'));
    }
    expect(fromBase64url(text)).toEqual(secret);
  });
});
