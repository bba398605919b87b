/**
 * A server over a model that answers at once: what is left is the work of HTTP, JSON, templates and streaming. With
 * `turns` each token takes a turn of the event loop, so that an answer leaves in several pieces. Prints its port and
 * serves until its standard input ends.
 */
import { TextModel } from '../../src/generate/model.js';
import { listen } from '../../src/server/listen.js';
import { CHATML } from '../../src/tokenizer/chat-template.js';
import { ByteTokenizer, ScriptedEngine } from '../../test/scripted-engine.js';

const inTurns = process.argv[2] === 'turns';
const tokenizer = new ByteTokenizer();
const answer = [...tokenizer.encode('Hi there'), ...tokenizer.eosTokens];

class InstantEngine extends ScriptedEngine {
  override async *generate(request: Parameters<ScriptedEngine['generate']>[0]) {
    for (const id of answer) {
      if (request.stopTokens.includes(id)) break;
      if (inTurns) await new Promise((resolve) => setImmediate(resolve));
      yield { type: 'token' as const, id };
    }
    const stats = {
      promptTokens: request.tokens.length,
      cachedTokens: 0,
      completionTokens: answer.length - 1,
      prefillMs: 0,
      decodeMs: 0,
      speculation: { steps: 0, drafted: 0, accepted: 0 },
    };
    yield { type: 'done' as const, reason: 'stop' as const, stats };
  }
}

const model = new TextModel({
  name: 'instant',
  path: 'instant',
  engine: new InstantEngine(() => answer),
  tokenizer,
  chatTemplate: CHATML,
  generationConfig: {},
  config: {},
});
const server = await listen(model, { port: 0, maxRequests: 10_000 });
process.stdout.write(`${server.port}\n`);
process.stdin.resume();
process.stdin.on('end', () => server.close(0).then(() => process.exit(0)));
