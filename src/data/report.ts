/** What became of the records: counted while they pass, and told at the end. */
import { KaiwenError } from '../errors.js';
import type { DataFile } from './files.js';
import { type MaskCounts, noMasks } from './mask.js';
import type { LostCounts } from './work.js';

export interface Report {
  records: number;
  /** Records that were written. */
  kept: number;
  /** How many good records were dropped, for each reason. */
  dropped: Record<string, number>;
  faults: number;
  /** The first of them. */
  faultList: FaultPlace[];
  /** How many of each kind were masked. */
  masked: MaskCounts;
  /** What the chat template did not write. */
  lost: LostCounts;
}

export interface FaultPlace {
  file: string;
  /** Row in a table. */
  line: number;
  fault: string;
}

export interface FaultLimits {
  /** Stop at the first bad record. */
  strict?: boolean;
  /** Stop when more records than this are bad. Default 1000. */
  maxFaults?: number;
  onFault?: (place: FaultPlace) => void;
}

const LISTED = 100;

export function emptyReport(): Report {
  const lost = { thoughts: 0, calls: 0, tools: 0, unlikePrompt: 0 };
  return { records: 0, kept: 0, dropped: {}, faults: 0, faultList: [], masked: noMasks(), lost };
}

/** Counts a bad record. Throws KaiwenError 'bad_input' where the limits say so. */
export function blame(report: Report, file: DataFile, line: number, fault: string, limits: FaultLimits): void {
  if (limits.strict) {
    throw new KaiwenError('bad_input', `${file.path}:${line}: ${fault}.`, {
      remedy: 'Mend it, or leave out --strict to skip bad records.',
    });
  }
  report.faults++;
  limits.onFault?.({ file: file.path, line, fault });
  if (report.faultList.length < LISTED) report.faultList.push({ file: file.path, line, fault });
  const { maxFaults = 1000 } = limits;
  if (report.faults <= maxFaults) return;
  throw new KaiwenError(
    'bad_input',
    `More than ${maxFaults} records are bad; the first: ${placeOf(report.faultList[0])}.`,
    { remedy: 'See all of them with `kaiwen data validate`, or allow more with --max-bad.' },
  );
}

export function drop(report: Report, reason: string, by = 1): void {
  if (by > 0) report.dropped[reason] = (report.dropped[reason] ?? 0) + by;
}

/** Adds the numbers of one record of counts to another's. */
export function addCounts<T extends { [name in keyof T]: number }>(to: T, from: T): void {
  for (const name of Object.keys(from) as (keyof T)[]) to[name] = (to[name] + from[name]) as T[keyof T];
}

export function placeOf({ file, line, fault }: FaultPlace): string {
  return `${file}:${line}: ${fault}`;
}

/** The error for data of which nothing is left. */
export function nothingLeft({ faults, faultList: [first], dropped }: Report): KaiwenError {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  if (faults > 0) reasons.unshift(`${faults} bad, the first: ${placeOf(first)}`);
  const because = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
  return new KaiwenError('bad_input', `The data holds nothing to learn from${because}.`, {
    remedy: 'See `kaiwen help data` for the shapes that are read.',
  });
}

/** What the user should know although nothing failed, one sentence each. */
export function noticesOf({ lost }: Report): string[] {
  const notices: string[] = [];
  const say = (count: number, what: string): void => {
    if (count > 0) notices.push(`${count} ${what}`);
  };
  say(lost.thoughts, 'answers had thoughts that the chat template does not write; they are not learned.');
  say(lost.calls, 'answers called tools, which the chat template does not write; the calls are not learned.');
  say(lost.tools, 'conversations had tools that the chat template does not show to the model.');
  say(lost.unlikePrompt, 'answers begin otherwise than the chat template asks for them; see --think and --no-think.');
  return notices;
}
