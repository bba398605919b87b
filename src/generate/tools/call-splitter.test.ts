import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CallFormat } from '../../tokenizer/tool-format.js';
import { CallSplitter } from './call-splitter.js';
import { readTools } from './definitions.js';

const TOOLS = readTools([
  {
    type: 'function',
    function: {
      name: 'weather',
      parameters: {
        type: 'object',
        properties: {
          city: { type: 'string' },
          days: { type: 'integer' },
          where: { type: 'object' },
          note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
          sure: { $ref: '#/$defs/sure' },
        },
        $defs: { sure: { type: 'boolean' } },
      },
    },
  },
  { type: 'function', function: { name: 'now' } },
]);

interface Result {
  text: string;
  calls: { name: string; arguments: string }[];
}

/** `cuts`: where the text is cut into chunks. */
function split(format: CallFormat, whole: string, cuts: readonly number[] = [], cut = false): Result {
  const splitter = new CallSplitter(format, TOOLS);
  const result: Result = { text: '', calls: [] };
  const ends = [...[...cuts].sort((a, b) => a - b), whole.length];
  const pieces = ends.flatMap((end, i) => splitter.push(whole.slice(i === 0 ? 0 : ends[i - 1], end)));
  for (const piece of [...pieces, ...splitter.end(cut)]) {
    if (piece.type === 'text') result.text += piece.text;
    else if (piece.type === 'tool_call') {
      expect(piece.index).toBe(result.calls.length);
      expect(piece.id).toMatch(/^call_\w{24}$/);
      result.calls.push({ name: piece.name, arguments: '' });
    } else result.calls[piece.index].arguments += piece.text;
  }
  return result;
}

