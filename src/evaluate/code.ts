/** Programs that models write, put together with the tests of their item and run. */
import { randomUUID } from 'node:crypto';
import { KaiwenError } from '../errors.js';
import type { Task } from './item.js';
import { runSandboxed, type SandboxLimits } from './sandbox.js';

type CodeTask = Extract<Task, { kind: 'code' }>;

export interface CodeVerdict {
  passed: boolean;
  /** Why not, one line. */
  fault?: string;
}

/**
 * Runs the tests on what the model wrote: `raw` if it continued the program, else an answer with a block of code.
 * Throws KaiwenError 'not_found' where the language is not installed.
 */
export async function judgeCode(
  task: CodeTask,
  answer: string,
  raw: boolean,
  limits?: SandboxLimits,
): Promise<CodeVerdict> {
  // A program that ends early, or prints what it likes, has not passed.
  const mark = `passed-${randomUUID()}`;
  const { status, code, stdout, stderr } = await runSandboxed(
    task.program,
    wholeProgram(task, answer, raw, mark),
    limits,
  );
  if (status === 'no-interpreter') {
    throw new KaiwenError('not_found', `There is no ${task.program} to run the tests with.`, {
      remedy: 'Install it, or leave these items out.',
    });
  }
  const passed = status === 'ended' && code === 0 && stdout.trimEnd().endsWith(mark);
  if (passed) return { passed };
  const last = stderr.trim().split('\n').at(-1)?.slice(0, 200);
  return { passed, fault: status === 'timeout' ? 'it took too long' : last || `it ended with code ${code}` };
}

export function wholeProgram(task: CodeTask, answer: string, raw: boolean, mark: string): string {
  const body = raw ? task.prefix + answer : programIn(answer, task);
  if (task.program === 'javascript') {
    const strict =
      'console.assert = (ok, ...what) => { if (!ok) throw new Error(what.join(" ") || "assertion failed"); };';
    return `${strict}\n${body}\n${task.tests}\nconsole.log(${JSON.stringify(mark)});\n`;
  }
  const check = task.entryPoint && /^def check\(/m.test(task.tests) ? `check(${task.entryPoint})\n` : '';
  return `${body}\n${task.tests}\n${check}print(${JSON.stringify(mark)})\n`;
}

/** The program of an answer: a block of code or all of it, with what the task began unless it is there again. */
function programIn(answer: string, { prefix, program, entryPoint }: CodeTask): string {
  const blocks = [...answer.matchAll(/```[^\n]*\n([\s\S]*?)(?:```|$)/g)].map(([, block]) => block!);
  const code = blocks.sort((a, b) => b.length - a.length)[0] ?? answer;
  const name = entryPoint?.replace(/[^\w$]/g, '');
  const again = name
    ? new RegExp(`(?:def|function|const|let|var)\\s+${name.replace('$', '\\$')}\\b`).test(code)
    : false;
  if (!again) return prefix + code;
  // What the task imports and defines before may be needed; a second definition takes its place.
  const head = prefix.split('\n').filter((line) => program === 'python' && /^(?:import|from)\s/.test(line));
  return [...head, code].join('\n');
}
