/**
 * Continues a text, shows how sure the model was of each token, and cancels after half a second or forty tokens.
 * Run: npx tsx examples/abort.ts models/glossary
 */
import { load } from 'kaiwen';

await using model = await load(process.argv[2] ?? 'models/glossary');

const signal = AbortSignal.timeout(500);
const prompt = 'A large';
console.log(prompt);
for await (const event of model.generate(prompt, { signal, seed: 1, logprobs: 2, maxTokens: 40 })) {
  if (event.type === 'text') {
    for (const { token, logprob, top } of event.logprobs ?? []) {
      const others = top.filter((other) => other.token !== token).map((other) => JSON.stringify(other.token));
      const percent = (100 * Math.exp(logprob)).toFixed(1).padStart(5);
      console.log(`${percent} %  ${JSON.stringify(token).padEnd(16)} rather than ${others.join(', ')}`);
    }
  }
  if (event.type === 'done') console.log(`Ended by "${event.reason}" after ${event.stats.completionTokens} tokens.`);
}
