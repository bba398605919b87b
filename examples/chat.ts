/**
 * Asks a model and shows the answer as it is written; the conversation goes on with the next line.
 * Run: npx tsx examples/chat.ts models/glossary
 */
import { createInterface } from 'node:readline/promises';
import { type ChatMessage, load } from 'kaiwen';

await using model = await load(process.argv[2] ?? 'models/glossary');
console.log(`${model.name}: ${model.info.parameters.toLocaleString('en')} parameters. An empty line ends the chat.`);

const messages: ChatMessage[] = [];
const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '\nYou: ' });
terminal.prompt();
for await (const line of terminal) {
  if (line.trim() === '') break;
  messages.push({ role: 'user', content: line });
  let answer = '';
  for await (const event of model.chat(messages)) {
    if (event.type === 'thinking') process.stdout.write(event.text);
    if (event.type === 'text') {
      answer += event.text;
      process.stdout.write(event.text);
    }
    if (event.type === 'notice') console.log(event.message);
    if (event.type === 'done') console.log(`\n(${event.stats.completionTokens} tokens, ${event.reason})`);
  }
  messages.push({ role: 'assistant', content: answer });
  terminal.prompt();
}
terminal.close();
