/**
 * What a server remembers of one request: logs, metrics and traces are made of it when it ends, which for a stream is
 * its last byte. It holds no text unless the server logs text, and never a key.
 */
import type { AnswerEnd } from '../generate/api.js';
import type { GenerateStats } from '../generate/engine.js';

/** An answer of a model within a request. Times are of performance.now(). */
export class AnswerRecord {
  readonly started = performance.now();
  firstAt?: number;
  lastAt?: number;
  /** Pieces of text so far: about as many as tokens. */
  pieces = 0;
  reason?: AnswerEnd;
  /** Absent where the answer was cut off. */
  stats?: GenerateStats;
  text?: string;

  constructor(readonly model: string) {}
}

export class RequestRecord {
  readonly started = performance.now();
  /** The route's pattern, as `/v1/models/:id`. */
  route = '';
  protocol = '';
  status = 0;
  /** Id of the key that sent it. */
  key?: string;
  /** Stable name of what went wrong. */
  error?: string;
  readonly answers: AnswerRecord[] = [];
  /** The parsed body, where the server logs text. */
  body?: unknown;
  /** It goes on after its response has begun; whoever streams tells the observer of its end. */
  streaming = false;
  /** The server's own, as the lines of a batch are. */
  isInner = false;
  ended?: number;

  constructor(
    readonly id: string,
    readonly method: string,
    /** Without its query. */
    readonly path: string,
    /** W3C's trace context of the caller. */
    readonly traceparent: string | null,
  ) {}

  /** Milliseconds until now, or to its end. */
  get ms(): number {
    return (this.ended ?? performance.now()) - this.started;
  }
}

/** Hears of requests. */
export interface Observer {
  /** Called once, at the end. */
  requestEnded(record: RequestRecord): void;
  /** A piece of an answer came `ms` after the one before. */
  piece?(ms: number): void;
}
