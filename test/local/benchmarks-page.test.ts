/** The page of figures: a command replaces its own section and nothing else. */
import { describe, expect, it } from 'vitest';
import {
  type BenchmarkSection,
  circumstances,
  circumstancesText,
  withSection,
} from '../../local/lib/benchmarks-page.ts';

const section: BenchmarkSection = {
  name: 'latency',
  title: 'Latency',
  command: 'npm run bench -- latency',
  output: 'commit   148 ms  \nread      12 ms\n',
  circumstances: {
    date: '2026-01-02T03:04:05.000Z',
    node: 'v24.0.0',
    cores: 2,
    cpu: 'A processor',
    memoryGiB: 23,
    load: 0.3,
    commit: '0123abc',
  },
};

describe('the page of figures', () => {
  it('gets a new section at its end, with command, machine and commit', () => {
    expect(withSection('# Benchmarks\n\nText.\n', section)).toBe(
      [
        '# Benchmarks',
        '',
        'Text.',
        '',
        '<!-- latency -->',
        '',
        '## Latency',
        '',
        '`npm run bench -- latency`: 2026-01-02T03:04:05.000Z, Node v24.0.0, 2 × A processor, 23 GiB, load 0.3, commit 0123abc',
        '',
        '```text',
        'commit   148 ms',
        'read      12 ms',
        '```',
        '',
        '<!-- /latency -->',
        '',
      ].join('\n'),
    );
  });

  it('has one section replaced and the others as they were', () => {
    const other = { ...section, name: 'rotation', title: 'Rotation', output: 'files 9' };
    const page = withSection(withSection('# Benchmarks\n', section), other);
    const again = withSection(page, { ...section, output: 'commit 150 ms' });
    expect(again).toBe(page.replace('commit   148 ms\nread      12 ms', 'commit 150 ms'));
  });

  it('says nothing of a commit outside of git', () => {
    const text = circumstancesText({ ...section.circumstances, commit: null });
    expect(text).not.toContain('commit');
  });

  it('names this machine and this commit', async () => {
    const here = await circumstances();
    expect(here.cores).toBeGreaterThan(0);
    expect(here.node).toBe(process.version);
    if (here.commit !== null) expect(here.commit).toMatch(/^[0-9a-f]{7,}\+?$/);
  });
});
