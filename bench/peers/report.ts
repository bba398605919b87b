/** Medians, their spread and the ratio between two engines. */
import { formatTable } from './table.js';

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Result {
  backend: string;
  model: string;
  type: string;
  case: string;
  ours: number;
  theirs: number;
  /** Above 1: Kaiwen is better. */
  ratio: number;
  unit: string;
}

export class Report {
  readonly results: Result[] = [];
  private readonly tables = new Map<string, { theirs: string; rows: string[][] }>();

  /** Returns what adds a case of this backend and model beside `theirs`; `better` says which values are. */
  for(backend: string, model: string, type: string, theirs = 'llama.cpp') {
    const rows: string[][] = [];
    this.tables.set([backend, model, type].join(), { theirs, rows });
    return (name: string, ours: Spread, theirs: Spread, unit: string, better: 'more' | 'less'): void => {
      const ratio = better === 'more' ? ours.median / theirs.median : theirs.median / ours.median;
      this.results.push({ backend, model, type, case: name, ours: ours.median, theirs: theirs.median, ratio, unit });
      rows.push([
        name,
        unit,
        number(ours.median),
        limits(ours),
        number(theirs.median),
        limits(theirs),
        ratio.toFixed(2),
      ]);
    };
  }

  table(backend: string, model: string, type: string): string {
    const { theirs, rows } = this.tables.get([backend, model, type].join())!;
    return formatTable([backend, 'unit', 'Kaiwen', 'min to max', theirs, 'min to max', 'ratio'], rows, 2);
  }
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

function limits({ min, max }: Spread): string {
  return min === max ? '' : `${number(min)} to ${number(max)}`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
