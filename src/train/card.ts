/** The model card: README.md with the front matter that hubs read, written from a lineage. It claims what was recorded. */
import { stringify } from 'yaml';
import type { Json, JsonObject } from '../formats/checkpoint.js';
import type { Lineage, LineageData } from './lineage.js';

export interface CardFacts {
  title: string;
  kind: 'model' | 'adapter';
  /** As the base or its user names it: apache-2.0, "WordNet 3.0". */
  licence?: string;
  lineage: Lineage;
  /** What it is made of, such as `qwen3` and the number of its parameters. */
  architecture: string;
  parameters: number;
}

/** How a model came to be; `#` stands for its base. */
const METHODS: Readonly<Record<string, string>> = {
  pretrain: 'trained from nothing',
  continue: 'pre-trained further from #',
  sft: 'fine-tuned from #',
  dpo: 'tuned on preferences (DPO) from #',
  distill: 'distilled from a teacher',
  merge: 'made of # by merging an adapter into it',
};

/** README.md. */
export function modelCard(facts: CardFacts): string {
  const { title, lineage } = facts;
  const sections = [
    `# ${title}`,
    opening(facts),
    use(facts),
    section('Training', training(lineage)),
    section('Data', lineage.data.length > 0 ? dataTable(lineage.data) : 'None was recorded.'),
    lineage.results && section('Results', valueTable(lineage.results)),
    section('Settings', `\`\`\`yaml\n${stringify(lineage.settings).trimEnd()}\n\`\`\``),
    section('Limits', limits(facts)),
  ];
  return `${frontMatter(facts)}\n${sections.filter(Boolean).join('\n\n')}\n`;
}

function frontMatter({ kind, licence, lineage }: CardFacts): string {
  const fields: JsonObject = {};
  // Hubs know licences by short names; any other is named beside.
  if (licence && /^[a-z0-9][a-z0-9.-]*$/i.test(licence)) fields.license = licence.toLowerCase();
  else if (licence) Object.assign(fields, { license: 'other', license_name: licence });
  if (lineage.base) {
    fields.base_model = lineage.base.name;
    fields.base_model_relation = kind === 'adapter' ? 'adapter' : lineage.method === 'merge' ? 'merge' : 'finetune';
  }
  if (kind === 'adapter') fields.library_name = 'peft';
  fields.pipeline_tag = 'text-generation';
  fields.tags = ['kaiwen', firstWord(lineage.method), ...(kind === 'adapter' ? ['lora'] : [])];
  return `---\n${stringify(fields)}---\n`;
}

function opening({ kind, lineage, architecture, parameters }: CardFacts): string {
  const what = kind === 'adapter' ? 'A LoRA adapter' : 'A language model';
  const method = METHODS[firstWord(lineage.method)] ?? `made from # (${lineage.method})`;
  const how = method.replace('#', lineage.base?.name ?? 'nothing');
  const size = `${parameters.toLocaleString('en')} parameters`;
  return `${what} (${architecture}, ${size}), ${how}, with Kaiwen ${lineage.code.version} on ${lineage.created.slice(0, 10)}.`;
}

function use({ kind, lineage }: CardFacts): string {
  const base = lineage.base?.name ?? 'BASE';
  const command =
    kind === 'adapter'
      ? `kaiwen run ${base} --adapter .\nkaiwen merge ${base} --adapter . --out merged`
      : 'kaiwen run .';
  return section('Use', `\`\`\`sh\n${command}\n\`\`\``);
}

function training({ base, seed, code, method }: Lineage): string {
  const rows: JsonObject = {
    method,
    seed,
    code: `${code.name} ${code.version}${code.commit ? ` (${code.commit})` : ''}`,
  };
  if (base) {
    rows.base = base.name;
    rows['SHA-256 of the base'] = base.hash;
    if (base.licence) rows['licence of the base'] = base.licence;
  }
  return valueTable(rows);
}

function dataTable(data: readonly LineageData[]): string {
  const count = (n: number | undefined) => (n === undefined ? '' : n.toLocaleString('en'));
  const rows = data.map((d) => [
    d.name,
    count(d.documents),
    count(d.tokens),
    d.licence ?? 'not stated',
    d.source ?? '',
    d.hash,
  ]);
  return table(['data', 'documents', 'tokens', 'licence', 'source', 'hash'], rows);
}

function limits({ kind, lineage }: CardFacts): string {
  const knows = 'It knows what its data told it and may state falsehoods with the same confidence; check what matters.';
  const unstated = lineage.data.filter(({ licence }) => licence === undefined).length;
  const data =
    unstated > 0
      ? ` Of its data ${unstated} of ${lineage.data.length} parts state no licence: check before you publish.`
      : '';
  const fit = kind === 'adapter' ? ' It fits the base named above and no other model.' : '';
  return `${knows}${fit}${data}`;
}

/** `sft (lora)` says how in brackets. */
function firstWord(method: string): string {
  return method.replace(/\s.*$/, '');
}

function section(name: string, text: string): string {
  return `## ${name}\n\n${text}`;
}

/** One row a field; what is nested is written as JSON. */
function valueTable(values: JsonObject): string {
  const show = (value: Json) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));
  return table(
    ['', ''],
    Object.entries(values).map(([name, value]) => [name, show(value)]),
  );
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A name from a file must not end its cell, its row or the page's markup. */
function cell(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[|<>`]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
