/** The rates of a run over time as a picture: SVG without scripts, fonts or anything from elsewhere. */

/** One stretch of time: rates are means over it. */
export interface Point {
  /** Seconds since the first request was due. */
  readonly second: number;
  /** Transactions a second that were due, and that stand in blocks of this time. */
  readonly due: number;
  readonly committed: number;
  /** Answers 429 a second. */
  readonly tooMany: number;
  /** Percent of all cores; null where it was not measured. */
  readonly cpu: {
    readonly functions: number;
    readonly emulators: number;
    readonly load: number;
    readonly others: number;
  } | null;
}

export interface PlotOptions {
  readonly title: string;
  /** Under the title: how it was measured. */
  readonly subtitle: string;
  /** Length of one stretch. */
  readonly secondsPerPoint: number;
  /** When the last request was due. */
  readonly dueUntilSecond: number;
  readonly points: readonly Point[];
}

const WIDTH = 960;
const LEFT = 70;
const RIGHT = 30;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;
const RATES = { top: 92, height: 270 } as const;
const CPU = { top: 436, height: 150 } as const;
const HEIGHT = CPU.top + CPU.height + 56;

/** Told apart without colour vision (Okabe and Ito, 2008). */
const colours = {
  due: '#777777',
  committed: '#0072b2',
  tooMany: '#d55e00',
  functions: '#0072b2',
  emulators: '#e69f00',
  load: '#009e73',
  others: '#bbbbbb',
} as const;

const rateNames = {
  due: 'transactions due',
  committed: 'committed (by time of their block)',
  tooMany: 'told to wait (429)',
} as const;
const cpuNames = {
  functions: 'functions',
  emulators: 'emulators',
  load: 'load',
  others: 'others',
} as const;
type Rate = keyof typeof rateNames;
type Group = keyof typeof cpuNames;
const rates = Object.keys(rateNames) as readonly Rate[];
const groups = Object.keys(cpuNames) as readonly Group[];

interface Scale {
  readonly x: (second: number) => number;
  readonly y: (value: number) => number;
}

export function plotSvg(options: PlotOptions): string {
  const { points, secondsPerPoint, title, subtitle } = options;
  const lastSecond = Math.max(1, ...points.map((one) => one.second + secondsPerPoint));
  const highest = Math.max(1, ...points.flatMap((one) => rates.map((rate) => one[rate])));
  const step = niceStep(highest / 5);
  const most = Math.ceil(highest / step) * step;
  const x = (second: number): number => LEFT + (second / lastSecond) * PLOT_WIDTH;
  const scaleOf = (panel: typeof RATES | typeof CPU, top: number): Scale => ({
    x,
    y: (value) => panel.top + panel.height * (1 - value / top),
  });
  const rateScale = scaleOf(RATES, most);
  const cpuScale = scaleOf(CPU, 100);
  const rateTicks = range(0, most, step);
  const timeTicks = range(0, lastSecond, niceStep(lastSecond / 10));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<desc>${escaped(`${subtitle}. ${summary(points)}`)}</desc>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(LEFT, 28, title, { size: 17, weight: 'bold' }),
    text(LEFT, 47, subtitle, { colour: '#444444' }),
    legend(
      rates.map((rate) => [rateNames[rate], colours[rate]]),
      RATES.top - 18,
    ),
    grid(RATES, rateScale, rateTicks, timeTicks),
    axisTitle(RATES, 'a second'),
    endOfLoad(options, rateScale, RATES),
    ...rates.map((rate) => line(points, rate, secondsPerPoint, rateScale)),
    legend(
      groups.map((group) => [cpuNames[group], colours[group]]),
      CPU.top - 18,
    ),
    grid(CPU, cpuScale, range(0, 100, 25), timeTicks),
    ...areas(points, secondsPerPoint, cpuScale),
    axisTitle(CPU, '% of all cores'),
    text(LEFT + PLOT_WIDTH / 2, HEIGHT - 14, 'seconds since the first request was due', {
      anchor: 'middle',
    }),
    '</svg>',
    '',
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= least - 1e-9) ?? power;
}

function summary(points: readonly Point[]): string {
  const highest = Math.max(0, ...points.map((one) => one.committed));
  return `At most ${highest.toFixed(1)} transactions a second were committed.`;
}

