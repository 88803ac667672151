// All accounts in one LocalStack: one process and one port, and accounts that are stopped without ending.
import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../cdk/config.ts';
import {
  killMember,
  rebuildMember,
  restartMember,
  stopMember,
} from '../../local/lib/account-actions.ts';
import { nextSteps } from '../../local/lib/console.ts';
import { makeConfiguration } from '../../local/lib/configuration.ts';
import { writeJsonFile } from '../../local/lib/json-file.ts';
import { accountLayout, type Layout, layoutOf, PROJECT_ROOT } from '../../local/lib/layout.ts';
import { takeOwnership } from '../../local/lib/owner.ts';
import { memberOf, type Plan, preparePlan, processesOf } from '../../local/lib/plan.ts';
import { ownIdentity } from '../../local/lib/process-identity.ts';
import { keepsState, stopProcesses } from '../../local/lib/stop-network.ts';
import { localstackCommand } from '../../local/localstack/command.ts';
import { HOSTED_STOP_NOTE, lifeOfMember } from '../../local/localstack/hosted.ts';
import { temporaryFolder } from './temporary-folder.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** The admin API of one emulator: remembers what it is asked, and knows one API and one queue. */
async function emulator(): Promise<{ port: number; calls: string[] }> {
  const calls: string[] = [];
  const answers: Record<string, unknown> = {
    'GET /restapis': { item: [{ id: 'api1' }] },
    'GET /restapis/api1/deployments': {
      item: [
        { id: 'older', createdDate: 1 },
        { id: 'newer', createdDate: 2 },
      ],
    },
    'GET /2015-03-31/event-source-mappings/': { EventSourceMappings: [{ UUID: 'one' }] },
  };
  const server = createServer((request, response) => {
    const call = `${request.method ?? ''} ${request.url ?? ''}`;
    const account = /Credential=(\d{12})\//.exec(request.headers.authorization ?? '')?.[1] ?? '';
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      if (request.method !== 'GET') calls.push(`${account} ${call} ${body}`.trim());
      response.end(JSON.stringify(answers[call] ?? {}));
    });
  });
  servers.push(server);
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  return { port: (server.address() as AddressInfo).port, calls };
}

/** A network whose LocalStack seems to run: this process stands for it. */
async function runningNetwork(port?: number): Promise<{ layout: Layout; plan: Plan }> {
  const layout = layoutOf(temporaryFolder());
  const prepared = await preparePlan(layout, { emulator: 'localstack' });
  const plan = {
    ...prepared,
    members: prepared.members.map((one) => ({ ...one, port: port ?? one.port })),
  };
  writeJsonFile(layout.plan, plan);
  const host = accountLayout(layout, 'localstack');
  mkdirSync(host.root, { recursive: true });
  mkdirSync(accountLayout(layout, 'hospital-b').root, { recursive: true });
  writeJsonFile(host.process, ownIdentity());
  takeOwnership(layout);
  return { layout, plan };
}

test('all accounts share the port of the one process; the registry keeps its own', async () => {
  const plan = await preparePlan(layoutOf(temporaryFolder()), { emulator: 'localstack' });
  expect(processesOf(plan).map(({ id }) => id)).toEqual(['localstack', 'registry']);
  const accounts = plan.members.filter(({ account }) => account !== null);
  expect(new Set(accounts.map(({ port }) => port))).toEqual(
    new Set([memberOf(plan, 'localstack').port]),
  );
  expect(new Set(accounts.map(({ account }) => account)).size).toBe(6);
  const operatorKeys = Object.fromEntries(
    plan.members.map(({ id }, at) => [id, `${'A'.repeat(41)}${at}A`]),
  );
  expect(() => parseConfig(makeConfiguration({ plan, operatorKeys }))).not.toThrow();
});

test('a folder stays with its emulator', async () => {
  const layout = layoutOf(temporaryFolder());
  await preparePlan(layout, { emulator: 'localstack' });
  await expect(preparePlan(layout, {})).resolves.toMatchObject({ emulator: 'localstack' });
  await expect(preparePlan(layout, { emulator: 'ministack' })).rejects.toMatchObject({
    code: 'bad_option',
    cure: expect.stringContaining('--folder') as string,
  });
});

test('it is bound to loopback, and takes no setting of the person', async () => {
  const { layout, plan } = await runningNetwork();
  const { env } = localstackCommand(layout, memberOf(plan, 'localstack'), 'python');
  expect(env['GATEWAY_LISTEN']).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(env['ACTIVATE_PRO']).toBe('0');
  expect(Object.keys(env).filter((name) => name.startsWith('AWS_'))).toEqual([]);
});

test('stopped means: no event source and no stage of that account alone, until it is restarted', async () => {
  const { port, calls } = await emulator();
  const { layout, plan } = await runningNetwork(port);
  const hospital = memberOf(plan, 'hospital-b');
  expect(lifeOfMember(layout, plan, hospital)).toBe('running');
  expect(await stopMember(layout, 'hospital-b')).toBe(true);
  expect(lifeOfMember(layout, plan, hospital)).toBe('saved');
  expect(lifeOfMember(layout, plan, memberOf(plan, 'hospital-a'))).toBe('running');
  expect(await stopMember(layout, 'hospital-b')).toBe(false);
  expect(calls.splice(0)).toEqual([
    '200000000002 PUT /2015-03-31/event-source-mappings/one {"Enabled":false}',
    '200000000002 DELETE /restapis/api1/stages/prod',
  ]);
  await restartMember(layout, 'hospital-b');
  expect(lifeOfMember(layout, plan, hospital)).toBe('running');
  expect(calls).toEqual([
    '200000000002 POST /restapis/api1/stages {"stageName":"prod","deploymentId":"newer"}',
    '200000000002 PUT /2015-03-31/event-source-mappings/one {"Enabled":true}',
  ]);
});

test('a killed account keeps its keys there, so it is stopped, and cannot be built anew', async () => {
  const { port, calls } = await emulator();
  const { layout } = await runningNetwork(port);
  await killMember(layout, 'hospital-b');
  expect(calls).toHaveLength(2);
  await expect(rebuildMember(layout, 'hospital-b')).rejects.toMatchObject({ code: 'bad_option' });
});

test.each(['stop', 'kill'])('%s says what it means here', { timeout: 60_000 }, async (action) => {
  const { port } = await emulator();
  const { layout } = await runningNetwork(port);
  const program = join(PROJECT_ROOT, 'local', 'network.ts');
  const args = [program, '--folder', layout.root, action, 'hospital-b'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toContain(HOSTED_STOP_NOTE);
  expect(stdout).not.toContain('KMS keys are gone');
});

test('a stop forgets the network, whose state is gone, and keeps its folder', async () => {
  const layout = layoutOf(temporaryFolder());
  const plan = await preparePlan(layout, { emulator: 'localstack' });
  writeFileSync(layout.networkFile, '{}');
  expect(keepsState(layout)).toBe(false);
  expect(nextSteps(layout, undefined).join('\n')).toContain('LocalStack keeps no state');
  await stopProcesses(layout, plan);
  expect(() => writeFileSync(layout.networkFile, '{}', { flag: 'wx' })).not.toThrow();
  await expect(preparePlan(layout, {})).resolves.toEqual(plan);
});
