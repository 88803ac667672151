// The IAM lane's parts: what MiniStack's policy checks are taught, the doors, the refusals.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDoor } from '../../local/iam/door.ts';
import { refusalsIn } from '../../local/iam/refusals.ts';
import { EMULATOR_SCRIPT } from '../../local/lib/layout.ts';
import { findPorts } from '../../local/lib/ports.ts';
import { temporaryFolder } from './temporary-folder.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;

/** Evaluates an expression over corrections.py. */
function corrected(expression: string, argument: unknown): unknown {
  const program =
    'import json, sys, corrections as c; a = json.loads(sys.argv[1]); ' +
    `print(json.dumps(${expression}))`;
  const { stdout, stderr } = spawnSync('python3', ['-c', program, JSON.stringify(argument)], {
    cwd: join(EMULATOR_SCRIPT, '..'),
    env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' },
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
}

describe.skipIf(!hasPython)('corrections of MiniStack', () => {
  test.each([
    [
      'arn:aws:sts::200000000001:assumed-role/cq-x-inbox/session',
      'arn:aws:iam::200000000001:role/cq-x-inbox',
    ],
    ['arn:aws:iam::200000000001:root', 'arn:aws:iam::200000000001:root'],
    ['arn:aws:iam::200000000001:user/me', 'arn:aws:iam::200000000001:user/me'],
  ])('aws:PrincipalArn of %s is %s', (principal, role) => {
    expect(corrected('c.role_arn(a)', principal)).toBe(role);
  });

  const KEY = { pk: { S: 'read' }, sk: { S: 'bundle' } };
  test.each([
    ['a read', { TableName: 't', Key: KEY }, ['read']],
    ['a write', { TableName: 't', Item: KEY }, ['read']],
    [
      'a query',
      {
        KeyConditionExpression: '#p = :p AND begins_with(sk, :s)',
        ExpressionAttributeNames: { '#p': 'pk' },
        ExpressionAttributeValues: { ':p': { S: 'read' }, ':s': { S: 'x' } },
      },
      ['read'],
    ],
    [
      'a transaction',
      { TransactItems: [{ Put: { Item: KEY } }, { Delete: { Key: { pk: { S: 'session' } } } }] },
      ['read', 'session'],
    ],
    ['a batch read', { RequestItems: { t: { Keys: [KEY] } } }, ['read']],
    ['a batch write', { RequestItems: { t: [{ PutRequest: { Item: KEY } }] } }, ['read']],
    ['a scan', { TableName: 't' }, []],
  ])('dynamodb:LeadingKeys of %s', (_, request, keys) => {
    expect(corrected('c.leading_keys(a)', request)).toEqual(keys);
  });

  test('kms:EncryptionContext is carried by key', () => {
    const request = { KeyId: 'k', EncryptionContext: { purpose: 'read' } };
    expect(corrected('c.request_keys("kms", a)', request)).toEqual({
      'kms:EncryptionContext:purpose': 'read',
    });
    expect(corrected('c.request_keys("kms", a)', { KeyId: 'k' })).toEqual({});
  });
});

test('missing grants are read from the log, most frequent first', () => {
  const log = join(temporaryFolder(), 'aws.log');
  const line = (role: string, action: string): string =>
    `arn:aws:sts::200000000001:assumed-role/${role}/s is not authorized to perform: ${action} as`;
  writeFileSync(
    log,
    [
      line('cq-x-api', 'kms:Sign'),
      line('cq-x-api', 'sqs:SendMessage'),
      line('cq-x-api', 'kms:Sign'),
    ].join('\n'),
  );
  expect(refusalsIn(log)).toEqual([
    'cq-x-api: kms:Sign (2 times)',
    'cq-x-api: sqs:SendMessage (1 times)',
  ]);
  expect(refusalsIn(`${log}.none`)).toEqual([]);
});

test('a door that cannot reach the emulator answers 502', async () => {
  const [port = 0, nowhere = 0] = await findPorts(2);
  const door = await openDoor({ port, account: '200000000001' }, `https://localhost:${nowhere}`);
  onTestFinished(() => {
    door.closeAllConnections();
    door.close();
  });
  const response = await fetch(`http://localhost:${port}/v1/health`);
  expect(response.status).toBe(502);
});
