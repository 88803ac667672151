/** What `npm run status -- --watch` makes of several looks at a network. */
import { describe, expect, it } from 'vitest';
import { liveLines, liveNetwork, type Sample, withSample } from '../../local/lib/live-status.ts';
import type { MemberStatus } from '../../local/lib/status.ts';

function member(id: string, changes: Partial<MemberStatus> = {}): MemberStatus {
  return {
    id,
    name: id,
    kind: 'validator',
    life: 'running',
    health: 'ok',
    height: 10,
    view: 0,
    leader: 'hospital-a',
    learner: false,
    halted: '',
    pending: false,
    pid: 1,
    url: '',
    ...changes,
  };
}

function sample(at: number, members: readonly MemberStatus[]): Sample {
  return { at, status: { network: 'local-test', keeper: '', members } };
}

describe('liveNetwork', () => {
  it('says how far each lags, and how fast each and all of them go', () => {
    const live = liveNetwork([
      sample(0, [member('hospital-a'), member('hospital-b')]),
      sample(4_000, [
        member('hospital-a', { height: 20, view: 1, leader: 'hospital-b' }),
        member('hospital-b', { height: 14, view: 1, leader: 'hospital-b' }),
      ]),
    ]);
    expect(live).toMatchObject({ height: 20, overSeconds: 4, blocksPerSecond: 2.5 });
    expect(live.viewChangesPerMinute).toBe(15);
    expect(live.validators.map(({ lag }) => lag)).toEqual([0, 6]);
    expect(live.validators.map((one) => one.blocksPerSecond)).toEqual([2.5, 1]);
    expect(live.validators.map(({ isLeader }) => isLeader)).toEqual([false, true]);
  });

  it('has no rate of one look, of one that was away, and none below zero', () => {
    const away = member('hospital-b', { life: 'killed', health: '', height: null, view: null });
    const one = liveNetwork([sample(0, [member('hospital-a'), away])]);
    expect([one.blocksPerSecond, one.viewChangesPerMinute]).toEqual([null, null]);
    expect(one.validators[1]).toMatchObject({ health: 'killed', lag: null, blocksPerSecond: null });
    const wiped = liveNetwork([
      sample(0, [member('hospital-a')]),
      sample(1_000, [member('hospital-a', { height: 0 })]),
    ]);
    expect(wiped.blocksPerSecond).toBe(0);
    const nobody = liveNetwork([sample(0, [away])]);
    expect([nobody.height, nobody.blocksPerSecond]).toEqual([null, null]);
  });

  it('forgets old looks', () => {
    let samples: readonly Sample[] = [];
    for (let at = 0; at < 50; at += 1) samples = withSample(samples, sample(at * 1_000, []));
    expect(samples).toHaveLength(10);
    expect(liveNetwork(samples).overSeconds).toBe(9);
    expect(() => liveNetwork([])).toThrow(RangeError);
  });
});

describe('liveLines', () => {
  it('shows who stopped, who only follows, where requests wait, and the other accounts', () => {
    const text = liveLines(
      liveNetwork([
        sample(0, [
          member('hospital-a', { halted: 'own_vote_contradicted: height 7' }),
          member('hospital-b', { learner: true }),
          member('hospital-c', { pending: true }),
          member('records', { kind: 'records', height: null, view: null, leader: '' }),
        ]),
      ]),
    ).join('\n');
    expect(text).toMatch(/hospital-a .*itself.*HALTED: own_vote_contradicted: height 7/);
    expect(text).toMatch(/hospital-b .*hospital-a.*learner: follows, does not vote/);
    expect(text).toMatch(/hospital-c .*requests wait/);
    expect(text).toMatch(/records +ok/);
    expect(text).toContain('– blocks/s');
  });
});
