/** Care goes on while the custodian is away, and everything is well again afterwards. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MedicalRecord } from '../../lib/chaincode/values.ts';
import { Clinician } from '../../sdk/clinician.ts';
import { chooseHospitals, listCopies } from '../../sdk/copies.ts';
import { grant, revoke } from '../../sdk/grants.ts';
import { problemCodeOf } from '../../sdk/http.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource, nodeFiles } from '../../sdk/platform/node.ts';
import { CopiesClient } from '../../sdk/copies-client.ts';
import { renewKeys } from '../../sdk/renewal.ts';
import { tend } from '../../sdk/tend.ts';
import {
  changeTeam,
  closeTeam,
  createTeam,
  makeTeamKey,
  sealTeamKey,
  teamById,
} from '../../sdk/teams.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { problem } from './fake-fetch.ts';
import type { HospitalWorld } from './hospital-world.ts';
import { makeWorld, type World } from './world.ts';

const HOUR = 3_600_000;
const CONTENT = 'blood count: all as it should be';

let world: World;
let writer: Clinician;
let reader: Clinician;
let patient: Patient;
let hospital: HospitalWorld;

beforeEach(async () => {
  world = await makeWorld();
  [writer, reader, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient('Anna Müller', ['laboratory', 'radiation-dose']),
  ]);
  hospital = world.hospitals.get('hospital-b')!;
  const categories = ['laboratory', 'radiation-dose'];
  const until = Date.now() + HOUR;
  await grant(patient, { to: { npi: '1000000012' }, rights: ['write'], categories, until });
});
afterEach(() => world.close());

async function upload(
  name = 'blood.txt',
  category = 'laboratory',
  bytes: string | Buffer = CONTENT,
) {
  const path = join(world.folder, name);
  await writeFile(path, bytes);
  const { pseudonym } = patient;
  return writer.upload(await fileSource(path, name), {
    pseudonym,
    category,
    mediaType: 'text/plain',
  });
}

const letRead = (categories = ['laboratory'], ms = HOUR) =>
  grant(patient, {
    to: { npi: '1000000020' },
    rights: ['read'],
    categories,
    until: Date.now() + world.skewMs.value + ms,
  });

async function readAll(who = reader): Promise<string[]> {
  const { listed } = await who.list(patient.pseudonym);
  const texts: string[] = [];
  for (const { record, metadata } of listed) {
    expect(metadata).not.toBeNull();
    texts.push(await readOne(record, who));
  }
  return texts.sort();
}

async function readOne(record: MedicalRecord, who = reader): Promise<string> {
  const name = `out-${createHash('sha256').update(String(Math.random())).digest('hex')}`;
  const { path } = await who.read(record, () => fileSink(join(world.folder, name)));
  return readFile(path, 'utf8');
}

/** API and store of the custodian answer nobody. */
function stopCustodian(): () => void {
  const before = world.handlers['http://records.test']!;
  const away = () => Promise.reject(new TypeError('connection refused'));
  world.handlers['http://records.test'] = away;
  world.handlers['http://objects.test'] = away;
  return () => {
    world.handlers['http://records.test'] = before;
    delete world.handlers['http://objects.test'];
  };
}

const heldBy = async (): Promise<string[][]> =>
  (await listCopies(patient)).records.map((one) => one.copies.map((copy) => copy.hospital));

