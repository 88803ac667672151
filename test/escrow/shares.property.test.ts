/** Any threshold of shares gives the secret, in any order; fewer, or false ones, give nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import {
  combineShares,
  type GivenShare,
  isShareOf,
  openReleased,
  openShare,
  sealForReader,
  sealShare,
  shareCommitment,
  splitSecret,
} from '../../lib/escrow/shares.ts';
import { thresholdOf } from '../../lib/chaincode/escrow.ts';

const base = { network: 'local-test', escrowId: 'A'.repeat(22), generation: 1 };
const secretOf = fc.uint8Array({ minLength: 32, maxLength: 32 });

async function given(secret: Uint8Array, n: number): Promise<GivenShare[]> {
  const shares = await splitSecret(secret, { holders: n, threshold: thresholdOf(n) });
  return shares.map((share, at) => {
    const place = { ...base, validator: `v${at}` };
    return { place, commitment: shareCommitment(place, share), share };
  });
}

/** All subsets of `size` elements. */
function subsets<T>(all: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return all.flatMap((one, at) =>
    subsets(all.slice(at + 1), size - 1).map((rest) => [one, ...rest]),
  );
}

describe('a secret in escrow', () => {
  it('comes back from every subset of n − f shares, and from no smaller one', async () => {
    for (const n of [4, 5, 7]) {
      const secret = Uint8Array.from({ length: 32 }, (_, at) => (7 * at + n) & 255);
      const all = await given(secret, n);
      const t = thresholdOf(n);
      for (const some of subsets(all, t)) expect(await combineShares(some, t)).toEqual(secret);
      for (const few of subsets(all, t - 1)) {
        await expect(combineShares(few, t)).rejects.toMatchObject({ code: 'too_few_shares' });
        // Told that one fewer is enough, they give something else.
        if (t > 2) expect(await combineShares(few, t - 1)).not.toEqual(secret);
      }
    }
  });

  it('comes back whatever f liars give, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(
        secretOf,
        fc.constantFrom(4, 7, 10),
        fc.uint8Array({ minLength: 33, maxLength: 33 }),
        fc.nat(),
        async (secret, n, forged, turn) => {
          const all = await given(secret, n);
          const t = thresholdOf(n);
          const rotated = [...all.slice(turn % n), ...all.slice(0, turn % n)];
          const withLies = rotated.map((one, at) => (at < n - t ? { ...one, share: forged } : one));
          expect(await combineShares(withLies, t)).toEqual(secret);
          const tooManyLies = withLies.map((one, at) =>
            at <= n - t ? { ...one, share: forged } : one,
          );
          await expect(combineShares(tooManyLies, t)).rejects.toMatchObject({
            code: 'too_few_shares',
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  it('counts the share of one validator once, and that of another deposit never', async () => {
    const all = await given(new Uint8Array(32).fill(9), 4);
    const [first, second] = all as [GivenShare, GivenShare];
    await expect(combineShares([first, first, second], 3)).rejects.toMatchObject({
      code: 'too_few_shares',
    });
    const { place, commitment, share } = first;
    for (const other of [
      { ...place, generation: 2 },
      { ...place, escrowId: 'B'.repeat(22) },
      { ...place, network: 'local-other' },
      { ...place, validator: 'v1' },
    ]) {
      expect(isShareOf(other, commitment, share)).toBe(false);
    }
    expect(isShareOf(place, commitment, share)).toBe(true);
  });

  it('is split only if it is 32 bytes, and the numbers make sense', async () => {
    const good = new Uint8Array(32);
    const bad: [Uint8Array, number, number][] = [
      [new Uint8Array(31), 4, 3],
      [good, 4, 1],
      [good, 4, 5],
      [good, 256, 3],
    ];
    for (const [secret, holders, threshold] of bad) {
      await expect(splitSecret(secret, { holders, threshold })).rejects.toMatchObject({
        code: 'invalid_argument',
      });
    }
  });

  it('shows each share to its validator, and a release to its reader, alone', async () => {
    const [hospital, other, reader] = await Promise.all([
      xWingKeyPair(),
      xWingKeyPair(),
      xWingKeyPair(),
    ]);
    const [one] = (await given(new Uint8Array(32).fill(3), 4)) as [GivenShare];
    const { place, share } = one;
    const sealed = await sealShare(hospital.publicKey, place, share);
    expect(await openShare(hospital.seed, place, sealed)).toEqual(share);
    const wrong = { code: 'share_wrong' };
    await expect(openShare(other.seed, place, sealed)).rejects.toMatchObject(wrong);
    const later = { ...place, generation: 2 };
    await expect(openShare(hospital.seed, later, sealed)).rejects.toMatchObject(wrong);
    const readerKid = toBase64url(new Uint8Array(32));
    const released = await sealForReader(reader.publicKey, place, { readerKid, share });
    expect(await openReleased(reader.seed, place, { readerKid, sealed: released })).toEqual(share);
    const mine = { readerKid: toBase64url(new Uint8Array(32).fill(1)), sealed: released };
    await expect(openReleased(reader.seed, place, mine)).rejects.toMatchObject(wrong);
    // What was sealed to the validator does not pass for a release, even under the same key.
    const same = await sealShare(reader.publicKey, place, share);
    await expect(
      openReleased(reader.seed, place, { readerKid, sealed: same }),
    ).rejects.toMatchObject(wrong);
  });
});
