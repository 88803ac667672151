/** Recovery end to end: a lost keystore comes back, and no party of few can take it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import {
  combineGuardianShares,
  openBlob,
  openGuardianShare,
  openHandedOver,
} from '../../lib/escrow/guardians.ts';
import { combineShares, openShare } from '../../lib/escrow/shares.ts';
import { encryptionKeyDigest } from '../../lib/membership/certificates.ts';
import { fromSealedText } from '../../lib/records/sealed.ts';
import { SdkError } from '../../sdk/errors.ts';
import { releaseEscrowShare, validatorAt } from '../../sdk/escrow-client.ts';
import { approveRecovery, guardianCard, openPackage } from '../../sdk/guardian.ts';
import {
  endGuardians,
  guardiansStanding,
  readBlobPayload,
  repairGuardians,
  setGuardians,
  vetoRecovery,
} from '../../sdk/guardians.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import { Patient } from '../../sdk/patient.ts';
import { isRecovering, prepareRecovery, Recovery } from '../../sdk/recovery.ts';
import {
  type Approval,
  approvalSchema,
  cardCode,
  checkCard,
  type GuardianPackage,
  guardianPackageSchema,
  parseRecoveryFile,
  requestCode,
} from '../../sdk/recovery-files.ts';
import { rotate } from '../../sdk/rotation.ts';
import { reasonOf } from '../../sdk/http.ts';
import { letterOfInvitation } from '../../sdk/reenrolment.ts';
import { problem } from './fake-fetch.ts';
import { expectAllReadable, makeCast, upload } from './rotation-cast.ts';
import { makeWorld, type World } from './world.ts';

const DELAY = 120_000;
const NETWORK = 'local-test';

let world: World;
let guardians: Keystore[];
let count = 0;

beforeAll(async () => {
  world = await makeWorld({ recoveryDelayMs: DELAY });
  // A person who is a patient, a doctor, and one who has nothing to do with the network.
  const doctor = await world.doctor('Gerda Guardian', 2, '1000000046');
  const friend = await world.patient('Gil Guardian', ['laboratory']);
  const sister = await world.keystore('guardian', 'Gina Guardian');
  guardians = [doctor.keystore, friend.keystore, sister];
});
afterAll(() => world.close());

async function set(patient: Patient, needed = 2): Promise<GuardianPackage[]> {
  const cards = await Promise.all(guardians.map((one) => guardianCard(one, one.label)));
  let packages: readonly GuardianPackage[] = [];
  const keep = async (made: readonly GuardianPackage[]): Promise<void> => void (packages = made);
  await setGuardians(patient, { cards, needed, patient: 'Anna' }, keep);
  return packages.map((one) => parseRecoveryFile(guardianPackageSchema, JSON.stringify(one), 'it'));
}

async function newDevice(person?: string): Promise<Recovery> {
  count += 1;
  const name = person ?? `Somebody ${count}`;
  const keystore = await world.keystore('patient', `device ${count}`);
  await prepareRecovery(keystore);
  const recovery = await Recovery.open(world.session(), keystore);
  const { kid } = keystore;
  const letter = await letterOfInvitation(world.operator(1), { role: 'patient', kid });
  expect(await recovery.enrol({ name, birthDate: '1961-04-23' }, letter)).toBe('active');
  return recovery;
}

function approve(packages: GuardianPackage[], recovery: Recovery, who = [0, 1]) {
  return Promise.all(
    who.map((at) => approveRecovery(guardians[at]!, packages[at]!, recovery.request())),
  );
}

const codeOf = async (work: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await work.then(() => 'done').catch((thrown: unknown) => thrown);
  if (!(error instanceof SdkError)) return error;
  const { problem: said } = error.details as { problem?: { code: string } };
  return reasonOf(error) ?? said?.code ?? error.code;
};

async function without<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
  const kept = ids.map((id) => {
    const origin = `http://${id}.test`;
    return [origin, world.handlers[origin]!] as const;
  });
  for (const [origin] of kept) world.handlers[origin] = () => Promise.reject(new TypeError('dead'));
  try {
    return await work();
  } finally {
    for (const [origin, handler] of kept) world.handlers[origin] = handler;
  }
}

describe('a lost keystore', () => {
  it('comes back with guardians, delay and hospitals, one of them dead; and rotates', async () => {
    const cast = await makeCast(world, 'Anna');
    await upload(cast, 'report.txt', Buffer.from('glucose 5.1'));
    await upload(cast, 'dose.bin', new Uint8Array(randomBytes(9_000)), 'radiation-dose');
    const { patient } = cast;
    const packages = await set(patient);
    expect(await guardiansStanding(patient)).toMatchObject({ stale: null, isOpen: false });
    const recovery = await newDevice(patient.keystore.label);
    expect(isRecovering(recovery.keystore)).toBe(true);
    const approvals = await approve(packages, recovery, [1, 2]);
    await recovery.start(approvals);
    expect((await patient.inbox()).map(({ topic }) => topic)).toContain('recovery.started');
    expect(await recovery.standing()).toMatchObject({
      isOpen: true,
      recovery: { status: 'waiting', approvedBy: [1, 2] },
    });
    expect(await codeOf(recovery.openKeys())).toBe('recovery_waits');
    world.skewMs.value += DELAY;
    const opened = await without(['hospital-b'], () => recovery.openKeys());
    expect(opened.root).toEqual(patient.root);
    expect(opened.pseudonym).toBe(patient.pseudonym);
    // Neither the old device nor the new one can do anything with the old keys but rotate.
    for (const one of [patient, opened]) {
      const call = { fn: 'patient.choose-hospitals', args: { hospitals: [] } };
      expect(await codeOf(one.session.client.submit(call, one.signer))).toBe('rotation_forced');
    }
    const done = await rotate(opened);
    expect(done.finished?.status).toBe('COMMITTED');
    expect(done.patient.pseudonym).not.toBe(patient.pseudonym);
    expect(done.patient.root).not.toEqual(patient.root);
    expect(done.patient.data.recovered).toBeUndefined();
    await expectAllReadable(cast, done.patient);
    expect(await done.patient.rotations()).toMatchObject([{ cause: 'recovery' }]);
    expect((await done.patient.history()).map(({ fn }) => fn)).toEqual(
      expect.arrayContaining(['recovery.start', 'recovery.release', 'recovery.rotate']),
    );
    const call = { fn: 'inbox.list', args: {} };
    expect(await codeOf(patient.session.client.query(call, patient.signer))).toBe(
      'owner_key_retired',
    );
    expect(await guardiansStanding(done.patient)).toMatchObject({ stale: 'none', known: null });
  });

  it('goes on after an interruption anywhere', async () => {
    const patient = await world.patient('Agnes', ['laboratory']);
    const packages = await set(patient);
    const recovery = await newDevice('Agnes');
    await recovery.start(await approve(packages, recovery));
    world.skewMs.value += DELAY;
    // Two hospitals away: the release is on the ledger, its shares do not suffice.
    const away = ['hospital-a', 'hospital-b'].map((id) => `http://${id}.test`);
    const whole = away.map((origin) => world.handlers[origin]!);
    away.forEach((origin, at) => {
      world.handlers[origin] = (request) =>
        request.url.pathname.startsWith('/v1/escrow/')
          ? problem(503, 'unavailable')
          : whole[at]!(request);
    });
    expect(await codeOf(recovery.openKeys())).toBe('unreachable');
    away.forEach((origin, at) => (world.handlers[origin] = whole[at]!));
    const again = await Recovery.open(world.session(), recovery.keystore);
    const opened = await again.openKeys();
    const stop = AbortSignal.abort();
    await expect(rotate(opened, { signal: stop })).rejects.toMatchObject({ code: 'aborted' });
    const next = await Patient.open(world.session(), recovery.keystore);
    const done = await rotate(next);
    expect(done.finished?.status).toBe('COMMITTED');
    expect(await done.patient.pseudonyms()).toEqual([patient.pseudonym, done.patient.pseudonym]);
  });
});

describe('what a recovery is refused for', () => {
  let patient: Patient;
  let packages: GuardianPackage[];
  beforeEach(async () => {
    count += 1;
    patient = await world.patient(`Berta ${count}`, ['laboratory']);
    packages = await set(patient);
  });

  it('a veto of the patient: nothing is released, and new guardians are needed', async () => {
    const recovery = await newDevice();
    await recovery.start(await approve(packages, recovery));
    const { recovery: open } = await guardiansStanding(patient);
    await vetoRecovery(patient, open?.id ?? '');
    world.skewMs.value += DELAY;
    expect(await codeOf(recovery.openKeys())).toBe('recovery_vetoed');
    expect(await guardiansStanding(patient)).toMatchObject({ stale: 'spent' });
    const second = await newDevice();
    expect(await codeOf(second.start(await approve(packages, second)))).toBe('recovery_spent');
    packages = await set(patient);
    expect(await codeOf(second.start(await approve(packages, second)))).toBe('done');
  });

  it('a thief without guardians, or with one, or with one twice', async () => {
    const thief = await newDevice();
    expect(await codeOf(thief.start([]))).toBe('bad_input');
    const [one] = (await approve(packages, thief, [0])) as [Approval];
    expect(await codeOf(thief.start([one]))).toBe('bad_input');
    expect(await codeOf(thief.start([one, one]))).toBe('bad_input');
    const forged = { ...one, needed: 1 };
    expect(await codeOf(thief.start([forged, forged]))).toBe('too_few_guardians');
    const made = await generateSigningKey();
    const own = { ...forged, index: 1, publicKey: toBase64url(made.publicKey) };
    expect(await codeOf(thief.start([forged, own]))).toBe('bad_approval');
    expect(await codeOf(thief.openKeys())).toBe('unknown_recovery');
  });

  it('approvals for another device, and those of a setup that was replaced', async () => {
    const [recovery, thief] = [await newDevice(), await newDevice()];
    const approvals = await approve(packages, recovery);
    expect(await codeOf(thief.start(approvals))).toBe('bad_input');
    const renamed = approvals.map((one) => ({ ...one, recoveryId: thief.recoveryId }));
    expect(await codeOf(thief.start(renamed))).toBe('bad_approval');
    const newer = await set(patient);
    expect(await codeOf(recovery.start(approvals))).toBe('no_guardians');
    const mixed = [approvals[0]!, ...(await approve(newer, recovery, [1]))];
    expect(await codeOf(recovery.start(mixed))).toBe('bad_input');
  });

  it('an end by the patient: hospitals have erased their shares', async () => {
    const { escrowId } = patient.data.guardians!;
    const { left } = await endGuardians(patient);
    expect(left).toEqual([]);
    const recovery = await newDevice();
    expect(await codeOf(recovery.start(await approve(packages, recovery)))).toBe('no_guardians');
    for (const store of world.escrows.values()) {
      const item = await store.get({ pk: `escrow#${escrowId}`, sk: 'held' });
      expect(item?.value).toMatchObject({ kept: null });
    }
  });

  it('an early or foreign hand at a hospital: no receipt but that of the release counts', async () => {
    const recovery = await newDevice();
    const started = await recovery.start(await approve(packages, recovery));
    const { escrowId } = (await guardiansStanding(patient)).setup!;
    const { session, keystore } = recovery;
    const readerKey = keystore.encryption.publicKey;
    const ask = (key: Parameters<typeof releaseEscrowShare>[2]['key'], receipt: Uint8Array) =>
      codeOf(
        releaseEscrowShare(
          session,
          validatorAt(session, 'hospital-a'),
          { key, receipt },
          {
            ...{ escrowId, readerKey },
          },
        ),
      );
    expect(await ask(keystore.signingKey, started.receipt)).toBe('receipt_wrong_kind');
    // The setup’s own receipt, by which the patient deposited, releases nothing either.
    expect(await ask(patient.ownerKey, started.receipt)).toBe('receipt_wrong_kind');
    world.skewMs.value += DELAY;
    await recovery.openKeys();
    const history = await patient.history();
    const release = history.findLast(({ fn }) => fn === 'recovery.release');
    const { receipt: released } = await session.client.certified(release!.transaction);
    expect(await ask(patient.ownerKey, released)).toBe('proof_wrong_key');
    expect(await ask(keystore.signingKey, released)).toBe('proof_wrong_key');
  });

  it('a guardian who hands over something else: the others suffice', async () => {
    const recovery = await newDevice();
    const [bad, ...good] = (await approve(packages, recovery, [0, 1, 2])) as [
      Approval,
      Approval,
      Approval,
    ];
    // It is sealed to the device, but it is another guardian’s share.
    const lie = { ...bad, share: good[0].share };
    const text = JSON.stringify(lie);
    await recovery.start([parseRecoveryFile(approvalSchema, text, 'approval'), ...good]);
    world.skewMs.value += DELAY;
    expect((await recovery.openKeys()).root).toEqual(patient.root);

    const other = await world.patient(`Other ${count}`, ['laboratory']);
    packages = await set(other);
    const second = await newDevice();
    const [first, liar] = (await approve(packages, second)) as [Approval, Approval];
    await second.start([first, { ...liar, share: first.share }]);
    world.skewMs.value += DELAY;
    await expect(second.openKeys()).rejects.toMatchObject({ code: 'not_readable' });
  });
});

describe('what parties know together', () => {
  interface Kept {
    commitment: string;
    generation: number;
    kept: { enc: Uint8Array; ciphertext: Uint8Array; payload: Uint8Array };
  }

  /** Everything that hospitals and guardians hold, opened with all of their keys. */
  async function everything(patient: Patient, packages: GuardianPackage[]) {
    const { escrowId, guardians: named, setupId } = (await guardiansStanding(patient)).setup!;
    const hospitals = [];
    let payload: Uint8Array = new Uint8Array();
    for (const { id, share: pair } of world.net.validators) {
      const item = await world.escrows.get(id)!.get({ pk: `escrow#${escrowId}`, sk: 'held' });
      const { commitment, generation, kept } = item!.value as Kept;
      const place = { network: NETWORK, escrowId, generation, validator: id };
      const share = await openShare(pair.seed, place, kept);
      hospitals.push({ place, commitment, share });
      payload = kept.payload;
    }
    const persons = await Promise.all(
      packages.map(async (box, index) => {
        const share = await openPackage(guardians[index]!, box);
        const place = { network: NETWORK, setupId, index };
        return { place, commitment: named[index]!.share, share };
      }),
    );
    const place = { network: NETWORK, setupId, pseudonym: patient.pseudonym };
    return { hospitals, persons, place, blob: readBlobPayload(payload) };
  }

  it('opens only with both halves: all of one side and all but one of the other open nothing', async () => {
    count += 1;
    const patient = await world.patient(`Carla ${count}`, ['laboratory']);
    const packages = await set(patient);
    const { hospitals, persons, place, blob } = await everything(patient, packages);
    const both = {
      guardians: await combineGuardianShares(persons.slice(1), 2),
      validators: await combineShares(hospitals.slice(1), 3),
    };
    const text = new TextDecoder().decode(await openBlob(both, place, blob));
    expect(text).toContain(toBase64url(patient.root));

    // All guardians with all that they keep, and f hospitals.
    const noHospitals = [new Uint8Array(32), both.guardians, new Uint8Array(randomBytes(32))];
    for (const validators of noHospitals) {
      await expect(openBlob({ ...both, validators }, place, blob)).rejects.toMatchObject({
        code: 'share_wrong',
      });
    }
    for (const one of hospitals) {
      await expect(combineShares([one], 3)).rejects.toMatchObject({ code: 'too_few_shares' });
      const two = hospitals.filter((other) => other !== one).slice(0, 2);
      await expect(combineShares(two, 3)).rejects.toMatchObject({ code: 'too_few_shares' });
      const validators = await combineShares(two, 2);
      await expect(openBlob({ ...both, validators }, place, blob)).rejects.toMatchObject({
        code: 'share_wrong',
      });
    }
    // All hospitals, who hold the blob too, and one guardian of two.
    for (const one of persons) {
      await expect(combineGuardianShares([one], 2)).rejects.toMatchObject({
        code: 'too_few_shares',
      });
      const alone = one.share.slice(0, 32);
      await expect(openBlob({ ...both, guardians: alone }, place, blob)).rejects.toMatchObject({
        code: 'share_wrong',
      });
    }
    // The halves do not stand for each other, nor for another patient or setup.
    const swapped = { guardians: both.validators, validators: both.guardians };
    await expect(openBlob(swapped, place, blob)).rejects.toMatchObject({ code: 'share_wrong' });
    const other = { ...place, pseudonym: toBase64url(randomBytes(32)) };
    await expect(openBlob(both, other, blob)).rejects.toMatchObject({ code: 'share_wrong' });
  });

  it('seals a package to one guardian, and an approval to one device', async () => {
    count += 1;
    const patient = await world.patient(`Dora ${count}`, ['laboratory']);
    const packages = await set(patient);
    const [box] = packages as [GuardianPackage];
    const { setupId, kid } = box;
    const place = { network: NETWORK, setupId, index: 0 };
    const sealed = fromSealedText(box.share);
    for (const other of guardians.slice(1)) {
      const opened = openGuardianShare(other.encryption.seed, place, { kid, sealed });
      await expect(opened).rejects.toMatchObject({ code: 'share_wrong' });
      await expect(openPackage(other, box)).rejects.toMatchObject({ code: 'wrong_keystore' });
    }
    const moved = { ...box, index: 1 };
    await expect(openPackage(guardians[0]!, moved)).rejects.toMatchObject({ code: 'not_readable' });
    const device = await newDevice();
    const [approval] = (await approve(packages, device, [0])) as [Approval];
    const foreign = await xWingKeyPair();
    const handed = { receivingKid: 'any', sealed: fromSealedText(approval.share) };
    await expect(openHandedOver(foreign.seed, place, handed)).rejects.toMatchObject({
      code: 'share_wrong',
    });
    const request = { ...device.request(), network: 'local-other' };
    await expect(approveRecovery(guardians[0]!, box, request)).rejects.toMatchObject({
      code: 'bad_input',
    });
    // No party stores the root in clear.
    const root = toBase64url(patient.root);
    for (const store of world.escrows.values()) expect(store.dump()).not.toContain(root);
    expect(JSON.stringify([packages, approval])).not.toContain(root);
    expect(encryptionKeyDigest(fromBase64url(device.request().encryptionKey))).toHaveLength(32);
  });
});

