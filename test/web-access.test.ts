/** Whom the chat page must not shut out: keyboards, screen readers, phones, weak eyes, both languages, both themes. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen, type RunningServer } from '../src/server/listen.js';
import { hasBrowser, openBrowser, questionModel, WatchedPage } from './web-page.js';

const RICH = `# Title

Text with [a link](https://example.com), \`code\` and **weight**.

> A quotation.

\`\`\`python
# comment
def f(x: int) -> str:
    return "text" + str(42)
\`\`\`

| a | b |
|---|---|
| 1 | 2 |
`;

const { model, engine } = questionModel({ rich: `<think>\nHm.\n</think>\n\n${RICH}` }, ['slow']);

const PHONE = { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true };

describe.skipIf(!hasBrowser)('the chat page for everybody', () => {
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

  it('is used with the keyboard alone', async () => {
    await using chat = await open();
    const { page } = chat;
    const { keyboard } = page;
    await keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the message box');
    await keyboard.press('Enter');
    expect(await focused(page)).toBe('Message');
    await keyboard.type('one');
    await keyboard.press('Shift+Enter');
    await keyboard.type('two');
    await keyboard.press('Enter');
    await expect.poll(() => chat.answer()).toBe('You said one\ntwo');
    expect(await focused(page)).toBe('Message');
    // The last question again, through an empty box.
    await page.locator('.composer .send').waitFor();
    await keyboard.press('ArrowUp');
    expect(await focused(page)).toBe('Edit the question');
    await keyboard.press('Escape');
    expect(await focused(page)).toBe('Message');
    await keyboard.press('Control+k');
    await expect.poll(() => focused(page)).toBe('Search conversations');
    await keyboard.press('Shift+Escape');
    await expect.poll(() => focused(page)).toBe('Message');
    await keyboard.press('Control+Shift+O');
    await expect.poll(() => page.locator('article').count()).toBe(0);
    await keyboard.press('Control+,');
    await page.getByRole('dialog', { name: 'Settings' }).waitFor();
    await keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('reaches every control with Tab, and shows where the focus is', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('rich');
    await page.locator('body').press('Home');
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const name = await focused(page);
      if (name !== '') {
        const outlined = await page.evaluate(
          () => Number.parseFloat(getComputedStyle(document.activeElement!).outlineWidth) > 0,
        );
        expect(outlined, name).toBe(true);
      }
      seen.add(name);
    }
    for (const name of ['New conversation', 'Search conversations', 'Rename', 'Delete', 'Export', 'Import', 'Model']) {
      expect(seen).toContain(name);
    }
    for (const name of ['Settings', 'Edit', 'Answer again', 'Copy', 'Copy code', 'Message', 'Table']) {
      expect(seen).toContain(name);
    }
  });

  it('does not send what an input method is still composing', async () => {
    await using chat = await open({ locale: 'zh-CN' });
    const { page } = chat;
    const asked = engine.requests.length;
    const devtools = await page.context().newCDPSession(page);
    await page.locator('#message').focus();
    await devtools.send('Input.imeSetComposition', { text: '你好', selectionStart: 2, selectionEnd: 2 });
    const enter = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 229 };
    await devtools.send('Input.dispatchKeyEvent', { type: 'keyDown', ...enter });
    await devtools.send('Input.dispatchKeyEvent', { type: 'keyUp', ...enter });
    await devtools.send('Input.insertText', { text: '你好' });
    expect(await page.locator('#message').inputValue()).toBe('你好');
    expect(engine.requests.length).toBe(asked);
    await page.keyboard.press('Enter');
    await expect.poll(() => chat.answer()).toBe('You said 你好');
  });

  it('has landmarks, headings and a name for every control', async () => {
    await using chat = await open();
    const { page } = chat;
    await chat.ask('rich');
    for (const role of ['navigation', 'banner', 'main', 'contentinfo'] as const) {
      expect(await page.getByRole(role).count(), role).toBe(1);
    }
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    expect(await page.getByRole('heading', { name: 'Title' }).evaluate(({ tagName }) => tagName)).toBe('H3');
    expect(await page.getByRole('article', { name: 'You asked' }).count()).toBe(1);
    expect(await page.getByRole('article', { name: 'scripted answered' }).count()).toBe(1);
    expect(await nameless(page)).toEqual([]);
    await page.getByRole('button', { name: 'Settings' }).click();
    expect(await nameless(page)).toEqual([]);
  });

  it('tells a screen reader about an answer once it begins and once it ends', async () => {
    await using chat = await open();
    const { page } = chat;
    await page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      const live = document.querySelector('.sr-only[role=status]')!;
      new MutationObserver(() => said.push(live.textContent)).observe(live, {
        ...{ childList: true, characterData: true, subtree: true },
      });
    });
    await chat.begin('slow');
    await expect.poll(() => chat.answer()).toMatch(/slow/);
    await page.waitForTimeout(300);
    await page.keyboard.press('Escape');
    await page.getByText('Stopped.', { exact: true }).waitFor();
    const said = await page.evaluate(() => (window as unknown as { said: string[] }).said);
    expect(said).toEqual(['scripted is answering.', 'The answer was stopped.']);
    await chat.ask('hello');
    expect(await page.locator('.sr-only[role=status]').textContent()).toBe('Answer: You said hello');
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has enough contrast in the ${colorScheme} theme`, async () => {
      await using chat = await open({ colorScheme });
      await chat.ask('rich');
      await chat.page.getByRole('button', { name: /^Thought/ }).click();
      await chat.page.locator('.hljs-comment').waitFor();
      expect(await faint(chat.page)).toEqual([]);
      await chat.page.getByRole('button', { name: 'Settings' }).click();
      expect(await faint(chat.page)).toEqual([]);
    });
  }

  it('changes theme and language, and remembers both', async () => {
    await using chat = await open({ colorScheme: 'light' });
    const { page } = chat;
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await paper();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel('Theme').selectOption('dark');
    expect(await paper()).not.toBe(light);
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('dialog', { name: '设置' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: '设置' }).waitFor();
    expect(await paper()).not.toBe(light);
    expect(await page.evaluate(() => document.documentElement.lang)).toBe('zh-CN');
  });

  it('speaks Chinese to a Chinese browser', async () => {
    await using chat = await open({ locale: 'zh-CN' });
    await chat.page.getByPlaceholder('问点什么…').waitFor();
    expect(await chat.page.title()).toBe('开问');
  });

  it('fits a phone', async () => {
    await using chat = await open(PHONE);
    const { page } = chat;
    await chat.ask('rich');
    const width = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
    expect(width[0]).toBeLessThanOrEqual(width[1]);
    expect(await sticksOut(page)).toEqual([]);
    expect(await small(page)).toEqual([]);
    // Smaller letters make a phone zoom into a field.
    const size = await page.locator('#message').evaluate((box) => Number.parseFloat(getComputedStyle(box).fontSize));
    expect(size).toBeGreaterThanOrEqual(16);

    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.getByRole('button', { name: 'Hide conversations' }).waitFor();
    expect(await small(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('navigation').count()).toBe(0);
    await page.getByRole('button', { name: 'Show conversations' }).click();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await expect.poll(() => page.getByRole('navigation').count()).toBe(0);
    expect(await focusedSoon(page, 'Message')).toBe('Message');
  });

  it('leaves nothing of a deleted conversation behind, and stops its answer', async () => {
    await using chat = await open();
    const { page } = chat;
    const cancelled = engine.cancelled;
    await chat.begin('slow');
    await page.locator('.item').hover();
    await page.getByRole('button', { name: 'Delete' }).click();
    await expect.poll(() => engine.cancelled).toBe(cancelled + 1);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('Stopped.', { exact: true }).waitFor();
    await page.locator('.composer .send').waitFor();
    await page.locator('.item').hover();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.reload();
    await page.getByText('Conversations stay in this browser and').waitFor();
  });

  it('stays readable at twice the size of letters', async () => {
    await using chat = await open({ viewport: { width: 640, height: 480 } });
    await chat.page.evaluate(() => {
      document.documentElement.style.fontSize = '200%';
    });
    await chat.ask('rich');
    const wide = await chat.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
    expect(await chat.page.locator('#message').isVisible()).toBe(true);
  });
});

/** What a screen reader calls the element that has the focus. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return '';
    return element.getAttribute('aria-label') ?? element.textContent?.trim() ?? '';
  });
}

async function focusedSoon(page: Page, name: string): Promise<string> {
  await expect.poll(() => focused(page)).toBe(name);
  return await focused(page);
}

/** Controls without a name in the accessibility tree. */
async function nameless(page: Page): Promise<string[]> {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send('Accessibility.getFullAXTree');
  const controls = new Set([
    'button',
    'link',
    'textbox',
    'searchbox',
    'combobox',
    'checkbox',
    'dialog',
    'group',
    'article',
  ]);
  return nodes
    .filter(({ ignored, role, name }) => !ignored && controls.has(String(role?.value)) && !name?.value)
    .map(({ role, nodeId }) => `${String(role?.value)} ${nodeId}`);
}

