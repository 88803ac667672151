/** Help, options, errors and exit codes; nothing here needs a network. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeEnvironment } from '../../cli/environment.ts';
import { reportOf } from '../../cli/errors.ts';
import { Interrupt } from '../../cli/interrupt.ts';
import { Journal } from '../../cli/journal.ts';
import { markIds, parseId } from '../../cli/options.ts';
import { clean, ProgressBar, table } from '../../cli/output.ts';
import { makeProgram } from '../../cli/program.ts';
import { pathBelow } from '../../cli/safe-path.ts';
import { parseWhen, timeOf } from '../../cli/times.ts';
import { SdkError } from '../../sdk/errors.ts';
import { run } from './cli-world.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cq-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const wanted =
  'enrol approve letter renew reenrol grant permission revoke rotate guardians recover representative upload countersign dispute retract records read copies erase history private export inbox emergency team case study research prescription pharmacy claim insurer verify network doctor unmask validators governance genesis';

function pathsOf(command: Command, path: readonly string[] = []): string[][] {
  return command.commands.flatMap((one) => {
    const own = [...path, one.name()];
    return [own, ...pathsOf(one, own)];
  });
}

describe('help', () => {
  const paths = pathsOf(makeProgram(nodeEnvironment()));

  it('has every command', () => {
    const top = paths.filter((path) => path.length === 1).map(([name]) => name);
    expect(top.join(' ')).toBe(wanted);
    const below = (group: string): (string | undefined)[] =>
      paths.filter((path) => path.length === 2 && path[0] === group).map(([, name]) => name);
    expect(below('genesis')).toEqual(['collect', 'sign', 'install', 'show']);
    const governance = ['list', 'show', 'propose', 'approve', 'withdraw'];
    expect(below('governance')).toEqual(governance);
    expect(below('permission')).toEqual(['show', 'narrow', 'extend', 'refresh']);
    const team = ['list', 'show', 'create', 'change', 'close', 'make-key', 'seal'];
    expect(below('team')).toEqual(team);
    const study = ['list', 'show', 'register', 'approve', 'close', 'join', 'leave', 'releases'];
    expect(below('study')).toEqual(study);
    expect(below('research')).toEqual(['release', 'publish', 'fetch']);
    const reenrol = ['enrol', 'ask', 'approve', 'finish', 'withdraw', 'object', 'show'];
    expect(below('reenrol')).toEqual(reenrol);
    expect(below('unmask')).toEqual(['ask', 'approve', 'name', 'list']);
  });

  it.each(paths.map((path) => path.join(' ')))(
    'explains %s, with examples that parse',
    async (name) => {
      const { exitCode, out } = await run(null, [...name.split(' '), '--help']);
      expect(exitCode).toBe(0);
      const examples = out.split('\nExamples:\n')[1]?.match(/\$ carequorum [^\n]+/g) ?? [];
      expect(examples.length).toBeGreaterThanOrEqual(2);
      const first = out.split('\n\n')[1] ?? '';
      expect(first.length, 'a description').toBeGreaterThan(60);
      for (const example of examples) expect(unknownOptions(example)).toEqual([]);
    },
  );

  it('is short without a command, which is an error of usage', async () => {
    const { exitCode, err } = await run(null, []);
    expect(exitCode).toBe(2);
    expect(err).toBe('No command is given.\nNext: See `carequorum --help`.\n');
  });
});

describe('the README', () => {
  it('types commands and options that there are', async () => {
    const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
    const typed = text.replaceAll('\\\n', ' ').match(/^npx carequorum [^\n]+/gm) ?? [];
    expect(typed.length).toBeGreaterThan(10);
    for (const line of typed) expect(unknownOptions(line.replace('npx', '$'))).toEqual([]);
  });
});

/** Options of an example that its command does not have. */
function unknownOptions(example: string): string[] {
  const words = example.replace(/^\$ carequorum /, '').split(/\s+/);
  let command: Command = makeProgram(nodeEnvironment());
  for (const word of words)
    command = command.commands.find((one) => one.name() === word) ?? command;
  const known = new Set(command.options.map((one) => one.long));
  return words.filter((word) => word.startsWith('--') && !known.has(word));
}

