/**
 * OpenTelemetry traces of requests, sent over OTLP where OTEL_EXPORTER_OTLP_ENDPOINT says so. Without it nothing of the
 * library is loaded. Spans are made when a request has ended, of its record: the request, and under it for each answer
 * the wait, the prompt and the answer. A caller's traceparent makes them part of its trace.
 */
import type { Context, Tracer } from '@opentelemetry/api';
import { tokensOf } from './logs.js';
import type { AnswerRecord, Observer, RequestRecord } from './record.js';

export interface Tracing extends Observer {
  /** Sends what has not been sent. */
  close(): Promise<void>;
}

/** Undefined where the environment names no receiver. The exporter reads the other OTEL_EXPORTER_OTLP_ variables itself. */
export async function openTracing(env: NodeJS.ProcessEnv): Promise<Tracing | undefined> {
  if (!env.OTEL_EXPORTER_OTLP_ENDPOINT && !env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return undefined;
  if (env.OTEL_SDK_DISABLED === 'true') return undefined;
  const [api, { BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': env.OTEL_SERVICE_NAME ?? 'kaiwen' }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  return new RequestTracing(api, provider.getTracer('kaiwen'), async () => {
    await provider.shutdown().catch(() => {});
  });
}

type Api = typeof import('@opentelemetry/api');

class RequestTracing implements Tracing {
  readonly #api: Api;
  readonly #tracer: Tracer;

  constructor(
    api: Api,
    tracer: Tracer,
    readonly close: () => Promise<void>,
  ) {
    this.#api = api;
    this.#tracer = tracer;
  }

  requestEnded(record: RequestRecord): void {
    const { SpanKind, SpanStatusCode, trace } = this.#api;
    const { method, route, status, error, id, key, protocol } = record;
    const { prompt, cached, completion } = tokensOf(record);
    const span = this.#tracer.startSpan(
      `${method} ${route}`,
      {
        kind: SpanKind.SERVER,
        startTime: epoch(record.started),
        attributes: {
          'http.request.method': method,
          'http.route': route,
          'http.response.status_code': status,
          'kaiwen.request_id': id,
          'kaiwen.protocol': protocol,
          ...(key !== undefined && { 'kaiwen.key': key }),
          ...(error !== undefined && { 'error.type': error }),
          ...(record.answers.length > 0 && {
            'gen_ai.request.model': record.answers[0].model,
            'gen_ai.usage.input_tokens': prompt,
            'gen_ai.usage.output_tokens': completion,
            'kaiwen.cached_tokens': cached,
          }),
        },
      },
      this.#parent(record.traceparent),
    );
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    const inside = trace.setSpan(this.#api.ROOT_CONTEXT, span);
    for (const answer of record.answers) this.#answer(answer, inside);
    span.end(epoch(record.ended ?? performance.now()));
  }

  /** The parts of an answer's time. What was cut off before its first text only waited, as far as anybody knows. */
  #answer({ started, firstAt, lastAt, stats, reason }: AnswerRecord, inside: Context): void {
    if (firstAt === undefined || lastAt === undefined) return;
    const prefill = Math.max(started, firstAt - (stats?.prefillMs ?? 0));
    const part = (name: string, from: number, to: number, attributes: Record<string, string | number> = {}) =>
      this.#tracer.startSpan(name, { startTime: epoch(from), attributes }, inside).end(epoch(to));
    part('queue', started, prefill);
    part('prefill', prefill, firstAt, {
      'kaiwen.prompt_tokens': stats?.promptTokens ?? 0,
      'kaiwen.cached_tokens': stats?.cachedTokens ?? 0,
    });
    part('decode', firstAt, lastAt, {
      'kaiwen.completion_tokens': stats?.completionTokens ?? 0,
      'kaiwen.finish': reason ?? 'cut',
    });
  }

  #parent(traceparent: string | null): Context {
    const { ROOT_CONTEXT, trace } = this.#api;
    const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent ?? '');
    if (!parts) return ROOT_CONTEXT;
    const [, traceId, spanId, flags] = parts;
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16),
      isRemote: true,
    });
  }
}

/** Milliseconds since 1970 of a time of performance.now(). */
function epoch(time: number): number {
  return performance.timeOrigin + time;
}
