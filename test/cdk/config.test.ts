import { writeFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import { ConfigError, loadConfig, parseConfig } from '../../cdk/config.ts';
import { configInput, localConfigInput } from './fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'cq-config-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function refusal(input: unknown): string {
  try {
    parseConfig(input);
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'config_invalid') return error.message;
    throw error;
  }
  throw new Error('accepted');
}

/** The configuration with one validator changed. */
function withValidator(index: number, change: object, base = configInput()): unknown {
  return {
    ...base,
    validators: base.validators.map((validator, at) =>
      at === index ? { ...validator, ...change } : validator,
    ),
  };
}

describe('parseConfig', () => {
  it('fills in defaults', () => {
    const config = parseConfig(configInput());
    expect(config).toMatchObject({ inboxConcurrency: 10, logRetentionDays: 365, tracing: false });
  });

  it('takes four validators or more', () => {
    for (const n of [4, 5, 7]) expect(parseConfig(configInput(n)).validators).toHaveLength(n);
    expect(refusal(configInput(3))).toContain('validators');
  });

  it('takes the example for AWS', () => {
    const path = new URL('../../config/aws.example.json', import.meta.url);
    expect(parseConfig(JSON.parse(readFileSync(path, 'utf8'))).target).toBe('aws');
  });

  it('takes a local network', () => {
    expect(parseConfig(localConfigInput()).network).toBe('local-test');
  });

  it.each([
    ['an account twice', withValidator(1, { account: '111111111111' }), 'is used twice'],
    [
      'the account of the custodian',
      withValidator(1, { account: '999999999999' }),
      'records.account: account 999999999999 is used twice',
    ],
    ['an id twice', withValidator(1, { id: 'north' }), 'validators.1.id: id north is taken'],
    ['a reserved id', withValidator(2, { id: 'records' }), 'id records is taken'],
    [
      'an operator key twice',
      withValidator(3, { operatorKey: Buffer.alloc(32, 1).toString('base64url') }),
      'a key of its own',
    ],
    ['an id with capitals', withValidator(0, { id: 'North' }), 'validators.0.id'],
    ['a short account', withValidator(0, { account: '1234' }), '12 digits'],
    [
      'a thumbprint with loose last bits',
      withValidator(0, { operatorKey: `${'A'.repeat(42)}B` }),
      'thumbprint',
    ],
    ['a field that is not known', { ...configInput(), retian: true }, 'retian'],
    ['a local name on aws', configInput(4, { network: 'local-x' }), 'not for aws'],
    [
      'an endpoint on aws',
      withValidator(0, { endpoint: 'http://localhost:1' }),
      'takes no endpoint',
    ],
    [
      'plain http on aws',
      configInput(4, { membership: { account: '888888888888', registryUrl: 'http://a.example' } }),
      'needs https',
    ],
    ['policies of an emulator on aws', configInput(4, { emulatedIam: true }), 'for emulators only'],
    ['too little concurrency', configInput(4, { inboxConcurrency: 1 }), 'inboxConcurrency'],
  ])('refuses %s', (_name, input, message) => {
    expect(refusal(input)).toContain(message);
  });

  it.each([
    ['another name', { ...localConfigInput(), network: 'test-net' }, 'starts with local-'],
    [
      'no endpoint',
      withValidator(0, { endpoint: undefined }, localConfigInput()),
      'needs an endpoint',
    ],
    [
      'an address elsewhere',
      withValidator(0, { endpoint: 'http://10.0.0.1:1' }, localConfigInput()),
      'not a loopback address',
    ],
    [
      'a name that only looks local',
      withValidator(0, { endpoint: 'http://localhost.example:1' }, localConfigInput()),
      'not a loopback address',
    ],
    [
      'a path',
      withValidator(0, { endpoint: 'http://localhost:1/x' }, localConfigInput()),
      'without a trailing slash',
    ],
    [
      'a distant registry',
      { ...localConfigInput(), membership: configInput().membership },
      'loopback registry',
    ],
  ])('refuses, locally, %s', (_name, input, message) => {
    expect(refusal(input)).toContain(message);
  });

  it('names everything that is wrong at once', () => {
    const message = refusal({ ...configInput(3), region: 'nowhere' });
    expect(message).toContain('validators');
    expect(message).toContain('region');
  });
});

describe('loadConfig', () => {
  it('names the command when there is no file', () => {
    expect(() => loadConfig(join(folder, 'none.json'))).toThrow(/npm start.*cdk synth -c config=/s);
  });

  it('tells a file that is not JSON from one that is refused', () => {
    const path = join(folder, 'bad.json');
    writeFileSync(path, '{');
    expect(() => loadConfig(path)).toThrow(
      expect.objectContaining({ code: 'config_not_json' }) as Error,
    );
    writeFileSync(path, '{}');
    expect(() => loadConfig(path)).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });

  it('reads a good one', () => {
    const path = join(folder, 'good.json');
    writeFileSync(path, JSON.stringify(configInput(7)));
    expect(loadConfig(path).validators).toHaveLength(7);
  });
});