function line(points: readonly Point[], rate: Rate, seconds: number, { x, y }: Scale): string {
  const corners = points.flatMap((one) => [
    `${fixed(x(one.second))},${fixed(y(one[rate]))}`,
    `${fixed(x(one.second + seconds))},${fixed(y(one[rate]))}`,
  ]);
  const dashes = rate === 'due' ? ' stroke-dasharray="5 3"' : '';
  return `<polyline fill="none" stroke="${colours[rate]}" stroke-width="2"${dashes} points="${corners.join(' ')}"/>`;
}

/** Stacked, the functions at the bottom. */
function areas(points: readonly Point[], seconds: number, { x, y }: Scale): string[] {
  return points.flatMap(({ second, cpu }) => {
    if (!cpu) return [];
    let below = 0;
    return groups.map((group) => {
      const top = Math.min(100, below + cpu[group]);
      const box = {
        x: fixed(x(second)),
        y: fixed(y(top)),
        width: fixed(x(second + seconds) - x(second)),
        height: fixed(y(below) - y(top)),
      };
      below = top;
      const { width, height } = box;
      return `<rect x="${box.x}" y="${box.y}" width="${width}" height="${height}" fill="${colours[group]}" shape-rendering="crispEdges"/>`;
    });
  });
}

function endOfLoad({ dueUntilSecond }: PlotOptions, { x }: Scale, panel: typeof RATES): string {
  const at = fixed(x(dueUntilSecond));
  return (
    `<line x1="${at}" x2="${at}" y1="${panel.top}" y2="${panel.top + panel.height}" stroke="#000000" stroke-dasharray="2 4"/>` +
    text(Number(at) - 5, panel.top + 14, 'last one due', { anchor: 'end', colour: '#444444' })
  );
}

function grid(
  { top, height }: typeof RATES | typeof CPU,
  { x, y }: Scale,
  valueTicks: readonly number[],
  timeTicks: readonly number[],
): string {
  const across = valueTicks.map(
    (value) =>
      `<line x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${fixed(y(value))}" y2="${fixed(y(value))}" stroke="#dddddd"/>` +
      text(LEFT - 8, y(value) + 4, short(value), { anchor: 'end' }),
  );
  const along = timeTicks.map(
    (second) =>
      `<line x1="${fixed(x(second))}" x2="${fixed(x(second))}" y1="${top + height}" y2="${top + height + 5}" stroke="#000000"/>` +
      text(x(second), top + height + 19, short(second), { anchor: 'middle' }),
  );
  const axis = `<line x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${top + height}" y2="${top + height}" stroke="#000000"/>`;
  return [...across, ...along, axis].join('\n');
}

function legend(entries: readonly (readonly [string, string])[], y: number): string {
  let x = LEFT;
  return entries
    .map(([name, colour]) => {
      const entry =
        `<rect x="${x}" y="${y - 9}" width="12" height="10" fill="${colour}"/>` +
        text(x + 17, y, name);
      x += 17 + name.length * 6.6 + 22;
      return entry;
    })
    .join('\n');
}

function axisTitle({ top, height }: typeof RATES | typeof CPU, title: string): string {
  const y = top + height / 2;
  return `<text x="18" y="${y}" text-anchor="middle" transform="rotate(-90 18 ${y})">${escaped(title)}</text>`;
}

function text(
  x: number,
  y: number,
  content: string,
  style: { size?: number; weight?: string; colour?: string; anchor?: string } = {},
): string {
  const { size, weight, colour = '#000000', anchor } = style;
  const more = [
    size === undefined ? '' : ` font-size="${size}"`,
    weight === undefined ? '' : ` font-weight="${weight}"`,
    anchor === undefined ? '' : ` text-anchor="${anchor}"`,
  ].join('');
  return `<text x="${fixed(x)}" y="${fixed(y)}" fill="${colour}"${more}>${escaped(content)}</text>`;
}

function range(from: number, to: number, step: number): number[] {
  return Array.from(
    { length: Math.floor((to - from) / step + 1e-9) + 1 },
    (_, i) => from + i * step,
  );
}

function short(value: number): string {
  return String(Number(value.toFixed(2)));
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

function escaped(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
