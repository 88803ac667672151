/** Two persons of two hospitals, a coded reason, and an entry that everybody can count. */
import { beforeAll, describe, expect, it } from 'vitest';
import { DAY, id16, outcome, type Person, text32, topicsOf, valueOf, World } from './world.ts';

let base: World;
let auditor: Person;
let second: Person;

beforeAll(async () => {
  base = await World.make();
  auditor = await base.registered('auditor');
  second = await base.registered('auditor', { hospital: 1 });
});

const unmaskId = id16('unmask');
const request = { unmaskId, commitment: text32('serial'), reasonCode: 'court-order' };
const approve = async (world: World, who: Parameters<World['submit']>[0]) =>
  world.submit(who, 'identity.approve-unmask', { unmaskId });

describe('unmasking', () => {
  it('is certified with both persons in one value', async () => {
    const world = base.fork();
    expect(outcome(await world.submit(auditor, 'identity.unmask', request))).toBe('COMMITTED');
    const value = valueOf(await approve(world, second));
    expect(value).toMatchObject({
      ...request,
      requesterKid: auditor.kid,
      requesterHospital: auditor.hospital,
      approverKid: second.kid,
      approverHospital: second.hospital,
    });
    expect(await topicsOf(world, auditor)).toContain('identity.unmask-approved');
    const patient = await world.patient('anybody');
    expect(await world.ask(patient, 'identity.unmaskings')).toMatchObject({
      count: 1,
      items: [{ id: unmaskId, reasonCode: 'court-order', requested: { kid: auditor.kid } }],
    });
  });

  it('needs a second person of another hospital, once', async () => {
    const world = base.fork();
    expect(outcome(await approve(world, second))).toBe('unknown_unmask');
    await world.submit(auditor, 'identity.unmask', request);
    expect(outcome(await approve(world, auditor))).toBe('same_hospital');
    expect(outcome(await approve(world, world.operator()))).toBe('same_hospital');
    expect(outcome(await approve(world, world.membership))).toBe('role_denied');
    expect(outcome(await approve(world, world.operator(2)))).toBe('COMMITTED');
    expect(outcome(await approve(world, second))).toBe('unmask_approved');
    expect(outcome(await world.submit(second, 'identity.unmask', request))).toBe('unmask_exists');
  });

  it('is over after a week, or when whoever asked is no longer there', async () => {
    const world = base.fork();
    await world.submit(auditor, 'identity.unmask', request);
    const gone = world.fork();
    const { kid } = auditor;
    await gone.submit(gone.operator(), 'identity.revoke', { kid, reason: 'left-hospital' });
    expect(outcome(await approve(gone, second))).toBe('unmask_over');
    world.time += 8 * DAY;
    expect(outcome(await approve(world, second))).toBe('unmask_over');
  });
});
