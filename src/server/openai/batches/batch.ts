/** What is known of a batch, as it lies on disk and as clients see it. */

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

export interface BatchFault {
  code: string;
  message: string;
  line: number | null;
  param: string | null;
}

/** The document `batch-….json`. Times are Unix seconds. */
export interface Batch {
  readonly id: string;
  readonly endpoint: string;
  readonly input: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly created: number;
  readonly expires: number;
  /** Id of the key; absent where the server has none. */
  readonly owner?: string;
  status: BatchStatus;
  /** When it came into the states it has been in. */
  times: Partial<Record<BatchStatus, number>>;
  /** What is wrong with the input; or what keeps the batch waiting, gone when it goes on. */
  faults: BatchFault[];
  total: number;
  output?: string;
  errors?: string;
}

/** Lines of a batch that have ended, well or not. */
export interface BatchCounts {
  completed: number;
  failed: number;
}

export const ENDPOINTS = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/v1/responses',
  '/v1/moderations',
];

export const isOver = ({ status }: Batch): boolean => ['failed', 'completed', 'expired', 'cancelled'].includes(status);

/** OpenAI's object. */
export function batchObject(batch: Batch, counts: BatchCounts): object {
  const { id, endpoint, input, status, times, faults, metadata, created, expires, total } = batch;
  const at = (state: BatchStatus) => times[state] ?? null;
  return {
    id,
    object: 'batch',
    endpoint,
    errors: faults.length > 0 ? { object: 'list', data: faults } : null,
    input_file_id: input,
    completion_window: '24h',
    status,
    output_file_id: batch.output ?? null,
    error_file_id: batch.errors ?? null,
    created_at: created,
    in_progress_at: at('in_progress'),
    expires_at: expires,
    finalizing_at: at('finalizing'),
    completed_at: at('completed'),
    failed_at: at('failed'),
    expired_at: at('expired'),
    cancelling_at: at('cancelling'),
    cancelled_at: at('cancelled'),
    request_counts: { total, completed: counts.completed, failed: counts.failed },
    metadata,
  };
}
