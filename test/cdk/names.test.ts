import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../cdk/config.ts';
import * as names from '../../cdk/names.ts';
import { configInput, localConfigInput } from './fixtures.ts';

const aws = parseConfig(configInput());
const local = parseConfig(localConfigInput());

describe('names', () => {
  it('derives queues and roles', () => {
    expect(names.stackName(aws, 'east')).toBe('cq-test-net-east');
    expect(names.inboxName(aws, 'east')).toBe('cq-test-net-east-inbox.fifo');
    expect(names.inboxDlqName(aws, 'east')).toBe('cq-test-net-east-inbox-dlq.fifo');
    expect(names.timerName(aws, 'east')).toBe('cq-test-net-east-timer');
    expect(names.timerDlqName(aws, 'east')).toBe('cq-test-net-east-timer-dlq');
    expect(names.principalArn(aws, { id: 'east', account: '222222222222' }, 'inbox')).toBe(
      'arn:aws:iam::222222222222:role/cq-test-net-east-inbox',
    );
  });

  it('derives the URLs of peers on AWS', () => {
    expect(names.peerUrls(aws, 'north')).toEqual({
      east: 'https://sqs.eu-central-1.amazonaws.com/222222222222/cq-test-net-east-inbox.fifo',
      south: 'https://sqs.eu-central-1.amazonaws.com/333333333333/cq-test-net-south-inbox.fifo',
      west: 'https://sqs.eu-central-1.amazonaws.com/444444444444/cq-test-net-west-inbox.fifo',
    });
  });

  it('derives local URLs with the port of the owner', () => {
    expect(names.peerUrls(local, 'north').east).toBe(
      'http://localhost:4602/222222222222/cq-local-test-east-inbox.fifo',
    );
    expect(names.apiUrl(local, { endpoint: 'http://localhost:4601' }, 'abc')).toBe(
      'http://localhost:4601/_aws/execute-api/abc/prod',
    );
    expect(names.apiUrl(aws, {}, 'abc')).toBe(
      'https://abc.execute-api.eu-central-1.amazonaws.com/prod',
    );
  });

  it('maps operators', () => {
    expect(Object.keys(names.operatorKeys(aws))).toEqual(['north', 'east', 'south', 'west']);
  });

  it('keeps the longest names within the limits of AWS', () => {
    const longest = parseConfig({
      ...configInput(),
      network: 'n'.repeat(32),
      validators: configInput().validators.map((validator, index) => ({
        ...validator,
        id: `${'v'.repeat(15)}${index}`,
      })),
    });
    const id = `${'v'.repeat(15)}0`;
    expect(names.inboxDlqName(longest, id).length).toBeLessThanOrEqual(80);
    expect(names.functionName(longest, id, 'inbox').length).toBeLessThanOrEqual(64);
  });
});
