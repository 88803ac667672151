// What may start: never a validator whose state is gone, and never less than a quorum.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { writeJsonFile } from '../../local/lib/json-file.ts';
import { accountLayout, type Layout, layoutOf } from '../../local/lib/layout.ts';
import { type Plan, preparePlan } from '../../local/lib/plan.ts';
import { explainLoss, requireQuorum, surveyOf } from '../../local/lib/survey.ts';
import { temporaryFolder } from './temporary-folder.ts';

async function network(
  lives: Readonly<Record<string, string>>,
): Promise<{ layout: Layout; plan: Plan }> {
  const layout = layoutOf(temporaryFolder());
  const plan = await preparePlan(layout, {});
  for (const { id, kind } of plan.members) {
    if (kind === 'registry') continue;
    const account = accountLayout(layout, id);
    mkdirSync(account.root, { recursive: true });
    writeJsonFile(account.life, { life: lives[id] ?? 'clean' });
  }
  writeFileSync(layout.networkFile, '{}');
  return { layout, plan };
}

test('all that stopped in order start again', async () => {
  const { layout, plan } = await network({});
  const survey = surveyOf(layout, plan);
  expect(survey.lost).toEqual([]);
  expect(survey.startable).toHaveLength(7);
  expect(survey.established).toBe(true);
});

test.each(['killed', 'running'])('one that was %s stays away, the others start', async (life) => {
  const { layout, plan } = await network({ 'hospital-c': life });
  const survey = surveyOf(layout, plan);
  expect(survey.lost.map(({ id }) => id)).toEqual(['hospital-c']);
  expect(survey.startable).toHaveLength(6);
  requireQuorum(plan, survey);
  const [lost] = survey.lost;
  if (lost === undefined) throw new Error('unreachable');
  expect(explainLoss(lost, survey.lives.get(lost.id))).toMatch(
    /amnesia.*governance.*npm run chaos -- replace --validator hospital-c/s,
  );
});

test('without a quorum the start refuses and offers a reset', async () => {
  const { layout, plan } = await network({ 'hospital-b': 'killed', 'hospital-d': 'running' });
  expect(() => {
    requireQuorum(plan, surveyOf(layout, plan));
  }).toThrowError(
    expect.objectContaining({
      code: 'no_quorum',
      message: expect.stringMatching(/hospital-b, hospital-d.*2 of 4.*quorum is 3/s) as string,
      cure: expect.stringContaining('npm run reset') as string,
    }),
  );
});

test('before the genesis nothing can be lost', async () => {
  const layout = layoutOf(temporaryFolder());
  const plan = await preparePlan(layout, {});
  const survey = surveyOf(layout, plan);
  expect(survey.established).toBe(false);
  expect(survey.lost).toEqual([]);
});

test('an account whose folder was deleted by hand is lost, not new', async () => {
  const { layout, plan } = await network({});
  writeJsonFile(accountLayout(layout, 'hospital-a').life, { life: 'clean' });
  rmSync(accountLayout(layout, 'hospital-a').root, { recursive: true });
  expect(surveyOf(layout, plan).lost.map(({ id }) => id)).toEqual(['hospital-a']);
});
