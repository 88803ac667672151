/** The same seed gives the same run, bit for bit, in this process and in another. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { simulate } from './simulate.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

describe('a seed', () => {
  it.each(['mixed', 'twins', 'overlap', 'flood'])('of %s gives the same trace', async (profile) => {
    const spec = { profile, seed: 11, replicas: 4, suppressed: [] };
    const first = await simulate(spec);
    const second = await simulate(spec);
    expect(second.lines).toEqual(first.lines);
    expect(second.digest).toBe(first.digest);
    expect(first.lines.length).toBeGreaterThan(100);
  });

  it('gives the same trace in another process', async () => {
    const args = [main, '--profile', 'mixed', '--seed', '12', '--trace'];
    const { stdout } = await promisify(execFile)('node', args, { maxBuffer: 16 * 1024 * 1024 });
    const { lines, digest } = await simulate({
      profile: 'mixed',
      seed: 12,
      replicas: 4,
      suppressed: [],
    });
    expect(stdout).toContain(lines.join('\n'));
    expect(stdout).toContain(digest.slice(0, 16));
  });

  it('gives another run than the next seed', async () => {
    for (const profile of ['quiet', 'mixed', 'clone']) {
      const digests = await Promise.all(
        [1, 2].map(
          async (seed) => (await simulate({ profile, seed, replicas: 4, suppressed: [] })).digest,
        ),
      );
      expect(new Set(digests).size, profile).toBe(2);
    }
  });

  it('keeps its other faults when one is left out', async () => {
    const spec = { profile: 'crashes', seed: 3, replicas: 4, suppressed: [] };
    const whole = await simulate(spec);
    const crash = whole.faults.find((id) => id.startsWith('crash:')) ?? '';
    expect(crash).not.toBe('');
    const less = await simulate({ ...spec, suppressed: [crash] });
    expect(less.faults).not.toContain(crash);
    expect(less.faults.filter((id) => id.startsWith('submit:'))).toEqual(
      whole.faults.filter((id) => id.startsWith('submit:')),
    );
    const none = await simulate({ ...spec, suppressed: ['crash:*', 'outage:*', 'gone:*'] });
    expect(none.faults.every((id) => id.startsWith('submit:'))).toBe(true);
  });
});