describe('guardians', () => {
  it('are other people, each once, whose cards are whole', async () => {
    count += 1;
    const patient = await world.patient(`Emma ${count}`, ['laboratory']);
    const cards = await Promise.all(guardians.map((one) => guardianCard(one, one.label)));
    const keep = async (): Promise<void> => undefined;
    const attempt = (list: typeof cards, needed = 2) =>
      codeOf(setGuardians(patient, { cards: list, needed, patient: 'Emma' }, keep));
    expect(await attempt(cards.slice(0, 1))).toBe('bad_input');
    expect(await attempt(cards, 1)).toBe('bad_input');
    expect(await attempt(cards, 4)).toBe('bad_input');
    expect(await attempt([cards[0]!, cards[0]!])).toBe('bad_input');
    const own = await guardianCard(patient.keystore, 'Emma');
    expect(await attempt([cards[0]!, own])).toBe('bad_input');
    const stolen = { ...cards[0]!, encryptionKey: cards[1]!.encryptionKey };
    await expect(checkCard(stolen)).rejects.toMatchObject({ code: 'bad_input' });
    expect(await attempt([stolen, cards[1]!])).toBe('bad_input');
    expect(cardCode(cards[0]!)).toMatch(/^\d{4} \d{4} \d{4} \d{4}$/);
    expect(cardCode(stolen)).not.toBe(cardCode(cards[0]!));
    expect(await attempt(cards)).toBe('done');
  });

  it('are told to be out of date once categories were added', async () => {
    count += 1;
    const patient = await world.patient(`Fanny ${count}`, ['laboratory']);
    await set(patient);
    await patient.ensureCategories(['psychotherapy']);
    expect(await guardiansStanding(patient)).toMatchObject({ stale: 'categories' });
    const packages = await set(patient);
    expect(await guardiansStanding(patient)).toMatchObject({ stale: null });
    const recovery = await newDevice();
    await recovery.start(await approve(packages, recovery));
    world.skewMs.value += DELAY;
    expect((await recovery.openKeys()).data.categories).toContain('psychotherapy');
  });

  it('hands a hospital that was away its share later', async () => {
    count += 1;
    const patient = await world.patient(`Gerda ${count}`, ['laboratory']);
    await without(['hospital-c'], () => set(patient));
    expect(patient.data.guardians?.delivery?.missing).toHaveLength(1);
    expect(await repairGuardians(patient)).toEqual([]);
    expect(patient.data.guardians?.delivery).toBeNull();
    const request = (await newDevice()).request();
    expect(requestCode(request)).not.toBe(requestCode((await newDevice()).request()));
  });
});
