/**
 * What reads one call of a tool, from behind `<tool_call>` to its end, while it streams. As long as the name is not
 * known the call may turn out to be none; then what was taken is text. From the name on it is a call.
 */
export const OPEN = '<tool_call>';
export const CLOSE = '</tool_call>';

export type CallPiece = { type: 'tool_call'; name: string } | { type: 'tool_arguments'; text: string };

export type CallState =
  | 'open'
  /** The call is complete; `rest` is what follows it. */
  | 'done'
  /** There is no call; `rest` is all that was taken. */
  | 'none';

export interface CallReader {
  readonly state: CallState;
  readonly rest: string;
  /** The name is known. */
  readonly named: boolean;
  /** Characters taken of which nothing was given out yet. */
  readonly held: number;
  push(text: string): CallPiece[];
  /** The answer has ended inside the call: what can still be given of its arguments. Without a name, `rest` is all. */
  end(): CallPiece[];
}

/** What stands where the end of a call is expected: its closing tag perhaps, and what follows it. */
export function readClose(buffer: string): { state: 'open' } | { state: 'done'; rest: string } {
  const trimmed = buffer.trimStart();
  if (trimmed.startsWith(CLOSE)) return { state: 'done', rest: trimmed.slice(CLOSE.length) };
  return CLOSE.startsWith(trimmed) ? { state: 'open' } : { state: 'done', rest: buffer };
}
