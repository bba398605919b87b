/** Reads settings from YAML (JSON too) and flags; every fault is named with its line, or its flag. */
import { KaiwenError } from '../errors.js';
import { readText } from '../formats/file.js';
import { type Complaint, complaintsOf, type Path, parseYaml, type YamlText } from '../formats/yaml.js';
import { contradictions, TrainConfig } from './config.js';

/** A setting that a flag gives; wins over the file. */
export interface FlagSetting {
  /** As typed, for messages. */
  flag: string;
  path: readonly string[];
  value: unknown;
}

interface Sources {
  file?: string;
  yaml?: YamlText;
  flags: readonly FlagSetting[];
}

/** Settings of a file, or none, and flags. Throws KaiwenError 'usage' that names the first fault and counts the others. */
export function readConfig(file: string | undefined, flags: readonly FlagSetting[] = []): TrainConfig {
  const yaml = file === undefined ? undefined : parseFile(file);
  const settings = (yaml?.value ?? {}) as Record<string, unknown>;
  for (const { path, value } of flags) put(settings, path, value);
  // A length that a flag gives takes the place of the file's, in whichever of the two it is given.
  for (const [given, other] of [
    ['steps', 'epochs'],
    ['epochs', 'steps'],
  ]) {
    if (hasFlag(flags, given) && !hasFlag(flags, other)) delete settings[other];
  }
  const sources = { file, yaml, flags };
  const parsed = TrainConfig.safeParse(settings);
  if (!parsed.success) throw refusal(complaintsOf(parsed.error, TrainConfig), sources);
  const complaints = contradictions(parsed.data);
  if (complaints.length > 0) throw refusal(complaints, sources);
  return parsed.data;
}

function parseFile(file: string): YamlText {
  const text = readText(file);
  if (text === undefined) {
    throw new KaiwenError('not_found', `${file}: no such file.`, { remedy: 'Give the path of a YAML file.' });
  }
  const yaml = parseYaml(file, text);
  if (yaml.value !== null && !yaml.isMap) throw usage(`${file}:1: not a list of "key: value".`);
  return yaml;
}

function hasFlag(flags: readonly FlagSetting[], key: string): boolean {
  return flags.some(({ path }) => path.length === 1 && path[0] === key);
}

function put(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) settings[key] = value;
  else {
    const inner = settings[key];
    const object = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : {};
    put((settings[key] = { ...object }) as Record<string, unknown>, rest, value);
  }
}

function refusal(complaints: readonly Complaint[], sources: Sources): KaiwenError {
  const [first] = complaints;
  const more = complaints.length > 1 ? ` (and ${complaints.length - 1} more)` : '';
  return usage(
    `${where(first.path, sources)}: ${first.message}${more}${first.message.endsWith('?') && !more ? '' : '.'}`,
  );
}

function where(path: Path, { file, yaml, flags }: Sources): string {
  const name = path.join('.');
  const flag = flags.find((setting) => path.every((key, i) => i >= setting.path.length || key === setting.path[i]));
  if (flag) return flag.flag.startsWith('--set') ? name : flag.flag;
  const line = yaml?.lineOf(path);
  if (!file) return name;
  return `${file}${line === undefined ? '' : `:${line}`}: ${name}`;
}

function usage(message: string): KaiwenError {
  return new KaiwenError('usage', message, { remedy: '`kaiwen train --help` explains the settings.' });
}
