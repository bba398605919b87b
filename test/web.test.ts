import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load } from '../src/index.js';
import { listen, type RunningServer } from '../src/server/listen.js';
import { hasBrowser, openBrowser, questionModel, WatchedPage } from './web-page.js';

const LONG = Array.from({ length: 40 }, (_, i) => `Paragraph ${i} with *some* words.\n\n`).join('');
const CODE = 'Here:\n\n```ts\nconst answer: number = 42; // why\n```\n\nand `inline`.';
const HOSTILE = [
  '<script>document.title = "owned"</script>',
  '<img src=x onerror="document.title = \'owned\'">',
  '[click](javascript:document.title="owned")',
  '[click](data:text/html,<script>1</script>)',
  '![pixel](https://example.com/pixel.png)',
  '<iframe src="https://example.com"></iframe>',
  '[fine](https://example.com/)',
].join('\n\n');

const { model, engine, lastPrompt } = questionModel(
  {
    code: CODE,
    long: LONG,
    hostile: HOSTILE,
    think: '<think>\nFirst I wonder.\n</think>\n\nThen I know.',
    table: '| a | b |\n|---|---:|\n| 1 | 2 |\n\n1. one\n2. two\n   - nested',
  },
  ['slow'],
);

describe.skipIf(!hasBrowser)('the chat page in a browser', () => {
  let browser: Browser;
  let server: RunningServer;
  const open = (options = {}) => WatchedPage.open(browser, server.url, options);

  beforeAll(async () => {
    browser = await openBrowser();
    server = await listen(model, { port: 0 });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close(0);
  });

  it('streams an answer and says how fast it came', async () => {
    await using chat = await open();
    expect(await chat.ask('hello')).toBe('You said hello');
    expect(await chat.page.locator('.stats').innerText()).toMatch(/^\d+ tokens .*first after \d/);
    expect(await chat.page.locator('h1').innerText()).toBe('hello');
    expect(await chat.ask('and again')).toBe('You said and again');
    expect(lastPrompt()).toContain('You said hello');
  });

  it('shows a long answer whole, in blocks', async () => {
    await using chat = await open();
    await chat.ask('long');
    expect(await chat.page.locator('.prose > p').count()).toBe(40);
    expect(await chat.page.locator('.prose em').count()).toBe(40);
    // The end of the answer is in sight.
    await expect.poll(() => chat.page.locator('.prose > p').last().isVisible()).toBe(true);
    expect(await chat.page.locator('.jump').count()).toBe(0);
    await chat.page.locator('.scroller').evaluate((view) => view.scrollTo({ top: 0 }));
    await chat.page.locator('.jump').click();
    await expect.poll(() => chat.page.locator('.jump').count()).toBe(0);
  });

  it('stops with the button and with Escape, and keeps what came', async () => {
    await using chat = await open();
    const { page } = chat;
    for (const stop of [
      () => page.getByRole('button', { name: 'Stop' }).click(),
      () => page.keyboard.press('Escape'),
    ]) {
      const cancelled = engine.cancelled;
      await chat.begin('slow');
      await expect.poll(() => chat.answer()).toMatch(/slow answer/);
      await stop();
      await page.getByText('Stopped.', { exact: true }).last().waitFor();
      await expect.poll(() => engine.cancelled).toBe(cancelled + 1);
      expect(await chat.answer()).toMatch(/^a slow/);
    }
  });

  it('answers again and goes back to the answer before', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('hello');
    const asked = engine.requests.length;
    await page.getByRole('button', { name: 'Answer again' }).click();
    await page.getByRole('group', { name: 'Version 2 of 2' }).waitFor();
    await page.locator('.composer .send').waitFor();
    expect(engine.requests.length).toBe(asked + 1);
    await page.getByRole('button', { name: 'Previous version' }).click();
    await page.getByRole('group', { name: 'Version 1 of 2' }).waitFor();
    expect(await page.locator('article.answer').count()).toBe(1);
  });

  it('goes on from an edited question and keeps the old branch', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('first');
    await chat.ask('second');
    await page.locator('article.question').first().hover();
    await page.getByRole('button', { name: 'Edit' }).first().click();
    await page.getByLabel('Edit the question').fill('changed');
    await page.getByLabel('Edit the question').press('Enter');
    await expect.poll(() => chat.answer()).toBe('You said changed');
    expect(await page.locator('article.question').count()).toBe(1);
    expect(lastPrompt()).not.toContain('first');
    await page.getByRole('button', { name: 'Previous version' }).click();
    await expect.poll(() => page.locator('article.question').count()).toBe(2);
  });

  it('folds thinking once the answer begins', async () => {
    await using chat = await open();
    expect(await chat.ask('think')).toBe('Then I know.');
    const fold = chat.page.getByRole('button', { name: /^Thought for/ });
    expect(await fold.getAttribute('aria-expanded')).toBe('false');
    expect(await chat.page.getByText('First I wonder.').count()).toBe(0);
    await fold.click();
    await chat.page.getByText('First I wonder.').waitFor();
  });

  it('colours code, and copies it', async () => {
    await using chat = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    const { page } = chat;
    await chat.ask('code');
    await page.locator('.code .hljs-keyword').first().waitFor();
    expect(await page.locator('.code .hljs-comment').innerText()).toBe('// why');
    expect(await page.locator('.code pre').innerText()).toBe('const answer: number = 42; // why');
    await page.getByRole('button', { name: 'Copy code' }).click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('const answer: number = 42; // why');
  });

  it('shows tables and lists', async () => {
    await using chat = await open();
    await chat.ask('table');
    expect(
      await chat.page
        .locator('td')
        .nth(1)
        .evaluate((cell) => getComputedStyle(cell).textAlign),
    ).toBe('right');
    expect(await chat.page.locator('ol > li > ul > li').innerText()).toBe('nested');
  });

  it('leaves hostile Markdown harmless', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('hostile');
    expect(await page.locator('.prose script, .prose img, .prose iframe').count()).toBe(0);
    const links = page.locator('.prose a');
    const addresses = await links.evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).href));
    // The address of the frame is a link like any that is written out.
    expect(addresses).toEqual(['https://example.com/pixel.png', 'https://example.com/', 'https://example.com/']);
    expect(await links.last().getAttribute('rel')).toContain('noopener');
    expect(await page.title()).not.toBe('owned');
    // Even code that had its hands on an element could not make markup of a text.
    const set = await page.evaluate(() => {
      try {
        document.body.innerHTML += '<b>x</b>';
        return 'set';
      } catch {
        return 'refused';
      }
    });
    expect(set).toBe('refused');
    chat.complaints.length = 0; // the browser reports the refusal
  });

  it('keeps conversations over a reload; searches, renames, deletes and brings back', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('keep me');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await chat.ask('another one');
    await page.waitForTimeout(1000);
    await page.reload();
    await page.locator('article.answer').waitFor();
    expect(await chat.answer()).toBe('You said another one');
    const list = page.getByRole('navigation', { name: 'Conversations' });
    await expect.poll(() => list.locator('.title').allInnerTexts()).toEqual(['another one', 'keep me']);
    await list.getByLabel('Search conversations').fill('KEEP said');
    await expect.poll(() => list.locator('.title').allInnerTexts()).toEqual(['keep me']);
    await list.locator('.item').hover();
    await list.getByRole('button', { name: 'Rename' }).click();
    await list.getByLabel('Name of the conversation').fill('renamed');
    await page.keyboard.press('Enter');
    await list.getByLabel('Search conversations').fill('');
    await expect.poll(() => list.locator('.title').allInnerTexts()).toContain('renamed');
    await list.locator('.item', { hasText: 'renamed' }).hover();
    await list.locator('.item', { hasText: 'renamed' }).getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => list.locator('.title').allInnerTexts()).toEqual(['another one']);
    await page.getByRole('button', { name: 'Undo' }).click();
    await expect.poll(() => list.locator('.title').count()).toBe(2);
    await page.locator('h1', { hasText: 'renamed' }).waitFor();
  });

  it('exports conversations and imports them elsewhere', async () => {
    await using chat = await open();
    await chat.ask('carry me');
    const downloading = chat.page.waitForEvent('download');
    await chat.page.getByRole('button', { name: 'Export' }).click();
    const path = await (await downloading).path();
    expect(JSON.parse(readFileSync(path, 'utf8')).conversations).toHaveLength(1);

    await using other = await open();
    await other.page.locator('input[type=file]').setInputFiles(path);
    await other.page.getByText('Imported one conversation.').waitFor();
    await other.page.getByRole('button', { name: 'carry me', exact: true }).click();
    expect(await other.answer()).toBe('You said carry me');
    await other.page.locator('input[type=file]').setInputFiles('package.json');
    await other.page.getByText('holds no conversations').waitFor();
  });

  it('sends the system prompt and the sampling settings', async () => {
    await using chat = await open();
    const { page } = chat;
    await page.locator('summary').click();
    await page.getByRole('textbox', { name: 'System prompt' }).fill('You are a parrot.');
    await page.getByRole('button', { name: 'Settings' }).click();
    const dialog = page.getByRole('dialog', { name: 'Settings' });
    await dialog.getByLabel('Temperature').fill('7');
    await dialog.getByText('A number from 0 to 2').waitFor();
    await dialog.getByLabel('Temperature').fill('0.5');
    await dialog.getByLabel('Seed').fill('11');
    await dialog.getByLabel('Most tokens').fill('9');
    await dialog.getByLabel('Thinking', { exact: true }).selectOption('off');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await chat.ask('hello')).toBe('You said');
    await page.getByText('reached its length limit').waitFor();
    expect(lastPrompt()).toContain('You are a parrot.');
    expect(lastPrompt()).toContain('<think>\n\n</think>');
    expect(engine.requests.at(-1)).toMatchObject({ maxTokens: 9, sampling: { temperature: 0.5, seed: 11 } });
  });

  it('says what to do when the server is gone, and goes on when it is back', async () => {
    const first = await listen(model, { port: 0 });
    const chat = await WatchedPage.open(browser, first.url);
    await chat.begin('slow');
    await expect.poll(() => chat.answer()).toMatch(/slow answer/);
    await first.close(0);
    await chat.page
      .getByRole('alert')
      .getByText(/shutting down|connection was lost/)
      .waitFor();
    expect(await chat.answer()).toMatch(/^a slow answer/);
    await chat.page.getByRole('button', { name: 'Try again' }).click();
    await chat.page.getByText('The server cannot be reached.').waitFor();
    const second = await listen(model, { port: first.port });
    expect(await chat.ask('back')).toBe('You said back');
    await second.close(0);
    await chat.context.close();
  });

  it('asks for a key where the server does, and forgets it with the tab', async () => {
    const locked = await listen(model, { port: 0, apiKey: 'sesame' });
    const chat = await WatchedPage.open(browser, locked.url);
    await chat.page.getByLabel('API key').fill('wrong');
    await chat.page.keyboard.press('Enter');
    await chat.page.getByText('does not accept this key').waitFor();
    await chat.page.getByLabel('API key').fill('sesame');
    await chat.page.getByRole('button', { name: 'Use this key' }).click();
    await chat.page.getByLabel('API key').waitFor({ state: 'detached' });
    expect(await chat.ask('hello')).toBe('You said hello');
    expect(await chat.page.evaluate(() => JSON.stringify(localStorage))).not.toContain('sesame');
    await chat.page.reload();
    expect(await chat.ask('still here')).toBe('You said still here');
    await chat.context.close();
    await locked.close(0);
  });

  it('says that a busy server is busy', async () => {
    const small = await listen(model, { port: 0, maxRequests: 1 });
    const one = await WatchedPage.open(browser, small.url);
    const other = await WatchedPage.open(browser, small.url);
    await one.begin('slow');
    await other.begin('hello');
    await other.page.getByText('The server is busy').waitFor();
    expect(await other.page.getByRole('button', { name: /^Try again in \d s$/ }).isDisabled()).toBe(true);
    await one.context.close();
    await other.context.close();
    await small.close(0);
  });
});

describe.skipIf(!hasBrowser)('with the model that is shipped', () => {
  it('talks, and calls the calculator once it is offered', async () => {
    const browser = await openBrowser();
    await using mini = await load('models/mini');
    const server = await listen(mini, { port: 0 });
    try {
      await using chat = await WatchedPage.open(browser, server.url);
      await chat.page.getByRole('button', { name: 'Settings' }).click();
      await chat.page.getByLabel('Temperature').fill('0');
      await chat.page.keyboard.press('Escape');
      expect(await chat.ask('What is the capital of Japan?')).toContain('Tokyo');
      await chat.page.getByRole('button', { name: 'New conversation' }).click();
      await chat.page.getByRole('button', { name: 'Settings' }).click();
      await chat.page.getByLabel('Let the model use a calculator').check();
      await chat.page.keyboard.press('Escape');
      await chat.begin('What is 1234 * 56?');
      await expect.poll(() => chat.page.locator('.calls dd').allInnerTexts()).toEqual(['1234 * 56']);
      await expect.poll(() => chat.page.locator('.calls output').innerText()).toBe('69104');
      await expect.poll(() => chat.answer()).toContain('69104');
    } finally {
      await browser.close();
      await server.close(0);
    }
  });
});