describe('usage errors', () => {
  const grant = ['grant', '--keystore', 'k', '--to', 'Ada', '--rights', 'read', '--category', 'x'];
  it.each([
    [['grnt'], "Unknown command 'grnt' (Did you mean grant?)", 'carequorum --help'],
    [['grant', '--nope'], "Unknown option '--nope'", 'carequorum grant --help'],
    [['grant', '--rights', 'own'], 'Rights are read, write, share', 'carequorum grant --help'],
    [['grant'], '--to, --rights, --category and --until are missing', 'grant --help'],
    [[...grant, '--until', '6x'], 'Give a date', 'grant --help'],
    [[...grant, '--until', '2020-01-01'], 'would end before it starts', 'grant --help'],
    [
      [...grant, '--until', '1d', '--study', 's'],
      'goes with --study and --anonymise',
      'grant --help',
    ],
    [['countersign'], 'or --all', 'carequorum records'],
    [
      ['dispute', 'abcdefgh'],
      "Required option '--reason <reason>' not specified.",
      'dispute --help',
    ],
    [['dispute', 'abcdefgh', '--reason', 'ugly'], 'Allowed choices are wrong-patient', 'dispute'],
    [['history', '--limit', '0'], 'whole number above 0', 'history --help'],
    [['approve', 'x.certificate', '--revoke', 'abcdefgh'], 'Give either', 'approve --help'],
    [['enrol'], 'where your keys are', '--keystore FILE'],
    [['enrol', '--keystore', '/nowhere/k'], '--role does not say', '--role patient'],
    [
      ['enrol', '--keystore', '/nowhere/k', '--role', 'patient'],
      '--name is missing',
      'enrol --help',
    ],
  ])('%j', async (argv, message, next) => {
    const { exitCode, err, out } = await run(null, argv);
    expect(err).toContain(message);
    expect(err.split('\nNext: ')[1]).toContain(next);
    expect(exitCode).toBe(2);
    expect(out).toBe('');
  });
});

describe('errors', () => {
  it('are two lines, and a document with --json', async () => {
    const argv = ['network', '--network', join(folder, 'none.json')];
    const text = await run(null, argv);
    expect(text.exitCode).toBe(1);
    expect(text.err).toMatch(/^There is no network file at .*\nNext: Start the local network.*\n$/);
    const { json, err, exitCode } = await run(null, [...argv, '--json']);
    expect(exitCode).toBe(1);
    expect(err).toBe('');
    expect(json['error']).toMatchObject({
      code: 'not_found',
      nextStep: expect.any(String) as string,
    });
    expect((json['error'] as { message: string }).message).toContain('no network file');
  });

  it('tell what the ledger means, and stay on one line each', () => {
    const details = { reason: 'category_not_granted' };
    const refused = new SdkError('refused', 'The ledger refused x.', { nextStep: 'y', details });
    expect(reportOf(refused, 'read')).toMatchObject({
      message: 'The ledger refused x. It means: the permission does not cover this category.',
      nextStep: 'Ask the patient for a permission that names this category.',
      exitCode: 1,
    });
    const aborted = new SdkError('aborted', 'Stopped.', { nextStep: 'Again.' });
    expect(reportOf(aborted, 'read').exitCode).toBe(130);
    const missing = Object.assign(new Error('ENOENT'), {
      code: 'ENOENT',
      syscall: 'open',
      path: '/x',
    });
    expect(reportOf(missing, 'read').message).toBe(
      'A file cannot be used: there is no such file or folder (/x).',
    );
    expect(reportOf(new Error('boom'), 'read')).toMatchObject({ code: 'unexpected', exitCode: 1 });
  });

  it('name the genesis that is not signed by all', async () => {
    const path = join(folder, 'odd.json');
    await writeFile(path, '{"hello": 1}');
    const { exitCode, err } = await run(null, ['verify', path, '--genesis', path]);
    expect(exitCode).toBe(1);
    expect(err).toContain('Next: Give the file that `carequorum genesis collect`');
  });
});

