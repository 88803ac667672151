/** The picture of a run: well-formed, within its frame, and the same heights as the figures. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { niceStep, plotSvg, type Point } from '../../../bench/load/plot.ts';

const cpu = { functions: 60, emulators: 25, load: 5, others: 4 };
const points: Point[] = [
  { second: 0, due: 10, committed: 4, tooMany: 0, cpu: null },
  { second: 1, due: 20, committed: 8, tooMany: 2, cpu },
  { second: 2, due: 0, committed: 16, tooMany: 0, cpu: { ...cpu, functions: 99 } },
];
const svg = plotSvg({
  title: 'Load & <more>',
  subtitle: 'a machine',
  secondsPerPoint: 1,
  dueUntilSecond: 2,
  points,
});

interface Shapes {
  svg: { polyline: { '@_points': string }[]; rect: Record<string, string>[]; title: string };
}
const shapes = new XMLParser({ ignoreAttributes: false }).parse(svg) as Shapes;

describe('the plot of a load', () => {
  it('is well-formed, and says what it shows', () => {
    expect(XMLValidator.validate(svg)).toBe(true);
    expect(shapes.svg.title).toBe('Load & <more>');
    expect(svg).toContain('At most 16.0 transactions a second were committed.');
    expect(svg).not.toMatch(/<script|href|url\(/);
  });

  it('draws each rate to scale', () => {
    const [due, committed] = shapes.svg.polyline.map((line) =>
      line['@_points'].split(' ').map((corner) => corner.split(',').map(Number)),
    );
    const height = (line: number[][] | undefined, index: number): number =>
      362 - (line?.[2 * index]?.[1] ?? 0);
    expect(height(committed, 1) / height(committed, 0)).toBeCloseTo(2, 1);
    expect(height(due, 1) / height(committed, 1)).toBeCloseTo(2.5, 1);
    expect(height(due, 2)).toBe(0);
  });

  it('stays within its frame where shares are more than all', () => {
    const tops = shapes.svg.rect.map((rect) => Number(rect['@_y'] ?? 0));
    expect(Math.min(...tops)).toBeGreaterThanOrEqual(0);
    const heights = shapes.svg.rect.map((rect) => Number(rect['@_height']));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
  });

  it.each([
    [0.3, 0.5],
    [1, 1],
    [3.2, 5],
    [7, 10],
    [120, 200],
  ])('has ticks at round numbers: %s becomes %s', (least, step) => {
    expect(niceStep(least)).toBeCloseTo(step);
  });
});
