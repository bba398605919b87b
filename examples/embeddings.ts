/**
 * Finds the descriptions nearest to one, by the cosine of their embeddings. A model trained for embeddings
 * (Qwen3-Embedding) compares meanings; any other compares what it expects to come next, so these have no full stop.
 * Run: npx tsx examples/embeddings.ts models/glossary "A shrub with yellow flowers"
 */
import { load } from 'kaiwen';

const sentences = [
  'A plant with white flowers',
  'A tropical tree with red fruit',
  'A person who reads books',
  'Someone who sings',
  'A disease of the lungs',
  'An inflammation of the throat',
  'A sum of money',
];

await using model = await load(process.argv[2] ?? 'models/glossary');
const question = process.argv[3] ?? 'A shrub with yellow flowers';
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
