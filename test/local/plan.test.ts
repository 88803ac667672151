// A network keeps its name and its ports; a contradiction is refused, not obeyed.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../cdk/config.ts';
import { makeConfiguration } from '../../local/lib/configuration.ts';
import { layoutOf } from '../../local/lib/layout.ts';
import { makeMembers, quorumOf } from '../../local/lib/members.ts';
import { memberOf, preparePlan, refuseForeignFolder, requirePlan } from '../../local/lib/plan.ts';
import { temporaryFolder } from './temporary-folder.ts';

const THUMBPRINT = 'A'.repeat(42);

test('name and ports are remembered', async () => {
  const layout = layoutOf(temporaryFolder());
  const first = await preparePlan(layout, {});
  expect(await preparePlan(layout, {})).toEqual(first);
  expect(requirePlan(layout)).toEqual(first);
  expect(first.network).toMatch(/^local-[0-9a-f]{6}$/);
  expect(first.members.map(({ id }) => id)).toEqual([
    'hospital-a',
    'hospital-b',
    'hospital-c',
    'hospital-d',
    'membership',
    'records',
    'registry',
  ]);
});

test('ports and hospitals of an established network cannot change', async () => {
  const layout = layoutOf(temporaryFolder());
  const { members } = await preparePlan(layout, {});
  const [{ port } = { port: 0 }] = members;
  await expect(preparePlan(layout, { ports: port })).resolves.toBeDefined();
  for (const options of [{ ports: port + 1 }, { validators: 7 }]) {
    await expect(preparePlan(layout, options)).rejects.toMatchObject({
      code: 'bad_option',
      cure: expect.stringContaining('npm run reset') as string,
    });
  }
});

test.each([3, 11, 4.5])('refuses a network of %s hospitals', async (validators) => {
  const layout = layoutOf(temporaryFolder());
  await expect(preparePlan(layout, { validators })).rejects.toMatchObject({ code: 'bad_option' });
});

test('a folder with something else in it is never taken, as reset deletes the folder', () => {
  const folder = temporaryFolder();
  refuseForeignFolder(layoutOf(folder));
  writeFileSync(join(folder, 'thesis.txt'), 'years of work');
  expect(() => {
    refuseForeignFolder(layoutOf(folder));
  }).toThrowError(expect.objectContaining({ code: 'bad_option' }));
});

test('an unknown account is answered with those that there are', async () => {
  const plan = await preparePlan(layoutOf(temporaryFolder()), {});
  expect(() => memberOf(plan, 'hospital-z')).toThrowError(
    expect.objectContaining({
      code: 'unknown_account',
      cure: expect.stringContaining('hospital-a, hospital-b') as string,
    }),
  );
});

test('a damaged file is named with its cure', () => {
  const layout = layoutOf(temporaryFolder());
  writeFileSync(layout.plan, '{');
  expect(() => requirePlan(layout)).toThrowError(
    expect.objectContaining({ code: 'bad_state_file', cure: 'npm run reset' }),
  );
});

test.each([4, 7, 10])('the configuration of %s hospitals suits the stacks', async (validators) => {
  const plan = await preparePlan(layoutOf(temporaryFolder()), { validators });
  const keys = plan.members.map(({ id }, index) => [
    id,
    `${THUMBPRINT.slice(1)}${'ABCDEFGHIJKLMNO'[index] ?? ''}A`,
  ]);
  const configuration = makeConfiguration({
    plan,
    operatorKeys: Object.fromEntries(keys) as Record<string, string>,
  });
  expect(parseConfig(configuration).validators).toHaveLength(validators);
});

test('an endpoint that is not of this machine never reaches a configuration', async () => {
  const plan = await preparePlan(layoutOf(temporaryFolder()), {});
  const endpoint = (): string => 'https://sqs.us-east-1.amazonaws.com';
  expect(() => makeConfiguration({ plan, operatorKeys: {}, endpoint })).toThrowError(
    expect.objectContaining({ code: 'not_loopback' }),
  );
});

test('accounts and ids are distinct in every size', () => {
  for (const size of [4, 7, 10]) {
    const members = makeMembers(size);
    expect(new Set(members.map(({ id }) => id)).size).toBe(size + 3);
    expect(new Set(members.map(({ account }) => account)).size).toBe(size + 3);
  }
});

test.each([
  [4, 3],
  [5, 4],
  [6, 4],
  [7, 5],
  [10, 7],
])('of %i hospitals %i must agree', (size, quorum) => {
  expect(quorumOf(size)).toBe(quorum);
});
