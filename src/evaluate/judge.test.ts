/** How answers are judged: texts, numbers, calls, programs. */
import { describe, expect, it } from 'vitest';
import { callsIn, sameCalls } from './calls.js';
import { judgeCode } from './code.js';
import type { Task } from './item.js';
import { finalNumber, matches } from './match.js';
import { runSandboxed } from './sandbox.js';

describe('texts', () => {
  it('match whatever their case, width, white space and full stop', () => {
    expect(matches(' PARIS. ', ['Lyon', 'Paris'], 'exact')).toBe(true);
    expect(matches('巴黎。', ['巴黎'], 'exact')).toBe(true);
    expect(matches('１２', ['12'], 'exact')).toBe(true);
    expect(matches('It is Paris', ['Paris'], 'exact')).toBe(false);
    expect(matches('It is\nParis, of course', ['is paris'], 'contains')).toBe(true);
    expect(matches('Paris', ['^P.+s$'], 'regex')).toBe(true);
    expect(matches('London', ['^P.+s$'], 'regex')).toBe(false);
  });

  it.each([
    ['She has 3 apples and 4 pears, 7 in all.', 7],
    ['#### 1,234.50', 1234.5],
    ['so 8 × 2 = 16\n#### 16 dollars (of 20)', 16],
    ['The result is \\boxed{-42}, not 7', -42],
    ['From 10-5 remains 5', 5],
    ['It fell to −3 °C', -3],
    ['答案是42。', 42],
    ['v2 costs $.75', 0.75],
    ['1e3', 1000],
    ['#### none, but 12', 12],
    ['no number', undefined],
  ])('%j comes to %s', (text, number) => {
    expect(finalNumber(text)).toBe(number);
  });

  it('compares numbers by value', () => {
    expect(matches('It costs $1,000.00', ['1000'], 'numeric')).toBe(true);
    expect(matches('1001', ['1000'], 'numeric')).toBe(false);
    expect(matches('none', ['1000'], 'numeric')).toBe(false);
  });
});

describe('calls', () => {
  const call = (text: string) => `<tool_call>\n${text}\n</tool_call>`;
  const add = { name: 'add', arguments: { a: 1, b: [2, { c: ' x' }] } };

  it('are found between their tags, or as bare JSON', () => {
    expect(callsIn(`Let me see.\n${call(JSON.stringify(add))}\n${call('{"name": ')}`)).toEqual([add, undefined]);
    expect(callsIn('{"name": "add", "arguments": "{\\"a\\": 1}"}')).toEqual([{ name: 'add', arguments: { a: 1 } }]);
    expect(callsIn('{"sum": 3}')).toEqual([]);
    expect(callsIn('<tool_call>\n{"name": "now"}')).toEqual([{ name: 'now', arguments: {} }]);
  });

  it('are the same in any order, with fields in any order', () => {
    const now = { name: 'now', arguments: {} };
    const again = { name: 'add', arguments: { b: [2, { c: 'x' }], a: 1 } };
    expect(sameCalls([now, again], [add, now])).toEqual({ names: true, all: true });
    expect(sameCalls([{ ...add, arguments: { a: 1 } }], [add])).toEqual({ names: true, all: false });
    expect(sameCalls([add, add], [add])).toEqual({ names: false, all: false });
    expect(sameCalls([], [])).toEqual({ names: true, all: true });
    expect(sameCalls([undefined], [add])).toEqual({ names: false, all: false });
  });
});

describe('programs', () => {
  const task: Extract<Task, { kind: 'code' }> = {
    kind: 'code',
    program: 'javascript',
    prefix: '// Adds.\nconst add = (a, b) => {\n',
    tests: 'console.assert(add(1, 2) === 3, "1 + 2");',
    entryPoint: 'add',
  };

  it('pass their tests as a continuation or as a block of code', async () => {
    expect(await judgeCode(task, '  return a + b;\n};\n', true)).toEqual({ passed: true });
    const block = 'Here:\n```js\nfunction add(a, b) { return a + b; }\n```\nDone.';
    expect(await judgeCode(task, block, false)).toEqual({ passed: true });
  });

  it('fail them, end early or never end', async () => {
    expect(await judgeCode(task, '  return a - b;\n};\n', true)).toMatchObject({ passed: false });
    expect(await judgeCode(task, '  return 0; };\nprocess.exit(0);', true)).toMatchObject({ passed: false });
    const endless = await judgeCode(task, '  for (;;); };', true, { seconds: 1 });
    expect(endless).toEqual({ passed: false, fault: 'it took too long' });
  });

  it('see no environment, write only in their folder and start nothing', async () => {
    const source = `
      const fs = require('node:fs');
      const tried = (run) => { try { run(); return true; } catch { return false; } };
      console.log(JSON.stringify([
        Object.keys(process.env).sort(),
        tried(() => fs.writeFileSync(__dirname + '/a', 'x')),
        tried(() => fs.writeFileSync(${JSON.stringify(`${process.cwd()}/written-by-test`)}, 'x')),
        tried(() => require('node:child_process').execSync('true')),
      ]));`;
    const { stdout, code } = await runSandboxed('javascript', source);
    const [names, own, other, child] = JSON.parse(stdout) as [string[], boolean, boolean, boolean];
    expect(code).toBe(0);
    expect(names.filter((name) => !/^(PATH|HOME|TMPDIR|LANG|PWD|_|SHLVL|OLDPWD)$/.test(name))).toEqual([]);
    expect([own, other, child]).toEqual([true, false, false]);
  });
});
