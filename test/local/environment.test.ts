// Nothing of a person's AWS settings reaches the local network, and no address leaves the machine.
import { expect, test } from 'vitest';
import { baseEnvironment, cdkEnvironment, requireLoopback } from '../../local/lib/environment.ts';
import { LOCAL_BIN } from '../../local/lib/layout.ts';

const HOSTILE = {
  PATH: '/usr/bin',
  LANG: 'C.UTF-8',
  HOME: '/home/someone',
  AWS_PROFILE: 'production',
  AWS_ACCESS_KEY_ID: 'AKIAREAL',
  AWS_SESSION_TOKEN: 'real',
  AWS_ENDPOINT_URL: 'https://sqs.us-east-1.amazonaws.com',
  AWS_ENDPOINT_URL_KMS: 'https://kms.us-east-1.amazonaws.com',
  AWS_CA_BUNDLE: '/etc/ca.pem',
  HTTPS_PROXY: 'http://proxy:3128',
  https_proxy: 'http://proxy:3128',
  NO_PROXY: 'localhost',
  NODE_OPTIONS: '--require ./spy.js',
  NODE_EXTRA_CA_CERTS: '/etc/ca.pem',
  CDK_DEFAULT_ACCOUNT: '123456789012',
  npm_config_registry: 'https://registry.example',
  DOCKER_HOST: 'tcp://somewhere:2375',
} as const;
const LAYOUT = { home: '/work/.local/home' };

test('children inherit only a short list, with the Node of this project first', () => {
  expect(baseEnvironment(LAYOUT, HOSTILE)).toEqual({
    PATH: `${LOCAL_BIN}:/usr/bin`,
    LANG: 'C.UTF-8',
    HOME: LAYOUT.home,
  });
});

test('the cdk program sees the emulator as AWS and nothing of the real one', () => {
  const target = { account: '200000000001', endpoint: 'http://localhost:18000' };
  const environment = cdkEnvironment(LAYOUT, target, HOSTILE);
  expect(environment).toMatchObject({
    AWS_ACCESS_KEY_ID: '200000000001',
    AWS_ENDPOINT_URL: 'http://localhost:18000',
    AWS_ENDPOINT_URL_S3: 'http://localhost:18000',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/work/.local/home/aws-config',
    AWS_SHARED_CREDENTIALS_FILE: '/work/.local/home/aws-credentials',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  });
  const leaked = Object.values(environment).filter((value) =>
    /amazonaws|AKIA|proxy|spy/.test(value),
  );
  expect(leaked).toEqual([]);
  expect(environment).not.toHaveProperty('AWS_PROFILE');
  expect(environment).not.toHaveProperty('AWS_SESSION_TOKEN');
});

test('synthesis has no credentials and no endpoint at all', () => {
  const environment = cdkEnvironment(LAYOUT, null, HOSTILE);
  expect(environment).not.toHaveProperty('AWS_ACCESS_KEY_ID');
  expect(environment).not.toHaveProperty('AWS_ENDPOINT_URL');
});

test.each(['http://localhost:1', 'https://127.0.0.1:18000', 'http://[::1]:18000'])(
  '%s stays here',
  (url) => {
    expect(() => {
      requireLoopback(url);
    }).not.toThrow();
  },
);

test.each([
  'https://kms.us-east-1.amazonaws.com',
  'http://localhost.example.com',
  'http://localhost@evil.example',
  'http://10.0.0.1:18000',
  'http://0.0.0.0:18000',
  'localhost:18000',
  '',
])('%s is refused', (url) => {
  expect(() => cdkEnvironment(LAYOUT, { account: '200000000001', endpoint: url }, {})).toThrowError(
    expect.objectContaining({ code: 'not_loopback' }),
  );
});
