// `docs/benchmarks.md`: each command that measures writes its own section from its own output.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PROJECT_ROOT = resolve(import.meta.dirname, '../..');

/** Where and when figures were measured. */
export interface Circumstances {
  /** ISO 8601. */
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGiB: number;
  /** Mean number of processes that wanted a core in the minute before, as the system tells it. */
  readonly load: number;
  /** Short commit of the working tree, `+` after it where files differ; null outside of git. */
  readonly commit: string | null;
}

/** What a command writes of itself. */
export interface BenchmarkSection {
  /** Name of the section in the page, in lower case: one command replaces its own section alone. */
  readonly name: string;
  readonly title: string;
  /** What a person types to get the same. */
  readonly command: string;
  /** What the command printed. */
  readonly output: string;
  readonly circumstances: Circumstances;
}

export async function circumstances(): Promise<Circumstances> {
  return {
    date: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
    commit: await commitOfTree(),
  };
}

/** One line for people. */
export function circumstancesText(one: Circumstances): string {
  const commit = one.commit === null ? '' : `, commit ${one.commit}`;
  return `${one.date}, Node ${one.node}, ${one.cores} × ${one.cpu}, ${one.memoryGiB} GiB, load ${one.load}${commit}`;
}

/** What the person typed, without what says only where the figures go. */
export function typedCommand(script: string): string {
  const isOfMeasurement = (argument: string): boolean => !['--write', '--json'].includes(argument);
  return `npm run ${script} -- ${process.argv.slice(2).filter(isOfMeasurement).join(' ')}`;
}

/** Puts a command's section into the page of this working tree; returns the page's path. */
export function recordSection(section: BenchmarkSection): string {
  const path = join(PROJECT_ROOT, 'docs', 'benchmarks.md');
  const page = existsSync(path) ? readFileSync(path, 'utf8') : '# Benchmarks\n';
  writeFileSync(path, withSection(page, section));
  return path;
}

/** The page with this section in the place of the one of its name, or at its end. */
export function withSection(page: string, section: BenchmarkSection): string {
  const [start, end] = [`<!-- ${section.name} -->`, `<!-- /${section.name} -->`];
  const text = `${start}\n\n${sectionText(section)}\n\n${end}`;
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) return `${page.trimEnd()}\n\n${text}\n`;
  return page.slice(0, from) + text + page.slice(to + end.length);
}

function sectionText({ title, command, output, circumstances: of }: BenchmarkSection): string {
  const lines = output.trim().split('\n');
  const body = lines.map((line) => line.trimEnd()).join('\n');
  return `## ${title}\n\n\`${command}\`: ${circumstancesText(of)}\n\n\`\`\`text\n${body}\n\`\`\``;
}

/** What the commands write changes nothing that they measure. */
const UNMEASURED = [':!docs/benchmarks.md', ':!docs/load-*.svg'];

async function commitOfTree(): Promise<string | null> {
  const git = (...args: string[]) => run('git', ['-C', PROJECT_ROOT, ...args]);
  try {
    const { stdout: commit } = await git('rev-parse', '--short', 'HEAD');
    const { stdout: changed } = await git('status', '--porcelain', '--', ...UNMEASURED);
    return commit.trim() + (changed.trim() === '' ? '' : '+');
  } catch {
    return null;
  }
}
