/**
 * Finds the sentences nearest in meaning to a question, by the cosine of their embeddings. Any model will do;
 * one trained for embeddings (Qwen3-Embedding) does it well.
 * Run: npx tsx examples/embeddings.ts models/glossary "a body of water"
 */
import { load } from 'kaiwen';

const sentences = [
  'A river that flows into the sea.',
  'A lake surrounded by mountains.',
  'A person who plays the violin.',
  'The music of a small orchestra.',
  'A sum of money owed to a bank.',
  'The price of a share on the market.',
];

await using model = await load(process.argv[2] ?? 'models/glossary');
const question = process.argv[3] ?? 'a body of water';
const wanted = await model.embed(question);

const ranked: { sentence: string; similarity: number }[] = [];
for (const sentence of sentences) {
  ranked.push({ sentence, similarity: cosine(wanted, await model.embed(sentence)) });
}
ranked.sort((a, b) => b.similarity - a.similarity);

console.log(question);
for (const { sentence, similarity } of ranked) console.log(`${similarity.toFixed(3)}  ${sentence}`);

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}
