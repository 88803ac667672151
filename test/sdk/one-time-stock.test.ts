/** Four weeks without the membership service: patients act, and nothing links what they use. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url, toHex } from '../../lib/crypto/bytes.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import { oneTimeWeeksMax, oneTimeWindow } from '../../lib/membership/one-time.ts';
import { OneTimeStock } from '../../sdk/one-time-stock.ts';
import type { Patient } from '../../sdk/patient.ts';
import { grant, revoke } from '../../sdk/grants.ts';
import type { FakeHandler } from './fake-fetch.ts';
import { makeWorld, type World } from './world.ts';

const DAY = 86_400_000;
const SERVICE = 'http://membership.test';
let world: World;
let patient: Patient;
let honest: FakeHandler;
let asked = 0;

beforeAll(async () => {
  world = await makeWorld();
  await world.doctor('Ada Okonjo', 0, '1000000012');
  patient = await world.patient('Anna Müller', ['laboratory']);
  honest = world.handlers[SERVICE]!;
});
afterAll(() => world.close());

const now = () => Date.now() + world.skewMs.value;
const isAway = (away: boolean) => {
  world.handlers[SERVICE] = away
    ? async ({ url }) => {
        if (url.pathname === '/v1/certificates') asked += 1;
        return { status: 503, json: {} };
      }
    : honest;
};

describe('a stock of one-time certificates', () => {
  it('reaches weeks ahead, with the dates of the calendar and not of the asking', async () => {
    for (let ahead = 1; ahead <= oneTimeWeeksMax; ahead += 1) {
      const { notBefore } = oneTimeWindow(now(), ahead);
      const held = patient.data.oneTime.filter((one) => one.notBefore === notBefore);
      expect(held).toHaveLength(5);
    }
    const other = await world.patient('Olga Lind', ['laboratory']);
    const dates = (one: Patient) =>
      new Set(
        one.data.oneTime.map(({ certificate }) => {
          const { notBefore, notAfter } = parseCertificate(fromBase64url(certificate));
          return `${notBefore} ${notAfter}`;
        }),
      );
    expect(dates(other)).toEqual(dates(patient));
  });

  it('lets a patient decide through four weeks without the service', async () => {
    const terms = {
      rights: ['read'],
      categories: ['laboratory'],
      until: now() + 90 * DAY,
    } as const;
    const { permissionId } = await grant(patient, { to: { npi: '1000000012' }, ...terms });
    isAway(true);
    for (let week = 1; week <= 4; week += 1) {
      world.skewMs.value += 7 * DAY;
      const before = asked;
      expect(await patient.permissions()).toBeDefined();
      expect((await patient.history()).length).toBeGreaterThan(0);
      // What is missing for later weeks was asked for, once, and not in vain again and again.
      expect(asked).toBe(before + 1);
    }
    await revoke(patient, permissionId);
    const [permission] = await patient.permissions();
    expect(permission?.revoked).not.toBeNull();
    isAway(false);
  });

  it('goes on with the last one while the service is away, and with no other twice', async () => {
    isAway(true);
    const { session, keystore } = patient;
    const data = { ...patient.data };
    const save = async (oneTime: typeof data.oneTime) => void (data.oneTime = oneTime);
    const stock = new OneTimeStock({ session, keystore, isOneName: true, load: () => data, save });
    const count = data.oneTime.filter((one) => (one.notBefore ?? 0) <= now()).length;
    const taken: string[] = [];
    for (let turn = 0; turn < count + 5; turn += 1) {
      taken.push(toHex((await stock.take()).certificate));
    }
    const last = taken.slice(count - 1);
    expect(new Set(taken).size).toBe(count);
    expect(new Set(last).size).toBe(1);
    isAway(false);
    world.skewMs.value += 3_600_000;
    await stock.take();
    expect(data.oneTime.length).toBeGreaterThan(25);
  });

  it('ends: who was away for longer than the stock reaches needs the service', async () => {
    isAway(true);
    world.skewMs.value += (oneTimeWeeksMax + 2) * 7 * DAY;
    await expect(patient.permissions()).rejects.toMatchObject({ code: 'problem' });
    isAway(false);
    expect(await patient.permissions()).toBeDefined();
  });

  it('uses none twice where names have to stay apart', async () => {
    isAway(true);
    const { session, keystore } = patient;
    const usable = patient.data.oneTime.filter((one) => (one.notBefore ?? 0) <= now());
    const takeTwice = async (isOneName: boolean) => {
      const data = { ...patient.data, oneTime: usable.slice(0, 1) };
      const save = async (oneTime: typeof usable) => void (data.oneTime = oneTime);
      const holder = { session, keystore, isOneName, load: () => data, save };
      const stock = new OneTimeStock(holder);
      return [await stock.take(), await stock.take()].map((one) => one.certificate);
    };
    const [first, second] = await takeTwice(true);
    expect(second).toEqual(first);
    await expect(takeTwice(false)).rejects.toMatchObject({ code: 'problem' });
  });
});
