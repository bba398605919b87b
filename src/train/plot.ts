/** Curves as SVG: one figure with axes, ticks and a legend. Long curves are thinned to what a screen shows. */

export interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Points stand out (few of them). */
  dots?: boolean;
  /** A running mean over the raw curve in pale. */
  smooth?: boolean;
}

const [WIDTH, HEIGHT] = [860, 260];
const BOX = { left: 62, right: 12, top: 12, bottom: 24 };
const COLOURS = ['#2563a8', '#c2410c', '#3f7d3a'];
const MOST_POINTS = 800;

export function plot(title: string, all: readonly Series[]): string {
  const series = all.map((one) => ({ ...one, points: one.points.filter(([, y]) => Number.isFinite(y)) }));
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) return '';
  const xs = range(points.map(([x]) => x));
  const ys = range(bulk(points.map(([, y]) => y)));
  const x = (value: number) => BOX.left + ((value - xs[0]) / (xs[1] - xs[0])) * (WIDTH - BOX.left - BOX.right);
  const y = (value: number) =>
    HEIGHT - BOX.bottom - ((value - ys[0]) / (ys[1] - ys[0])) * (HEIGHT - BOX.top - BOX.bottom);
  const line = (some: Series['points'], style: string) =>
    `<polyline fill="none" ${style} points="${thin(some)
      .map(([a, b]) => `${x(a).toFixed(1)},${Math.max(BOX.top, y(b)).toFixed(1)}`)
      .join(' ')}"/>`;
  const grid = ticks(ys).map(
    (value) =>
      `<line x1="${BOX.left}" x2="${WIDTH - BOX.right}" y1="${y(value)}" y2="${y(value)}" stroke="#e5e5e5"/>` +
      `<text x="${BOX.left - 6}" y="${y(value) + 4}" text-anchor="end">${label(value)}</text>`,
  );
  const feet = ticks(xs).map(
    (value) => `<text x="${x(value)}" y="${HEIGHT - 6}" text-anchor="middle">${label(value)}</text>`,
  );
  const curves = series.map(({ points: some, dots, smooth }, i) => {
    const colour = `stroke="${COLOURS[i % COLOURS.length]}"`;
    const own = smooth && some.length > 40;
    const marks = dots
      ? some.map(([a, b]) => `<circle cx="${x(a).toFixed(1)}" cy="${y(b).toFixed(1)}" r="2.5" fill="${COLOURS[i]}"/>`)
      : [];
    return [
      line(some, own ? `${colour} opacity="0.25"` : `${colour} stroke-width="1.5"`),
      ...(own ? [line(running(some), `${colour} stroke-width="1.5"`)] : []),
      ...marks,
    ].join('');
  });
  const legend = series.map(
    ({ name }, i) =>
      `<text x="${WIDTH - 12}" y="${24 + 15 * i}" text-anchor="end" style="fill:${COLOURS[i]}">${name}</text>`,
  );
  const body = [...grid, ...feet, ...curves, ...(series.length > 1 ? legend : [])].join('\n');
  return `<h2>${title}</h2>\n<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">\n${body}\n</svg>`;
}

/** Without the highest percent: the first steps would flatten everything after them. */
function bulk(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.slice(0, Math.max(1, Math.ceil(sorted.length * 0.99)));
}

function range(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low === high ? [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2] : [low, high];
}

/** Round numbers within a range, about five. */
function ticks([low, high]: readonly [number, number]): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

function label(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))} M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))} k`;
  return size > 0 && size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

function thin(points: Series['points']): Series['points'] {
  const every = Math.ceil(points.length / MOST_POINTS);
  return every <= 1 ? points : points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

/** Exponential mean over about a fortieth of the curve. */
function running(points: Series['points']): [number, number][] {
  const keep = 1 - 1 / Math.max(5, points.length / 40);
  let mean = points[0][1];
  return points.map(([x, y]) => [x, (mean = keep * mean + (1 - keep) * y)]);
}
