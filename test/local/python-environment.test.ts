// The emulator's virtual environment: stamped by its pins, and missing programs are named.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pythonFolder, REQUIREMENTS } from '../../local/lib/layout.ts';
import {
  pipEnvironment,
  preparePython,
  pythonIsReady,
} from '../../local/lib/python-environment.ts';
import { readFileSync } from 'node:fs';
import { temporaryFolder } from './temporary-folder.ts';

interface Machine {
  readonly folder: string;
  readonly inherited: NodeJS.ProcessEnv;
  readonly log: string;
}

/** A machine whose PATH holds these programs only. */
function machine(programs: Readonly<Record<string, string>>): Machine {
  const root = temporaryFolder();
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return { folder: join(root, 'python-test'), inherited: { PATH: bin }, log: join(root, 'log') };
}

test('the folder is named by the hash of the pins', () => {
  const root = temporaryFolder();
  const other = join(root, 'requirements.txt');
  writeFileSync(other, `${readFileSync(REQUIREMENTS, 'utf8')}# changed\n`);
  expect(pythonFolder(other)).not.toBe(pythonFolder(REQUIREMENTS));
  expect(pythonFolder(REQUIREMENTS)).toBe(pythonFolder(REQUIREMENTS));
});

test('every requirement is pinned to a version and to hashes', () => {
  const text = readFileSync(REQUIREMENTS, 'utf8').replaceAll('\\\n', ' ');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.length).toBeGreaterThan(5);
  for (const line of lines) expect(line).toMatch(/^[a-z0-9-]+==[\w.]+ +--hash=sha256:[0-9a-f]{64}/);
  expect(text).toContain('ministack==');
});

test('without Python the command that installs it is given', async () => {
  await expect(preparePython(machine({}))).rejects.toMatchObject({
    code: 'missing_prerequisite',
    message: expect.stringContaining('none was found') as string,
    cure: expect.stringContaining('apt-get install python3 python3-venv') as string,
  });
});

test('a Python that is too old is named', async () => {
  await expect(preparePython(machine({ python3: 'echo 3.9' }))).rejects.toMatchObject({
    code: 'missing_prerequisite',
    message: expect.stringContaining('python3 is 3.9') as string,
  });
});

test('a Python without venv gives the command that adds it', async () => {
  const python = 'case "$*" in *"-m venv"*) exit 1;; *) echo 3.12;; esac';
  await expect(preparePython(machine({ python3: python }))).rejects.toMatchObject({
    code: 'missing_prerequisite',
    cure: 'sudo apt-get install python3-venv',
  });
});

/** Makes an environment whose own interpreter is the given script. */
function fakePython(interpreter: string): string {
  return `case "$*" in
  *"-m venv"*) /bin/mkdir -p "$3/bin"; printf '#!/bin/sh\\n${interpreter}\\n' > "$3/bin/python"
    /bin/chmod +x "$3/bin/python";;
  *) echo 3.12;;
esac`;
}

test('a failed installation leaves nothing that looks finished', async () => {
  const options = machine({ python3: fakePython('echo no such package; exit 1') });
  await expect(preparePython(options)).rejects.toMatchObject({
    code: 'command_failed',
    message: expect.stringContaining('no such package') as string,
    cure: expect.stringContaining(options.log) as string,
  });
  expect(pythonIsReady(options.folder)).toBe(false);
});

test('an environment that is there is used without running anything', async () => {
  const options = machine({ python3: fakePython('exit 0') });
  const interpreter = await preparePython(options);
  const offline = { ...options, inherited: { PATH: '/nonexistent' } };
  await expect(preparePython(offline)).resolves.toBe(interpreter);
});

test("pip keeps the person's mirror and proxy, and sees nothing of AWS", () => {
  const inherited = {
    PIP_INDEX_URL: 'https://mirror',
    HTTPS_PROXY: 'p',
    AWS_PROFILE: 'x',
    PYTHONPATH: '/y',
  };
  expect(pipEnvironment(inherited)).toEqual({
    PIP_INDEX_URL: 'https://mirror',
    HTTPS_PROXY: 'p',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  });
});
