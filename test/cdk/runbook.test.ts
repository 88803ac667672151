/** Each alarm names a page of the runbook that is there, and each page is named by an alarm. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

import { configInput, makeNetwork, templateOf } from './fixtures.ts';

const network = makeNetwork(configInput());
const folder = new URL('../../docs/runbook/', import.meta.url);
const named = ['north', 'membership', 'records'].flatMap((id) =>
  Object.entries(templateOf(network, id).findResources('AWS::CloudWatch::Alarm')).map(
    ([alarm, { Properties }]) => {
      const { AlarmDescription } = Properties as { AlarmDescription: unknown };
      const text = JSON.stringify(AlarmDescription);
      return { alarm: `${id} ${alarm}`, page: /docs\/runbook\/([a-z-]+)\.md/.exec(text)?.[1] };
    },
  ),
);
const pages = readdirSync(folder).filter((name) => name !== 'README.md');

describe('the runbook', () => {
  it('has a page for each alarm', () => {
    expect(named.length).toBeGreaterThan(30);
    const missing = named.filter(({ page }) => !page || !pages.includes(`${page}.md`));
    expect(missing).toEqual([]);
  });

  it('has no page that no alarm names', () => {
    const used = new Set(named.map(({ page }) => `${page ?? ''}.md`));
    expect(pages.filter((page) => !used.has(page))).toEqual([]);
  });

  it.each(pages)('%s says what it means, what to do and when it is over', (page) => {
    const text = readFileSync(new URL(page, folder), 'utf8');
    for (const part of [
      /^# /,
      /\*\*What it means\.\*\*/,
      /\*\*(?:Do\.|Look\.)\*\*/,
      /\*\*Over when\*\*/,
    ]) {
      expect(text).toMatch(part);
    }
  });

  it('lists all pages, and its links lead somewhere', () => {
    const index = readFileSync(new URL('README.md', folder), 'utf8');
    for (const page of pages) expect(index).toContain(`(${page})`);
    for (const page of [...pages, 'README.md']) {
      const text = readFileSync(new URL(page, folder), 'utf8');
      for (const [, target = '', anchor] of text.matchAll(/\]\(([^)#]+)(?:#([a-z-]+))?\)/g)) {
        const file = new URL(target, new URL(page, folder));
        expect([page, target, existsSync(file)]).toEqual([page, target, true]);
        if (anchor) expect(anchorsOf(readFileSync(file, 'utf8'))).toContain(anchor);
      }
    }
  });
});

function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
}