describe('times', () => {
  const now = Date.parse('2026-11-23T12:00:00Z');
  it.each([
    ['180d', now + 180 * 86_400_000],
    ['6h', now + 6 * 3_600_000],
    ['90m', now + 90 * 60_000],
    ['2w', now + 14 * 86_400_000],
    ['2027-01-01', Date.parse('2027-01-01T00:00:00Z')],
    ['2027-01-01T08:30Z', Date.parse('2027-01-01T08:30:00Z')],
    ['2027-01-01T08:30+02:00', Date.parse('2027-01-01T06:30:00Z')],
  ])('%s', (text, time) => {
    expect(timeOf(parseWhen(text), now)).toBe(time);
  });
  it.each([
    '',
    '6',
    '0d',
    '-6h',
    '1.5h',
    '2027-02-31',
    '2027-1-1',
    '2027-01-01T08:30',
    'tomorrow',
    '9999999w',
  ])('refuses «%s»', (text) => {
    expect(() => parseWhen(text)).toThrow('Give a date');
  });
});

describe('what comes from others', () => {
  it('does not steer the terminal', () => {
    expect(clean('a\u001b[2Jb\u202ec')).toBe('a�[2Jb�c');
    expect(table(['x', 'y'], [['a\n', 'b']])).toEqual(['x   y', '--  -', 'a�  b']);
  });
  it.each([
    ['../../etc/passwd', 'out/etc/passwd'],
    ['/etc/passwd', 'out/etc/passwd'],
    ['a/./b/../c.txt', 'out/a/b/c.txt'],
    ['..\\..\\x', 'out/.._.._x'],
    ['', 'out/ID'],
    ['...', 'out/ID'],
    ['lab é.pdf', 'out/lab é.pdf'],
  ])('stays below the folder: %s', (name, path) => {
    expect(pathBelow('out', name, 'ID')).toBe(path);
  });
});

describe('ids', () => {
  it('may start with a hyphen', () => {
    const id = `-${'a'.repeat(21)}`;
    const marked = (...argv: string[]): string[] => markIds(argv, makeProgram(nodeEnvironment()));
    expect(marked('read', id, '--all', '-h')).toEqual(['read', `id:${id}`, '--all', '-h']);
    // So may the start of one that is shown, or typed.
    for (const start of ['-abcdefg', '--bcDefg', '-a-_', '-Ab3…']) {
      expect(marked('dispute', start, '--reason', 'duplicate')[1]).toBe(`id:${start}`);
      expect(marked('governance', 'approve', '--yes', start)[3]).toBe(`id:${start}`);
      expect(parseId(`id:${start}`)).toBe(start.replace('…', ''));
    }
    expect(marked('countersign', '-aaaa', '-bbbb')).toEqual([
      'countersign',
      'id:-aaaa',
      'id:-bbbb',
    ]);
    expect(parseId(`id:${id}`)).toBe(id);
    expect(() => parseId('a b')).toThrow('Give an id');
  });

  it('are no options, nor values of options, nor files', () => {
    const same = (...argv: string[]): void => {
      expect(markIds(argv, makeProgram(nodeEnvironment()))).toEqual(argv);
    };
    same('read', '--jsn', '-json', '-help', '-h', '--all');
    same('read', 'AbcdEfgh', '--out', '-Abcdefg', '--patient', '-Abcdefg');
    same('read', '--', '-Abcdefg');
    same('upload', '-Abcdefg');
  });

  it('reach the command though they begin with a hyphen', async () => {
    const keystore = ['--keystore', join(folder, 'none.keystore')];
    const rest = ['--reason', 'duplicate', '--yes', ...keystore, '--network', join(folder, 'none')];
    const { err } = await run(null, ['dispute', '-abcdefg', ...rest]);
    expect(err).not.toContain('unknown option');
    expect(err).toContain(join(folder, 'none'));
  });
});

