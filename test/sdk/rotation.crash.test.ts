/**
 * A rotation is ended at any write of any party, and goes on. `ROTATION_SEED` chooses the moments,
 * `ROTATION_ROUNDS` how many rotations are tried.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listPrivate, putPrivate } from '../../sdk/private.ts';
import { rotate, type Rotated } from '../../sdk/rotation.ts';
import { type Cast, expectAllReadable, makeCast, reopen, upload } from './rotation-cast.ts';
import { makeWorld, type World } from './world.ts';

const SEED = Number(process.env['ROTATION_SEED'] ?? 1);
const ROUNDS = Number(process.env['ROTATION_ROUNDS'] ?? 3);
/** A run that was ended this often without an end does not go on at all. */
const RUNS_MAX = 60;

let world: World;
let cast: Cast;
beforeAll(async () => {
  world = await makeWorld();
  cast = await makeCast(world);
  await upload(cast, 'one.txt', Buffer.from('the first document'));
  await upload(cast, 'two.txt', Buffer.from('the second document'), 'radiation-dose');
  await putPrivate(cast.patient, { name: 'note', bytes: new Uint8Array([1, 2, 3]) });
});
afterAll(() => world.close());

/** Numbers from 0 up to but without 1, the same for the same seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One program: it opens the keystore, rotates, and is perhaps ended at a write. */
async function run(failAfter: number | null): Promise<Rotated | null> {
  world.power.restore();
  const patient = await reopen(cast);
  if (failAfter !== null) world.power.failAfter(failAfter);
  try {
    return await rotate(patient);
  } catch (error) {
    if (failAfter === null) throw error;
    return null;
  } finally {
    world.power.restore();
  }
}

describe('a rotation that is interrupted', () => {
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    `comes to its end whatever ended the runs before (seed ${SEED}, round %i)`,
    async (round) => {
      const random = numbers(SEED * 1_000 + round);
      const given = (await (await reopen(cast)).permissions()).filter(
        (one) => one.revoked === null,
      );
      let done: Rotated | null = null;
      let runs = 0;
      for (; done === null && runs < RUNS_MAX; runs += 1) {
        // Later runs last longer, so that the last one comes to the end.
        done = await run(1 + Math.floor(random() * (20 + 8 * runs)));
      }
      expect(runs).toBeGreaterThan(1);
      expect(done?.finished?.status).toBe('COMMITTED');
      cast.patient = await reopen(cast);
      expect(cast.patient.data.rotation).toBeUndefined();
      await expectAllReadable(cast, cast.patient);
      const records = await cast.patient.records();
      expect(records.map(({ generation }) => generation)).toEqual([round + 1, round + 1]);
      const live = (await cast.patient.permissions()).filter(({ revoked }) => revoked === null);
      const terms = ({ grantee, rights, until }: (typeof live)[number]) =>
        JSON.stringify([grantee, rights, until]);
      expect(live.map(terms).sort()).toEqual(given.map(terms).sort());
      const { listed } = await cast.reader.list(cast.patient.pseudonym);
      expect(listed.map(({ metadata }) => metadata?.path)).toEqual(['one.txt']);
      const { pieces, broken } = await listPrivate(cast.patient);
      expect(broken).toEqual([]);
      expect(pieces.map(({ name, bytes }) => [name, ...bytes])).toEqual([['note', 1, 2, 3]]);
      expect(world.wraps.keys().filter((key) => key.startsWith('private#'))).toHaveLength(1);
      // Nothing of before is left: two objects, and no layer or wrap that waits for anything.
      expect(world.objects.size).toBe(2);
      expect(world.wraps.keys().filter((key) => key.startsWith('next-wrap#'))).toEqual([]);
    },
    120_000,
  );
});
