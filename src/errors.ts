/**
 * Every failure that a user can cause or mend is a KaiwenError: what went wrong, where, and what to do.
 * The command line prints it as one line; the server maps `code` to a status and the protocol's error shape.
 */
export type ErrorCode =
  | 'usage' // a wrong option or argument
  | 'not_found' // a file, folder, model or tensor that is not there
  | 'bad_file' // a file that is truncated, corrupt or hostile
  | 'unsupported' // a valid file that asks for something Kaiwen does not do
  | 'bad_input' // a request whose values make no sense
  | 'context_overflow' // more tokens than the context holds
  | 'out_of_memory' // refused beforehand: it would not fit
  | 'io' // the disk or network said no
  | 'aborted' // the caller cancelled
  | 'closed' // used after close()
  | 'engine_failed' // the engine broke down; a later request may succeed
  | 'internal'; // a fault of ours

export class KaiwenError extends Error {
  readonly code: ErrorCode;
  /** What the user can do about it, one sentence. */
  readonly remedy?: string;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KaiwenError';
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** One line for a terminal, whatever a file's names hold: the message, then the remedy where there is one. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const sentences = [error.message, error instanceof KaiwenError ? error.remedy : undefined];
  return sentences
    .filter((sentence) => sentence)
    .map((sentence) => (/[.!?)]$/.test(sentence!) ? sentence : `${sentence}.`))
    .join(' ')
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** Runs `action`; a KaiwenError from it that does not name `file` gets the name in front. */
export function inFile<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof KaiwenError) || error.message.includes(file)) throw error;
    const { code, message, remedy, cause = error } = error;
    throw new KaiwenError(code, `${file}: ${message}`, { remedy, cause });
  }
}