describe('Ctrl-C', () => {
  it('lets protected work end, and stops at the second', async () => {
    const interrupt = new Interrupt();
    const done = Promise.withResolvers<string>();
    const work = interrupt.protect(() => done.promise);
    expect(interrupt.request(1_000)).toBe('finishing');
    expect(interrupt.request(1_100)).toBe('same');
    expect(interrupt.request(3_000)).toBe('cut');
    done.resolve('whole');
    await expect(work).resolves.toBe('whole');
    expect(() => interrupt.throwIfRequested('Stopped.')).toThrow('Stopped.');
    await expect(interrupt.protect(async () => 1)).rejects.toMatchObject({ code: 'aborted' });
  });

  it('stops at once where nothing is under way, and removes what is half written', async () => {
    const interrupt = new Interrupt();
    let removed = 0;
    interrupt.track(async () => void (removed += 1));
    const forget = interrupt.track(async () => void (removed += 10));
    forget();
    expect(interrupt.request(1)).toBe('stop');
    expect(interrupt.signal.aborted).toBe(true);
    await interrupt.cleanUp();
    expect(removed).toBe(1);
  });

  it('leaves a journal of what is done', async () => {
    const path = join(folder, 'journal.json');
    const journal = await Journal.open(path);
    await journal.add('a', 'record');
    expect((await Journal.open(path)).get('a')).toBe('record');
    await journal.finish();
    expect((await Journal.open(path)).size).toBe(0);
    await writeFile(path, 'broken');
    expect((await Journal.open(path)).size).toBe(0);
  });
});

describe('keystores', () => {
  it('are made with a passphrase that is typed twice, and never overwritten', async () => {
    const argv = ['enrol', '--role', 'operator', '--name', 'Operator of A', '--json'];
    const at = [...argv, '--keystore', join(folder, 'a.keystore')];
    const answers = ['first try of it', 'another one', 'correct horse', 'correct horse'];
    const made = await run(null, at, { answers });
    expect(made.err).toContain('The two are not the same.');
    const again = await run(null, at, { answers: ['wrong one', 'correct horse'] });
    expect(again.err).toContain('That is not the passphrase.');
    expect(again.json['thumbprint']).toBe(made.json['thumbprint']);
    const nobody = await run(null, at);
    expect(nobody.exitCode).toBe(1);
    expect(nobody.json['error']).toMatchObject({
      nextStep: expect.stringContaining('--passphrase-file') as string,
    });
  });
});

describe('progress', () => {
  it('is drawn over itself on a terminal, and one line without', () => {
    const drawn: string[] = [];
    const err = (text: string): void => void drawn.push(text);
    const bar = new ProgressBar({ err, hasTerminal: true }, 'a'.repeat(60));
    bar.update(1, 2);
    bar.end('a.pdf: 2 B');
    expect(drawn[0]).toContain(' 50%  …aaa');
    expect(drawn[1]).toBe('\r\u001b[2K  a.pdf: 2 B\n');
    const plain: string[] = [];
    const quiet = { err: (text: string): void => void plain.push(text), hasTerminal: false };
    new ProgressBar(quiet, 'a').update(1, 2);
    expect(plain).toEqual([]);
  });
});

describe('the launcher', () => {
  it('runs under the Node that is at hand', async () => {
    const bin = new URL('../../cli/bin.js', import.meta.url).pathname;
    const { version } = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string };
    const { stdout } = await promisify(execFile)('node', [bin, '--version']);
    expect(stdout.trim()).toBe(version);
  });
});
