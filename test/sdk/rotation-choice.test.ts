/** A rotation gives again what the patient saw and kept, and nothing that a thief gave meanwhile. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Permission } from '../../lib/chaincode/values.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import { openKeystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { extend } from '../../sdk/permission-changes.ts';
import { rotate } from '../../sdk/rotation.ts';
import { type Cast, HOUR, makeCast, PASSPHRASE, reopen, upload } from './rotation-cast.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
let cast: Cast;
let thief: Patient;
let friend: Clinician;

beforeAll(async () => {
  world = await makeWorld();
  cast = await makeCast(world);
  friend = await world.doctor('Carla Ditto', 2, '1000000038');
  await upload(cast, 'note.txt', new Uint8Array(64));
  const stolen = join(world.folder, 'stolen.keystore');
  await copyFile(cast.patient.keystore.path, stolen);
  thief = await Patient.open(world.session(), await openKeystore(stolen, PASSPHRASE));
});
afterAll(() => world.close());

const toFriend = { to: { name: 'Carla Ditto' }, rights: ['read' as const] };

it('ends what was left out, given or extended meanwhile, and gives the rest again', async () => {
  const categories = ['laboratory'];
  await grant(thief, { ...toFriend, categories, until: Date.now() + HOUR });
  const seen = await cast.patient.permissions();
  const genuine = seen.slice(0, 2);
  expect(seen).toHaveLength(3);
  // While the patient reads the list, the thief gives once more, and lets a genuine one go further.
  const [writes, reads] = genuine as [Permission, Permission];
  await grant(thief, { ...toFriend, categories, until: Date.now() + 2 * HOUR });
  await extend(thief, reads.id, { categories: ['laboratory', 'radiation-dose'] });

  const done = await rotate(cast.patient, { keep: genuine });
  expect(done.finished?.status).toBe('COMMITTED');
  const { shared, leftOut } = done.permissions;
  expect(shared.map(({ from }) => from)).toEqual([writes.id]);
  const given = await done.patient.permissions();
  expect(given.map(({ grantee }) => grantee)).toEqual([writes.grantee]);

  expect(leftOut).toHaveLength(3);
  expect(leftOut).toContain(reads.id);
  const history = await done.patient.history();
  const revoked = history.filter(({ fn }) => fn === 'permission.revoke');
  expect(revoked.map(({ permissionId }) => permissionId).sort()).toEqual([...leftOut].sort());

  const [record] = await done.patient.records();
  for (const one of [friend, cast.reader]) {
    await expect(one.requestAccess(record!.id)).rejects.toMatchObject({
      details: { reason: expect.stringMatching(/no_permission|revoked/) as string },
    });
  }
  cast.patient = await reopen(cast);
  expect(cast.patient.data.rotation).toBeUndefined();
});

it('remembers the choice over an interruption: a run without one goes on with it', async () => {
  const old = cast.patient;
  await grant(old, { ...toFriend, categories: ['laboratory'], until: Date.now() + HOUR });
  const stop = new AbortController();
  const stopped = rotate(old, {
    keep: [],
    signal: stop.signal,
    onProgress: ({ step }) => void (step === 'permissions' && stop.abort()),
  });
  await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
  const done = await rotate(await reopen(cast));
  expect(done.finished?.status).toBe('COMMITTED');
  expect(done.permissions.shared).toEqual([]);
  expect(done.permissions.leftOut).toHaveLength(2);
  expect(await done.patient.permissions()).toEqual([]);
});