/** Elements that reach beyond the right edge of the screen, but for those in a box that scrolls. */
function sticksOut(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('.content *')]
      .filter((element) => !element.closest('pre, .table') && !element.closest('.sr-only'))
      .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 0.5)
      .map((element) => element.outerHTML.slice(0, 80)),
  );
}

/** Visible controls that are smaller than a finger. */
function small(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('button, select, input, summary, textarea')]
      .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert]'))
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 0 && box.right > 0 && box.bottom > 0 && (box.height < 43.9 || box.width < 43.9))
      .map(({ element, box }) => `${element.outerHTML.slice(0, 80)} ${box.width} × ${box.height}`),
  );
}

/** Visible texts whose contrast with what is behind them is below WCAG's 4.5 (3 for large letters). */
function faint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
    /** Any colour that CSS can say, as red, green, blue and opacity. */
    const channels = (color: string): number[] => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([red, green, blue]: number[]): number => {
      const linear = [red, green, blue].map((value) =>
        value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
      );
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const behind = (element: Element): number[] => {
      for (let at: Element | null = element; at; at = at.parentElement) {
        const color = channels(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return [255, 255, 255, 255];
    };
    const found: string[] = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const element = node.parentElement!;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      if (!node.textContent?.trim() || box.width <= 1 || !element.checkVisibility({ opacityProperty: true })) continue;
      if (element.closest('button:disabled, select')) continue;
      const [low, high] = [luminance(channels(style.color)), luminance(behind(element))].sort((a, b) => a - b);
      const ratio = (high + 0.05) / (low + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) found.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return found;
  });
}
