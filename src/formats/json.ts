/**
 * Bounds on JSON from files: the parser takes fifty bytes of memory for one `[`, so that a hostile file of 100 MB
 * would take all there is. Counting brackets first costs a hundredth of parsing.
 */

/** Deeper than any file that belongs to a model, and more objects and arrays than the largest header has. */
const DEPTH_LIMIT = 64;
const PARTS_LIMIT = 4_000_000;

/** JSON.parse that refuses, with a SyntaxError, texts of absurd depth or with millions of objects. */
export function parseJson(text: string): unknown {
  let depth = 0;
  let parts = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) quoted = !quoted;
    else if (quoted) {
      if (code === 0x5c) i++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > DEPTH_LIMIT) throw new SyntaxError('it nests too deeply');
      if (++parts > PARTS_LIMIT) throw new SyntaxError('it has too many parts');
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return JSON.parse(text);
}
