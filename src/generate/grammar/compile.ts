/** From what a client asks an answer to match to a grammar of the library, tried out a little. */
import { KaiwenError } from '../../errors.js';
import type { GrammarSource } from '../engine.js';
import { mendClasses } from './classes.js';
import { tooSlow } from './constraint.js';
import { regexGrammar } from './ebnf.js';
import { schemaGrammar } from './schema/schema.js';
import { structuralTag } from './structural-tag.js';
import { type CompiledGrammar, compile, END, type GrammarImage, type Plan } from './xgrammar.js';

/** Bytes of an answer that are tried, and milliseconds that they may take: a hundred times what most grammars need. */
const TRIAL = 400;
const PATIENCE = 1000;

/** Throws KaiwenError 'bad_input' or 'unsupported'. May take for ever: to be run in a thread that can be ended. */
export async function compileSource(source: GrammarSource): Promise<GrammarImage> {
  const grammar = await compile(shallow(() => planOf(source)));
  const image = grammar.image();
  await tryOut(grammar);
  return image;
}

/** Schemas and expressions are followed by recursion. */
function shallow<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new KaiwenError('unsupported', 'The grammar nests too deeply.', { remedy: 'Make it flatter.', cause: error });
  }
}

function planOf(source: GrammarSource): Plan {
  switch (source.kind) {
    case 'json':
      return { kind: 'ebnf', text: schemaGrammar('true') };
    case 'ebnf':
      return { kind: 'ebnf', text: mendClasses(source.grammar) };
    case 'regex':
      return { kind: 'ebnf', text: regexGrammar(source.pattern) };
    case 'json_schema':
      return { kind: 'ebnf', text: schemaGrammar(source.schema) };
    case 'structural':
      return { kind: 'structural', text: structuralTag(source.tag) };
  }
}

/** Follows an answer of arbitrary bytes: what a grammar costs to follow shows here, not in the engine. */
async function tryOut(grammar: CompiledGrammar): Promise<void> {
  const matcher = await grammar.matcher();
  let state = 1;
  const until = performance.now() + PATIENCE;
  for (let step = 0; step < TRIAL; step++) {
    if (performance.now() > until) throw tooSlow();
    const words = matcher.GetNextTokenBitmask(END + 1);
    const next: number[] = [];
    for (let byte = 0; byte < END; byte++) if ((words.get(byte >> 5) >>> (byte & 31)) & 1) next.push(byte);
    words.delete();
    if (next.length === 0) return;
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    matcher.AcceptToken(next[(state >>> 8) % next.length], false);
  }
}
