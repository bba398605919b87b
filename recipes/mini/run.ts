/**
 * Makes the chat model from nothing: data, tokenizer, pre-training, fine-tuning, polishing, preferences, evaluation,
 * export.
 * Steps that are finished and whose inputs are the same are skipped; a training step that was stopped goes on where it
 * was. Everything is written to one folder, with a log of what was done, when and how long it took.
 *
 * Run: npx tsx recipes/mini/run.ts [--work FOLDER] [--until STEP] [--smoke]
 * `--smoke` does everything with a hundredth of the data and a few steps, to see that it works.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generate } from './data/generate.js';
import { writeReport } from './report.js';
import { kaiwen, type Recipe, runSteps, type Step } from './steps.js';

const HERE = import.meta.dirname;
const { values: flags } = parseArgs({
  options: {
    work: { type: 'string', default: 'recipes/mini/work' },
    until: { type: 'string' },
    smoke: { type: 'boolean', default: false },
  },
});

const work = flags.work;
mkdirSync(work, { recursive: true });
const at = (...parts: string[]) => join(work, ...parts);
const here = (name: string) => join(HERE, name);
const smoke = (...settings: string[]) => (flags.smoke ? settings : []);

/** `kaiwen train` with one of the recipe's configurations. */
function train(recipe: Recipe, name: string, ...settings: string[]): Promise<void> {
  const quick = smoke('--steps', '6', '--set', 'validation.tokens=2000', '--set', 'checkpoint.steps=3');
  return kaiwen(
    recipe,
    name,
    'train',
    here(`${name}.yaml`),
    '--out',
    at(name),
    ...(recipe.stale ? ['--fresh'] : []),
    ...settings,
    ...quick,
  );
}

/** Raw examples to shards: none is dropped as a duplicate, because how often each stands there is its weight. */
function prepare(name: string, files: readonly string[], options: readonly string[] = []): Step {
  return {
    name: `prepare-${name}`,
    inputs: [...files, at('tokenizer', 'tokenizer.json')],
    outputs: [at('shards', name)],
    settings: options,
    run: (recipe) =>
      kaiwen(
        recipe,
        `prepare-${name}`,
        ...['data', 'prepare', ...files, '--model', at('tokenizer'), '--out', at('shards', name)],
        ...['--force', '--dedupe', 'none', '--validation', '0.01', ...options],
      ),
  };
}

function evaluate(name: string, model: string): Step {
  return {
    name: `evaluate-${name}`,
    inputs: [at('data', 'eval.jsonl'), model],
    outputs: [at('scores', `${name}.json`)],
    run: (recipe) => {
      mkdirSync(at('scores'), { recursive: true });
      const out = ['--out', at('scores', `${name}.json`), '--max-tokens', '80', '--mistakes', '30'];
      return kaiwen(
        recipe,
        `evaluate-${name}`,
        'eval',
        model,
        at('data', 'eval.jsonl'),
        ...out,
        ...smoke('--limit', '2'),
      );
    },
  };
}

const data = (name: string) => at('data', `${name}.jsonl`);

const steps: readonly Step[] = [
  {
    name: 'data',
    inputs: [here('data'), here('tables')],
    outputs: ['pretrain', 'sft', 'polish', 'dpo', 'eval', 'tokenizer'].map(data),
    settings: [flags.smoke],
    run: async ({ log }) => log(JSON.stringify(await generate(at('data'), flags.smoke ? 0.01 : 1))),
  },
  {
    name: 'tokenizer',
    inputs: [data('tokenizer'), here('chat_template.jinja'), here('generation_config.json')],
    outputs: [at('tokenizer')],
    run: async (recipe) => {
      await kaiwen(
        recipe,
        'tokenizer',
        ...['tokenizer', 'train', data('tokenizer'), '--field', 'text'],
        ...['--vocab-size', flags.smoke ? '1024' : '4096', '--chat-template', here('chat_template.jinja')],
        ...['--force', '--out', at('tokenizer')],
      );
      // The licence, and how answers are sampled, go with the tokenizer into every model that is made with it.
      writeFileSync(at('tokenizer', 'README.md'), '---\nlicense: apache-2.0\n---\n');
      copyFileSync(here('generation_config.json'), at('tokenizer', 'generation_config.json'));
    },
  },
  prepare('pretrain', [data('pretrain'), data('sft')], ['--loss', 'all']),
  prepare('sft', [data('sft')]),
  prepare('polish', [data('polish')]),
  prepare('dpo', [data('dpo')]),
  {
    name: 'pretrain',
    inputs: [at('shards', 'pretrain'), here('pretrain.yaml')],
    outputs: [at('pretrain', 'model')],
    run: (recipe) =>
      train(
        recipe,
        'pretrain',
        '--data',
        at('shards', 'pretrain'),
        '--tokenizer',
        at('tokenizer'),
        ...smoke('--set', 'architecture.vocab_size=1024', '--set', 'architecture.num_hidden_layers=2'),
      ),
  },
  {
    name: 'sft',
    inputs: [at('pretrain', 'model'), at('shards', 'sft'), here('sft.yaml')],
    outputs: [at('sft', 'model')],
    run: (recipe) => train(recipe, 'sft', '--model', at('pretrain', 'model'), '--data', at('shards', 'sft')),
  },
  evaluate('sft', at('sft', 'model')),
  {
    name: 'polish',
    inputs: [at('sft', 'model'), at('shards', 'polish'), here('polish.yaml')],
    outputs: [at('polish', 'model')],
    run: (recipe) => train(recipe, 'polish', '--model', at('sft', 'model'), '--data', at('shards', 'polish')),
  },
  evaluate('polish', at('polish', 'model')),
  {
    name: 'dpo',
    inputs: [at('polish', 'model'), at('shards', 'dpo'), here('dpo.yaml')],
    outputs: [at('dpo', 'model')],
    run: (recipe) => train(recipe, 'dpo', '--model', at('polish', 'model'), '--data', at('shards', 'dpo')),
  },
  evaluate('dpo', at('dpo', 'model')),
  {
    name: 'export',
    inputs: [at('dpo', 'model')],
    outputs: [at('mini-q8_0.gguf')],
    run: (recipe) =>
      kaiwen(recipe, 'export', 'convert', at('dpo', 'model'), at('mini-q8_0.gguf'), '--type', 'q8_0', '--force'),
  },
  evaluate('gguf', at('mini-q8_0.gguf')),
];

await runSteps(steps, { work, until: flags.until });
writeReport(work);
console.log(`${at('report.md')} says what came of it.`);