describe('copies', () => {
  it('come with the permission, are listed, and end with it', async () => {
    await upload();
    await upload('dose.txt', 'radiation-dose');
    const { permissionId } = await letRead();
    await hospital.replicate();
    expect(await heldBy()).toEqual([['hospital-b'], []]);
    expect(hospital.objects.size).toBe(1);
    await upload('second.txt');
    await hospital.replicate();
    expect((await heldBy()).flat()).toHaveLength(2);
    await revoke(patient, permissionId);
    await hospital.replicate();
    expect((await heldBy()).flat()).toEqual([]);
    expect((await listCopies(patient)).copiers).toEqual([]);
    expect(hospital.objects.size).toBe(0);
    expect(hospital.store.keys().filter((key) => !key.startsWith('service'))).toEqual([]);
    const said = (await patient.history())
      .map(({ fn }) => fn)
      .filter((fn) => fn.startsWith('copy.'));
    expect(new Set(said)).toEqual(new Set(['copy.request', 'copy.held', 'copy.deleted']));
    expect((await patient.inbox()).map(({ topic }) => topic)).toContain('copy.deleted');
  });

  it('end when the permission runs out, without anybody doing anything', async () => {
    await upload();
    await letRead();
    await hospital.replicate();
    world.skewMs.value = HOUR + 60_000;
    await hospital.replicate();
    expect(hospital.objects.size).toBe(0);
    expect((await listCopies(patient)).copiers).toEqual([]);
  });

  it('end when the care team is closed that they were for', async () => {
    await upload();
    const operator = world.operator(1);
    const [entry] = await patient.session.membership.directory({ npi: '1000000020' });
    const { teamId } = await createTeam(operator, { name: 'Ward 7', members: [entry!.subject] });
    await makeTeamKey(reader, await teamById(reader, teamId));
    const until = Date.now() + 48 * HOUR;
    await grant(patient, {
      to: { team: 'Ward 7' },
      rights: ['read'],
      categories: ['laboratory'],
      until,
    });
    await hospital.replicate();
    expect(await heldBy()).toEqual([['hospital-b']]);
    await closeTeam(operator, await teamById(reader, teamId));
    await hospital.replicate();
    expect(hospital.objects.size).toBe(0);
    expect((await listCopies(patient)).copiers).toEqual([]);
  });

  it('are of everything at hospitals that the patient chose', async () => {
    await upload();
    await upload('dose.txt', 'radiation-dose');
    await chooseHospitals(patient, ['hospital-c', 'hospital-d']);
    for (const one of world.hospitals.values()) await one.replicate();
    expect(await heldBy()).toEqual([
      ['hospital-c', 'hospital-d'],
      ['hospital-c', 'hospital-d'],
    ]);
    await chooseHospitals(patient, []);
    for (const one of world.hospitals.values()) await one.replicate();
    expect((await heldBy()).flat()).toEqual([]);
  });
});

