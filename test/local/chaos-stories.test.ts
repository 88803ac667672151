/** The table of stories of `npm run chaos`. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runChaos } from '../../local/chaos/run.ts';
import { stories } from '../../local/chaos/stories.ts';
import { lineProgress } from '../../local/lib/progress.ts';

const options = {
  folder: join(tmpdir(), 'cq-no-network'),
  ratePerSecond: 1,
  seconds: 1,
  progress: lineProgress(() => undefined),
  signal: AbortSignal.abort(),
};

it('only where nobody can be reached may a client run out of time', () => {
  const allowing = Object.entries(stories).filter(([, { allowed = [] }]) => allowed.length > 0);
  expect(allowing.map(([name, { allowed }]) => [name, allowed])).toEqual([
    ['restart', ['expired']],
  ]);
});

it.each(['pause', 'replace'])(
  '%s is refused on LocalStack before anything starts',
  async (name) => {
    await expect(runChaos(name, { ...options, emulator: 'localstack' })).rejects.toMatchObject({
      code: 'bad_option',
      cure: expect.stringContaining(`npm run chaos -- ${name}`) as string,
    });
  },
);

it('there is no other story', async () => {
  await expect(runChaos('earthquake', options)).rejects.toThrow('no story earthquake');
});
