/** Logs hold listed fields alone: what the logger writes, and what the code asks it to write. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { logFields } from '../../../functions/aws/log-fields.ts';
import { logger, logRequest } from '../../../functions/aws/logger.ts';
import { WireError } from '../../../lib/wire/errors.ts';

const id = '0b7d9c52-6d0e-4c1f-9c6a-2f4f5f0a1b2c';

/** What one call writes, as text and as JSON. */
function written(log: () => void): { text: string; line: Record<string, unknown> } {
  const parts: string[] = [];
  const take = (chunk: unknown): boolean => parts.push(String(chunk)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(take);
  vi.spyOn(process.stderr, 'write').mockImplementation(take);
  log();
  vi.restoreAllMocks();
  const text = parts.join('');
  const [first = '{}'] = text.split('\n');
  return { text, line: JSON.parse(first) as Record<string, unknown> };
}

afterEach(() => vi.restoreAllMocks());

describe('a log line', () => {
  it('has what is listed', () => {
    const facts = { correlationId: id, route: 'GET /v1/blocks/{height}', status: 200 };
    const { line } = written(() => logRequest({ ...facts, milliseconds: 12 }));
    expect(line).toMatchObject({ ...facts, level: 'INFO', message: 'request', milliseconds: 12 });
    expect(line['leftOut']).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>]>([
    ['an unknown field', { patient: 'Ada Okonjo' }],
    ['a body', { body: { name: 'Ada Okonjo' } }],
    ['a reason that is not of our words', { reason: 'refused for Ada Okonjo' }],
    ['a sentence where a code is due', { code: 'Ada Okonjo' }],
    ['a path with its parameter', { route: 'GET /v1/records/Ada Okonjo' }],
    ['a correlation id with a name in it', { correlationId: 'Ada-Okonjo-1961' }],
    ['such a one among good ones', { correlationIds: [id, 'Ada Okonjo'] }],
    ['counts by what is no code', { refusals: { 'Ada Okonjo': 1 } }],
    ['more within a failure', { failure: { name: 'Error', message: 'Ada Okonjo' } }],
    ['a field of every object', { constructor: 'Ada Okonjo', toString: 'Ada Okonjo' }],
  ])('never has %s', (_name, fields) => {
    const { text, line } = written(() => logger.info('step', { ledger: 'main', ...fields }));
    expect(text).not.toContain('Ada');
    expect(line).toMatchObject({ message: 'step', ledger: 'main' });
    expect(line['leftOut']).toBeGreaterThan(0);
  });

  it('has name, code and place of an error, never its message', () => {
    const error = new WireError('malformed', 'Ada Okonjo', { cause: new Error('Ada Okonjo') });
    const { text, line } = written(() => logger.error('step failed', { error }));
    expect(text).not.toContain('Ada');
    expect(line['error']).toMatchObject({ name: 'WireError', code: 'malformed' });
    expect(written(() => logger.error('step failed', error)).text).not.toContain('Ada');
    const odd = Object.assign(new Error('x'), { name: 'Ada Okonjo', patient: 'Ada' });
    expect(written(() => logger.error('step failed', { error: odd })).text).not.toContain('Ada');
  });

  it('has no event that was made from what came', () => {
    const { text, line } = written(() => logger.info('Ada Okonjo came in'));
    expect(text).not.toContain('Ada');
    expect(line['message']).toBe('unnamed');
  });

  it('takes the words of our own reasons', () => {
    for (const reason of [
      'its KMS key is another: operators replace it',
      'it is suspended: its operators reinstate it',
      'too much at once',
      'TimeoutError',
      'status 503',
      `fetched ${'ab'.repeat(32)}`,
      'a note from elsewhere',
      'not_canonical',
    ]) {
      expect(written(() => logger.warn('dropped', { reason })).line['reason']).toBe(reason);
    }
  });
});

/** A call that logs: its event, and the names of the fields that it writes out. */
interface LogCall {
  readonly place: string;
  readonly event: ts.Expression | undefined;
  readonly fields: readonly string[];
}

const levels = new Set(['debug', 'info', 'warn', 'error', 'critical']);

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : path.endsWith('.ts') ? [path] : [];
  });
}

function namesIn(node: ts.Node | undefined): string[] {
  if (node === undefined || !ts.isObjectLiteralExpression(node)) return [];
  return node.properties.flatMap((property) =>
    property.name && (ts.isIdentifier(property.name) || ts.isStringLiteral(property.name))
      ? [property.name.text]
      : [],
  );
}

function callsIn(path: string): LogCall[] {
  const text = readFileSync(path, 'utf8');
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const calls: LogCall[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { name, expression } = node.expression;
      const place = `${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
      const [first, second] = node.arguments;
      if (expression.getText() === 'logger' && levels.has(name.text)) {
        calls.push({ place, event: first, fields: namesIn(second) });
      } else if (name.text === 'log' && first && ts.isObjectLiteralExpression(first)) {
        const event = first.properties
          .filter(ts.isPropertyAssignment)
          .find((property) => property.name.getText() === 'event')?.initializer;
        calls.push({ place, event, fields: namesIn(first).filter((one) => one !== 'event') });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return calls;
}

describe('the code of the functions', () => {
  const files = sources('functions');
  const calls = files.flatMap(callsIn);

  it('logs listed fields alone', () => {
    expect(calls.length).toBeGreaterThan(25);
    const unlisted = calls.flatMap(({ place, fields }) =>
      fields.filter((name) => !Object.hasOwn(logFields, name)).map((name) => `${place} ${name}`),
    );
    expect(unlisted).toEqual([]);
  });

  it('names events by constants, or hands on a name that is one', () => {
    const made = calls.filter(
      ({ event }) =>
        event !== undefined &&
        !ts.isStringLiteral(event) &&
        !ts.isConditionalExpression(event) &&
        !ts.isIdentifier(event),
    );
    expect(made.map(({ place }) => place)).toEqual([]);
  });

  it('writes to no log but this one', () => {
    const others = files.filter((path) =>
      /\bconsole\.|process\.(?:stdout|stderr)\b/.test(readFileSync(path, 'utf8')),
    );
    expect(others).toEqual([]);
  });
});