describe('while the custodian is away', () => {
  it('a clinician lists and reads from the copies of the own hospital', async () => {
    await upload();
    await upload('large.bin', 'laboratory', Buffer.alloc(9_500_000, 'abc'));
    await letRead();
    await hospital.replicate();
    stopCustodian();
    const texts = await readAll();
    expect(texts.map((text) => text.length).sort((a, b) => a - b)).toEqual([32, 9_500_000]);
    expect(reader.session.sources.standIn).toBe('hospital-b');
  });

  it('reads from them too where it answers, and lost all that it held', async () => {
    await upload();
    await letRead();
    await hospital.replicate();
    world.handlers['http://records.test'] = () => problem(503, 'not_initialised');
    expect(await readAll()).toEqual([CONTENT]);
    expect(reader.session.sources.standIn).toBe('hospital-b');
  });

  describe('a care team', () => {
    let nurse: Clinician;
    let teamId: string;
    const team = () => teamById(reader, teamId);
    const subjectOf = ({ data }: Clinician): string => data.enrolment!.subject!;
    beforeEach(async () => {
      nurse = await world.doctor('Carla Ditto', 1, '1000000038');
      const members = [subjectOf(reader), subjectOf(nurse)];
      ({ teamId } = await createTeam(world.operator(1), { name: 'Ward 7', members }));
      await makeTeamKey(reader, await team());
      await upload();
      const until = Date.now() + 48 * HOUR;
      const terms = { rights: ['read'], categories: ['laboratory'], until } as const;
      await grant(patient, { to: { team: 'Ward 7' }, ...terms });
    });

    it('reads by its grant from the copies of its hospital, each member of it', async () => {
      await hospital.replicate();
      expect(hospital.log.map(({ event }) => event)).toContain('team copied');
      stopCustodian();
      for (const one of [reader, nurse]) expect(await readAll(one)).toEqual([CONTENT]);
      expect(reader.session.sources.standIn).toBe('hospital-b');
    });

    it('gives nothing to who left or whose identity ended, and tells the custodian', async () => {
      await hospital.replicate();
      const { custodian } = reader.session;
      const copies = new CopiesClient(world.transport, reader.session.clock);
      const place = { id: 'hospital-b', url: 'http://hospital-b.test' };
      const said = (asked: Promise<unknown>) =>
        asked.then((sealed) => (sealed ? 'sealed' : 'nothing'), problemCodeOf);
      const ask = ({ keystore: { signingKey } }: Clinician) =>
        Promise.all([
          said(copies.teamKey(place, teamId, signingKey)),
          said(custodian.teamKey(teamId, signingKey)),
        ]);
      expect(await ask(reader)).toEqual(['sealed', 'sealed']);
      expect(await ask(writer)).toEqual(['not_in_team', 'not_in_team']);
      await changeTeam(world.operator(1), await team(), { remove: [subjectOf(nurse)] });
      await hospital.replicate();
      expect(await ask(nurse)).toEqual(['not_in_team', 'not_in_team']);
      // Nobody brings the custodian what ends an identity, but the hospital.
      await world.operator(1).revoke(reader.keystore.kid, 'other');
      expect(await ask(reader)).toEqual(['sealed', 'sealed']);
      await hospital.replicate();
      expect(await ask(reader)).toEqual(['not_in_team', 'not_in_team']);
    });

    it('is copied anew once somebody joins, and forgotten once it holds nothing', async () => {
      await hospital.replicate();
      const late = await world.doctor('Dora Lind', 1, '1000000046');
      await changeTeam(world.operator(1), await team(), { add: [subjectOf(late)] });
      await hospital.replicate();
      await sealTeamKey(reader, await team());
      await hospital.replicate();
      const restart = stopCustodian();
      expect(await readAll(late)).toEqual([CONTENT]);
      restart();
      await closeTeam(world.operator(1), await team());
      await hospital.replicate();
      expect(hospital.store.keys().filter((key) => key.startsWith('team#'))).toEqual([]);
    });

    const custodianForgets = () => world.wraps.remove([wrapKeys.teamKeys(teamId)]);

    it('reads on after a member renewed the key, and though the custodian lost the seals', async () => {
      const renewed = await renewKeys(nurse, nodeFiles);
      await changeTeam(world.operator(1), await team(), { remove: [subjectOf(reader)] });
      await hospital.replicate();
      await custodianForgets();
      expect(await readAll(renewed.clinician)).toEqual([CONTENT]);
      stopCustodian();
      expect(await readAll(renewed.clinician)).toEqual([CONTENT]);
    });

    it('is not asked for again and again where a member never brought what it sealed', async () => {
      await custodianForgets();
      await hospital.replicate();
      const asked = world.ledger.height;
      world.skewMs.value += 60_000;
      await hospital.replicate();
      expect(world.ledger.height).toBe(asked);
    });
  });

  it('the patient reads too, and another hospital serves where the own one is away', async () => {
    await upload();
    await letRead();
    await chooseHospitals(patient, ['hospital-c', 'hospital-d']);
    for (const one of world.hospitals.values()) await one.replicate();
    stopCustodian();
    const down = world.handlers['http://hospital-b.test']!;
    world.handlers['http://hospital-b.test'] = (request) =>
      request.url.pathname.startsWith('/v1/copies/')
        ? Promise.reject(new TypeError('connection refused'))
        : down(request);
    expect(await readAll()).toEqual([CONTENT]);
  });

  it.each([
    ['refuses what it must not', () => Promise.resolve(problem(403, 'record_erased'))],
    ['says that the receipt is over', () => Promise.resolve(problem(403, 'receipt_expired'))],
    ['never comes to an end', () => Promise.resolve(endless())],
  ])('one hospital that %s keeps nobody from reading', async (_what, lie) => {
    await upload();
    await letRead();
    await chooseHospitals(patient, ['hospital-c', 'hospital-d']);
    for (const one of world.hospitals.values()) await one.replicate();
    stopCustodian();
    for (const id of ['hospital-a', 'hospital-b', 'hospital-c']) {
      const honest = world.handlers[`http://${id}.test`]!;
      world.handlers[`http://${id}.test`] = (request) =>
        request.url.pathname.startsWith('/v1/copies/') ? lie() : honest(request);
    }
    expect(await readAll()).toEqual([CONTENT]);
  });

  function endless() {
    return { status: 200, json: { records: [], shares: [], next: 'AAAAAAAAAAAAAAAAAAAAAA' } };
  }

  it('writing waits, and says so', async () => {
    await letRead();
    const restart = stopCustodian();
    await expect(upload()).rejects.toMatchObject({
      code: 'unreachable',
      nextStep: expect.stringContaining('reading goes on') as string,
    });
    restart();
    await upload();
    expect(await readAll()).toEqual([CONTENT]);
  });

  it('what a hospital lacked is copied when it is back', async () => {
    await upload();
    const restart = stopCustodian();
    await letRead().catch(() => undefined);
    await hospital.replicate();
    expect(hospital.objects.size).toBe(0);
    expect(hospital.log.some(({ event }) => event === 'custodian away')).toBe(true);
    restart();
    world.skewMs.value += 30_000;
    await hospital.replicate();
    expect((await heldBy()).flat()).toEqual(['hospital-b']);
  });
});

