/** What the tests of the chat page share: a browser, a server whose model says what it is asked to, and a watchful page. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { TextModel } from '../src/generate/model.js';
import { CHATML } from '../src/tokenizer/chat-template.js';
import { ByteTokenizer, ScriptedEngine } from './scripted-engine.js';

const CHROMIUM = '/usr/bin/chromium';
const MISSING = `The tests of the chat page need a browser at ${CHROMIUM}: apt-get install chromium.`;

/** Without a browser the tests are left out; on CI, where nobody reads that, they fail. */
export const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser && process.env.CI) throw new Error(MISSING);
if (!hasBrowser) console.warn(MISSING);

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });

const THINKING =
  "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}";
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Answers by the last question; `slow` ones come a byte every few milliseconds and never end. */
export function questionModel(answers: Readonly<Record<string, string>>, slow: readonly string[] = []) {
  const tokenizer = new ByteTokenizer();
  const engine = new ScriptedEngine(
    async function* (request) {
      const prompt = tokenizer.decode(request.tokens, { control: true });
      const question = prompt.split('<|im_start|>user\n').at(-1)!.split('<|im_end|>')[0];
      if (slow.includes(question)) {
        for (const id of tokenizer.encode('a slow answer '.repeat(500))) {
          yield id;
          await sleep(4);
        }
      }
      yield* tokenizer.encode(`${answers[question] ?? `You said ${question}`}<|im_end|>`, { control: true });
    },
    { context: 16_384, maxContext: 16_384, sequences: 4 },
  );
  const model = new TextModel({
    ...{ name: 'scripted', path: 'scripted', engine, tokenizer, chatTemplate: CHATML + THINKING },
    generationConfig: {},
    config: {},
  });
  const lastPrompt = (): string => tokenizer.decode(engine.requests.at(-1)!.tokens, { control: true });
  return { model, engine, lastPrompt };
}

/** A page that remembers every complaint of the browser and every request to anybody but its own server. */
export class WatchedPage implements AsyncDisposable {
  readonly complaints: string[] = [];
  readonly strangers: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    readonly url: string,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('request', (request) => {
      const address = request.url();
      if (!address.startsWith(url) && !address.startsWith('data:') && !address.startsWith('blob:')) {
        this.strangers.push(address);
      }
    });
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const context = await browser.newContext({ locale: 'en-US', reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(10_000);
    const watched = new WatchedPage(context, await context.newPage(), url);
    await watched.page.goto(url);
    await watched.page.locator('#message').waitFor();
    return watched;
  }

  /** Sends a message and waits for the end of the answer, which it gives back. */
  async ask(question: string): Promise<string> {
    await this.begin(question);
    await this.page.locator('.composer .send').waitFor();
    return await this.answer();
  }

  /** Sends a message and waits for its answer to begin. */
  async begin(question: string): Promise<void> {
    const { page } = this;
    const answers = page.locator('article.answer');
    const before = await answers.count();
    await page.locator('#message').fill(question);
    await page.locator('#message').press('Enter');
    await answers.nth(before).waitFor();
  }

  /** The text of the last answer, as far as it has come. */
  async answer(): Promise<string> {
    const text = this.page.locator('article.answer').last().locator('.prose:not(.thoughts)');
    return (await text.count()) > 0 ? await text.innerText() : '';
  }

  /** Nothing went wrong that a reader would not see. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.context.close();
    expect(this.complaints).toEqual([]);
    expect(this.strangers).toEqual([]);
  }
}
