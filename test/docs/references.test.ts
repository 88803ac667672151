/** What the documents name is there: linked pages, files of the project, commands of npm. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..', '..');
const documents = ['README.md', 'CHANGELOG.md', ...pagesBelow('docs')];
/** Made by whoever follows the guide. */
const madeByReaders = ['config/aws.json', 'config/local.json'];
/** Where files of the project lie; other texts in backticks are not paths. */
const folders = [
  'cdk',
  'functions',
  'lib',
  'sdk',
  'cli',
  'local',
  'test',
  'bench',
  'docs',
  'config',
];

function pagesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return entries.filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
}

function textOf(document: string): string {
  return readFileSync(join(root, document), 'utf8');
}

/** Paths in backticks that name one file or folder of the project, without placeholders. */
function namedPaths(text: string): string[] {
  const quoted = [...text.matchAll(/`([A-Za-z0-9_./-]+)`/g)].map((match) => match[1] ?? '');
  return quoted.filter((path) => folders.some((folder) => path.startsWith(`${folder}/`)));
}

describe.each(documents)('%s', (document) => {
  const text = textOf(document);

  it('links to pages that are there', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    const missing = local.filter((link) => !existsSync(join(root, dirname(document), link)));
    expect(missing).toEqual([]);
  });

  it('names files that are there', () => {
    const paths = namedPaths(text).filter((path) => !madeByReaders.includes(path));
    const missing = paths.filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });

  it('names commands of npm that are there', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/\bnpm run ([a-z:]+)/g)].map((match) => match[1] ?? '');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

describe('the sources', () => {
  it('cite documents that are there', () => {
    const sources = ['cdk', 'cli', 'functions', 'lib', 'local', 'sdk'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(folder, name)),
    );
    const cited = sources.flatMap((file) =>
      [...textOf(file).matchAll(/docs\/[a-z0-9/-]+\.(?:md|json)/g)].map((match) => match[0]),
    );
    expect([...new Set(cited)].filter((page) => !existsSync(join(root, page)))).toEqual([]);
  });
});