const json = (body: string) => `<tool_call>\n${body}\n</tool_call>`;
const weather = (text: string) => ({ name: 'weather', arguments: text });
const xml = (parameters: Record<string, string>, name = 'weather') =>
  `<tool_call>\n<function=${name}>\n${Object.entries(parameters)
    .map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`)
    .join('')}</function>\n</tool_call>`;
const tricky = '{"city": "a } </tool_call> \\" { \\\\", "x": [{"y": "]"}, 1.5e3 , null]}';

const CASES: [string, CallFormat, string, Result][] = [
  ['no call', 'hermes', 'a <b> <tool_\n\n', { text: 'a <b> <tool_\n\n', calls: [] }],
  [
    'text before a call',
    'hermes',
    `Let me see.\n\n${json('{"name": "weather", "arguments": {"city": "Rome"}}')}`,
    { text: 'Let me see.', calls: [weather('{"city": "Rome"}')] },
  ],
  [
    'braces and tags in strings',
    'hermes',
    json(`{"name": "weather", "arguments": ${tricky}}`),
    { text: '', calls: [weather(tricky)] },
  ],
  [
    'parallel calls and text behind them',
    'hermes',
    `${json('{"name": "weather", "arguments": {}}')}\n${json('{"name": "now", "arguments": {}}')}\n\nDone.\n`,
    { text: 'Done.\n', calls: [weather('{}'), { name: 'now', arguments: '{}' }] },
  ],
  [
    'arguments before the name, and other fields',
    'hermes',
    json('{"id": [1, {"a": "}"}], "arguments": {"city": "a"}, "name": "weather"}'),
    { text: '', calls: [weather('{"city": "a"}')] },
  ],
  [
    'arguments as a string of JSON, or none',
    'hermes',
    json('{"name":"weather","arguments":"{\\"city\\": \\"a\\"}"}') +
      json('{"name":"now"}') +
      json('{"name":"now","arguments":null , "x":1}'),
    { text: '', calls: [weather('{"city": "a"}'), { name: 'now', arguments: '{}' }, { name: 'now', arguments: '{}' }] },
  ],
  [
    'a line break within a string',
    'hermes',
    json('{"name": "weather", "arguments": {"city": "a\nb\tc"}}'),
    { text: '', calls: [weather('{"city": "a\\nb\\tc"}')] },
  ],
  [
    'what is no call',
    'hermes',
    'Write\n<tool_call> and <tool_call>{name}</tool_call>.',
    { text: 'Write\n<tool_call> and <tool_call>{name}</tool_call>.', calls: [] },
  ],
  [
    'a function that does not exist',
    'hermes',
    json('{"name": "rm", "arguments": {}}'),
    { text: json('{"name": "rm", "arguments": {}}'), calls: [] },
  ],
  [
    'JSON that breaks once the call has begun',
    'hermes',
    json('{"name": "weather", "arguments": {"city": <oops>}}'),
    { text: '', calls: [weather('{"city": <oops>}}\n')] },
  ],
  [
    'a call without its last tag',
    'hermes',
    '<tool_call>{"name": "now", "arguments": {}} ok',
    { text: ' ok', calls: [{ name: 'now', arguments: '{}' }] },
  ],
  [
    'XML of all types',
    'xml',
    `Let me see.\n\n${xml({ city: 'Ro"me\n</p> <b>\n', days: ' 3', where: '{\n "a": "}"}', note: 'null', sure: 'True' })}`,
    {
      text: 'Let me see.',
      calls: [
        weather('{"city": "Ro\\"me\\n</p> <b>\\n", "days": 3, "where": {\n "a": "}"}, "note": null, "sure": true}'),
      ],
    },
  ],
  [
    'XML that is not of its type',
    'xml',
    xml({ days: 'three', note: '5', other: '[1]', '"': '' }),
    { text: '', calls: [weather('{"days": "three", "note": "5", "other": [1], "\\"": ""}')] },
  ],
  [
    'parallel calls in XML, without parameters',
    'xml',
    `${xml({}, 'now')}\n${xml({ city: 'a' })}\nDone.`,
    { text: 'Done.', calls: [{ name: 'now', arguments: '{}' }, weather('{"city": "a"}')] },
  ],
  [
    'XML that is no call',
    'xml',
    `a\n<tool_call>\n<function=rm></function></tool_call><tool_call>x`,
    { text: 'a\n<tool_call>\n<function=rm></function></tool_call><tool_call>x', calls: [] },
  ],
];

describe('splits, however the text is cut,', () => {
  it.each(CASES)('%s', (_, format, whole, result) => {
    expect(split(format, whole)).toEqual(result);
    expect(
      split(
        format,
        whole,
        Array.from(whole, (_, i) => i),
      ),
    ).toEqual(result);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
        expect(split(format, whole, cuts)).toEqual(result);
      }),
      { numRuns: 30 },
    );
  });
});

it('gives a call that is cut off as far as it came, and never a part of its tags', () => {
  for (const [, format, whole] of CASES.filter(([, , , { calls }]) => calls.length === 1)) {
    const [all] = split(format, whole).calls;
    for (let end = whole.indexOf('<tool_call>') + 11; end < whole.length; end++) {
      const { text, calls } = split(format, whole.slice(0, end), [], true);
      expect(text).not.toContain('tool_call');
      if (calls.length > 0) expect(all.arguments.startsWith(calls[0].arguments)).toBe(true);
    }
  }
});

it('streams: the name as soon as it is known, then the arguments', () => {
  const pieces = (format: CallFormat, ...chunks: string[]) => {
    const splitter = new CallSplitter(format, TOOLS);
    return chunks.map((chunk) => splitter.push(chunk).map((piece) => ('text' in piece ? piece.text : piece.name)));
  };
  expect(pieces('hermes', '<tool_call>{"name": "wea', 'ther"', ', "arguments": {"ci', 'ty": "R')).toEqual([
    [],
    ['weather'],
    ['{"ci'],
    ['ty": "R'],
  ]);
  expect(pieces('xml', '<tool_call><function=weather>', '<parameter=city>\nR', 'o\n', 'me\n</par', 'ameter>')).toEqual([
    ['weather'],
    ['{"city": "R'],
    ['o'],
    ['\\nme'],
    ['"'],
  ]);
});

it.each([
  [[{ type: 'web_search' }], /Tool 0 is not a function/],
  [[{ type: 'function', function: { name: 'a b' } }], /no name/],
  [[{ function: { name: 'a' } }, { function: { name: 'a' } }], /Two tools/],
  [[{ function: { name: 'a', parameters: [] } }], /parameters/],
])('refuses %j', (definitions, message) => {
  expect(() => readTools(definitions)).toThrow(message);
});
