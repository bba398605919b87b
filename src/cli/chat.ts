/** The interactive chat: prompts for messages, streams answers, runs slash commands. */
import { describeError } from '../errors.js';
import { AnswerPrinter } from './answer-printer.js';
import { commandName, runChatCommand, statsLine } from './chat-commands.js';
import type { ChatSession } from './chat-session.js';
import { MessageInput } from './message-input.js';
import { colorsFor, formatBytes, formatCount } from './terminal.js';

/** Talks until the user leaves; returns the exit code: 130 if it was by Ctrl-C, else 0. */
export async function runChat(session: ChatSession, options: { stats?: boolean } = {}): Promise<number> {
  const colors = colorsFor(process.stdout);
  const input = new MessageInput(process.stdin, process.stdout, {
    first: `${colors.bold(colors.green('>'))} `,
    more: colors.dim('… '),
  });
  let answering: AbortController | undefined;
  const onSignal = () => {
    if (answering) answering.abort();
    else input.close();
  };
  process.on('SIGINT', onSignal);
  process.stdout.write(`${greeting(session)}\n`);
  for (const notice of session.model.info.notices) process.stderr.write(`${colors.yellow(notice)}\n`);
  let interrupted = false;
  try {
    for (;;) {
      const event = await input.next();
      if (event.type === 'end') {
        process.stdout.write('\n');
        return 0;
      }
      if (event.type === 'interrupt') {
        if (interrupted) return 130;
        interrupted = !event.discarded;
        if (interrupted) process.stdout.write(`${colors.dim('Ctrl-C again, Ctrl-D or /exit leaves.')}\n`);
        continue;
      }
      interrupted = false;
      if (event.text.trim() === '') continue;
      input.suspend();
      try {
        if (commandName(event.text) !== undefined) {
          const { output, exit } = await runChatCommand(session, event.text);
          if (output !== undefined) process.stdout.write(`${colors.dim(output)}\n`);
          if (exit) return 0;
        } else {
          answering = new AbortController();
          await answer(session, event.text, answering.signal, options.stats ?? false);
        }
      } catch (error) {
        process.stderr.write(`${colorsFor(process.stderr).red(describeError(error))}\n`);
      } finally {
        answering = undefined;
      }
    }
  } finally {
    process.off('SIGINT', onSignal);
    input.close();
  }
}

async function answer(session: ChatSession, text: string, signal: AbortSignal, stats: boolean): Promise<void> {
  const printer = new AnswerPrinter({ text: process.stdout, thinking: process.stdout, notices: process.stderr });
  try {
    for await (const event of session.send(text, signal)) await printer.show(event);
  } catch (error) {
    await printer.endLine();
    throw error;
  }
  if (stats && session.last) process.stdout.write(`${colorsFor(process.stdout).dim(statsLine(session.last.stats))}\n`);
}

function greeting({ model }: ChatSession): string {
  const { bold, dim } = colorsFor(process.stdout);
  const { architecture, parameters, weightBytes, context, threads } = model.info;
  const size = `${architecture}, ${formatCount(parameters)} parameters, ${formatBytes(weightBytes)}`;
  const line = `${size}, context ${context} tokens, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${bold(model.name)}  ${line}\n${dim('Type a message. /help lists commands, Ctrl-C stops an answer, Ctrl-D leaves.')}`;
}
