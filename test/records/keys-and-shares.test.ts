/** Category keys under their root, and shares for the holders of keys. */
import { describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import {
  type CategoryKey,
  categoryKeysRoot,
  compareCategoryKeys,
  verifyCategoryKey,
} from '../../lib/records/category-keys.ts';
import { fromSealedText, sealedDigest } from '../../lib/records/sealed.ts';
import { makeCustodian, sealedText, type TestCustodian } from './fixture.ts';

const pseudonym = toBase64url(randomBytes(32));
const tags = [toBase64url(randomBytes(16)), toBase64url(randomBytes(16))];

function makeKeys(revisions: readonly number[] = [0]): CategoryKey[] {
  const keys = tags.flatMap((categoryTag) =>
    ['2026-11', '2026-12', '2027-01'].flatMap((month) =>
      revisions.map((revision) => ({
        categoryTag,
        month,
        revision,
        publicKey: randomBytes(1_216),
      })),
    ),
  );
  return keys.sort(compareCategoryKeys);
}

async function publish(
  custodian: TestCustodian,
  keys: readonly CategoryKey[],
  owner: Awaited<ReturnType<typeof generateSigningKey>>,
  change: object = {},
) {
  const receipt = await custodian.receiptOf({
    fn: 'patient.register',
    pseudonym,
    ownerKid: thumbprint(owner.publicKey),
    categoryKeysRoot: toBase64url(categoryKeysRoot([...keys].sort(compareCategoryKeys))),
    categoryKeysFrom: '2026-11',
    categoryKeysVersion: 1,
    ...change,
  });
  const texts = keys.map((key) => ({ ...key, publicKey: toBase64url(key.publicKey) }));
  return custodian.call('POST', '/v1/category-keys', { keys: texts }, { key: owner, receipt });
}

async function find(custodian: TestCustodian, tag: string, month: string, who = pseudonym) {
  const key = await generateSigningKey();
  const wanted = { pseudonym: who, categoryTag: tag, month };
  return custodian.call('POST', '/v1/category-keys/fetch', wanted, { key });
}

describe('category keys', () => {
  it('gives the newest revision with a proof under the root of the ledger', async () => {
    const custodian = await makeCustodian();
    const owner = await generateSigningKey();
    const keys = makeKeys([0, 1]);
    expect((await publish(custodian, keys, owner)).body).toMatchObject({ keys: 12, version: 1 });
    const [tag] = tags as [string];
    const { status, body } = await find(custodian, tag, '2026-12');
    expect(status).toBe(200);
    const { index, size, proof } = body['proof'] as {
      index: number;
      size: number;
      proof: string[];
    };
    const found = {
      categoryTag: tag,
      month: '2026-12',
      revision: body['revision'] as number,
      publicKey: fromBase64url(body['publicKey'] as string),
    };
    const path = { index, size, proof: proof.map(fromBase64url) };
    expect(found.revision).toBe(1);
    expect(verifyCategoryKey(categoryKeysRoot(keys), found, path)).toBe(true);
    const other = { ...found, revision: 0 };
    expect(verifyCategoryKey(categoryKeysRoot(keys), other, path)).toBe(false);
  });

  it('replaces an older publication, and never a newer one', async () => {
    const custodian = await makeCustodian();
    const owner = await generateSigningKey();
    const [older, newer] = [makeKeys(), makeKeys([0, 1])];
    await publish(custodian, older, owner);
    await publish(custodian, newer, owner, { fn: 'permission.revoke', categoryKeysVersion: 2 });
    await publish(custodian, older, owner);
    const { body } = await find(custodian, tags[0] as string, '2026-11');
    expect([body['version'], body['revision']]).toEqual([2, 1]);
    const kept = custodian.store.keys().filter((key) => key.includes(' key#'));
    expect(kept).toHaveLength(newer.length);
  });

  it('refuses other keys, another order, doubles, and others than the owner', async () => {
    const custodian = await makeCustodian();
    const owner = await generateSigningKey();
    const keys = makeKeys();
    const wrongRoot = { categoryKeysRoot: toBase64url(randomBytes(32)) };
    const code = async (...args: [readonly CategoryKey[], typeof owner, object?]) =>
      (await publish(custodian, ...args)).body['code'];
    expect(await code(keys, owner, wrongRoot)).toBe('keys_malformed');
    expect(await code([...keys].reverse(), owner)).toBe('keys_malformed');
    const ownerKid = thumbprint(owner.publicKey);
    expect(await code(keys, await generateSigningKey(), { ownerKid })).toBe('proof_wrong_key');
    expect(await code(keys, owner, { fn: 'record.get' })).toBe('receipt_wrong_kind');
    const [first] = keys as [CategoryKey];
    const twice = { categoryKeysRoot: toBase64url(randomBytes(32)) };
    const receiptKeys = [first, first];
    const receipt = await custodian.receiptOf({
      fn: 'patient.register',
      pseudonym,
      ownerKid,
      ...twice,
      categoryKeysVersion: 1,
    });
    const texts = receiptKeys.map((key) => ({ ...key, publicKey: toBase64url(key.publicKey) }));
    const body = { keys: texts };
    const answer = await custodian.call('POST', '/v1/category-keys', body, { key: owner, receipt });
    expect(answer.body['code']).toBe('keys_malformed');
    const unknown = await find(custodian, tags[0] as string, '2026-11');
    expect(unknown.body['code']).toBe('unknown_key');
  });

  it('knows no key of another month, category or patient', async () => {
    const custodian = await makeCustodian();
    await publish(custodian, makeKeys(), await generateSigningKey());
    const [tag] = tags as [string];
    for (const [one, month, who] of [
      [tag, '2028-01', pseudonym],
      [toBase64url(randomBytes(16)), '2026-11', pseudonym],
      [tag, '2026-11', toBase64url(randomBytes(32))],
    ] as const) {
      expect((await find(custodian, one, month, who)).body['code']).toBe('unknown_key');
    }
  });
});

describe('shares', () => {
  const grant = (
    granteeKid: string | null,
    share: ReturnType<typeof sealedText>,
    change: object = {},
  ) => ({
    fn: 'permission.grant',
    permissionId: randomId(),
    pseudonym,
    grantee: 'subject-of-ada',
    granteeKid,
    team: null as string | null,
    version: 1,
    shareDigest: toBase64url(sealedDigest(fromSealedText(share))),
    ...change,
  });

  it('keeps what the patient signed for, and gives it to the grantee alone', async () => {
    const custodian = await makeCustodian();
    const [owner, ada, bob] = await Promise.all([1, 2, 3].map(() => generateSigningKey()));
    if (!owner || !ada || !bob) throw new Error('three keys');
    const shares = [sealedText(500), sealedText(90_000), sealedText(70)];
    const ids: string[] = [];
    for (const share of shares) {
      const value = grant(thumbprint(ada.publicKey), share);
      const receipt = await custodian.receiptOf(value);
      const options = { key: owner, receipt };
      expect((await custodian.call('POST', '/v1/shares', { share }, options)).status).toBe(200);
      ids.push(value.permissionId);
    }
    const fetched = await custodian.call('POST', '/v1/shares/fetch', {}, { key: ada });
    const expected = shares.map((share, index) => ({
      permissionId: ids[index] as string,
      ...share,
    }));
    expected.sort((a, b) => (a.permissionId < b.permissionId ? -1 : 1));
    expect(fetched.body).toEqual({ shares: expected });
    const other = await custodian.call('POST', '/v1/shares/fetch', {}, { key: bob });
    expect(other.body).toEqual({ shares: [] });
  });

  it('refuses another share and another receipt', async () => {
    const custodian = await makeCustodian();
    const owner = await generateSigningKey();
    const share = sealedText();
    const kid = thumbprint(owner.publicKey);
    for (const [value, code] of [
      [grant(kid, sealedText()), 'share_mismatch'],
      [grant(kid, share, { fn: 'permission.get' }), 'receipt_wrong_kind'],
    ] as const) {
      const receipt = await custodian.receiptOf(value);
      const answer = await custodian.call('POST', '/v1/shares', { share }, { key: owner, receipt });
      expect(answer.body['code']).toBe(code);
    }
    const nobody = await custodian.call('POST', '/v1/shares/fetch', {}, {});
    expect(nobody.body['code']).toBe('proof_missing');
  });

  it('replaces an older version, and never brings one back', async () => {
    const custodian = await makeCustodian();
    const ada = await generateSigningKey();
    const kid = thumbprint(ada.publicKey);
    const [old, present] = [sealedText(100), sealedText(200)];
    const first = grant(kid, old);
    const { permissionId } = first;
    const next = { ...grant(kid, present), permissionId, fn: 'permission.narrow', version: 3 };
    const put = async (value: object, share: ReturnType<typeof sealedText>) => {
      const options = { key: ada, receipt: await custodian.receiptOf(value) };
      return (await custodian.call('POST', '/v1/shares', { share }, options)).body['code'] ?? 'ok';
    };
    const kept = async () =>
      (await custodian.call('POST', '/v1/shares/fetch', {}, { key: ada })).body['shares'];
    expect(await put(first, old)).toBe('ok');
    expect(await put(next, present)).toBe('ok');
    expect(await kept()).toEqual([{ permissionId, ...present }]);
    expect(await put(first, old)).toBe('share_superseded');
    expect(await put(next, present)).toBe('ok');
    expect(await kept()).toEqual([{ permissionId, ...present }]);
    // Sealed to a renewed key: the one under the old key is gone.
    const renewed = await generateSigningKey();
    const again = { ...grant(thumbprint(renewed.publicKey), present), permissionId, version: 4 };
    expect(await put({ ...again, fn: 'permission.reseal' }, present)).toBe('ok');
    expect(await kept()).toEqual([]);
  });

  it('forgets what is revoked, for good', async () => {
    const custodian = await makeCustodian();
    const ada = await generateSigningKey();
    const share = sealedText();
    const value = grant(thumbprint(ada.publicKey), share);
    const { permissionId } = value;
    const call = async (path: string, receiptOf: object, body: object) =>
      custodian.call('POST', path, body, {
        ...{ key: ada, receipt: await custodian.receiptOf(receiptOf) },
      });
    await call('/v1/shares', value, { share });
    expect((await call('/v1/shares/withdraw', value, {})).body['code']).toBe('receipt_wrong_kind');
    const revoked = { fn: 'permission.revoke', permissionId };
    expect((await call('/v1/shares/withdraw', revoked, {})).status).toBe(200);
    const fetched = await custodian.call('POST', '/v1/shares/fetch', {}, { key: ada });
    expect(fetched.body).toEqual({ shares: [] });
    expect((await call('/v1/shares', value, { share })).body['code']).toBe('share_superseded');
  });
});

describe('keys of care teams', () => {
  const teamId = randomId();
  const digestOf = (sealed: ReturnType<typeof sealedText>) =>
    toBase64url(sealedDigest(fromSealedText(sealed)));

  async function makeTeam() {
    const custodian = await makeCustodian();
    const people = await Promise.all([1, 2, 3].map(() => generateSigningKey()));
    const [ada, bob, eve] = people as unknown as [SigningKey, SigningKey, SigningKey];
    const kids = people.map((one) => thumbprint(one.publicKey));
    const put = async (value: object, seals: object[] = []) => {
      const receipt = await custodian.receiptOf({ teamId, epoch: 1, ...value });
      const answer = await custodian.call(
        'POST',
        '/v1/team-keys',
        { seals },
        { key: eve, receipt },
      );
      return answer.body['code'] ?? 'ok';
    };
    const fetch = async (key: SigningKey) =>
      (await custodian.call('POST', '/v1/team-keys/fetch', { teamId }, { key })).body;
    const shares = async (key: SigningKey) =>
      (await custodian.call('POST', '/v1/shares/fetch', { teamId }, { key })).body;
    return { custodian, ada, bob, eve, kids: kids as [string, string, string], put, fetch, shares };
  }

  it('keeps seals for members, and shares of the team for them alone', async () => {
    const { custodian, ada, bob, eve, kids, put, fetch, shares } = await makeTeam();
    const memberKids = kids.slice(0, 2);
    const sealed = sealedText(120);
    const seals = [{ kid: kids[0], digest: digestOf(sealed) }];
    const key = { fn: 'team.publish-key', version: 2, memberKids, seals };
    expect(await put(key, [{ kid: kids[0], sealed: sealedText(120) }])).toBe('share_mismatch');
    expect(await put(key, [{ kid: kids[1], sealed }])).toBe('share_mismatch');
    expect(await put({ ...key, fn: 'permission.grant' })).toBe('receipt_wrong_kind');
    expect(await put(key, [{ kid: kids[0], sealed }])).toBe('ok');
    expect(await fetch(ada)).toEqual({ teamId, sealed });
    expect(await fetch(bob)).toEqual({ teamId, sealed: null });
    expect((await fetch(eve))['code']).toBe('not_in_team');
    const share = sealedText(300);
    const permissionId = randomId();
    const value = {
      ...{
        fn: 'permission.grant',
        pseudonym,
        permissionId,
        granteeKid: null,
        team: teamId,
        version: 1,
      },
      shareDigest: digestOf(share),
    };
    const receipt = await custodian.receiptOf(value);
    await custodian.call('POST', '/v1/shares', { share }, { key: eve, receipt });
    for (const one of [ada, bob]) {
      expect(await shares(one)).toEqual({ shares: [{ permissionId, ...share }] });
    }
    expect((await shares(eve))['code']).toBe('not_in_team');
  });

  it('lets nobody back in by an older receipt, and keeps no older seal', async () => {
    const { ada, bob, kids, put, fetch, shares } = await makeTeam();
    const [old, present] = [sealedText(120), sealedText(121)];
    const both = kids.slice(0, 2);
    const sealsOf = (sealed: ReturnType<typeof sealedText>, of: string[]) =>
      of.map((kid) => ({ kid, digest: digestOf(sealed) }));
    const first = {
      fn: 'team.publish-key',
      version: 2,
      memberKids: both,
      seals: sealsOf(old, both),
    };
    expect(
      await put(
        first,
        both.map((kid) => ({ kid, sealed: old })),
      ),
    ).toBe('ok');
    const one = [kids[0]];
    expect(await put({ fn: 'team.change', version: 3, memberKids: one })).toBe('ok');
    expect((await fetch(bob))['code']).toBe('not_in_team');
    const second = {
      fn: 'team.publish-key',
      version: 4,
      memberKids: one,
      seals: sealsOf(present, one),
    };
    expect(
      await put(
        second,
        one.map((kid) => ({ kid, sealed: present })),
      ),
    ).toBe('ok');
    expect(
      await put(
        first,
        both.map((kid) => ({ kid, sealed: old })),
      ),
    ).toBe('ok');
    expect((await fetch(bob))['code']).toBe('not_in_team');
    expect((await shares(bob))['code']).toBe('not_in_team');
    expect(await fetch(ada)).toEqual({ teamId, sealed: present });
    expect(await put({ fn: 'team.close', version: 5, memberKids: [] })).toBe('ok');
    expect((await fetch(ada))['code']).toBe('not_in_team');
  });

  it('gives seals to the hospital that a receipt names, and learns who is in the team', async () => {
    const { custodian, ada, bob, eve, kids, put, fetch } = await makeTeam();
    const [first, second] = kids;
    const sealed = sealedText(120);
    const seals = [first, second].map((kid) => ({ kid, digest: digestOf(sealed) }));
    const key = { fn: 'team.publish-key', version: 2, memberKids: [first, second], seals };
    const brought = [first, second].map((kid) => ({ kid, sealed }));
    expect(await put(key, brought)).toBe('ok');
    const copied = async (by: SigningKey, change: object = {}) => {
      const value = {
        ...{ fn: 'copy.team', teamId, epoch: 1, hospital: 'hospital-a', version: 2 },
        ...{ memberKids: [first, second], seals, readerKid: thumbprint(eve.publicKey) },
        usableUntil: custodian.clock.now + 1_000,
        ...change,
      };
      const receipt = await custodian.receiptOf(value);
      const answer = await custodian.call('POST', '/v1/copies/team-keys', {}, { key: by, receipt });
      return answer.body;
    };
    expect(await copied(eve)).toEqual({ seals: brought });
    expect((await copied(ada))['code']).toBe('proof_wrong_key');
    expect((await copied(eve, { usableUntil: 5 }))['code']).toBe('receipt_expired');
    expect((await copied(eve, { fn: 'team.seal' }))['code']).toBe('receipt_wrong_kind');
    const others = seals.map((one) => ({ ...one, digest: digestOf(sealedText(121)) }));
    expect(await copied(eve, { seals: others })).toEqual({ seals: [] });
    // The second one's identity ended: the ledger let it out, and nobody else tells the custodian.
    const left = { version: 3, memberKids: [first], seals: [seals[0]] };
    expect(await copied(eve, left)).toEqual({ seals: [brought[0]] });
    expect((await fetch(bob))['code']).toBe('not_in_team');
    expect(await copied(eve)).toEqual({ seals: [brought[0]] });
    expect((await fetch(bob))['code']).toBe('not_in_team');
    expect(await fetch(ada)).toEqual({ teamId, sealed });
  });
});
