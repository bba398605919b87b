/** What an engine's two sides say to each other: engine-client.ts asks, worker.ts answers. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, KaiwenError } from '../errors.js';
import type {
  DoneEvent,
  EngineInfo,
  EngineOptions,
  EngineStatus,
  GenerateRequest,
  LoadProgress,
  TokenEvent,
} from './engine.js';

export type WorkerOptions = Omit<EngineOptions, 'onProgress' | 'signal'>;

export interface WorkerData {
  path: string;
  options: WorkerOptions;
  /** Set to 1 to stop a load that is under way: the worker cannot read messages while it loads. */
  cancelLoad: Int32Array;
}

export type Task =
  | { kind: 'generate'; request: GenerateRequest }
  | { kind: 'logits'; tokens: readonly number[]; chunk?: number; adapter?: string }
  | { kind: 'score'; tokens: readonly number[]; adapter?: string; from?: number }
  | { kind: 'embed'; tokens: readonly number[]; adapter?: string }
  | { kind: 'bench'; prompt: number; decode: number; repeat: number; sequences: number; reuse: boolean };

export type ToWorker = { id: number; task: Task } | { id: number; cancel: true } | { close: true };

export type Result = Float32Array | { prefillMs: number[]; decodeMs: number[] };

/** What a step has yielded for one of its answers. */
export interface StepEvent {
  id: number;
  event: TokenEvent | DoneEvent;
}

export type FromWorker =
  | { loading: LoadProgress }
  /** A lifeline closes when its thread of the team ends. */
  | { ready: EngineInfo; lifelines: MessagePort[] }
  | { events: StepEvent[] }
  | { id: number; result: Result }
  | { id: number; error: SentError }
  | { status: EngineStatus }
  | { failed: SentError };

/** Errors lose their class when they cross threads; this keeps what matters. */
export interface SentError {
  code: ErrorCode;
  message: string;
  remedy?: string;
  stack?: string;
}

export function sendError(error: unknown): SentError {
  if (error instanceof KaiwenError) {
    const { code, message, remedy } = error;
    return { code, message, remedy, stack: traceOf(error) };
  }
  const { message } = error instanceof Error ? error : new Error(String(error));
  return { code: 'internal', message: `The engine failed: ${message}`, stack: traceOf(error) };
}

/** Where it came from, down to the first cause. */
function traceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, stack, message } = error;
  return `${stack ?? message}${cause === undefined ? '' : `\ncaused by: ${traceOf(cause)}`}`;
}

export function receiveError(sent: SentError): KaiwenError {
  return new KaiwenError(sent.code, sent.message, { remedy: sent.remedy, cause: sent.stack });
}
