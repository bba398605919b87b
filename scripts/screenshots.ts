/**
 * Takes the README's pictures of the chat page: real conversations with models/mini, in both languages.
 *
 *   npm run build && npx tsx scripts/screenshots.ts [folder]
 *
 * Needs Debian's packages chromium, fonts-noto-core and fonts-noto-cjk.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { load } from '../src/index.js';
import { listen } from '../src/server/listen.js';

const folder = process.argv[2] ?? 'docs/images';
mkdirSync(folder, { recursive: true });

await using model = await load('models/mini', { sequences: 2 });
const server = await listen(model, { port: 0 });
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const wide = { viewport: { width: 1280, height: 800 } };
  const english = ['What is 1234 * 56?', 'What does “river” mean?', 'Tell me a story about a fox.'];
  const chinese = ['1234 乘以 56 等于多少？', '日本的首都是哪里？', '讲一个关于狐狸的故事。'];
  await picture(browser, 'chat-light', english, { ...wide, colorScheme: 'light', locale: 'en-US' });
  await picture(browser, 'chat-dark', chinese, { ...wide, colorScheme: 'dark', locale: 'zh-CN' });
  const phone = { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  await picture(browser, 'chat-phone', chinese.slice(0, 2), { ...phone, colorScheme: 'light', locale: 'zh-CN' });
} finally {
  await browser.close();
  await server.close(0);
}

async function picture(on: Browser, name: string, questions: string[], options: BrowserContextOptions): Promise<void> {
  const context = await on.newContext({ ...options, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.addInitScript(() =>
    localStorage.setItem('kaiwen.settings', '{"calculator":true,"sampling":{"temperature":0}}'),
  );
  await page.goto(server.url);
  // An older conversation for the list, then the one to look at.
  await ask(page, options.locale === 'zh-CN' ? '“苹果”用英语怎么说？' : 'How do you say “apple” in Chinese?');
  await page.keyboard.press('Control+Shift+O');
  for (const question of questions) await ask(page, question);
  await page.locator('#message').focus();
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
}

async function ask(page: Page, question: string): Promise<void> {
  const answers = page.locator('article.answer');
  const before = await answers.count();
  await page.locator('#message').fill(question);
  await page.keyboard.press('Enter');
  await answers.nth(before).waitFor();
  await page.locator('.composer .send').waitFor();
}