describe('what the custodian lost', () => {
  beforeEach(async () => {
    await upload();
    await letRead(['laboratory'], 48 * HOUR);
    await hospital.replicate();
  });

  it('is read from a copy at once, reported, and given back', async () => {
    world.objects.clear();
    expect(await readAll()).toEqual([CONTENT]);
    expect(world.objects.size).toBe(0);
    await hospital.replicate();
    expect(hospital.log.map(({ event }) => event)).toContain('restored');
    expect(world.objects.size).toBe(1);
    stopHospitals();
    expect(await readAll()).toEqual([CONTENT]);
  });

  it('is given back though the whole table is gone, wraps too', async () => {
    world.objects.clear();
    for (const key of world.wraps.keys()) {
      const [pk = '', sk = ''] = key.split(' ');
      if (pk !== 'service') await world.wraps.remove([{ pk, sk }]);
    }
    expect(await readAll()).toEqual([CONTENT]);
    await hospital.replicate();
    expect(world.objects.size).toBe(1);
    expect(world.wraps.keys().some((key) => key.startsWith('list#'))).toBe(true);
    // Category keys and shares come from the patient's device.
    const shareOfWriter = async (): Promise<unknown> => {
      const [grants] = await new Clinician(world.session(), writer.keystore, nodeFiles).grants();
      return grants?.share;
    };
    expect(await shareOfWriter()).toBeNull();
    const refused = await upload('second.txt').catch((error: unknown) => error);
    expect(problemCodeOf(refused)).toBe('unknown_key');
    expect((await tend(patient)).resealed).toHaveLength(2);
    expect(await shareOfWriter()).not.toBeNull();
    expect((await tend(patient)).resealed).toEqual([]);
    await upload('second.txt');
    await hospital.replicate();
    stopHospitals();
    expect(await readAll()).toEqual([CONTENT, CONTENT]);
  });

  it('stays as it is while the custodian is away', async () => {
    stopCustodian();
    expect((await tend(patient)).resealed).toEqual([]);
  });

  it('is not taken for lost where it is only spoilt, unless a reader says so', async () => {
    const [path = ''] = world.objects.keys();
    const spoilt = world.objects.get(path)!.map((byte) => byte ^ 1);
    world.objects.set(path, spoilt);
    expect(await readAll()).toEqual([CONTENT]);
    await hospital.replicate();
    const [mended] = world.objects.values();
    expect(Buffer.compare(mended!, Buffer.from(spoilt))).not.toBe(0);
    stopHospitals();
    expect(await readAll()).toEqual([CONTENT]);
  });

  it('is found by the daily look too', async () => {
    world.objects.clear();
    await hospital.replicate();
    expect(world.objects.size).toBe(0);
    world.skewMs.value += 25 * HOUR;
    await hospital.replicate();
    expect(world.objects.size).toBe(1);
  });

  function stopHospitals(): void {
    for (const { id } of world.net.validators) {
      const before = world.handlers[`http://${id}.test`]!;
      world.handlers[`http://${id}.test`] = (request) =>
        request.url.pathname.startsWith('/v1/copies/')
          ? Promise.resolve(problem(503, 'unavailable'))
          : before(request);
    }
  }
});
